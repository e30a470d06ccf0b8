"""What the checks look at, computed once a clip: a quarter-size copy, its luma, and regions. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.engine import Frames

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709
_REDUCTION = 4
_FULL_SIZE_SAMPLES = 5
_REGIONS = (4, 6)


@dataclass(frozen=True)
class Measures:
    """One clip's frames and what is derived from them, each at first use. Levels are 0…255."""

    frames: Frames
    fps: int

    @cached_property
    def small(self) -> Frames:
        """Every frame at a quarter of its size, by averaging: (frames, height / 4, width / 4, 3)."""
        _, height, width, _ = self.frames.shape
        factor = max(1, min(_REDUCTION, min(height, width) // 16))
        return np.stack([np.asarray(Image.fromarray(frame).reduce(factor)) for frame in self.frames])

    @cached_property
    def luma(self) -> Floats:
        """Quarter-size luma: (frames, rows, columns)."""
        return cast("Floats", self.small @ _LUMA)

    @cached_property
    def regions(self) -> Floats:
        """Mean luma of 4 × 6 regions: (frames, 24)."""
        return region_means(self.luma, *_REGIONS).reshape(len(self.luma), -1)

    @cached_property
    def spread(self) -> Floats:
        """The largest standard deviation among a frame's colour channels: (frames,)."""
        pixels = self.small.reshape(len(self.small), -1, 3)
        channels = [pixels[..., channel].std(axis=1, dtype=np.float32) for channel in range(3)]
        return cast("Floats", np.max(channels, axis=0))

    @cached_property
    def samples(self) -> list[Floats]:
        """Full-size luma of a few frames spread over the clip."""
        places = np.unique(np.linspace(0, len(self.frames) - 1, _FULL_SIZE_SAMPLES).round().astype(int))
        return [np.asarray(Image.fromarray(self.frames[place]).convert("L"), np.float32) for place in places]


def region_means(luma: Floats, rows: int, columns: int) -> Floats:
    """Means over a grid: (frames, rows, columns). Sizes need not divide evenly."""
    _, height, width = luma.shape
    tops = np.linspace(0, height, min(rows, height) + 1).astype(int)
    lefts = np.linspace(0, width, min(columns, width) + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(luma, tops[:-1], axis=1), lefts[:-1], axis=2)
    pixels = np.outer(np.diff(tops), np.diff(lefts))
    means: Floats = (sums / pixels).astype(np.float32)
    return means


def noise_ratio(luma: Floats, floor: float) -> float:
    """var(Laplacian) / (var(luma) + floor) of one picture: 20 for white noise, towards 0 for anything smooth."""
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / (inner.var() + floor))


def longest_run(flags: Flags) -> tuple[int, int]:
    """Start and length of the longest run of True; (0, 0) without one."""
    padded = np.concatenate(([0], flags.astype(np.int8), [0]))
    edges = np.diff(padded)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest] - starts[longest])


def longest_still(luma: Floats, still: float) -> tuple[int, int]:
    """Start and length, in frames, of the longest stretch in which every frame equals the stretch's first.

    Compared with the first and not with the one before, so that slow motion adds up and is not taken for none.
    """
    best, start = (0, 0), 0
    for now in range(1, len(luma)):
        moved = region_means(np.abs(luma[now : now + 1] - luma[start]), *_REGIONS).max()
        if moved > still:
            start = now
        elif now - start > best[1]:
            best = (start, now - start)
    return best
