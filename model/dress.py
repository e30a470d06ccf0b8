"""Base clip in, body frames out: cropped and scaled to the output size, with what the recipe lays over them.

Works on the stored YUV picture by picture, so memory does not grow with the clip and colours are converted once in a
clip's life. Knows no encoder settings, files or metadata.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model import typeset
from model.colour import Converter, Planar, cropped, planes
from model.encode import planar_frames_of
from model.errors import DressError, UnsupportedDressing
from model.recipe import Dressing, Overlays

GLYPH_SHARE = 0.05
"""Least height of the visible label's glyphs, as a share of the shortest side (GB 45438-2025, 5.4)."""
MARGIN_SHARE = 0.035
"""Distance of the label's plate from the picture's edges: inside what players and page corners cover."""

_INK = 235.0  # TV-range white
_PLATE = 16.0  # TV-range black
_PLATE_OPACITY = 0.64
"""Over pure white the plate is then a grey on which white text has a contrast of 6:1 (WCAG asks for 4.5)."""
_NEUTRAL = 128.0
_WEIGHT = 500

_Plane = npt.NDArray[np.float32]


def check_supported(dressing: Dressing) -> None:
    """Raises UnsupportedDressing naming the field when a recipe asks for what this release does not make."""
    if dressing.overlays.ribbon is not None:
        raise UnsupportedDressing("dressing.overlays.ribbon")
    if dressing.end_card is not None:
        raise UnsupportedDressing("dressing.end_card")


def dress(base: bytes, overlays: Overlays) -> Iterator[Planar]:
    """The body's pictures (I420), one by one: the base cover-cropped to the output size, its label over it.

    Raises DressError for a label that cannot be drawn at this size, UnsupportedDressing for a ribbon, and DecodeError
    when the base is damaged (while iterating).
    """
    check_supported(Dressing(overlays=overlays))
    label = make_label(overlays.label, overlays.width, overlays.height) if overlays.label is not None else None
    return _dressed(base, overlays, label)


def _dressed(base: bytes, overlays: Overlays, label: Label | None) -> Iterator[Planar]:
    converter = Converter()
    for picture in planar_frames_of(base):
        fitted = cover(picture, overlays.width, overlays.height, converter)
        if label is not None:
            label.lay_over(fitted)
        yield fitted


def cover(picture: Planar, width: int, height: int, converter: Converter) -> Planar:
    """The largest centred window of the picture that has the output's shape, scaled to its size."""
    rows, had_width = picture.shape
    had_height = rows * 2 // 3
    window = cover_window(had_width, had_height, width, height)
    if window != (0, 0, had_width, had_height):
        picture = cropped(picture, *window)
    return converter.scaled(picture, width, height)


def cover_window(had_width: int, had_height: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height, all even, of the window that fills the output without bars."""
    if had_width * height > width * had_height:
        wide, high = _even(had_height * width / height, had_width), had_height
    else:
        wide, high = had_width, _even(had_width * height / width, had_height)
    return (had_width - wide) // 4 * 2, (had_height - high) // 4 * 2, wide, high


def _even(length: float, most: int) -> int:
    return min(most, max(2, round(length / 2) * 2))


@dataclass(frozen=True, slots=True)
class Label:
    """A visible label ready to be laid over pictures of one size: what to add, and how much of the picture stays."""

    left: int
    top: int
    keep: tuple[_Plane, _Plane]
    """Share of the picture that stays, for luma and chroma."""
    add: tuple[_Plane, _Plane]
    """What is added to it, for luma and chroma, rounding included."""

    def lay_over(self, picture: Planar) -> None:
        """Blend the label into one I420 picture, in place."""
        luma, blue, red = planes(picture)
        _blend(luma, self.top, self.left, self.keep[0], self.add[0])
        for chroma in (blue, red):
            _blend(chroma, self.top // 2, self.left // 2, self.keep[1], self.add[1])


def make_label(text: str, width: int, height: int) -> Label:
    """The label for pictures of a size: top right, white on a dark plate, glyphs at least 5 % of the shortest side.

    Raises DressError when the text has no glyphs in the typeface or does not fit the width.
    """
    ink = _ink(text, width, height)
    pad = max(2, ink.shape[0] // 8)
    margin = _up_even(MARGIN_SHARE * min(width, height))
    high, wide = _up_even(ink.shape[0] + 2 * pad), _up_even(ink.shape[1] + 4 * pad)
    left, top = (width - margin - wide) // 2 * 2, margin
    if left < margin or top + high + margin > height:
        raise DressError(f"label {text!r} does not fit {width}x{height} at the lawful glyph height; shorten it")
    coverage = np.zeros((high, wide), np.float32)
    coverage[pad : pad + ink.shape[0], 2 * pad : 2 * pad + ink.shape[1]] = ink
    plate = _rounded(high, wide, radius=high // 5) * _PLATE_OPACITY
    # Ink over plate over picture: picture * (1-plate) * (1-ink) + black * plate * (1-ink) + white * ink.
    keep = (1 - plate) * (1 - coverage)
    add = _PLATE * plate * (1 - coverage) + _INK * coverage
    keep_chroma = _halved(keep)
    add_chroma = _NEUTRAL * (1 - keep_chroma)
    return Label(left, top, (_single(keep), _single(keep_chroma)), (_single(add + 0.5), _single(add_chroma + 0.5)))


def glyph_size(text: str, height: int) -> int:
    """The font size at which the lowest full-height glyph of the text is at least ``height`` pixels high.

    Small letters, signs and accents are left out of the measure where there are others: what counts is how high the
    writing stands, which capitals, digits and Chinese characters show.
    """
    standing = [char for char in dict.fromkeys(text) if char.isalnum() and not char.islower()]
    return max(typeset.size_for_ink(char, height, _WEIGHT) for char in standing or [text])


def _ink(text: str, width: int, height: int) -> _Plane:
    """Coverage of the label's glyphs, 0…1, trimmed to the ink."""
    drawable = typeset.drawable(text)
    if not typeset.has_words(drawable):
        raise DressError(f"label {text!r} has no words the typeface can draw")
    least = math.ceil(GLYPH_SHARE * min(width, height))
    # One pixel more than the law: encoding softens the outermost row.
    size = glyph_size(drawable, least + 1)
    block = typeset.fit(
        drawable, width=width, height=height, largest=size, smallest=size, weight=_WEIGHT, max_lines=1, leading=1.5
    )
    if block.cut or len(block.lines) != 1:
        raise DressError(f"label {text!r} does not fit {width}x{height} at the lawful glyph height; shorten it")
    coverage = _single(np.asarray(typeset.mask(block)) / 255)
    rows, columns = np.flatnonzero(coverage.max(1)), np.flatnonzero(coverage.max(0))
    return coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _rounded(height: int, width: int, radius: int) -> _Plane:
    """A plate with round corners, 0…1, edges softened over one pixel."""
    y = np.maximum(0, np.abs(np.arange(height) - (height - 1) / 2) - ((height - 1) / 2 - radius))
    x = np.maximum(0, np.abs(np.arange(width) - (width - 1) / 2) - ((width - 1) / 2 - radius))
    return _single(np.clip(radius + 0.5 - np.hypot(y[:, None], x[None, :]), 0, 1))


def _blend(plane: Planar, top: int, left: int, keep: _Plane, add: _Plane) -> None:
    high, wide = keep.shape
    window = plane[top : top + high, left : left + wide]
    window[:] = (window * keep + add).astype(np.uint8)


def _halved(plane: _Plane) -> _Plane:
    height, width = plane.shape
    return _single(plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3)))


def _single(plane: npt.NDArray[np.floating]) -> _Plane:
    single: _Plane = plane.astype(np.float32)
    return single


def _up_even(length: float) -> int:
    return math.ceil(length / 2) * 2
