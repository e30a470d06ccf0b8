"""The visible AI label: its words drawn as high as the law asks, on a plate that reads on every picture.

After GB 45438-2025, 5.4. Knows sizes and words; knows no clip and no metadata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from model import typeset
from model.errors import DressError
from model.plate import Plane, Plate, halved, rounded, single, up_even

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


@dataclass(frozen=True, slots=True)
class Ink:
    """The writing of a label alone: where it stands, and its coverage 0…1, trimmed to the ink."""

    left: int
    top: int
    coverage: Plane


@lru_cache(maxsize=64)
def make_label(text: str, width: int, height: int) -> Plate:
    """The label for pictures of a size: top right, white on a dark plate, glyphs at least 5 % of the shortest side.

    Raises DressError when the text has no glyphs in the typeface or does not fit the width.
    """
    ink, place = _laid_out(text, width, height)
    coverage = np.zeros((place.high, place.wide), np.float32)
    coverage[place.pad : place.pad + ink.shape[0], 2 * place.pad : 2 * place.pad + ink.shape[1]] = ink
    plate = rounded(place.high, place.wide, radius=place.high // 5) * _PLATE_OPACITY
    # Ink over plate over picture: picture * (1-plate) * (1-ink) + black * plate * (1-ink) + white * ink.
    keep = (1 - plate) * (1 - coverage)
    add = _PLATE * plate * (1 - coverage) + _INK * coverage
    keep_chroma = halved(keep)
    add_chroma = single(_NEUTRAL * (1 - keep_chroma) + 0.5)
    return Plate(
        place.left, place.top, (single(keep), single(keep_chroma)), (single(add + 0.5), add_chroma, add_chroma)
    )


@lru_cache(maxsize=64)
def label_ink(text: str, width: int, height: int) -> Ink:
    """The writing of ``make_label`` and its place, to be looked for in pictures of a size. Raises DressError."""
    ink, place = _laid_out(text, width, height)
    return Ink(place.left + 2 * place.pad, place.top + place.pad, ink)


class _Place(NamedTuple):
    """Where the plate is, its size, and how much of it is around the ink: so much above and below, twice beside."""

    left: int
    top: int
    high: int
    wide: int
    pad: int


def _laid_out(text: str, width: int, height: int) -> tuple[Plane, _Place]:
    ink = _ink(text, width, height)
    pad = max(2, ink.shape[0] // 8)
    margin = up_even(MARGIN_SHARE * min(width, height))
    high, wide = up_even(ink.shape[0] + 2 * pad), up_even(ink.shape[1] + 4 * pad)
    left, top = (width - margin - wide) // 2 * 2, margin
    if left < margin or top + high + margin > height:
        raise DressError(f"label {text!r} does not fit {width}x{height} at the lawful glyph height; shorten it")
    return ink, _Place(left, top, high, wide, pad)


def glyph_size(text: str, height: int) -> int:
    """The font size at which the lowest full-height glyph of the text is at least ``height`` pixels high.

    Small letters, signs and accents are left out of the measure where there are others: what counts is how high the
    writing stands, which capitals, digits and Chinese characters show.
    """
    standing = [char for char in dict.fromkeys(text) if char.isalnum() and not char.islower()]
    return max(typeset.size_for_ink(char, height, _WEIGHT) for char in standing or [text])


def _ink(text: str, width: int, height: int) -> Plane:
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
    coverage = single(np.asarray(typeset.mask(block)) / 255)
    rows, columns = np.flatnonzero(coverage.max(1)), np.flatnonzero(coverage.max(0))
    return coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
