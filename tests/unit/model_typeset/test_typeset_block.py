"""Laws of set text: inside its box, as large as may be, cut only when it must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.typeset import Block, drawable, fit, ink_height, leading_for, mask, measure, render_text, size_for_ink
from model.typeset.block import Align

TEXT = st.text(alphabet="便携榨汁杯，。（）！30天 Agjy-ÅÉ…", min_size=1, max_size=60)
ALIGN: st.SearchStrategy[Align] = st.sampled_from(("left", "center", "right"))


def words(lines: tuple[str, ...]) -> str:
    """The text of the lines without its spaces."""
    return "".join(lines).replace(" ", "")


@settings(deadline=None, max_examples=60)
@given(TEXT, st.integers(60, 400), st.integers(40, 300), ALIGN)
def test_ink_stays_inside_the_box_and_nothing_is_lost(text: str, width: int, height: int, align: Align) -> None:
    """A block never exceeds its box, its picture holds all its ink, and uncut text is whole."""
    block = fit(text, width=width, height=height, largest=48, smallest=18, align=align)
    assert block.width <= width
    assert block.height <= height
    if not block.cut:
        assert words(block.lines) == drawable(text).replace(" ", "")
    ink = np.asarray(mask(block))
    assert ink.shape == (max(block.height, 1), max(block.width, 1))
    assert ink.any() == bool(block.lines)


@settings(deadline=None, max_examples=30)
@given(TEXT)
def test_the_mask_cuts_no_glyph(text: str) -> None:
    """Each line's ink in the picture is as wide and as high as the glyphs themselves: nothing is clipped."""
    block = fit(text, width=400, height=120, largest=40, smallest=20, max_lines=1, leading=1.0)
    if block.lines:
        box = mask(block).getbbox()
        assert box is not None
        assert box[3] - box[1] == ink_height(block.lines[0], block.size)
        assert box[2] - box[0] == block.width


def test_a_larger_box_never_gives_smaller_text() -> None:
    """Room is used: size grows with the box."""
    sizes = [
        fit("Portable Blender Bottle", width=width, height=200, largest=80, smallest=10).size
        for width in range(80, 600, 40)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_words_are_kept_whole_while_any_size_allows() -> None:
    """A long word shrinks before it is torn."""
    block = fit("Multifunctional Kettle", width=200, height=200, largest=60, smallest=16)
    assert block.lines == ("Multifunctional", "Kettle")


def test_a_word_too_long_for_every_size_is_torn_not_cut() -> None:
    """All letters of an over-long word are shown where there is room for lines."""
    block = fit("Donaudampfschifffahrtsgesellschaft", width=150, height=200, largest=40, smallest=18)
    assert not block.cut
    assert len(block.lines) > 1
    assert words(block.lines) == "Donaudampfschifffahrtsgesellschaft"


def test_phrases_stay_whole_for_a_little_size() -> None:
    """A Chinese title parts between phrases although a torn phrase could be larger."""
    block = fit("便携榨汁杯 350ml 一键清洗", width=244, height=200, largest=60, smallest=22, weight=750)
    assert block.lines == ("便携榨汁杯", "350ml", "一键清洗")


@pytest.mark.parametrize("text", ["x" * 1000, "很长" * 500, "many words " * 100])
def test_endless_text_is_cut_with_an_ellipsis(text: str) -> None:
    """A thousand characters become what the box holds, and say that there was more."""
    block = fit(text, width=300, height=120, largest=60, smallest=24)
    assert block.cut
    assert block.lines[-1].endswith("…")
    assert len(block.lines) == 3
    assert block.size == 24


def test_text_beyond_what_is_looked_at_counts_as_cut() -> None:
    """Even in a box that holds everything looked at, more text than that shows its ellipsis."""
    block = fit("ab " * 400, width=4000, height=4000, largest=20, smallest=20, max_lines=50)
    assert block.cut
    assert block.lines[-1].endswith("…")


@pytest.mark.parametrize("text", ["", "  ", "🎉", "\0\u202e"])
def test_nothing_drawable_is_an_empty_block(text: str) -> None:
    """Empty text is set as no lines and drawn as nothing."""
    block = fit(text, width=100, height=50, largest=30, smallest=20)
    assert (block.lines, block.width, block.height, block.cut) == ((), 0, 0, False)
    assert render_text(block, (255, 0, 0)).getchannel("A").getbbox() is None


def test_a_box_too_low_for_one_line_gets_one_line() -> None:
    """The caller sees by the height that it does not fit."""
    block = fit("Ay", width=100, height=10, largest=30, smallest=20)
    assert block.lines == ("Ay",)
    assert block.height > 10


def test_a_box_too_narrow_for_an_ellipsis_stays_within_it() -> None:
    """A column of a few pixels gives at most one glyph a line, never more than the box in height."""
    block = fit("便携榨汁杯", width=24, height=60, largest=24, smallest=24)
    assert block.cut
    assert block.width <= 24
    assert block.height <= 60


@pytest.mark.parametrize(
    ("width", "height", "largest", "smallest", "lines"),
    [(0, 10, 20, 10, 1), (10, 0, 20, 10, 1), (10, 10, 10, 20, 1), (10, 10, 20, 0, 1), (10, 10, 20, 10, 0)],
)
def test_impossible_orders_are_refused(width: int, height: int, largest: int, smallest: int, lines: int) -> None:
    """No box, no size or no line is the caller's mistake."""
    with pytest.raises(ValueError, match="fit: box"):
        fit("a", width=width, height=height, largest=largest, smallest=smallest, max_lines=lines)


def test_alignment_moves_the_shorter_line() -> None:
    """Left, centred and right lines start where they are told; the widest fills the block."""
    starts = {}
    for align in ("left", "center", "right"):
        wide = Block(
            lines=("Wide line here", "no"),
            size=24,
            weight=400,
            leading=1.25,
            align=align,
            width=200,
            height=60,
            baseline=24,
            cut=False,
        )
        second = np.asarray(mask(wide))[34:]
        columns = np.nonzero(second.max(axis=0))[0]
        starts[align] = (int(columns[0]), int(columns[-1]))
    assert starts["left"][0] == 0
    assert starts["right"][1] == 199
    assert starts["left"][0] < starts["center"][0] < starts["right"][0]


def test_rendered_text_is_the_colour_where_the_ink_is() -> None:
    """The picture carries one colour and the ink as alpha; opacity thins it."""
    block = fit("杯", width=60, height=60, largest=40, smallest=40)
    full, half = render_text(block, (10, 200, 30)), render_text(block, (10, 200, 30), opacity=0.5)
    assert full.mode == "RGBA"
    assert full.size == (block.width, block.height)
    assert full.getpixel((0, 0))[:3] == (10, 200, 30)  # type: ignore[index]
    assert full.getchannel("A").tobytes() == mask(block).tobytes()
    assert half.getchannel("A").getextrema()[1] == pytest.approx(128, abs=1)


@pytest.mark.parametrize("text", ["AI生成", "AI-generated", "人工智能生成"])
@pytest.mark.parametrize("height", [12, 24, 36])
def test_a_size_is_found_for_a_height_of_ink(text: str, height: int) -> None:
    """The smallest size whose glyphs reach the height: one less would not."""
    size = size_for_ink(text, height)
    assert ink_height(text, size) >= height
    assert ink_height(text, size - 1) < height


def test_inkless_text_has_no_size() -> None:
    """No size makes blank text visible."""
    with pytest.raises(ValueError, match="no ink"):
        size_for_ink(" ", 20)


def test_measure_and_leading_follow_the_script() -> None:
    """A Han square is about one em; Chinese lines get more air than Latin ones."""
    assert measure("便携", 50) == pytest.approx(100, rel=0.03)
    assert leading_for("便携") > leading_for("Portable")
