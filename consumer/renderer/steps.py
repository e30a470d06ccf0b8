"""Where a job stands and what comes next: the outcomes of its steps, and why one can fail for good. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.events import VideoReady, VideoRejected, Work
from consumer.renderer.library import BaseRecord
from consumer.stream.types import UnworkableError


class WorkError(UnworkableError):
    """Raised when a request can never be done as it is; ``stage`` says where it showed."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Skip:
    """No work and nothing to say; counted by its reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Say:
    """The request is done: this is announced."""

    event: VideoReady | VideoRejected


@dataclass(frozen=True, slots=True)
class Render:
    """An engine is needed."""

    because: str = "base"
    """What is missing: ``base`` or ``photo``."""


@dataclass(frozen=True, slots=True)
class Dress:
    """The base clip is there; dress, label, store and publish it."""

    record: BaseRecord
    work: Work = Work.DRESS
    base: bytes | None = field(default=None, repr=False)
    """Its bytes, where they are at hand."""


@dataclass(frozen=True, slots=True)
class Splice:
    """The body is there; join the end card to it, label, store and publish it."""

    record: BaseRecord


Step = Skip | Say | Render | Dress | Splice
