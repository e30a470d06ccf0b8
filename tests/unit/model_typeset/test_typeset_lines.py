"""Laws of line breaking: nothing lost, nothing too wide, no mark where it may not stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.typeset import drawable
from model.typeset.lines import CLOSING, ELLIPSIS, OPENING, atoms, balance, cut, split_long, wrap

MIXED = st.text(alphabet="便携榨汁杯，。（）《》“”！30天 abcdefg-/%$¥", min_size=1, max_size=80)


def squares(text: str) -> float:
    """A width everyone can check: Han squares are 2, all else 1."""
    return float(sum(2 if "\u2e80" <= char <= "\uffef" else 1 for char in text))


def joined(lines: list[str]) -> str:
    """The text of the lines without its spaces."""
    return "".join(lines).replace(" ", "")


@given(MIXED)
def test_atoms_lose_no_character(text: str) -> None:
    """Splitting at break opportunities keeps every visible character in order."""
    clean = drawable(text)
    assert joined([piece.text for piece in atoms(clean)]) == clean.replace(" ", "")


@given(MIXED, st.integers(4, 40))
def test_wrapping_keeps_every_character_within_the_limit(text: str, limit: int) -> None:
    """No line is wider than the limit and nothing is lost, however narrow the column."""
    clean = drawable(text)
    lines = wrap(atoms(clean), squares, limit)
    assert joined(lines) == clean.replace(" ", "")
    assert all(squares(line) <= limit for line in lines)


@given(MIXED, st.integers(24, 40))
def test_no_line_starts_with_a_closing_mark_or_ends_with_an_opening_one(text: str, limit: int) -> None:
    """Kinsoku holds wherever no single atom had to be torn."""
    pieces = atoms(drawable(text))
    if any(squares(piece.text) > limit for piece in pieces):
        return
    lines = wrap(pieces, squares, limit)
    assert all(line[0] not in CLOSING for line in lines[1:])
    assert all(line[-1] not in OPENING for line in lines[:-1])


@pytest.mark.parametrize(
    "text", ["每一口，都是“新鲜”的味道！", "轻量（大容量）双肩包", "《说明书》：请先阅读。", "只要¥99，包邮！"]
)
@pytest.mark.parametrize("limit", range(6, 30))
def test_kinsoku_on_real_sentences(text: str, limit: int) -> None:
    """Closing marks never open a line and opening marks never end one, at any width of at least three squares."""
    lines = wrap(atoms(text), squares, limit)
    assert all(line[0] not in CLOSING for line in lines[1:])
    assert all(line[-1] not in OPENING for line in lines[:-1])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("续航 30 天", "30 天"),
        ("续航30天", "30天"),
        ("Blender 350ml", "350ml"),
        ("Good !", "Good !"),
        ("charge 2-3 hours", "2-3"),
    ],
)
def test_what_belongs_together_stays_together(text: str, whole: str) -> None:
    """Numbers keep their units and ranges; a mark keeps its word."""
    assert whole in [piece.text for piece in atoms(text)]


def test_latin_words_break_after_hyphens_and_slashes() -> None:
    """A compound may part where it shows its parts."""
    assert [piece.text for piece in atoms("USB-C black/white")] == ["USB-", "C", "black/", "white"]


@given(st.text(alphabet="abcdefghij，（", min_size=1, max_size=60), st.integers(2, 20))
def test_a_long_word_is_cut_into_pieces_that_fit(word: str, limit: int) -> None:
    """A word wider than the column is cut between characters, without loss."""
    pieces = split_long(word, squares, limit)
    assert "".join(pieces) == word
    assert all(squares(piece) <= limit for piece in pieces)


def test_a_character_wider_than_the_column_stands_alone() -> None:
    """Even an impossible column ends: one character a line."""
    assert split_long("榨汁", squares, 1) == ["榨", "汁"]


@given(MIXED, st.integers(10, 40))
def test_balancing_changes_neither_words_nor_the_number_of_lines(text: str, limit: int) -> None:
    """Balanced lines hold the same text in as many lines, each within the limit."""
    pieces = atoms(drawable(text))
    lines = wrap(pieces, squares, limit)
    even = balance(pieces, squares, limit, len(lines))
    if even is not None:
        assert len(even) == len(lines)
        assert joined(even) == joined(lines)
        assert all(squares(line) <= limit for line in even)


def test_balancing_evens_out_a_short_last_line() -> None:
    """A single word is not left alone on the last line."""
    pieces = atoms("one two three four five six")
    assert wrap(pieces, squares, 23) == ["one two three four five", "six"]
    assert balance(pieces, squares, 23, 2) == ["one two three", "four five six"]


def test_balancing_prefers_the_end_of_a_phrase() -> None:
    """A Chinese title parts at its space rather than inside a word."""
    assert balance(atoms("便携榨汁杯 一键清洗"), squares, 16, 2) == ["便携榨汁杯", "一键清洗"]


def test_balancing_spares_hyphenated_words() -> None:
    """A compound is parted only where lines would otherwise be much less even."""
    assert balance(atoms("Whisper-quiet at 22 dB"), squares, 15, 2) == ["Whisper-quiet", "at 22 dB"]


def test_a_word_too_wide_cannot_be_balanced() -> None:
    """Balancing declines what only cutting can set."""
    assert balance(atoms("a incomprehensibilities"), squares, 10, 3) is None


def test_one_line_needs_no_balance() -> None:
    """There is nothing to even out in a single line."""
    assert balance(atoms("one"), squares, 10, 1) is None


@given(st.lists(st.text(alphabet="abc，（ ", min_size=1, max_size=12), min_size=1, max_size=6), st.integers(1, 4))
def test_a_cut_text_ends_in_an_ellipsis_that_fits(lines: list[str], count: int) -> None:
    """What is cut says so, within the same width; what is not cut is left alone."""
    kept = cut(lines, count, squares, 14)
    if len(lines) <= count:
        assert kept == lines
    else:
        assert len(kept) == count
        assert kept[-1].endswith(ELLIPSIS)
        assert squares(kept[-1]) <= 14
        assert kept[-1][-2:-1] not in OPENING
