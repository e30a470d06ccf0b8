"""Pieces of picture ready to be laid over I420 frames: how much of the frame stays, and what is added.

Knows coverage, colours and blending; knows no words, no layout and no time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from model.colour import Planar, planes
from model.typeset import Rgb

Plane = npt.NDArray[np.float32]
"""One plane of coverage (0…1) or of levels (TV range): shape (height, width)."""

_SUPERSAMPLED = 4
"""Pillow's shapes have hard edges: they are drawn this much larger, then averaged."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A piece to lay over pictures of one size. Its planes are shared and never written to."""

    left: int
    top: int
    """Both even: chroma has half the pixels."""
    keep: tuple[Plane, Plane]
    """Share of the picture that stays, for luma and chroma."""
    add: tuple[Plane, Plane, Plane]
    """What is added to it, for luma and both chromas, rounding included."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        height, width = self.keep[0].shape
        return width, height

    def lay_over(self, picture: Planar) -> None:
        """Blend the plate into one I420 picture, in place."""
        luma, blue, red = planes(picture)
        _blend(luma, self.top, self.left, self.keep[0], self.add[0])
        for chroma, add in ((blue, self.add[1]), (red, self.add[2])):
            _blend(chroma, self.top // 2, self.left // 2, self.keep[1], add)

    def out_left(self, pixels: int) -> Plate:
        """The plate pushed left, so that so many of its columns (even, not all) are outside its own place."""
        half = pixels // 2
        keep, add = self.keep, self.add
        return Plate(
            self.left,
            self.top,
            (keep[0][:, pixels:], keep[1][:, half:]),
            (add[0][:, pixels:], add[1][:, half:], add[2][:, half:]),
        )

    def faded(self, share: float) -> Plate:
        """The plate with only so much of its strength, 0…1."""
        luma, chroma = (single(1 - share * (1 - plane)) for plane in self.keep)
        y, blue, red = (single(share * (plane - 0.5) + 0.5) for plane in self.add)
        return Plate(self.left, self.top, (luma, chroma), (y, blue, red))


class Painter:
    """Paints layers, one over the other, into a plate."""

    def __init__(self, width: int, height: int) -> None:
        """Both even, pixels."""
        self._keep = np.ones((height, width), np.float32)
        self._add = np.zeros((3, height, width), np.float32)

    def paint(self, coverage: Plane, colour: Rgb) -> None:
        """Lay a colour over everything so far, by coverage 0…1 of the plate's own size."""
        stays = 1 - coverage
        self._keep *= stays
        self._add *= stays
        self._add += np.array(levels(colour), np.float32)[:, None, None] * coverage

    def plate(self, left: int, top: int) -> Plate:
        """What was painted, for this place (both even)."""
        luma, blue, red = self._add
        keep = (single(self._keep), halved(self._keep))
        return Plate(left, top, keep, (single(luma + 0.5), single(halved(blue) + 0.5), single(halved(red) + 0.5)))


def levels(colour: Rgb) -> tuple[float, float, float]:
    """Y, Cb and Cr of a colour: BT.709, TV range (ITU-R BT.709-6, 3), not rounded."""
    red, green, blue = (channel / 255 for channel in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def rounded(height: int, width: int, radius: int) -> Plane:
    """A rectangle with round corners, 0…1, edges softened over one pixel."""
    y = np.maximum(0, np.abs(np.arange(height) - (height - 1) / 2) - ((height - 1) / 2 - radius))
    x = np.maximum(0, np.abs(np.arange(width) - (width - 1) / 2) - ((width - 1) / 2 - radius))
    return single(np.clip(radius + 0.5 - np.hypot(y[:, None], x[None, :]), 0, 1))


def polygon(width: int, height: int, corners: list[tuple[float, float]]) -> Plane:
    """The inside of a polygon (pixels from the top left), 0…1, edges smooth."""
    large = Image.new("L", (width * _SUPERSAMPLED, height * _SUPERSAMPLED), 0)
    ImageDraw.Draw(large).polygon([(x * _SUPERSAMPLED, y * _SUPERSAMPLED) for x, y in corners], fill=255)
    return single(np.asarray(large.resize((width, height), Image.Resampling.BOX)) / 255)


def halved(plane: Plane) -> Plane:
    """Mean of every two by two."""
    height, width = plane.shape
    return single(plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)))


def single(plane: npt.NDArray[np.floating]) -> Plane:
    """As float32."""
    made: Plane = plane.astype(np.float32)
    return made


def up_even(length: float) -> int:
    """The next even number."""
    return math.ceil(length / 2) * 2


def _blend(plane: Planar, top: int, left: int, keep: Plane, add: Plane) -> None:
    high, wide = keep.shape
    window = plane[top : top + high, left : left + wide]
    window[:] = (window * keep + add).astype(np.uint8)
