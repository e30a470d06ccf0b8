"""Looks for a visible AI label in decoded pictures, and measures it there: is it shown, for how long, how high.

Finds the words it is given where ``visible`` puts them, in that typeface; reads no other writing. Knows no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.colour import Planar, planes
from model.errors import DressError
from model.visible import GLYPH_SHARE, Ink, label_ink

COMMON = ("AI生成", "AI 生成", "人工智能生成", "AI合成", "AI generated", "AI-generated", "AI GENERATED")
"""Words that are looked for, whatever else is named."""
_LIKENESS = 0.8
"""Least correlation of a picture with the writing. Measured: up to 0.36 on pictures that have none, 0.95 and more on
labelled clips down to x264's crf 35."""
_CONTRAST = 45.0
"""Least difference of ink and ground, luma levels: what is nearer is not legible."""
_REACH = 3
"""Pixels by which the label may be off its place in each direction: scaled clips round otherwise than we do."""
_FACTORS = (0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08)
"""Sizes that are tried beside our own, for the same reason: glyphs have whole pixels."""
_EVERY = 24
"""Pictures from one search to the next while none is found."""
_CORE, _OUTSIDE = 0.9, 0.02
"""Coverage above which a pixel is ink, and below which it is ground."""

Luma = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A label that was seen."""

    text: str
    seconds: float
    """How long it was legible, by the pictures it was legible on."""
    opening: bool
    """True when it was on the first picture."""
    height: int
    """Of its lowest full-height glyph, pixels, measured on the mean of the pictures it was on."""
    share: float
    """The same as a share of the shortest side."""


@dataclass(slots=True)
class _Found:
    text: str
    ink: Ink
    """At the place where it was found."""
    total: npt.NDArray[np.float64]
    """Sum of the pictures' luma around the ink, with one row more above and below."""
    shown: int = 0


class LabelWatch:
    """Watches a clip's pictures, one after the other."""

    def __init__(self, texts: Sequence[str], size: tuple[int, int], fps: float) -> None:
        """Width and height in pixels. Texts that cannot be drawn at this size are not looked for."""
        self._side, self._fps = min(size), fps
        self._inks = [(text, ink) for text in dict.fromkeys(texts) if (ink := _drawn(text, *size)) is not None]
        self._found: _Found | None = None
        self._seen = 0
        self._opening = False

    def see(self, picture: Planar) -> None:
        """Look at the next picture (I420)."""
        luma = planes(picture)[0]
        if self._found is None and self._seen % _EVERY == 0:
            self._found = self._searched(luma)
        found = self._found
        if found is not None and _legible(_window(luma, found.ink), found.ink.coverage):
            found.shown += 1
            found.total += _window(luma, found.ink, more=1)
            self._opening = self._opening or self._seen == 0
        self._seen += 1

    @property
    def sighting(self) -> Sighting | None:
        """What was seen so far."""
        found = self._found
        if found is None or found.shown == 0:
            return None
        height = _measured((found.total / found.shown).astype(np.float32), found.ink.coverage, self._side)
        return Sighting(
            text=found.text,
            seconds=found.shown / self._fps,
            opening=self._opening,
            height=height,
            share=height / self._side,
        )

    def _searched(self, luma: Planar) -> _Found | None:
        """The most likely writing near its place; on the first picture also a little smaller or larger than we draw."""
        for factors in ((1.0,), _FACTORS) if self._seen == 0 else ((1.0,),):
            tried = (
                (_likeness(_window(luma, moved), moved.coverage), text, moved)
                for text, ink in self._inks
                for factor in factors
                for moved in _moved(_resized(ink, factor), luma)
            )
            likeness, text, ink = max(tried, key=lambda each: each[0], default=(0.0, "", None))
            if ink is not None and likeness >= _LIKENESS:
                high, wide = ink.coverage.shape
                return _Found(text, ink, np.zeros((high + 2, wide)))
        return None


def missing(pictures: Iterable[Planar], text: str, size: tuple[int, int]) -> str | None:
    """What keeps a label from being on every one of a clip's pictures (I420), or from being high enough; else None.

    For clips of our own making: the label is looked for where ``visible`` puts it and nowhere else, which costs next to
    nothing. ``size`` is width and height in pixels. Raises DressError for a text that cannot be drawn.
    """
    ink = label_ink(text, *size)
    total: npt.NDArray[np.float64] | None = None
    count = 0
    for count, picture in enumerate(pictures, 1):
        luma = planes(picture)[0]
        if not _legible(_window(luma, ink), ink.coverage):
            return f"{text!r} is not legible on picture {count} of those looked at"
        seen = _window(luma, ink, more=1)
        total = seen.astype(np.float64) if total is None else total + seen
    if total is None:
        return "there is no picture to look at"
    height = _measured((total / count).astype(np.float32), ink.coverage, min(size))
    least = GLYPH_SHARE * min(size)
    return None if height >= least else f"the glyphs of {text!r} are {height} px high; {least:g} are asked for"


def _moved(ink: Ink, luma: Planar) -> Iterator[Ink]:
    """The ink at every place within reach, as far as it is inside the picture with a row to spare."""
    high, wide = ink.coverage.shape
    for top in range(ink.top - _REACH, ink.top + _REACH + 1):
        for left in range(ink.left - _REACH, ink.left + _REACH + 1):
            if top >= 1 and left >= 0 and top + high + 1 <= luma.shape[0] and left + wide <= luma.shape[1]:
                yield Ink(left, top, ink.coverage)


def _resized(ink: Ink, factor: float) -> Ink:
    """The ink made smaller or larger, its right end and its middle where they were: labels keep to the right."""
    if factor == 1:
        return ink
    high, wide = ink.coverage.shape
    to = (round(wide * factor), round(high * factor))
    coverage: Luma = np.asarray(Image.fromarray(ink.coverage).resize(to, Image.Resampling.BILINEAR), np.float32)
    return Ink(ink.left + wide - to[0], ink.top + (high - to[1]) // 2, coverage)


def _drawn(text: str, width: int, height: int) -> Ink | None:
    try:
        return label_ink(text, width, height)
    except DressError:
        return None


def _window(luma: Planar, ink: Ink, *, more: int = 0) -> Luma:
    """The luma under the ink, and so many rows above and below. The label's margin keeps it inside the picture."""
    high, wide = ink.coverage.shape
    window: Luma = luma[ink.top - more : ink.top + high + more, ink.left : ink.left + wide].astype(np.float32)
    return window


def _likeness(window: Luma, coverage: Luma) -> float:
    """Pearson's correlation; 0 where either is of one level."""
    one, other = window - window.mean(), coverage - coverage.mean()
    scale = float(np.sqrt((one * one).sum() * (other * other).sum()))
    return float((one * other).sum()) / scale if scale else 0.0


def _legible(window: Luma, coverage: Luma) -> bool:
    ink, ground = _levels(window, coverage)
    return ink - ground >= _CONTRAST and _likeness(window, coverage) >= _LIKENESS


def _levels(window: Luma, coverage: Luma) -> tuple[float, float]:
    """Mean luma of ink and of ground."""
    core, outside = window[coverage >= _CORE], window[coverage <= _OUTSIDE]
    return (float(core.mean()), float(outside.mean())) if core.size and outside.size else (0.0, 0.0)


def _measured(mean: Luma, coverage: Luma, side: int) -> int:
    """Height of the lowest of the glyphs that stand full height, pixels, by where the ink passes half its level.

    Which glyphs those are the drawing says; how high they are, the picture.
    """
    ink, ground = _levels(mean[1:-1], coverage)
    standing = [
        _extent(mean[:, run] >= (ink + ground) / 2)
        for run in _runs(coverage)
        if _extent(coverage[:, run] >= 0.5) >= GLYPH_SHARE * side
    ]
    return min(standing, default=0)


def _extent(inked: npt.NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(inked.any(1))
    return int(rows[-1] - rows[0]) + 1 if rows.size else 0


def _runs(coverage: Luma) -> list[slice]:
    """The columns of each separate piece of ink."""
    inked = (coverage > _OUTSIDE).any(0).astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], inked, [0]))))
    return [slice(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
