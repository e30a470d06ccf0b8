"""Laws of what may be drawn: no boxes, no controls, no surprises in direction."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.typeset import drawable, has_words, missing_glyphs


@given(st.text(max_size=200))
def test_drawable_text_has_no_missing_glyph_and_no_control(text: str) -> None:
    """Whatever comes in, what goes out can be drawn character by character, on one line."""
    clean = drawable(text)
    assert missing_glyphs(clean) == set()
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in clean)
    assert clean == clean.strip()
    assert "  " not in clean


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """Clean text stays as it is."""
    assert drawable(drawable(text)) == drawable(text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\0b", "ab"),
        ("safe\u202eevil", "safeevil"),
        ("line\none\ttwo\u2028three", "line one two three"),
        ("\u3000全角　空格 ", "全角 空格"),
        ("cafe\u0301", "café"),
        ("👍 Good 🎉", "Good"),
        ("❤\ufe0f", "❤" if not missing_glyphs("❤") else ""),
        ("{{ 7*7 }} {% raw %}", "{{ 7*7 }} {% raw %}"),
        ("𝐁𝐨𝐥𝐝", "Bold"),
        ("שלום", ""),
        ("", ""),
    ],
)
def test_cleaning_by_example(text: str, clean: str) -> None:
    """The writer's words stay; what cannot be drawn goes; template marks are plain text."""
    assert drawable(text) == clean


@pytest.mark.parametrize(("text", "words"), [("杯", True), ("A!", True), ("3", True), ("!!!", False), ("🎉", False)])
def test_only_letters_and_numbers_are_words(text: str, words: bool) -> None:
    """A caption of marks or emoji alone says nothing worth a place in a clip."""
    assert has_words(text) is words
