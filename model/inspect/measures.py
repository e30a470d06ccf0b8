"""What the checks look at, computed once a clip: a quarter-size copy, its luma, regions, samples. Judges nothing."""

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
_SAMPLES = 16
"""Quarter-size frames looked at by what needs not see all: what covers a picture is there for longer than a frame."""
_REGIONS = (4, 6)
_LAYOUT = (18, 24)
_QUARTILE = 0.3186
"""The lower quartile of the absolute value of a standard normal variable."""


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
    def means(self) -> Floats:
        """Mean luma: (frames,)."""
        return cast("Floats", self.luma.mean((1, 2), dtype=np.float32))

    @cached_property
    def regions(self) -> Floats:
        """Mean luma of 4 × 6 regions: (frames, 24)."""
        return region_means(self.luma, *_REGIONS).reshape(len(self.luma), -1)

    @cached_property
    def green(self) -> npt.NDArray[np.int16]:
        """Green, which is most of the luma, at every row and some 100 columns: (frames, height, columns)."""
        step = max(1, self.frames.shape[2] // 100)
        return np.ascontiguousarray(self.frames[:, :, ::step, 1]).astype(np.int16)

    @cached_property
    def rows_apart(self) -> Floats:
        """Mean difference between each full-size row and the next: (frames, height - 1)."""
        return _mean_apart(self.green[:, 1:], self.green[:, :-1])

    @cached_property
    def rows_changed(self) -> Floats:
        """Mean difference between each full-size row and the same one in the frame before: (frames - 1, height)."""
        return _mean_apart(self.green[1:], self.green[:-1])

    @cached_property
    def layout(self) -> Floats:
        """Where it is light and dark, whatever the exposure: (frames, 432), mean 0 and deviation near 1.

        Means of 18 × 24 regions, less the frame's mean, over its deviation and three levels: a picture of nearly
        nothing stays nearly nothing.
        """
        cells = region_means(self.luma, *_LAYOUT).reshape(len(self.luma), -1)
        cells = cells - cells.mean(1, keepdims=True)
        normal: Floats = cells / (cells.std(1, keepdims=True) + np.float32(3))
        return normal

    @cached_property
    def spread(self) -> Floats:
        """The largest standard deviation among a frame's colour channels: (frames,)."""
        pixels = self.small.reshape(len(self.small), -1, 3)
        channels = [pixels[..., channel].std(axis=1, dtype=np.float32) for channel in range(3)]
        return cast("Floats", np.max(channels, axis=0))

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """Indices of at most 16 frames spread over the clip, first and last among them."""
        return spread_over(len(self.frames), _SAMPLES)

    @cached_property
    def samples(self) -> list[Floats]:
        """Full-size luma of a few frames spread over the clip."""
        places = spread_over(len(self.frames), _FULL_SIZE_SAMPLES)
        return [np.asarray(Image.fromarray(self.frames[place]).convert("L"), np.float32) for place in places]


def _mean_apart(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> Floats:
    difference = one - other
    means: Floats = np.abs(difference, out=difference).mean(2, dtype=np.float32)
    return means


def spread_over(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most ``most`` of ``count`` indices, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.intp))


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
    """How much of a picture's variance is noise, as var(Laplacian) / (var(luma) + floor): 20 for white noise (the sum
    of the Laplacian's squared weights), near 0 for anything smooth.

    The Laplacian's variance is taken from its lower quartile, as a normal distribution has it: noise leaves no pixel
    alone, while between the strokes of the smallest print there is paper.
    """
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    np.abs(laplacian, out=laplacian)
    quartile = laplacian.size // 4
    deviation = float(np.partition(laplacian, quartile, axis=None)[quartile]) / _QUARTILE
    return deviation**2 / (float(inner.var()) + floor)


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
