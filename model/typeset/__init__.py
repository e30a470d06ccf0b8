"""Text on pictures: what can be drawn, how it breaks into lines, which size fits a box, and the ink itself.

Knows Pillow and one typeface (Noto Sans SC, Chinese and Latin); knows nothing of clips, frames or products.
"""

from model.typeset.block import (
    Align,
    Block,
    fit,
    has_words,
    ink_height,
    leading_for,
    mask,
    measure,
    render_text,
    size_for_ink,
)
from model.typeset.characters import drawable, missing_glyphs
from model.typeset.colour import BLACK, WHITE, Rgb, contrast, luminance, oklch, parse, readable_on
from model.typeset.fonts import FontError, check_fonts
from model.typeset.lines import ELLIPSIS

__all__ = [
    "BLACK",
    "ELLIPSIS",
    "WHITE",
    "Align",
    "Block",
    "FontError",
    "Rgb",
    "check_fonts",
    "contrast",
    "drawable",
    "fit",
    "has_words",
    "ink_height",
    "leading_for",
    "luminance",
    "mask",
    "measure",
    "missing_glyphs",
    "oklch",
    "parse",
    "readable_on",
    "render_text",
    "size_for_ink",
]
