"""Ways in which a word is written so that a search for it fails, and a reader still reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumer.planner.prompting import folding

Disguise = Callable[[str], str]


def full_width(text: str) -> str:
    """ASCII letters, digits and signs as wide as Chinese characters."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def traditional(text: str) -> str:
    """Traditional characters for those that have one."""
    return "".join(folding.TRADITIONAL_OF.get(char, char)[0] for char in text)


def invisible(text: str) -> str:
    """Zero-width spaces between all characters."""
    return "\u200b".join(text)


def styled(text: str) -> str:
    """Letters as mathematical bold, which only the compatibility form knows as letters."""
    small = "".join(chr(0x1D41A + ord(char) - ord("a")) if "a" <= char <= "z" else char for char in text.lower())
    return "".join(chr(0x1D7CE + int(char)) if char in "0123456789" else char for char in small)


def apart(mark: str) -> Disguise:
    """``mark`` between the characters of each word; between words a wider gap."""

    def disguised(text: str) -> str:
        words = text.replace("'", "").replace(f" {mark} ", " ").split(" ")
        gap = " " if mark.strip() else mark * 3
        return gap.join(mark.join(word) for word in words)

    return disguised


EVERYWHERE: Mapping[str, Disguise] = {
    "capitals": str.upper,
    "full width": full_width,
    "invisible": invisible,
    "styled": styled,
    "spaces": apart(" "),
    "stops": apart("."),
    "hyphens": apart("-"),
    "stars": apart("*"),
}
CHINESE: Mapping[str, Disguise] = {
    "traditional": traditional,
    "commas": "，".join,
    "dots": "·".join,
    "emoji": "🚀".join,
    "wide spaces": "\u3000".join,
}
