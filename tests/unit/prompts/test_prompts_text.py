"""What cleaning and cutting text promise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.planner.prompting.text import clean, clean_all, count, cut, fits, without_tags


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Kettle", "Kettle"),
        ("  two\t words\n", "two words"),
        ("{{ 7*7 }}", "7*7"),
        ("{%- if x -%}a{% endif %}", "if x a endif"),
        ("${jndi:ldap}", "jndi:ldap"),
        ("<b>Strong</b> &amp; light", "Strong & light"),
        ("a\u202eb\u200bc\x00d\x1b[0m", "abcd[0m"),
        ("🚀 Fast!!! 🚀", "Fast"),
        ("wow , , such", "wow, such"),
        ("Kettle (  ) red", "Kettle red"),
        ("Ａｂｃ１２３，好！！用", "Abc123，好！用"),
        ("1.7 ㎏ ℃ ﬁt", "1.7 kg °C fit"),
        (".5 L", ".5 L"),
        ("about .5 L", "about .5 L"),
        ("ratio 1 :2 ,5", "ratio 1:2,5"),
        ("-20 °C", "-20 °C"),
        ("– dash", "dash"),
        ("e\u0301\u0301\u0301\u0301\u0301", "é\u0301"),
        ("™®©", ""),
        ("\ud800x", "x"),
        ("", ""),
    ],
)
def test_cleaning_keeps_the_words(written: str, kept: str) -> None:
    """Markup, syntax, controls, directions, emoji and stray punctuation go; words stay."""
    assert clean(written) == kept


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=40) | st.sampled_from(["", "Soft", "红色，圆", "a\nb", "x  y", "ok."]), max_size=5))
def test_cleaning_together_is_cleaning_each(values: list[str]) -> None:
    """The short way over several texts changes nothing but the time."""
    assert clean_all(values) == [clean(value) for value in values]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_cleaning_is_one_printable_line(value: str) -> None:
    """Whatever comes in."""
    result = clean(value)
    assert result.isprintable()
    assert "  " not in result
    assert not set("{}\\`") & set(result)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("one two-part 3.5", 3), ("红色 kettle 水壶", 5), ("画面正中，红色。", 6), ("  x ", 1)],
)
def test_words_and_characters_are_counted(text: str, words: int) -> None:
    """Spaces part words; scripts without spaces count by character; Chinese punctuation does not count."""
    assert count(text) == words


@pytest.mark.parametrize(
    ("text", "words", "characters", "kept"),
    [
        ("short", 5, 20, "short"),
        ("one two three four", 3, 40, "one two three"),
        ("one two three four", 9, 12, "one two"),
        ("hot for twelve hours and cold for a day", 7, 90, "hot for twelve hours and cold"),
        ("keeps it warm, keeps it dry", 5, 90, "keeps it warm"),
        ("Kettle (two litres, with lid)", 4, 90, "Kettle"),
        ("Kettle set (two litres)", 3, 90, "Kettle set"),
        ("超长续航可拆卸的", 7, 90, "超长续航可拆卸"),
        ("轻便，可折叠收纳", 4, 90, "轻便"),
        ("青屿ProMaxUltra水壶", 9, 8, "青屿ProMax"),
        ("Donaudampfschifffahrt", 9, 10, "Donaudampf"),
        ("the of and", 2, 90, ""),
    ],
)
def test_cuts_end_where_a_phrase_or_word_ends(text: str, words: int, characters: int, kept: str) -> None:
    """Never in a bracket, never at a dangling 'and', in a word only when it fills the space alone."""
    assert cut(text, words, characters) == kept


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abc 红色，,(【）and-.的", max_size=60), st.integers(1, 12), st.integers(1, 40))
def test_a_cut_fits(text: str, words: int, characters: int) -> None:
    """Whatever is cut is within both limits."""
    text = clean(text)
    result = cut(text, words, characters)
    assert fits(result, words, characters)
    assert len(result) <= len(text)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("【新品】水壶", "水壶"), ("[NEW] Kettle", "Kettle"), ("【新品】", "【新品】"), ("Kettle", "Kettle")],
)
def test_bracketed_offers_leave_a_name(name: str, kept: str) -> None:
    """Unless nothing else is in it."""
    assert without_tags(name) == kept
