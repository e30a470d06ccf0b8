"""The Engine protocol: scenes in, frames out. Implementations live beside and below; none is imported here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from model.recipe import Scene

Frames = npt.NDArray[np.uint8]
"""Shape (frames, height, width, 3), dtype uint8, RGB, sRGB transfer."""


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


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
    texts: bool = True
    """True when it can start from words alone."""
    negative: bool = True
    """True when it uses a negative prompt."""
    steps: int = 0
    guidance: float = 0.0
    sizes: tuple[Size, ...] = ()
    """The only sizes of base clips it makes; none: any. A clip of another size is cropped and scaled from one."""
    frame_step: int = 1
    """Frames of a base clip are a multiple of this and one more; 1: any number."""
    max_frames: int = 1000
    fps: int | None = None
    """The only rate it makes; None: any."""


class Shape(NamedTuple):
    """Size and number of frames of a base clip."""

    width: int
    height: int
    frames: int


class ShapeError(ValueError):
    """Raised when an engine makes no base clip for what is wanted; the message says what it could make."""


def shape_for(spec: EngineSpec, size: Size, frames: int, fps: int) -> Shape:
    """The base clip from which an engine's clip of this size and length is cut: least cropped, then never enlarged.

    Raises ShapeError where the engine makes no such rate or length.
    """
    if spec.fps is not None and fps != spec.fps:
        raise ShapeError(f"clip.fps: the {spec.name} engine makes {spec.fps} frames a second, not {fps}")
    step = spec.frame_step
    whole = frames if step == 1 else -(-(frames - 1) // step) * step + 1
    if whole > spec.max_frames:
        longest = f"{spec.max_frames} frames ({spec.max_frames / fps:.1f} s)"
        raise ShapeError(f"clip.seconds: the {spec.name} engine makes at most {longest}, not {whole}")
    width, height = min(spec.sizes, key=lambda base: _loss(base, size)) if spec.sizes else size
    return Shape(width, height, whole)


def _loss(base: Size, wanted: Size) -> tuple[float, float, int]:
    """How unfit a base is: share cropped away (in steps of 2 %), enlargement needed, pixels."""
    scale = max(wanted.width / base.width, wanted.height / base.height)
    kept = wanted.width * wanted.height / (base.width * base.height * scale**2)
    return round((1 - kept) * 50), round(max(1.0, scale), 2), base.width * base.height


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
    stages: Mapping[str, float] = field(default_factory=dict)
    """Device seconds by stage, its share of a batch: what ``seconds`` is made of, where the engine can tell."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Other measurements of the batch, by name ending in the unit, e.g. ``allocated_bytes``, ``mfu_ratio``."""


class EngineError(Exception):
    """Raised for one shot that cannot be rendered; the others of its batch are not affected.

    ``retryable`` says whether the same shot may succeed later (memory, a lost device) or never (a broken photo).
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class CancelledError(Exception):
    """Raised by a Watch to end a batch between two steps; passes through ``render``, and the engine stays whole."""


class Watch(Protocol):
    """Looks on while an engine works, and stops it. Called from the engine's thread; must be quick."""

    def beat(self, stage: str, done: int, total: int) -> None:
        """A sign of life: ``done`` of ``total`` pieces of a stage are done. Raises CancelledError to stop here.

        Stages come in any order and may come again (one clip of a batch after the other).
        """
        ...


class _Unwatched:
    """Watches nothing."""

    def beat(self, stage: str, done: int, total: int) -> None:
        """Go on."""


UNWATCHED: Watch = _Unwatched()


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

    def start(self, watch: Watch = UNWATCHED) -> None:
        """Load, self-test and warm up. Raises EngineError with the reason; ready afterwards."""
        ...

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """One result a shot, in order. Frames have exactly the scene's count and size.

        Raises nothing for a bad shot (its EngineError is returned in its place), and CancelledError when the watch
        did; any other exception that escapes means the engine itself is broken.
        """
        ...

    def close(self) -> None:
        """Free the device. Idempotent."""
        ...
