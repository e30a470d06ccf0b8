"""A promotion's closing segment: its words on a ground of its own colour, in gentle motion, encoded to be joined.

Pure: the same card, size, rate, label and settings give the same bytes, whatever clip they are joined to. Knows no
body and no tags.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from model import typeset
from model.colour import Planar, planes
from model.encode import encode, planar_frames_of
from model.errors import EncodeError, LabelError, WordsError
from model.plate import Painter, Plane, Plate, levels, rounded, single, up_even
from model.recipe import Encoding, EndCard, Recipe
from model.ribbon import SLANT
from model.storyboard.motion import ease
from model.typeset import BLACK, WHITE, Block, Rgb
from model.verify.sighting import missing
from model.visible import make_label
from model.words import READABLE, Manner, ink_on, mixed, set_whole, unit

HEADLINE, SUBLINE = "dressing.end_card.headline", "dressing.end_card.subline"
_SAFE = 0.08
"""Share of width and height that stays free of words on each side."""
_RISE = 0.55
"""How far words rise while they come in, in units."""
_GAP = 0.95
"""Between headline and bar, and bar and subline, in units."""
_ENTRANCES = ((0.08, 0.50), (0.20, 0.45), (0.28, 0.50))
"""Seconds after which headline, bar and subline begin to come in, and how long each takes."""
_PACED = 1.5
"""Seconds of a card that has room for these; a shorter one hurries."""
_BANDS = ((0.60, 0.66, 0.35), (0.70, 9.0, 0.5))
"""Slanted bands of the ground: where they begin and end on its lower edge, as shares of the width, and how strong."""
_LIGHT, _SHADE = 0.16, 0.20
"""White at the middle of the light and black in the corners, at most; less where words would not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """All that decides an end card's bytes."""

    card: EndCard
    width: int
    height: int
    fps: int
    label: str | None
    """The visible AI label, which goes on over the card of a clip that a model generated."""
    encoding: Encoding
    after_key: bool = False
    """True when it will follow a lone key frame (``model.splice.ends_in_key``)."""

    @property
    def frames(self) -> int:
        """Its pictures."""
        return self.card.frames(self.fps)


def segment_of(recipe: Recipe, *, after_key: bool = False) -> Segment | None:
    """The end card of a recipe as a segment; None where it has none."""
    overlays, card = recipe.dressing.overlays, recipe.dressing.end_card
    if card is None:
        return None
    return Segment(
        card=card,
        width=overlays.width,
        height=overlays.height,
        fps=recipe.scene.fps,
        label=overlays.label,
        encoding=overlays.encoding,
        after_key=after_key,
    )


@lru_cache(maxsize=32)
def encode_segment(segment: Segment) -> bytes:
    """The segment as a clip without tags, decoded once to prove it; kept for the next clip of the same promotion.

    Raises WordsError when the words cannot be drawn whole, DressError when the label cannot, LabelError when it is not
    in the pictures, EncodeError and CodecError when the encoder fails.
    """
    size = (segment.width, segment.height)
    made = encode(pictures(segment), size, segment.fps, segment.encoding, {}, after_key=segment.after_key)
    if sum(1 for _ in planar_frames_of(made)) != segment.frames:
        raise EncodeError(f"the end card does not decode to its {segment.frames} pictures")
    fault = missing(planar_frames_of(made), segment.label, size) if segment.label is not None else None
    if fault:
        raise LabelError(f"labels are not in the finished bytes: visible label of the end card: {fault}")
    return made


def pictures(segment: Segment) -> Iterator[Planar]:
    """The segment's pictures (I420), one by one. Raises WordsError and DressError, before the first."""
    label = make_label(segment.label, segment.width, segment.height) if segment.label is not None else None
    return _pictures(segment, lay_out(segment.card, segment.width, segment.height, label), label)


def _pictures(segment: Segment, layout: Layout, label: Plate | None) -> Iterator[Planar]:
    ground = _Ground(segment)
    for frame in range(segment.frames):
        picture = ground.at(frame / segment.frames)
        for piece, entrance in zip(layout.pieces, layout.entrances, strict=True):
            present = ease((frame / segment.fps - entrance[0]) / entrance[1])
            if present > 0:
                plate = piece.at(present)
                (plate if present == 1 else plate.faded(present)).lay_over(picture)
        if label is not None:
            label.lay_over(picture)
        yield picture


@dataclass(frozen=True, slots=True)
class Piece:
    """Headline, bar or subline: its coverage and its place at rest. Words rise into place, the bar grows from its
    middle."""

    coverage: Plane
    left: int
    top: int
    colour: Rgb
    rise: int
    grows: bool = False

    def at(self, present: float) -> Plate:
        """The piece as it stands when so much of its entrance is over, 0…1; not yet faded."""
        high, wide = self.coverage.shape
        coverage, low = self.coverage, (1 - present) * self.rise
        if self.grows:
            shown = max(2, round(wide * present / 2) * 2)
            start = (wide - shown) // 2
            coverage = np.zeros_like(coverage)
            coverage[:, start : start + shown] = _bar(high, shown)
        whole = math.floor(low)
        # Between two rows a piece is in both, so that it glides and does not step.
        painter = Painter(wide, up_even(high + 1 + self.rise))
        canvas = np.zeros((up_even(high + 1 + self.rise), wide), np.float32)
        canvas[whole : whole + high] += coverage * (1 - (low - whole))
        canvas[whole + 1 : whole + 1 + high] += coverage * (low - whole)
        painter.paint(canvas, self.colour)
        return painter.plate(self.left, self.top)


@dataclass(frozen=True, slots=True)
class Layout:
    """The card's pieces from top to bottom, and when each comes in: seconds of its beginning and of its length."""

    pieces: tuple[Piece, ...]
    entrances: tuple[tuple[float, float], ...]


def lay_out(card: EndCard, width: int, height: int, label: Plate | None) -> Layout:
    """The words in the middle, as large as they fit, clear of the label. Raises WordsError."""
    size = unit(width, height)
    safe = round(_SAFE * min(width, height))
    top = max(safe, label.top + label.size[1] + round(0.5 * size) if label else 0)
    room = height - 2 * top
    across = round(width * (0.78 if width > height else 0.84))
    headline = set_whole(card.headline, (across, round(0.62 * room)), (_headline(size),), HEADLINE)
    blocks = [headline]
    if card.subline is not None:
        blocks.append(set_whole(card.subline, (across, round(0.28 * room)), (_subline(size),), SUBLINE))
    inks = [_ink(block) for block in blocks]
    gap = round(_GAP * size)
    bar = _bar(up_even(max(2, 0.16 * size)), up_even(2.4 * size))
    parts = [inks[0], bar, *inks[1:]]
    total = sum(part.shape[0] for part in parts) + gap * (len(parts) - 1)
    if total > room:
        raise WordsError(HEADLINE, f"headline and subline have no room together on a picture of {width}x{height}")
    colour = ink_on(typeset.parse(card.colour))
    pieces, at = [], (height - total) // 2
    for part in parts:
        even = np.pad(part, ((0, 0), (0, part.shape[1] % 2)))
        left = (width - even.shape[1]) // 4 * 2
        grows = part is bar
        pieces.append(Piece(even, left, at // 2 * 2, colour, 0 if grows else round(_RISE * size), grows))
        at += part.shape[0] + gap
    pace = min(1.0, card.seconds / _PACED)
    entrances = tuple((start * pace, length * pace) for start, length in _ENTRANCES[: len(pieces)])
    return Layout(tuple(pieces), entrances)


def _bar(height: int, width: int) -> Plane:
    """With round ends; where it is too thin for them, without: softened, it would be grey all over."""
    return rounded(height, width, height // 2) if height >= 4 else np.ones((height, width), np.float32)


def _headline(size: float) -> Manner:
    return Manner(largest=3.3 * size, smallest=1.25 * size, lines=3, weight=800, align="center")


def _subline(size: float) -> Manner:
    return Manner(largest=1.35 * size, smallest=0.85 * size, lines=2, weight=500, align="center")


def _ink(block: Block) -> Plane:
    """The words' coverage without the air above and below."""
    ink = single(np.asarray(typeset.mask(block)) / 255)
    rows = np.flatnonzero(ink.max(1))
    return ink[rows[0] : rows[-1] + 1]


def ground_colours(ground: Rgb) -> tuple[Rgb, Rgb]:
    """The darkest and the lightest that the ground becomes: around the colour itself, as far as words still read."""
    ink = ink_on(ground)

    def reached(towards: Rgb, most: float) -> Rgb:
        steps = (mixed(ground, towards, most * step / 8) for step in range(8, 0, -1))
        return next((colour for colour in steps if typeset.contrast(colour, ink) >= READABLE), ground)

    return reached(BLACK, _SHADE), reached(WHITE, _LIGHT)


class _Ground:
    """A soft light that drifts slowly over the colour, and two slanted bands that stand still in it: an encoder makes
    stairs of faint edges that creep."""

    def __init__(self, segment: Segment) -> None:
        self._shape = (segment.height, segment.width)
        dark, light = ground_colours(typeset.parse(segment.card.colour))
        self._dark, self._light = levels(dark), levels(light)
        self._bands = _bands(*self._shape)
        # Noise of less than a level, the same in every picture: without it a smooth ground shows steps.
        self._dither = np.random.default_rng(1).random(self._shape, np.float32)

    def at(self, progress: float) -> Planar:
        """The ground when so much of the card is over, 0…1."""
        height, width = self._shape
        picture = np.empty((height * 3 // 2, width), np.uint8)
        # From dark (0) to light (1): a product of a column and a row, and of the bands. Only sums, products and
        # quotients, which every machine rounds alike; exponentials differ in their last bit.
        x = (np.arange(width, dtype=np.float32) + 0.5) / width - (0.34 + 0.22 * progress)
        y = (np.arange(height, dtype=np.float32) + 0.5) / height - (0.36 - 0.06 * progress)
        down, across = 1 / (1 + y * y / 0.66), 1 / (1 + x * x / 0.42)
        lit = single((down * down)[:, None] * (across * across)[None, :] * self._bands)
        fewer = single((lit[::2, ::2] + lit[1::2, ::2] + lit[::2, 1::2] + lit[1::2, 1::2]) / 4)
        shares: tuple[Plane, ...] = (lit, fewer, fewer)
        for plane, dark, light, share in zip(planes(picture), self._dark, self._light, shares, strict=True):
            high, wide = plane.shape
            plane[:] = (share * (light - dark) + dark + self._dither[:high, :wide]).astype(np.uint8)
        return picture


def _bands(height: int, width: int) -> Plane:
    """What the slanted bands leave of the light. They lean as the ribbon's end does."""
    along = np.arange(width, dtype=np.float32)[None, :] + SLANT * np.arange(height, dtype=np.float32)[:, None]
    left = np.ones((height, width), np.float32)
    for start, end, strength in _BANDS:
        begin, stop = (place * width + SLANT * height for place in (start, end))
        left *= 1 - strength * np.clip(along - begin, 0, 1) * np.clip(stop - along, 0, 1)
    return single(left)
