"""The Engine protocol: scenes in, frames out. Implementations live beside and below; none is imported here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.recipe import Scene

Frames = npt.NDArray[np.uint8]
"""Shape (frames, height, width, 3), dtype uint8, RGB, sRGB transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What a planner must know of an engine without loading it (and without its dependencies)."""

    name: str
    revision: str
    generative: bool
    """True when a model invents the pixels: such clips carry AI labels or are not published."""
    captions: bool
    """True when the engine draws the scene's captions."""
    photos: bool
    """True when it can start from a product photo."""
    steps: int = 0
    guidance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One scene to render and the bytes of its photo (PNG, JPEG or WebP as fetched), where it has one."""

    scene: Scene
    photo: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The frames of one shot. ``seconds`` is the device time it cost (its share of a batch)."""

    frames: Frames
    seconds: float


class EngineError(Exception):
    """Raised for one shot that cannot be rendered; the others of its batch are not affected.

    ``retryable`` says whether the same shot may succeed later (memory, a lost device) or never (a broken photo).
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Engine(Protocol):
    """Renders batches of shots on one device. Called from one thread only; may block for as long as a batch takes."""

    @property
    def spec(self) -> EngineSpec:
        """Name, revision and abilities; the renderer refuses scenes planned for another engine or revision."""
        ...

    @property
    def batch_size(self) -> int:
        """Most shots worth giving at once."""
        ...

    def start(self) -> None:
        """Load, self-test and warm up. Raises EngineError with the reason; ready afterwards."""
        ...

    def render(self, shots: Sequence[Shot]) -> list[Rendered | EngineError]:
        """One result a shot, in order. Frames have exactly the scene's count and size.

        Raises nothing for a bad shot (its EngineError is returned in its place); an exception that escapes means
        the engine itself is broken.
        """
        ...

    def close(self) -> None:
        """Free the device. Idempotent."""
        ...
