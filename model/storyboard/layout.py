"""Where things stand: the photo's place, the panel's, and the words inside it, for every shape of frame.

Pure arithmetic over text blocks; knows no pixels' colours and no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.strips import strip
from model.typeset import Block, drawable, fit, has_words, leading_for
from model.words import unit as unit_of

SAFE = 0.05
"""Share of the frame on each side that stays free of words."""
MOST_POINTS = 4
"""More selling points than this cannot be read in a short clip; the first ones are shown."""
_ALONE = 0.7
"""How far towards the middle a lone title stands: a little above it, where the eye finds things balanced."""
_SIDE_BY_SIDE = 1.2
"""Frames at least this wide for their height put words beside the photo, others below it."""
_AIR = 0.4
"""Between words and a strip that a ribbon may cross, in units of body text: its shadow falls there."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Areas:
    """The photo's place, the panel that carries the words, and the words' own box in the panel's coordinates."""

    photo: Box | None
    panel: Box | None
    words: Box
    unit: float
    """Size of body text in pixels: what a person reads on a phone that shows the clip at its own width."""


def areas(size: tuple[int, int], *, photo: bool, words: bool, mirrored: bool) -> Areas:
    """Divide a frame. ``mirrored`` puts the photo on the right where the two stand side by side.

    Words keep off the strips that belong to ribbons: a promotion lays one over a clip that was made long before it.
    """
    width, height = size
    unit = unit_of(width, height) * (1.0 if photo else 1.15)
    if photo and not words:
        return Areas(Box(0, 0, width, height), None, Box(0, 0, 1, 1), unit)
    if not photo:
        side, top = round((0.09 if width > height else 0.08) * width), _ribbon(width, height, unit)
        column = width - 2 * side if width < _SIDE_BY_SIDE * height else round(0.76 * width)
        return Areas(None, Box(0, 0, width, height), Box(side, top, column, height - 2 * top), unit)
    if width >= _SIDE_BY_SIDE * height:
        return _beside(width, height, unit, mirrored=mirrored)
    return _below(width, height, unit)


def _ribbon(width: int, height: int, unit: float) -> int:
    """Pixels from the top or bottom that are no place for words."""
    return min(strip(width, height) + round(_AIR * unit), height // 2 - 1)


def _beside(width: int, height: int, unit: float, *, mirrored: bool) -> Areas:
    share = 0.52 if width < 1.6 * height else 0.56
    place = round(share * width)
    panel = width - place
    inner, outer, top = round(0.048 * width), round(0.056 * width), _ribbon(width, height, unit)
    column = Box(outer if mirrored else inner, top, panel - inner - outer, height - 2 * top)
    if mirrored:
        return Areas(Box(panel, 0, place, height), Box(0, 0, panel, height), column, unit)
    return Areas(Box(0, 0, place, height), Box(place, 0, panel, height), column, unit)


def _below(width: int, height: int, unit: float) -> Areas:
    place = round((0.45 if height <= 1.2 * width else 0.57) * height)
    panel = height - place
    side, top, bottom = round(0.075 * width), round(0.038 * height), min(_ribbon(width, height, unit), panel // 2)
    column = Box(side, top, width - 2 * side, panel - top - bottom)
    return Areas(Box(0, 0, width, place), Box(0, place, width, panel), column, unit)


@dataclass(frozen=True, slots=True)
class Words:
    """Text blocks and their places (panel coordinates); the bar stands above the title."""

    title: Block
    points: tuple[Block, ...]
    x: int
    bar_y: int
    """Top of the accent bar when everything is shown; the title hangs below it."""
    title_y: int
    alone: int
    """How much lower bar and title stand while the title is alone."""
    point_ys: tuple[int, ...]
    indent: int
    """Points start this far right of the title, after their marks; 0 for a single point, which has none."""
    bar: tuple[int, int]
    unit: float

    def boxes(self) -> list[Box]:
        """Everywhere words may be at any time: the title alone and at the top, and the points with their marks."""
        title, low = self.title, self.title_y + self.alone
        points = zip(self.points, self.point_ys, strict=True)
        return [
            Box(self.x, self.bar_y, title.width, low + title.height - self.bar_y),
            *(Box(self.x, y, self.indent + block.width, block.height) for block, y in points),
        ]


def arrange(captions: Sequence[str], area: Areas) -> Words | None:
    """Set the captions, title first, as large and as completely as the words' box allows; None without any words.

    What does not fit gives way in this order: size, then the last points, then the ends of sentences.
    """
    texts = [drawable(caption) for caption in captions if has_words(caption)]
    if not texts:
        return None
    best: tuple[float, Words] | None = None
    title, points = texts[0], texts[1 : 1 + MOST_POINTS]
    for count in range(len(points), -1, -1):
        for scale, air in ((1.0, 1.0), (0.92, 0.85), (0.92, 0.6), (0.84, 0.6)):
            words = _attempt(title, points[:count], area, round(scale * area.unit), air)
            if words is None:
                continue
            score = _score(words)
            if best is None or score > best[0]:
                best = score, words
            if score >= 3 + len(points):
                return words
    return best[1] if best else _attempt(title, [], area, round(0.7 * area.unit), 0.6)


def _score(words: Words) -> float:
    return 3 * (not words.title.cut) + sum(0.4 if block.cut else 1.0 for block in words.points)


def _attempt(title: str, points: Sequence[str], area: Areas, body: int, air: float) -> Words | None:
    box, unit = area.words, area.unit * air
    bar = (round(1.7 * area.unit), max(3, round(0.17 * area.unit)))
    under_bar, under_title, between = round(0.62 * unit), round(0.85 * unit), round(0.42 * unit)
    indent = round(0.95 * body) if len(points) > 1 else 0
    blocks = tuple(
        fit(
            text,
            width=max(1, box.width - indent),
            height=round(2.7 * body),
            largest=body,
            smallest=body,
            weight=450,
            max_lines=2,
            leading=leading_for(text, latin=1.22),
        )
        for text in points
    )
    listed = sum(block.height for block in blocks) + between * max(len(blocks) - 1, 0)
    room = box.height - bar[1] - under_bar - (listed + under_title if blocks else 0)
    if room < 1.4 * body:
        return None
    head = _headline(title, box.width, room, body, area)
    top = box.y + (box.height - (box.height - room) - head.height) // 2
    title_y = top + bar[1] + under_bar
    ys = []
    y = title_y + head.height + under_title
    for block in blocks:
        ys.append(y)
        y += block.height + between
    alone = round(_ALONE * (listed + under_title + _lopsided(area)) / 2) if blocks else 0
    alone = min(alone, box.y + box.height - title_y - head.height)
    return Words(head, blocks, box.x, top, title_y, alone, tuple(ys), indent, bar, area.unit)


def _lopsided(area: Areas) -> int:
    """How much more room the panel has below the words' box than above it, in pixels."""
    return area.panel.height - area.words.height - 2 * area.words.y if area.panel else 0


def _headline(title: str, width: int, room: int, body: int, area: Areas) -> Block:
    display = 2.5 if area.photo is None else 2.1
    leading = leading_for(title, latin=1.12, wide=1.24)
    smallest = min(round(1.22 * body), int(room / leading))
    largest = max(smallest, round(display * area.unit))
    return fit(
        title,
        width=width,
        height=room,
        largest=largest,
        smallest=max(smallest, 1),
        weight=750,
        max_lines=3 if area.photo is None else 4,
        leading=leading,
    )
