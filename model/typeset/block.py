"""Text set into boxes: the largest size that fits, the lines it breaks into, and the picture of it.

The package's main entry for drawing; knows nothing of clips or frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image

from model.typeset.characters import drawable
from model.typeset.colour import Rgb
from model.typeset.fonts import Face, face, unit_advance
from model.typeset.lines import Atom, Width, atoms, balance, cut, is_wide, wrap

Align = Literal["left", "center", "right"]

_LONGEST = 600
"""Characters considered of one text: no box of a clip holds more, and shaping more would only cost time."""
_CALM = 0.76
"""A text may be set this much smaller than it could be, if its phrases then stay whole."""
_BASELINE = 0.38
"""The baseline lies this far below the middle of a line, in ems: Han squares span -0.12…0.88 em around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Text set in lines at one size. The ink of ``mask(block)`` lies inside ``width`` × ``height`` pixels."""

    lines: tuple[str, ...]
    size: int
    weight: int
    leading: float
    align: Align
    width: int
    """The widest line's ink, in pixels."""
    height: int
    baseline: int
    """Of the first line, in pixels from the top."""
    cut: bool
    """True when words had to give way to an ellipsis."""


def measure(text: str, size: int, weight: int = 400) -> float:
    """Advance of one line in pixels."""
    return unit_advance(text, weight) * size


def ink_height(text: str, size: int, weight: int = 400) -> int:
    """Height in pixels of the rendered glyphs, without line spacing."""
    _, top, _, bottom = face(size, weight).ink(text)
    return bottom - top


def size_for_ink(text: str, height: int, weight: int = 400) -> int:
    """The smallest size at which the glyphs are at least this many pixels high. Raises ValueError for inkless text."""
    at_hundred = ink_height(text, 100, weight)
    if at_hundred <= 0:
        raise ValueError(f"{text!r} has no ink to measure")
    size = max(1, math.floor(100 * height / at_hundred) - 1)
    while ink_height(text, size, weight) < height:
        size += 1
    return size


@lru_cache(maxsize=1024)
def fit(
    text: str,
    *,
    width: int,
    height: int,
    largest: int,
    smallest: int,
    weight: int = 400,
    max_lines: int = 3,
    leading: float = 1.25,
    align: Align = "left",
) -> Block:
    """Set text in a box at the largest size it fits, in balanced lines; cut with an ellipsis below the smallest.

    The text is made drawable first. An empty text gives a block without lines. Words are kept whole while any size
    in the range allows it. A box too low for one line at the smallest size gets that line all the same: compare the
    block's height. Raises ValueError for an impossible range or box, FontError without the typeface.
    """
    if not 1 <= smallest <= largest or width < 1 or height < 1 or max_lines < 1:
        raise ValueError(f"fit: box {width}x{height}, sizes {smallest}…{largest}, {max_lines} lines")
    truncated = len(text) > _LONGEST
    setter = _Setter(atoms(drawable(text[:_LONGEST])), width, height, max_lines, weight, leading, align)
    if not truncated:
        # A word torn in two is worst at display sizes: the second pass starts lower.
        for split, ceiling in ((False, largest), (True, smallest + (largest - smallest) // 3)):
            for size in range(ceiling, smallest - 1, -1):
                block = setter.whole(size, split=split)
                if block is not None:
                    return block if split else _calmer(setter, block, max(smallest, round(_CALM * size)))
    return setter.shortened(smallest, truncated=truncated)


def _calmer(setter: _Setter, block: Block, smallest: int) -> Block:
    """The same text a little smaller where that spares a break inside a Chinese phrase; the block itself otherwise."""
    fewest, best = setter.torn(block.lines), block
    for size in range(block.size - 1, smallest - 1, -1):
        if not fewest:
            break
        # Lines are cheap and glyphs are not: measure ink only where the lines are better.
        torn = setter.torn(setter.lines(size, split=False) or block.lines)
        other = setter.whole(size, split=False) if torn < fewest else None
        if other is not None:
            fewest, best = torn, other
    return best


@dataclass(frozen=True, slots=True)
class _Setter:
    """One text, one box, one manner; the size is still open."""

    pieces: list[Atom]
    width: int
    height: int
    max_lines: int
    weight: int
    leading: float
    align: Align

    def rows(self, size: int) -> int:
        """How many lines of a size the box holds."""
        return min(self.max_lines, int(self.height // (size * self.leading)))

    def lines(self, size: int, *, split: bool) -> list[str] | None:
        """Balanced lines of all words, or None where the box does not hold them at this size."""
        extent, rows = self._extent(size), self.rows(size)
        if rows < 1 or sum(extent(piece.text) for piece in self.pieces) > rows * self.width:
            return None
        if not split and any(extent(piece.text) > self.width for piece in self.pieces):
            return None
        lines = wrap(self.pieces, extent, self.width)
        if len(lines) > rows:
            return None
        return balance(self.pieces, extent, self.width, len(lines)) or lines

    def whole(self, size: int, *, split: bool) -> Block | None:
        """All words set and measured, or None where the box does not hold them at this size."""
        lines = self.lines(size, split=split)
        if lines is None:
            return None
        block = self._block(lines, size, cut=False)
        return block if block.width <= self.width and block.height <= self.height else None

    def torn(self, lines: Sequence[str]) -> int:
        """How many lines end where no word, mark or space does."""
        ends = set()
        text = ""
        for piece in self.pieces:
            text += piece.text.replace(" ", "")
            if piece.natural:
                ends.add(len(text))
        reached, torn = 0, 0
        for line in lines:
            reached += len(line.replace(" ", ""))
            torn += reached not in ends
        return torn

    def shortened(self, size: int, *, truncated: bool) -> Block:
        """As many words as the box holds, then an ellipsis."""
        extent = self._extent(size)
        lines = wrap(self.pieces, extent, self.width)
        marked = [*lines, ""] if truncated else lines
        block = self._block([], size, cut=True)
        for count in range(min(max(1, self.rows(size)), len(lines)), 0, -1):
            for slack in (0, 2, 4, 8, self.width // 4):
                block = self._block(cut(marked, count, extent, self.width - slack), size, cut=count < len(marked))
                if block.width <= self.width and (block.height <= self.height or count == 1):
                    return block
        return block

    def _extent(self, size: int) -> Width:
        return lambda text: unit_advance(text, self.weight) * size

    def _block(self, lines: list[str], size: int, *, cut: bool) -> Block:
        """Measure the rendered ink: estimates decided the lines, the glyphs decide the box."""
        inks = [face(size, self.weight).ink(line) for line in lines]
        pitch = size * self.leading
        baseline = max(round(pitch / 2 + _BASELINE * size), -inks[0][1] if inks else 0)
        lowest = baseline + round((len(lines) - 1) * pitch) + inks[-1][3] if inks else 0
        return Block(
            lines=tuple(lines),
            size=size,
            weight=self.weight,
            leading=self.leading,
            align=self.align,
            width=max((right - left for left, _, right, _ in inks), default=0),
            height=max(math.floor(len(lines) * pitch), lowest),
            baseline=baseline,
            cut=cut,
        )


def mask(block: Block) -> Image.Image:
    """The ink's coverage as an L image of the block's size (at least 1×1); every line's ink starts at its edge."""
    canvas = Image.new("L", (max(block.width, 1), max(block.height, 1)), 0)
    setter = face(block.size, block.weight)
    for index, line in enumerate(block.lines):
        _draw_line(canvas, setter, line, block.baseline + round(index * block.size * block.leading), block)
    return canvas


def _draw_line(canvas: Image.Image, setter: Face, line: str, baseline: int, block: Block) -> None:
    left, _, right, _ = setter.ink(line)
    slack = block.width - (right - left)
    offset = {"left": 0, "center": slack // 2, "right": slack}[block.align]
    setter.draw(canvas, (offset - left, baseline), line)


def render_text(block: Block, colour: Rgb, *, opacity: float = 1.0) -> Image.Image:
    """The block as an RGBA image of its size: the colour everywhere, the ink in the alpha channel."""
    coverage = mask(block)
    picture = Image.new("RGBA", coverage.size, (*colour, 0))
    picture.putalpha(coverage.point([round(level * min(max(opacity, 0.0), 1.0)) for level in range(256)]))
    return picture


def has_words(text: str) -> bool:
    """True when something that reads as a word or a number can be drawn of the text."""
    return any(char.isalnum() for char in drawable(text[:_LONGEST]))


def leading_for(text: str, *, latin: float = 1.18, wide: float = 1.3) -> float:
    """Line spacing that suits the script: Han squares want more air than Latin words."""
    return wide if any(is_wide(char) for char in text) else latin
