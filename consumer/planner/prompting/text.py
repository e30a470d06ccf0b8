"""Clean, bounded text out of whatever a catalog wrote. It knows characters and words, no fields and no templates."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from itertools import islice

RAW_LIMIT = 400
"""Characters of a raw value that are looked at; what is kept of it is far shorter."""

MARKS = 2
"""Combining marks kept on one letter; more are a way to deface a picture."""

PAUSES = ",.;:!?，。！？；：、…"
"""Punctuation that must not follow itself or another of its kind."""

OPENING, CLOSING = "([（【《〈「『“‘", ")]）】》〉」』”’"
_BRACKETS = dict(zip(OPENING, CLOSING, strict=True))

_EDGE = PAUSES + " ·•~～–—_/|&*^=@#-"
_EDGE_START = _EDGE + CLOSING
_EDGE_END = _EDGE + OPENING

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Character-class ranges of scripts written without spaces (and hangul, whose syllables count as characters)."""

# Characters that never need repair: anything else (emoji, controls, marks, compatibility forms, braces, tags)
# takes the slow way. The list is short on purpose; the slow way is the rule, this is its cache.
_SAFE = "0-9A-Za-zÀ-ÖØ-öø-ÿ \u4e00-\u9fff\u3041-\u3096\u30a1-\u30fa\u30fcа-яА-Я" + re.escape(
    PAUSES + "'\"%()[]+-/·×–—=#*~_@|“”‘’（）【】《》「」$€£¥°"
)
_PAUSE = re.escape(PAUSES)
_UNSAFE = re.compile(f"[^{_SAFE}]+")
_UNSAFE_LINES = re.compile(f"[^{_SAFE}\n]")
# What may need tidying: one search for doubled pauses, loose pauses and empty brackets, sure to miss none.
_STRAY = re.compile(f"[ \n{_PAUSE}{re.escape(OPENING)}][{_PAUSE}\n{re.escape(CLOSING)}]")
_EMPTY_BRACKETS = re.compile(rf"[{re.escape(OPENING)}]\s*[{re.escape(CLOSING)}]")

_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,6});")
_TAG = re.compile(r"<[/!?]?[a-zA-Z][^<>]*>")
_SYNTAX = re.compile(r"\$?\{[%#]-?|-?[%#]\}|\$?[{}]")
_SPACES = re.compile(r" {2,}")
_DOUBLED = re.compile(rf" *([{_PAUSE}])(?: *[{_PAUSE}])+")
_LOOSE = re.compile(rf" +((?!\.\d)[{_PAUSE}])")  # ".5 l" is a number
_LEADING = re.compile(rf"(?:(?![.-]\d)[{re.escape(_EDGE_START)}])+")
_KEPT_FORMS = frozenset("，！？；：（）～￥…·°")
_TRADE = frozenset("™℠")  # whose compatibility forms would be letters
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "So", "Sk"})
_WORDS = re.compile(rf"[{CJK}]|[^\s{CJK}，。、！？；：（）【】《》「」“”…]+")
_CJK = re.compile(f"[{CJK}]")
_CJK_LAST = re.compile(f"[{CJK}](?=[^{CJK}])")

# Shops put offers before the name: 【官方正品】, [NEW]. They say nothing about the thing.
_MARKETING = re.compile(r"【[^】]*】|\[[^\]]*\]")

# A cut must not leave the first half of a phrase's joint behind.
_DANGLING_WORDS = frozenset(
    ["and", "or", "with", "for", "of", "the", "a", "an", "in", "on", "to", "at", "by", "from", "&"]
)
_DANGLING_CHARACTERS = frozenset("的和与及或带用可等之")


def _characters(run: re.Match[str]) -> str:
    """One form for each character of a run; what is no letter, mark, number, punctuation or sign is left out."""
    out: list[str] = []
    marks = 0
    for raw in run.group():
        for char in raw if raw in _KEPT_FORMS else unicodedata.normalize("NFKC", raw):
            category = unicodedata.category(char)
            marks = marks + 1 if category[0] == "M" else 0
            if char.isspace() or category[0] == "Z" or char in "\\`":
                out.append(" ")
            elif raw in _TRADE:
                continue
            elif marks <= MARKS and (category not in _DROPPED_CATEGORIES or char in _KEPT_FORMS):
                out.append(char)
    return "".join(out)


def _is_tidy(value: str) -> bool:
    return (
        "  " not in value
        and _STRAY.search(value) is None
        and not (value and (value[0] in _EDGE_START or value[-1] in _EDGE_END))
    )


def tidy(value: str) -> str:
    """``value`` without doubled spaces and punctuation, empty brackets and loose ends."""
    while not _is_tidy(value):
        before = value
        value = _SPACES.sub(" ", _EMPTY_BRACKETS.sub(" ", value))
        value = _LOOSE.sub(r"\1", _DOUBLED.sub(r"\1", value))
        value = value.rstrip(_EDGE_END)
        if leading := _LEADING.match(value):
            value = value[leading.end() :]
        if value == before:
            break
    return value


def clean(value: str) -> str:
    """One line of plain words: no markup, template syntax, control or direction characters, emoji, stray punctuation.

    Template syntax loses its braces and stays what it is, words.
    """
    value = value[:RAW_LIMIT]
    if _UNSAFE.search(value):
        if "&" in value:
            value = _ENTITY.sub(lambda match: html.unescape(match.group()), value)
        value = unicodedata.normalize("NFC", _UNSAFE.sub(_characters, value))
        value = _SYNTAX.sub(" ", _TAG.sub(" ", value))
    return tidy(value)


def clean_all(values: Sequence[str]) -> list[str]:
    """Each value cleaned. Values that are clean already, nearly all of a real catalog, cost two searches together."""
    lines = "\n".join(values)
    if (
        all(values)
        and len(lines) < RAW_LIMIT
        and _UNSAFE_LINES.search(lines) is None
        and lines.count("\n") == len(values) - 1
        and _is_tidy(lines)
        and not any(value[0] in _EDGE_START or value[-1] in _EDGE_END for value in values)
    ):
        return list(values)
    return [clean(value) for value in values]


def count(text: str) -> int:
    """Words, and characters (字) of scripts without spaces: the measure of a prompt's length."""
    return len(text.split()) if text.isascii() else len(_WORDS.findall(text))


def fits(text: str, words: int, characters: int) -> bool:
    """Whether ``text`` is within ``words`` (see ``count``) and ``characters``."""
    # A word has at least one character, so short texts need no counting.
    return len(text) <= words or (len(text) <= characters and count(text) <= words)


def cut(text: str, words: int, characters: int) -> str:
    """``text`` within ``words`` (see ``count``) and ``characters``, ended at a phrase or word where there is one."""
    if fits(text, words, characters):
        return text
    end = min(len(text), characters)
    if count(text[:end]) > words:
        end = next(islice(_WORDS.finditer(text), words, None)).start()
    return _ended(text, end)


def _ended(text: str, end: int) -> str:
    head = text[:end]
    if end < len(text) and not _breaks(text[end - 1], text[end]):
        word = _last(head, f" {PAUSES}")
        if not head.isascii():
            word = max(word, *(match.end() for match in _CJK_LAST.finditer(head)), -1)
        head = head[:word] if word * 2 >= end else head
    # A whole phrase reads better than one word more, unless most would be lost.
    phrase = _last(head, ",;，；、。|/")
    if phrase * 5 >= len(head) * 2:
        head = head[:phrase]
    head = tidy(_balanced(head))
    while head:
        rest, _, last = head.rpartition(" ")
        if last.lower() in _DANGLING_WORDS:
            head = tidy(rest)
        elif last[-1] in _DANGLING_CHARACTERS:
            head = tidy(head[:-1])
        else:
            break
    return head


def _last(text: str, marks: str) -> int:
    """Where the last of ``marks`` stands in ``text``; -1 without any."""
    return max(map(text.rfind, marks))


def _breaks(before: str, after: str) -> bool:
    """Whether a word ends between the two: at a space, at punctuation, or beside a character that needs no spaces."""
    return not (before.isalnum() and after.isalnum()) or bool(_CJK.match(before) or _CJK.match(after))


def _balanced(text: str) -> str:
    """``text`` up to a bracket that its cut left open."""
    if not any(char in text for char in OPENING):
        return text
    open_at: list[tuple[str, int]] = []
    for index, char in enumerate(text):
        if char in _BRACKETS:
            open_at.append((_BRACKETS[char], index))
        elif open_at and char == open_at[-1][0]:
            open_at.pop()
    return text[: open_at[0][1]] if open_at and open_at[0][1] else text


def without_tags(name: str) -> str:
    """``name`` without its bracketed offers (【新品】), unless nothing else is in it."""
    if "【" not in name and "[" not in name:
        return name
    return tidy(_MARKETING.sub(" ", name)) or name
