"""What may be drawn: hostile or unknown characters out, everything else as the writer meant it.

Knows Unicode and the typeface's coverage; knows nothing of sizes or lines.
"""

from __future__ import annotations

import unicodedata

from model.typeset.fonts import coverage

_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
"""Controls, format characters (bidi overrides, zero widths, joiners), surrogates, private use, unassigned."""


def missing_glyphs(text: str) -> set[str]:
    """The visible characters the typeface has no glyph for. Raises FontError without the typeface."""
    known = coverage()
    return {char for char in unicodedata.normalize("NFC", text) if not _unseen(char) and char not in known}


def drawable(text: str) -> str:
    """The text as it can be drawn on one line of thought: NFC, single spaces, no controls, no missing glyphs.

    A character without a glyph gives way to its compatibility form where that can be drawn (``ﬁ`` to ``fi``), and is
    dropped otherwise (emoji, scripts the typeface lacks). The result may be empty.
    """
    known = coverage()
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        if char in _SPACES or unicodedata.category(char) == "Zs":
            kept.append(" ")
        elif _unseen(char):
            continue
        elif char in known:
            kept.append(char)
        else:
            plain = unicodedata.normalize("NFKC", char)
            kept.append(plain if all(part in known and not _unseen(part) for part in plain) else "")
    return " ".join("".join(kept).split())


def _unseen(char: str) -> bool:
    selector = 0xFE00 <= ord(char) <= 0xFE0F or 0xE0100 <= ord(char) <= 0xE01EF
    return selector or char in _SPACES or unicodedata.category(char) in _UNSEEN
