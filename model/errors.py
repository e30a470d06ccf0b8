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


class WordsError(DressError):
    """Raised when a promo's words cannot be drawn at a clip's size, or not all of them; ``field`` names which words."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


class SpliceError(ClipError):
    """Raised when two files cannot be joined without encoding them again. The clip can still be made from its base."""


class LabelError(ClipError):
    """Raised when a clip's labels are missing, wrong or untrue. Such a clip is never returned."""


class VerifyError(ClipError):
    """Raised when a file asks for more work than a clip's verification is worth."""
