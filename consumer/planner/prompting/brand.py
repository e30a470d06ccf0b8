"""Takes brands and other names out of a text, in the spellings shops use. It does not know which texts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from consumer.planner.prompting.text import CJK, tidy

_PARTS = re.compile(r"[/|()（）【】\[\]]|\s+-\s+")
_PIECES = re.compile(r"[\s\-_·'’.&]+")
_JOINT = r"[\s\-_·'’.&]*"
_CJK = re.compile(f"[{CJK}]")
_ACCENTED = re.compile("[À-ɏḀ-ỿ]")
# A letter of a script that puts spaces between words: beside one, a brand may be the middle of another word.
_LETTER = rf"[^\W\d_{CJK}]"


def _folded(text: str) -> str:
    """``text`` without accents, character for character, so that places in both are the same."""
    if text.isascii() or _ACCENTED.search(text) is None:
        return text
    return "".join(unicodedata.normalize("NFD", char)[0] for char in text)


def _spelling(name: str) -> str:
    """A pattern of ``name`` with any joints between its pieces, outside other words but inside CamelCase.

    Empty where ``name`` has no letter or digit.
    """
    if not any(map(str.isalnum, name)):
        return ""
    pieces = [re.escape(piece) for piece in _PIECES.split(name) if piece]
    # "On" is not in "Cotton", nor "3M" in "13M"; but "Acme" is in "AcmePhone" and "ProAcme".
    before = rf"(?:(?<!{_LETTER})|(?-i:(?<=[a-z])(?=[A-Z])))" + (r"(?<!\d)" if pieces[0][0].isdigit() else "")
    after = rf"(?:['’]s)?(?:(?!{_LETTER})|(?-i:(?<=[a-z\d])(?=[A-Z])))" + (r"(?!\d)" if name[-1].isdigit() else "")
    return f"{before}{_JOINT.join(pieces)}{after}"


@dataclass(frozen=True, slots=True, eq=False)
class Brand:
    """One brand. Get it with ``brand``, which keeps them: its pattern costs far more than its use."""

    needle: str
    """A lower-case text without which the pattern cannot match; empty where none is known."""
    pattern: re.Pattern[str]

    def without(self, text: str) -> str:
        """``text`` without the brand: any case, spacing or accents, and each part of one like ``小米/Xiaomi``."""
        lower = text.lower()
        if self.needle not in lower and (lower.isascii() or not self.needle.isascii() or not _ACCENTED.search(lower)):
            return text
        folded = _folded(text)
        # Taking one away may join another together.
        while found := self.pattern.search(folded):
            before, after = text[: found.start()].rstrip(), text[found.end() :].lstrip()
            gap = "" if _CJK.match(before[-1:]) and _CJK.match(after[:1]) else " "
            text = tidy(f"{before}{gap}{after}".strip())
            folded = _folded(text)
        return text


class Names:
    """Names that never enter a prompt, whatever the product: other brands, persons."""

    def __init__(self, names: Iterable[str]) -> None:
        # Each by itself, so that each has a needle: a list may be long, and nearly all of it is not in a text.
        self._brands = tuple(found for name in sorted({*names}, key=len, reverse=True) if (found := brand(name)))

    def __bool__(self) -> bool:
        return bool(self._brands)

    def without(self, text: str) -> str:
        """``text`` without the names, in any spelling."""
        before = ""
        # Taking one away may join another together.
        while text != before:
            before = text
            for each in self._brands:
                text = each.without(text)
        return text


@lru_cache(maxsize=8192)
def brand(written: str) -> Brand | None:
    """The brand a record names; None where no letter or digit is in it."""
    whole = _folded(unicodedata.normalize("NFKC", written).strip())
    parts = {part.strip() for part in _PARTS.split(whole)}
    # A part of one letter would take that letter out of everything; a whole brand of one is what its owner chose.
    names = {whole, *(part for part in parts if len(part) > 1)}
    found = [spelling for name in sorted(names, key=len, reverse=True) if (spelling := _spelling(name))]
    if not found:
        return None
    needle = next(piece for piece in _PIECES.split(whole) if piece).lower() if len(found) == 1 else ""
    return Brand(needle, re.compile("|".join(found), re.IGNORECASE))
