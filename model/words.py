"""A promotion's words, set into their box whole and readable, or refused with the reason.

Knows text, boxes and colours; knows no picture. What a shop wrote is never cut short: half a condition is another
condition.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from model import typeset
from model.errors import WordsError
from model.typeset import BLACK, WHITE, Block, Rgb
from model.typeset.lines import is_wide

READABLE = 4.5
"""Least contrast of words with their ground (WCAG 2.2, success criterion 1.4.3)."""
LEAST_SIZE = 9
"""Font size in pixels below which Chinese characters run together."""
_MOST_SHOWN = 40
"""Characters of a refused text that a message repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How words may be set: sizes in pixels, lines at most, weight 100…900."""

    largest: float
    smallest: float
    lines: int
    weight: int
    align: typeset.Align = "left"


def unit(width: int, height: int) -> float:
    """Size of body text on a clip, pixels: what reads on a phone that shows the clip at its own width."""
    return min(max(0.052 * min(width, height), 0.031 * width), 0.075 * height)


def set_whole(text: str, box: tuple[int, int], manners: tuple[Manner, ...], field: str) -> Block:
    """The text in a box (width, height) in the first manner that holds all of it.

    Raises WordsError, naming the field, where no manner does, where a word would be torn, and where letters or digits
    have no glyph; marks and emoji without one are left out.
    """
    clean = drawable(text, field)
    width, height = box
    for manner in manners:
        least = max(LEAST_SIZE, round(manner.smallest))
        if width < least or height < least:
            continue
        block = typeset.fit(
            clean,
            width=width,
            height=height,
            largest=max(least, round(manner.largest)),
            smallest=least,
            weight=manner.weight,
            max_lines=manner.lines,
            leading=typeset.leading_for(clean),
            align=manner.align,
        )
        if not block.cut and block.width <= width and block.height <= height and not _torn(block.lines, clean):
            return block
    raise WordsError(field, f"{_shown(clean)} does not fit its {width}x{height} pixels at a readable size; shorten it")


def drawable(text: str, field: str) -> str:
    """The text without controls, emoji and the like. Raises WordsError where no word or not every word is left."""
    lost = sorted({char for char in typeset.missing_glyphs(text) if _matters(char)})
    if lost:
        names = ", ".join(f"U+{ord(char):04X}" for char in lost[:5])
        raise WordsError(field, f"{_shown(text)} has letters that the typeface cannot draw ({names})")
    if not typeset.has_words(text):
        raise WordsError(field, f"{_shown(text)} has no words that the typeface can draw")
    return typeset.drawable(text)


def ink_on(ground: Rgb) -> Rgb:
    """White where it reads on the ground, else the ground's own hue made very dark, else black."""
    deep = mixed(ground, BLACK, 0.88)
    return typeset.readable_on(ground, (WHITE, deep), ratio=READABLE)


def mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    """So much of the other colour in the one, 0…1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _matters(char: str) -> bool:
    """True for a letter or digit that no compatible form stands in for: without it the words say something else."""
    return unicodedata.category(char)[0] in "LN" and not typeset.drawable(char)


def _torn(lines: tuple[str, ...], text: str) -> bool:
    """True when a line ends inside a word; between Han characters there is no inside."""
    at = 0
    for line in lines[:-1]:
        at += len(line)
        if text[at : at + 1] == " ":
            at += 1
        elif all(char.isalnum() and not is_wide(char) for char in text[at - 1 : at + 1]):
            return True
    return False


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r}…"
