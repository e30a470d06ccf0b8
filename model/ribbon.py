"""A promotion's ribbon: a slanted band that slides in from the left edge over the body, and out before it ends.

Pure: the same ribbon, size and label give the same plates. Knows no file and no encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from model import strips, typeset
from model.colour import Planar
from model.errors import WordsError
from model.plate import Painter, Plane, Plate, polygon, single, up_even
from model.recipe import Overlays, Ribbon
from model.storyboard.motion import ease
from model.typeset import BLACK, WHITE, Block
from model.words import LEAST_SIZE, Manner, ink_on, mixed, set_whole, unit

FIELD = "dressing.overlays.ribbon.text"
_SAFE = 0.05
"""Share of width and height that stays free of words."""
_WIDEST = 0.80
"""Share of a wide picture that a band may cross; in a tall one it may reach the safe margin."""
SLANT = 0.28
"""How far the end of the band leans, as a share of its height."""
_STRIPE = 0.16
"""Width of the stripe after the band, and of the gap between them twice over, as a share of the band's height."""
_SHADE = 0.30
"""Strength of the shadow."""
_WORDS = 2.05
"""Height of the words at most, in units: with the air around them they fill ``strips.HIGHEST``."""

_DELAY, _ENTER, _LEAVE = 0.15, 0.55, 0.45
"""Seconds before it comes, that coming takes, and that going takes; gone with the last frame, so that clips loop."""
_PACED = 3.0
"""Seconds of a body that has room for these; a shorter one hurries."""
_STILL_BELOW = 1.2
"""Seconds of a body that has no time for movement: the ribbon stands there from first to last."""


@dataclass(frozen=True, slots=True)
class MovingRibbon:
    """A ribbon drawn for pictures of one size, and when it is where in a body of so many frames."""

    plate: Plate
    frames: int
    fps: int

    def present(self, frame: int) -> float:
        """How much of the ribbon has come in at a frame, 0…1."""
        duration = self.frames / self.fps
        if duration < _STILL_BELOW:
            return 1.0
        pace = min(1.0, duration / _PACED)
        left = (self.frames - 1 - frame) / self.fps
        return min(ease((frame / self.fps - _DELAY * pace) / (_ENTER * pace)), ease(left / (_LEAVE * pace)))

    @property
    def settled(self) -> range:
        """The frames at which all of it stands still."""
        there = [frame for frame in range(self.frames) if self.present(frame) == 1.0]
        return range(there[0], there[-1] + 1) if there else range(self.frames)

    def lay_over(self, picture: Planar, frame: int) -> None:
        """Blend the ribbon, as far as it has come in by this frame, into an I420 picture, in place."""
        width = self.plate.size[0]
        present = self.present(frame)
        out = round((1 - present) * width / 2) * 2
        if out >= width:
            return
        plate = self.plate.out_left(out)
        (plate if present == 1 else plate.faded(min(1.0, 2 * present))).lay_over(picture)


def make_ribbon(overlays: Overlays, frames: int, fps: int, label: Plate | None) -> MovingRibbon | None:
    """The ribbon of the overlays, clear of the label, for a body of so many frames; None where they have none.

    Raises WordsError when the words cannot be drawn, or not whole at a readable size.
    """
    if overlays.ribbon is None:
        return None
    place = _Box(label.left, label.top, *label.size) if label else None
    return MovingRibbon(_plate(overlays.ribbon, (overlays.width, overlays.height), place), frames, fps)


class _Box(NamedTuple):
    """Where the label is."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Band:
    """The band in pixels: its place, its words and theirs."""

    block: Block
    width: int
    """Along its top edge, to the slanted end."""
    height: int
    words_left: int
    top: int


@lru_cache(maxsize=64)
def _plate(ribbon: Ribbon, size: tuple[int, int], label: _Box | None) -> Plate:
    width, height = size
    band = _laid_out(ribbon, width, height, label)
    stripe, lean = _STRIPE * band.height, SLANT * band.height
    blur = max(1, band.height // 12)
    above = up_even(2 * blur)
    wide = min(up_even(band.width + 1.5 * stripe + 3 * blur), width)
    # A picture too low for the shadow has less of it, never less of the band.
    above = min(above, band.top)
    high = min(up_even(above + band.height + 4 * blur), height - (band.top - above))
    painter = Painter(wide, high)
    ground = typeset.parse(ribbon.colour)

    def slanted(left: float, right: float) -> Plane:
        low, upper = above + band.height, above
        return polygon(
            wide, high, [(left, upper), (right, upper), (right - lean, low), (left - (lean if left > 0 else 0), low)]
        )

    body = slanted(-1, band.width)
    painter.paint(_shadow(body, blur) * _SHADE, BLACK)
    light = mixed(ground, WHITE, 0.35) if typeset.luminance(ground) < 0.6 else mixed(ground, BLACK, 0.35)
    painter.paint(slanted(band.width + stripe / 2, band.width + 1.5 * stripe), light)
    painter.paint(body, ground)
    painter.paint(_words(band, wide, high, above), ink_on(ground))
    return painter.plate(0, band.top - above)


def _laid_out(ribbon: Ribbon, width: int, height: int, label: _Box | None) -> _Band:
    """Words first: one line, then smaller, then two lines; the band follows from them."""
    size = unit(width, height)
    safe = math.ceil(_SAFE * width)
    reach = math.floor((_WIDEST if width > height else 1 - _SAFE) * width)
    end = round(1.6 * size)  # after the words: the slant, the stripe and air
    manners = (
        Manner(largest=1.45 * size, smallest=0.95 * size, lines=1, weight=700),
        Manner(largest=0.82 * size, smallest=0.72 * size, lines=2, weight=700),
    )
    box = (reach - safe - end, max(round(_WORDS * size), 3 * LEAST_SIZE))
    block = set_whole(ribbon.text, box, manners, FIELD)
    high = up_even(block.height + (0.5 if len(block.lines) > 1 else 0.38) * block.size)
    wide = safe + block.width + end
    edge = strips.edge(height)
    top = edge if ribbon.position == "top" else (height - edge - high) // 2 * 2
    if label and ribbon.position == "top":
        beside = wide + size < label.left
        top = label.top if beside else up_even(label.top + label.height + 0.5 * size)
    if top < 0 or top + high > height:
        raise WordsError(FIELD, f"a ribbon {high} pixels high has no room on a picture of {width}x{height}")
    return _Band(block, wide, high, safe, top)


def _words(band: _Band, width: int, height: int, above: int) -> Plane:
    """The words' coverage, their ink in the middle of the band's height."""
    ink = np.asarray(typeset.mask(band.block), np.float32) / 255
    rows = np.flatnonzero(ink.max(1))
    ink = ink[rows[0] : rows[-1] + 1]
    coverage = np.zeros((height, width), np.float32)
    top = above + (band.height - ink.shape[0]) // 2
    coverage[top : top + ink.shape[0], band.words_left : band.words_left + ink.shape[1]] = ink
    return coverage


def _shadow(shape: Plane, blur: int) -> Plane:
    """The shape blurred and a little lower."""
    image = Image.fromarray((shape * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
    return single(np.roll(np.asarray(image), blur // 2 + 1, axis=0) / 255)
