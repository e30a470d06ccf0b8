"""The visible label: lawful, legible on every picture, inside it, and refused where it cannot be all of that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.colour import Converter, Planar, planar_array, planar_frame, planes
from model.errors import DressError
from model.typeset import contrast, ink_height
from model.visible import GLYPH_SHARE, glyph_size, make_label

SIZES = [(640, 480), (854, 480), (480, 854), (480, 480), (640, 360), (1280, 720), (320, 240)]


def grey(level: int, width: int, height: int) -> Planar:
    """A picture of one grey, TV range."""
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = level
    return picture


def glyph_heights(
    text: str, width: int, height: int
) -> tuple[list[int], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Rendered height of each separate piece of ink over a white picture, and the luma with the label on it."""
    picture = grey(235, width, height)
    label = make_label(text, width, height)
    label.lay_over(picture)
    luma = planes(picture)[0]
    high, wide = label.keep[0].shape
    ink = luma[label.top : label.top + high, label.left : label.left + wide] > 200
    inner = ink[2:-2, high // 5 : -(high // 5)]  # without the round corners, through which the white shows
    columns = np.flatnonzero(np.diff(np.concatenate(([0], inner.any(0).astype(np.int8), [0]))))
    pieces = [inner[:, start:end] for start, end in zip(columns[::2], columns[1::2], strict=True)]
    return [int(np.ptp(np.flatnonzero(piece.any(1)))) + 1 for piece in pieces], luma


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["AI生成", "AI生成合成内容", "AI GENERATED"])
def test_glyphs_are_as_high_as_the_law_asks(text: str, size: tuple[int, int]) -> None:
    """Every capital and Chinese character, measured on its rendered ink, is at least 5 % of the shortest side high."""
    heights, _ = glyph_heights(text, *size)
    assert min(heights) >= GLYPH_SHARE * min(size)


@pytest.mark.parametrize("size", SIZES)
def test_small_letters_stand_beside_capitals_that_are_high_enough(size: tuple[int, int]) -> None:
    """In "AI generated" the capitals and the letters with stems reach the lawful height."""
    heights, _ = glyph_heights("AI generated", *size)
    assert min(heights[:2]) >= GLYPH_SHARE * min(size)


@pytest.mark.parametrize("background", [16, 60, 128, 180, 235])
def test_the_label_reads_on_every_background(background: int) -> None:
    """White ink on its plate has a contrast of 4.5 at least (WCAG AA), on white as on black."""
    width, height = 640, 480
    picture = grey(background, width, height)
    label = make_label("AI生成", width, height)
    label.lay_over(picture)
    luma = planes(picture)[0]
    high, wide = label.keep[0].shape
    patch = luma[label.top : label.top + high, label.left : label.left + wide]
    plate, ink = (round((float(np.percentile(patch[4:-4, 8:-8], q)) - 16) * 255 / 219) for q in (20, 99))
    assert contrast((ink,) * 3, (plate,) * 3) >= 4.5


@given(st.sampled_from(SIZES), st.sampled_from(["AI生成", "AI generated", "人工智能合成"]))
@settings(deadline=None)
def test_the_label_stays_inside_and_changes_nothing_else(size: tuple[int, int], text: str) -> None:
    """Top right, inside the safe margin; every pixel outside its plate is the picture's own."""
    width, height = size
    picture = planar_array(
        Converter().to_yuv(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))
    )
    before = picture.copy()
    label = make_label(text, width, height)
    label.lay_over(picture)
    changed = np.argwhere(planes(picture)[0] != planes(before)[0])
    top, left = changed.min(0)
    bottom, right = changed.max(0)
    margin = math.floor(0.03 * min(size))
    assert left > width // 4
    assert right < width - margin
    assert margin <= top
    assert bottom < height // 4
    assert (picture[height * 3 // 4 : height] == before[height * 3 // 4 : height]).all()


def test_a_label_over_colour_is_neutral() -> None:
    """White ink over red is white, not pink."""
    picture = planar_array(Converter().to_yuv(np.full((480, 640, 3), (255, 0, 0), np.uint8)))
    label = make_label("AI生成", 640, 480)
    label.lay_over(picture)
    rgb = Converter().to_rgb(planar_frame(picture))
    brightest = rgb[label.top : label.top + 60].reshape(-1, 3)
    brightest = brightest[brightest.min(1) > 200]
    assert len(brightest) > 100
    assert np.ptp(brightest.astype(int), axis=1).mean() < 40


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u202e", "🙂🙂", "……"])
def test_a_label_without_words_is_refused(text: str) -> None:
    """What cannot be drawn is no label: no clip gets an empty plate."""
    with pytest.raises(DressError, match="no words"):
        make_label(text, 640, 480)


def test_a_label_too_long_for_the_picture_is_refused() -> None:
    """It is never made smaller than the law allows."""
    with pytest.raises(DressError, match="does not fit 480x480"):
        make_label("AI generated " * 5, 480, 480)
    with pytest.raises(DressError, match="does not fit"):
        make_label("AI生成内容AI生成内容AI生成内容", 240, 1000)


def test_glyph_size_measures_what_stands() -> None:
    """Small letters do not decide where there are capitals or Chinese characters; alone, they do."""
    assert ink_height("A", glyph_size("AI generated", 24), 500) >= 24
    assert ink_height("I", glyph_size("AI generated", 24), 500) >= 24
    assert ink_height("生", glyph_size("生", 24), 500) >= 24
    assert glyph_size("ai", 24) >= 24
