"""What the checks look at, computed once a clip: a quarter-size copy, its luma, regions, samples. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.engine import Frames

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709
_REDUCTIONS = (4, 2, 1)
"""A picture is made as much smaller as leaves it 16 pixels."""
_FULL_SIZE_SAMPLES = 5
_SAMPLES = 16
"""Quarter-size frames looked at by what needs not see all: what covers a picture is there for longer than a frame."""
_REGIONS = (4, 6)
_LAYOUT = (18, 24)
_PARTS = 16
_QUARTILE = 0.3186
"""The lower quartile of the absolute value of a standard normal variable."""


@dataclass(frozen=True)
class Measures:
    """One clip's frames and what is derived from them, each at first use. Levels are 0…255."""

    frames: Frames
    fps: int

    @cached_property
    def planes(self) -> Frames:
        """Every frame at a quarter of its size, by averaging, plane by plane: (frames, 3, height / 4, width / 4).

        What is left over of rows and columns, three pixels at most, is not looked at.
        """
        _, height, width, _ = self.frames.shape
        return reduced(self.frames, next(by for by in _REDUCTIONS if by == 1 or min(height, width) >= 16 * by))

    @property
    def small(self) -> Frames:
        """The same with the planes last, as pictures have them: (frames, height / 4, width / 4, 3)."""
        return self.planes.transpose(0, 2, 3, 1)

    @cached_property
    def luma(self) -> Floats:
        """Quarter-size luma: (frames, rows, columns)."""
        luma = np.empty((len(self.planes), *self.planes.shape[2:]), np.float32)
        for planes, out in zip(self.planes, luma, strict=True):
            # Not by a matrix product: the threads of BLAS cost more than they do here.
            weighed = planes * _LUMA[:, None, None]
            np.add(weighed[0], weighed[1], out=out)
            np.add(out, weighed[2], out=out)
        return luma

    @cached_property
    def means(self) -> Floats:
        """Mean luma: (frames,)."""
        return cast("Floats", self.luma.mean((1, 2), dtype=np.float32))

    @cached_property
    def regions(self) -> Floats:
        """Mean luma of 4 × 6 regions: (frames, 24)."""
        return region_means(self.luma, *_REGIONS).reshape(len(self.luma), -1)

    @cached_property
    def green(self) -> npt.NDArray[np.uint8]:
        """Green, which is most of the luma, at every row and 100 to 200 columns: (frames, height, columns)."""
        step = max(1, self.frames.shape[2] // 100)
        return np.ascontiguousarray(self.frames[:, :, ::step, 1])

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
        cells = self._cells - self._cells.mean(1, keepdims=True)
        normal: Floats = cells / (self.contrast[:, None] + np.float32(3))
        return normal

    @cached_property
    def contrast(self) -> Floats:
        """Standard deviation of the means of 18 × 24 regions: (frames,). That of the pixels is larger, if anything."""
        return cast("Floats", self._cells.std(1))

    @cached_property
    def _cells(self) -> Floats:
        return region_means(self.luma, *_LAYOUT).reshape(len(self.luma), -1)

    def spread(self, which: Flags) -> Floats:
        """The largest standard deviation among the colour channels of some frames: (frames chosen,)."""
        pixels = self.planes[which].reshape(-1, 3, self.luma[0].size)
        return cast("Floats", pixels.std(axis=2, dtype=np.float32).max(1))

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """Indices of at most 16 frames spread over the clip, first and last among them."""
        return spread_over(len(self.frames), _SAMPLES)

    @cached_property
    def samples(self) -> list[npt.NDArray[np.uint8]]:
        """Full-size luma of a few frames spread over the clip."""
        places = spread_over(len(self.frames), _FULL_SIZE_SAMPLES)
        return [np.asarray(Image.fromarray(self.frames[place]).convert("L")) for place in places]


def reduced(frames: Frames, factor: int) -> Frames:
    """Means of blocks of ``factor`` × ``factor`` pixels (1, 2 or 4), rounded half up, plane by plane: (frames, 3, rows,
    columns).

    Rows are added first, as whole rows, and then every pixel with its neighbour, and every pair with the next one, row
    ends or not: what no block begins with is thrown away, which is still faster than to visit pixels by blocks.
    """
    count, height, width, _ = frames.shape
    rows, columns = height // factor, width // factor
    planes = np.empty((count, 3, rows, columns), np.uint8)
    added, pairs, fours = np.empty((3, rows * width * 3), np.uint16)
    blocks = np.empty((rows, columns), np.uint16)
    steps = ((3, pairs), (6, fours))[: factor // 2]
    for frame, out in zip(frames, planes, strict=True):
        whole = np.ascontiguousarray(frame[: rows * factor]).reshape(rows, factor, -1)
        np.add.reduce(whole, axis=1, dtype=np.uint16, out=added.reshape(rows, -1))
        sums = added
        for by, joined in steps:
            np.add(sums[:-by], sums[by:], out=joined[:-by])
            sums = joined
        for plane in range(3):
            starts = sums.reshape(rows, -1)[:, plane : 3 * factor * columns : 3 * factor]
            np.add(starts, factor**2 // 2, out=blocks)
            out[plane] = np.floor_divide(blocks, factor**2, out=blocks)
    return planes


def _mean_apart(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> Floats:
    """In bytes throughout; sums of 200 columns fit two of them."""
    difference = np.maximum(one, other)
    difference -= np.minimum(one, other)
    return cast("Floats", difference.sum(2, dtype=np.uint16) / np.float32(one.shape[2]))


def spread_over(count: int, most: int) -> npt.NDArray[np.intp]:
    """At most ``most`` of ``count`` indices, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.intp))


def region_means(luma: Floats, rows: int, columns: int) -> Floats:
    """Means over a grid: (frames, rows, columns). Sizes need not divide evenly."""
    _, height, width = luma.shape
    tops = np.linspace(0, height, min(rows, height) + 1).astype(int)
    lefts = np.linspace(0, width, min(columns, width) + 1).astype(int)
    bands = [luma[:, top:bottom].sum(1) for top, bottom in pairwise(tops)]
    sums = np.add.reduceat(np.stack(bands, 1), lefts[:-1], axis=2)
    pixels = np.outer(np.diff(tops), np.diff(lefts))
    means: Floats = (sums / pixels).astype(np.float32)
    return means


def noise_ratio(luma: Floats | npt.NDArray[np.uint8], floor: float) -> float:
    """How much of a picture's variance is noise, as var(Laplacian) / (var(luma) + floor): 20 for white noise (the sum
    of the Laplacian's squared weights), near 0 for anything smooth.

    The Laplacian's variance is taken from its lower quartile, as a normal distribution has it: noise leaves no pixel
    alone, while between the strokes of the smallest print there is paper.
    """
    if min(luma.shape) < 3:
        return 0.0
    # Whole numbers, for their quartile is had by counting: sorting takes five times as long, and thirty times where
    # most of a picture is one colour. Levels that have fractions are counted in sixteenths.
    parts = 1 if luma.dtype == np.uint8 else _PARTS
    whole = luma.astype(np.int16) if parts == 1 else np.rint(luma * np.float32(parts)).astype(np.int32)
    laplacian = whole[:-2, 1:-1] + whole[2:, 1:-1]
    laplacian += whole[1:-1, :-2]
    laplacian += whole[1:-1, 2:]
    laplacian -= 4 * whole[1:-1, 1:-1]
    counts = np.cumsum(np.bincount(np.abs(laplacian, out=laplacian).ravel()))
    deviation = float(np.searchsorted(counts, laplacian.size // 4, side="right")) / parts / _QUARTILE
    return deviation**2 / (float(luma[1:-1, 1:-1].var(dtype=np.float32)) + floor)


def longest_run(flags: Flags) -> tuple[int, int]:
    """Start and length of the longest run of True; (0, 0) without one."""
    padded = np.concatenate(([0], flags.astype(np.int8), [0]))
    edges = np.diff(padded)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return 0, 0
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest] - starts[longest])


def longest_still(luma: Floats, regions: Floats, still: float) -> tuple[int, int]:
    """Start and length, in frames, of the longest stretch in which every frame equals the stretch's first.

    Compared with the first and not with the one before, so that slow motion adds up and is not taken for none.
    ``regions`` are the frames' region means: where these differ, their pixels differ at least as much.
    """
    best, start = (0, 0), 0
    for now in range(1, len(luma)):
        moved = np.abs(regions[now] - regions[start]).max()
        if moved <= still:
            moved = region_means(np.abs(luma[now : now + 1] - luma[start]), *_REGIONS).max()
        if moved > still:
            start = now
        elif now - start > best[1]:
            best = (start, now - start)
    return best
