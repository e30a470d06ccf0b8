"""The error tree of everything that happens to a clip between frames and the finished file; nothing else.

Each message says what was wrong and with what; none of these is worth trying again with the same input.
"""

from __future__ import annotations


class ClipError(Exception):
    """Base of every error about a clip's bytes, labels or dressing."""


class BoxError(ClipError):
    """Raised when bytes are not a well-formed sequence of MP4 boxes."""


class CodecError(ClipError):
    """Raised when no encoder of a family works on this machine."""


class EncodeError(ClipError):
    """Raised when frames cannot be encoded: wrong shape, wrong count, or the encoder refuses them."""


class DecodeError(ClipError):
    """Raised when a file cannot be decoded from its first to its last frame, or is larger than we accept."""


class ProbeError(ClipError):
    """Raised when a file's headers are not those of one playable H.264 clip."""


class DressError(ClipError):
    """Raised when a recipe's dressing cannot be laid over its base."""


class UnsupportedDressing(DressError):  # noqa: N818 - named for what the recipe asks, as the renderer reports it
    """Raised when a recipe asks for a dressing this release does not make; ``field`` names it."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: not supported in this release; leave it empty")
        self.field = field


class LabelError(ClipError):
    """Raised when a clip's labels are missing, wrong or untrue. Such a clip is never returned."""
