"""Dressing: the base fills the output without bars or distortion; its label is lawful, legible and always there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.colour import Converter, Planar, planar_array, planar_frame, planes
from model.dress import GLYPH_SHARE, check_supported, cover, cover_window, dress, glyph_size, make_label
from model.encode import encode_base, planar_frames_of
from model.engine import Frames
from model.errors import DecodeError, DressError, UnsupportedDressing
from model.recipe import Dressing, EndCard, Overlays, Ribbon
from model.typeset import contrast, ink_height
from tests.unit.model_clip.samples import base_of_gradient, gradient, pan

SIDES = st.integers(16, 400).map(lambda n: 2 * n)
SIZES = [(640, 480), (854, 480), (480, 854), (480, 480), (640, 360), (1280, 720), (320, 240)]


def grey(level: int, width: int, height: int) -> Planar:
    """A picture of one grey, TV range."""
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = level
    return picture


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_cover_window_is_the_largest_centred_even_one(had_w: int, had_h: int, width: int, height: int) -> None:
    """It lies inside the base, touches two of its sides, is centred, and has the output's shape but for rounding."""
    left, top, wide, high = cover_window(had_w, had_h, width, height)
    assert all(number % 2 == 0 for number in (left, top, wide, high))
    assert left >= 0
    assert top >= 0
    assert left + wide <= had_w
    assert top + high <= had_h
    assert wide == had_w or high == had_h
    assert abs((had_w - wide) - 2 * left) <= 2
    assert abs((had_h - high) - 2 * top) <= 2
    assert abs(wide * height - high * width) <= 2 * max(width, height)


def test_the_same_size_is_the_base_itself() -> None:
    """Without a label, at the base's own size, the pictures are those of the base, untouched."""
    base = encode_base(pan(6), 24)
    body = list(dress(base, Overlays(width=128, height=96)))
    assert all((one == other).all() for one, other in zip(body, planar_frames_of(base), strict=True))


def circle(height: int, width: int) -> Frames:
    """A white disc in the middle of black."""
    y, x = np.mgrid[0:height, 0:width]
    disc = (y - height / 2 + 0.5) ** 2 + (x - width / 2 + 0.5) ** 2 < (min(height, width) * 0.3) ** 2
    return np.repeat((disc * 255).astype(np.uint8)[None, :, :, None], 3, axis=3)


@pytest.mark.parametrize("size", [(256, 96), (96, 256), (128, 96), (64, 48), (200, 200)])
def test_a_disc_stays_a_disc_in_the_middle(size: tuple[int, int]) -> None:
    """Scaling keeps the shape of things and the middle in the middle, whatever shape the output has."""
    width, height = size
    (picture,) = dress(encode_base(circle(96, 128), 24), Overlays(width=width, height=height))
    luma = planes(picture)[0]
    assert luma.shape == (height, width)
    inside = luma > 128
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if inside[0].any() or inside[:, 0].any():
        return  # the disc is larger than the window
    high, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert abs(high - wide) <= max(2, 0.04 * high)
    assert abs(rows.mean() - (height - 1) / 2) <= 1.5
    assert abs(columns.mean() - (width - 1) / 2) <= 1.5


def test_scaling_leaves_no_bars() -> None:
    """The picture reaches every edge: a bright base has no dark row or column in any shape."""
    white = np.full((1, 96, 128, 3), 255, np.uint8)
    for size in ((300, 60), (60, 300), (128, 128)):
        (picture,) = dress(encode_base(white, 24), Overlays(width=size[0], height=size[1]))
        assert planes(picture)[0].min() >= 230


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


def test_the_label_is_there_in_every_frame() -> None:
    """The whole clip long, first frame and last, in the same place."""
    base = base_of_gradient(12, 320, 240)
    plain = list(dress(base, Overlays(width=320, height=240)))
    labelled = list(dress(base, Overlays(width=320, height=240, label="AI生成")))
    boxes = set()
    for one, other in zip(plain, labelled, strict=True):
        places = np.argwhere(one[:240] != other[:240])
        assert len(places) > 500
        boxes.add((int(places.min(0)[0] // 4), int(places.max(0)[1] // 4)))
    assert len(boxes) == 1


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


def test_dressing_streams() -> None:
    """Pictures come one by one: the first is there before a damaged end is met."""
    base = base_of_gradient()
    pictures = dress(base[:-2000] + bytes(2000), Overlays(width=128, height=96))
    assert next(pictures).shape == (144, 128)
    with pytest.raises(DecodeError):
        list(pictures)


def test_what_this_release_does_not_make_is_refused_by_name() -> None:
    """A ribbon or an end card is never left out in silence."""
    overlays = Overlays(width=64, height=48)
    ribbon = Overlays(width=64, height=48, ribbon=Ribbon(text="-20 %", locale="en", colour="#ff0000"))
    card = EndCard(headline="Sale", locale="en", colour="#ff0000")
    check_supported(Dressing(overlays=overlays))
    for dressing, field in (
        (Dressing(overlays=ribbon), "dressing.overlays.ribbon"),
        (Dressing(overlays=overlays, end_card=card), "dressing.end_card"),
    ):
        with pytest.raises(UnsupportedDressing, match="not supported in this release") as caught:
            check_supported(dressing)
        assert caught.value.field == field
    with pytest.raises(UnsupportedDressing):
        dress(base_of_gradient(), ribbon)


def test_cover_crops_before_it_scales() -> None:
    """A portrait output takes the middle of a landscape base, not the whole of it squeezed."""
    clip = gradient(1, 96, 192)
    clip[:, :, :64] = 0
    clip[:, :, 128:] = 0
    picture = cover(planar_array(Converter().to_yuv(clip[0])), 64, 96, Converter())
    assert planes(picture)[0][:, 4:-4].min() > 25
