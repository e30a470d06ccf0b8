"""A promotion's words: all of them, readable, in their box; or refused with the field and the reason."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.errors import DressError, WordsError
from model.typeset import BLACK, WHITE, Block, contrast, drawable
from model.words import READABLE, Manner, ink_on, mixed, set_whole, unit
from model.words import drawable as drawn

MANNERS = (
    Manner(largest=32, smallest=20, lines=1, weight=700),
    Manner(largest=22, smallest=14, lines=2, weight=700),
)
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)
HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("满300减50全场五折，。！Sale off 30%-/\u202e\u2066\u200b\u200d\ufeff\x00\x1b\n\t🔥👩‍👩‍👧שلا"),
    ),
    max_size=120,
)


@given(HOSTILE, st.integers(10, 900), st.integers(5, 90))
@settings(deadline=None, max_examples=150)
@example("満" * 40, 600, 60)
@example("Donaudampfschifffahrtsgesellschaft", 120, 60)
def test_words_are_set_whole_or_refused(text: str, width: int, height: int) -> None:
    """Every drawable character is there, inside the box, whatever the text; or the error names the field."""
    block, refusal = tried(text, (width, height))
    if block is None:
        assert refusal.startswith("a.field: ")
        assert refusal.isprintable()
        return
    assert block.width <= width
    assert block.height <= height
    assert not block.cut
    assert "".join(block.lines).replace(" ", "") == drawable(text).replace(" ", "")
    assert block.size >= 14


def test_long_words_are_made_smaller_then_broken_then_refused() -> None:
    """In this order, and never beyond the smallest size."""
    short, longer, long, endless = (tried("满三百减五十" * count, (300, 60))[0] for count in (1, 2, 4, 40))
    assert short
    assert longer
    assert long
    assert (short.size, len(short.lines)) == (32, 1)
    assert 20 <= longer.size < 32
    assert len(longer.lines) == 1
    assert (14 <= long.size <= 22, len(long.lines)) == (True, 2)
    assert endless is None


def tried(text: str, box: tuple[int, int]) -> tuple[Block | None, str]:
    """The block, or None and the reason why the text is refused."""
    try:
        return set_whole(text, box, MANNERS, "a.field"), ""
    except WordsError as error:
        return None, str(error)


def test_a_torn_word_is_no_fit() -> None:
    """Chinese breaks between any two characters, Latin only between words: a long one is refused, not split."""
    with pytest.raises(WordsError, match="does not fit its 120x60 pixels at a readable size"):
        set_whole("Donaudampfschifffahrtsgesellschaft", (120, 60), MANNERS, "x")
    assert len(set_whole("满三百减五十送礼", (120, 60), MANNERS, "x").lines) == 2


@pytest.mark.parametrize("text", ["", "  ", "🔥🔥", "\u202e\u200b", "!!!", "……"])
def test_a_text_without_words_is_refused(text: str) -> None:
    """An empty ribbon is no ribbon."""
    with pytest.raises(WordsError, match="no words that the typeface can draw"):
        drawn(text, "x")


@pytest.mark.parametrize("text", ["خصم 50%", "Sale מבצע", "ลดราคา 30%"])
def test_letters_without_a_glyph_are_refused(text: str) -> None:
    """Half a text says something else; the message names the characters by their code points."""
    with pytest.raises(WordsError, match=r"typeface cannot draw \(U\+0"):
        drawn(text, "x")


@pytest.mark.parametrize(
    ("text", "kept"), [("🔥 Sale 🔥", "Sale"), ("Sa\u200ble\u202e 5\x00", "Sale 5"), ("𝐒𝐚𝐥𝐞", "Sale"), ("a\n b", "a b")]
)
def test_what_carries_no_meaning_is_left_out(text: str, kept: str) -> None:
    """Emoji, controls and direction marks go; letters in disguise become themselves."""
    assert drawn(text, "x") == kept


@given(COLOURS)
def test_ink_reads_on_every_ground(ground: tuple[int, int, int]) -> None:
    """WCAG AA on whatever colour a shop chooses; white wherever white reads."""
    ink = ink_on(ground)
    assert contrast(ink, ground) >= READABLE
    assert ink == WHITE or contrast(WHITE, ground) < READABLE


@given(COLOURS, COLOURS)
def test_mixing_ends_at_both_colours(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    """Nothing of the other is the one, all of it the other."""
    assert mixed(one, other, 0) == one
    assert mixed(one, other, 1) == other
    assert mixed(BLACK, WHITE, 0.5) == (128, 128, 128)


@given(st.integers(32, 4096), st.integers(32, 4096))
def test_the_unit_follows_the_picture(width: int, height: int) -> None:
    """Body text is never larger than a twelfth of the height, and grows with the picture."""
    assert 0 < unit(width, height) <= height / 12
    assert unit(2 * width, 2 * height) == pytest.approx(2 * unit(width, height))


def test_a_words_error_is_a_dress_error() -> None:
    """Whoever handles what cannot be dressed handles this too."""
    assert issubclass(WordsError, DressError)
