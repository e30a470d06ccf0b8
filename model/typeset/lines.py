"""Where lines may break, and where they break best, for Chinese, Latin and mixtures of both.

Knows widths as a function and characters as classes; opens no font. Line-end rules after the usual kinsoku practice
(W3C, Requirements for Chinese Text Layout): no closing mark opens a line, no opening mark ends one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Width = Callable[[str], float]
"""Advance of a string in pixels."""

ELLIPSIS = "…"
CLOSING = frozenset("、。，．：；？！）］｝〕〉》」』】〗〙”’％‰℃°·…—～々ー,.:;?!)]}%»›")
OPENING = frozenset("（［｛〔〈《「『【〖〘“‘([{«‹¥￥$€£＃#")
_BREAK_AFTER = frozenset("-–/")


@dataclass(frozen=True, slots=True)
class Atom:
    """Text that stays together. ``space`` follows it unless a line ends there; ``natural`` ends are good line ends."""

    text: str
    space: bool
    natural: bool


def is_wide(char: str) -> bool:
    """True for characters that take a full square: Han, kana, Hangul and full-width marks."""
    return unicodedata.east_asian_width(char) in ("W", "F")


def atoms(text: str) -> list[Atom]:
    """Split clean text (single spaces, no controls) at every place where a line may break."""
    pieces: list[Atom] = []
    start = 0
    for index, char in enumerate(text):
        following, beyond = text[index + 1 : index + 2], text[index + 2 : index + 3]
        space = following == " "
        if char == " " or (space and _binds_over_space(char, beyond)):
            continue
        if following and not space and not _may_break(char, following):
            continue
        natural = space or not following or char in CLOSING
        pieces.append(Atom(text[start : index + 1], space, natural))
        start = index + 1 + space
    return pieces


def _binds_over_space(char: str, beyond: str) -> bool:
    # A number and the Chinese unit after it ("30 天") read as one; so does a mark that must not open a line.
    return char in OPENING or beyond in CLOSING or (char.isdigit() and beyond != "" and is_wide(beyond))


def _may_break(char: str, following: str) -> bool:
    if following in CLOSING or char in OPENING:
        return False
    if char in _BREAK_AFTER:
        return not following.isdigit()
    if char.isdigit() and is_wide(following):
        return False
    return is_wide(char) or is_wide(following)


def wrap(pieces: Sequence[Atom], width: Width, limit: float) -> list[str]:
    """Fewest lines no wider than the limit; an atom wider than a line is split between characters."""
    lines: list[str] = []
    line, used, space = "", 0.0, 0.0
    for piece in pieces:
        extent = width(piece.text)
        if line and used + space + extent > limit:
            lines.append(line)
            line, used, space = "", 0.0, 0.0
        if extent > limit:
            *full, rest = split_long(piece.text, width, limit)
            lines.extend(full)
            line, used = rest, width(rest)
        else:
            line, used = line + (" " if space else "") + piece.text, used + space + extent
        space = width(" ") if piece.space else 0.0
    return [*lines, line] if line else lines


def split_long(text: str, width: Width, limit: float) -> list[str]:
    """Cut one over-long atom into pieces that fit (at least one character each), kept to the line-end rules."""
    pieces: list[str] = []
    while text:
        room, end = limit, 0
        while end < len(text) and (room := room - width(text[end])) >= 0:
            end += 1
        end = _lawful(text, max(end, 1))
        pieces.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return pieces


def _lawful(text: str, end: int) -> int:
    """The nearest earlier place, within three characters, where a line may end; the place itself if there is none."""
    for place in range(end, max(end - 4, 0), -1):
        if place == len(text) or (text[place] not in CLOSING and text[place - 1] not in OPENING):
            return place
    return end


def balance(pieces: Sequence[Atom], width: Width, limit: float, count: int) -> list[str] | None:
    """The same number of lines with even lengths and natural ends; None when an atom does not fit a line.

    Minimises the sum of squared slack plus a price for a break inside a Chinese run, over all breakings into
    ``count`` lines.
    """
    extents = [width(piece.text) for piece in pieces]
    blank = width(" ")
    if count <= 1 or max(extents, default=0.0) > limit:
        return None
    total = len(pieces)
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, -1)}]
    for _ in range(count):
        reached: dict[int, tuple[float, int]] = {}
        for start, (cost, _) in best[-1].items():
            used = 0.0
            for end in range(start, total):
                used += extents[end] + (blank if end > start and pieces[end - 1].space else 0.0)
                if used > limit:
                    break
                price = cost + (1 - used / limit) ** 2 + (0.0 if pieces[end].natural else 0.12)
                if end + 1 not in reached or price < reached[end + 1][0]:
                    reached[end + 1] = (price, start)
        best.append(reached)
    if total not in best[count]:
        return None
    ends = [total]
    for row in range(count, 0, -1):
        ends.append(best[row][ends[-1]][1])
    return [_join(pieces[start:end]) for end, start in pairwise(ends)][::-1]


def _join(pieces: Sequence[Atom]) -> str:
    return "".join(piece.text + (" " if piece.space else "") for piece in pieces).rstrip()


def cut(lines: Sequence[str], count: int, width: Width, limit: float) -> list[str]:
    """The first lines, the last of them ending in an ellipsis that fits."""
    kept = list(lines[:count])
    if len(lines) <= count or not kept:
        return kept
    last = kept[-1]
    while last and (width(last + ELLIPSIS) > limit or last[-1] in OPENING or last[-1] in " ，、,;；:：-–"):
        last = last[:-1]
    kept[-1] = last + ELLIPSIS
    return kept
