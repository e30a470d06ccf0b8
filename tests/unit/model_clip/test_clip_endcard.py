"""End cards: words that read and fit in every shape, a lawful label over them, and bytes that can be joined."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.colour import Converter, Planar, planar_frame, planes
from model.encode import encode, frames_of
from model.endcard import Piece, Segment, encode_segment, ground_colours, lay_out, pictures, segment_of
from model.errors import DressError, WordsError
from model.plate import Plate
from model.probe import probe
from model.recipe import Encoding, EndCard
from model.splice import splice
from model.typeset import contrast, parse
from model.visible import GLYPH_SHARE, make_label
from model.words import ink_on
from tests.unit.model_clip.samples import generated, pan, recipe
from tests.unit.model_clip.test_clip_ribbon import COLOURS, SIZES
from tests.unit.model_clip.test_clip_words import HOSTILE

CARDS = [
    ("双十一 全场五折", "今晚八点开抢", "zh-CN"),
    ("开学季：文具、书包、数码用品，全部第二件半价", "学生专享", "zh-CN"),
    ("Summer sale", "Up to 40% off until Sunday", "en"),
    ("Black Friday starts at midnight", None, "en"),
]
RGB = st.tuples(*[st.integers(0, 255)] * 3)


def segment(
    headline: str = "双十一 全场五折",
    subline: str | None = "今晚八点开抢",
    *,
    size: tuple[int, int] = (320, 240),
    colour: str = "#e11d48",
    label: str | None = "AI生成",
    seconds: float = 1.5,
) -> Segment:
    """A segment at 24 frames a second."""
    card = EndCard(headline=headline, subline=subline, locale="x", colour=colour, seconds=seconds)
    return Segment(card=card, width=size[0], height=size[1], fps=24, label=label, encoding=Encoding())


def last(of: Segment) -> Planar:
    """The last picture: everything is there."""
    *_, picture = pictures(of)
    return picture


def words(of: Segment) -> npt.NDArray[np.bool_]:
    """Where the last picture differs from one without words: everything but the label and the ground."""
    other = replace(of, card=replace(of.card, headline="一", subline=None))
    one, plain = (planes(last(each))[0].astype(int) for each in (of, other))
    different: npt.NDArray[np.bool_] = np.abs(one - plain) > 24
    return different


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("headline", "subline", "_locale"), CARDS)
def test_words_stand_inside_and_clear_of_the_label(
    headline: str, subline: str | None, _locale: str, size: tuple[int, int]
) -> None:
    """Every piece keeps to the safe area, below the label's plate, and none overlaps another."""
    label = make_label("AI生成", *size)
    card = EndCard(headline=headline, subline=subline, locale="x", colour="#0f766e")
    layout = lay_out(card, *size, label)
    boxes = [(piece.left, piece.top, *piece.coverage.shape[::-1]) for piece in layout.pieces]
    assert len(boxes) == (3 if subline else 2)
    for left, top, wide, high in boxes:
        assert left >= 0.07 * size[0]
        assert left + wide <= 0.93 * size[0] + 2
        assert top > label.top + label.size[1]
        assert top + high < 0.93 * size[1]
        assert abs((left + wide / 2) - size[0] / 2) <= 2
    for (_, top, _, high), (_, following, _, _) in itertools.pairwise(boxes):
        assert top + high < following


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", ["AI生成", "AI GENERATED"])
def test_the_label_goes_on_over_the_card(text: str, size: tuple[int, int]) -> None:
    """In every picture of the segment, with ink at least 5 % of the shortest side high, in the body's own place."""
    made = segment("Sale", None, size=size, label=text, colour="#ffffff")
    label = make_label(text, *size)
    wide, high = label.size
    for picture in pictures(made):
        patch = planes(picture)[0][label.top : label.top + high, label.left : label.left + wide]
        inner = patch[2:-2, high // 5 : -(high // 5)] > 200
        columns = np.flatnonzero(np.diff(np.concatenate(([0], inner.any(0).astype(np.int8), [0]))))
        pieces = [inner[:, start:end] for start, end in zip(columns[::2], columns[1::2], strict=True)]
        assert min(int(np.ptp(np.flatnonzero(piece.any(1)))) + 1 for piece in pieces) >= GLYPH_SHARE * min(size)


def test_the_label_survives_encoding() -> None:
    """Decoded from the segment's bytes, the plate is as dark and the ink as bright as it was drawn."""
    made = segment(colour="#f8fafc")
    label = make_label("AI生成", 320, 240)
    wide, high = label.size
    for picture in frames_of(encode_segment(made)):
        patch = picture[label.top : label.top + high, label.left : label.left + wide].mean(2)
        plate, ink = (int(np.percentile(patch, share)) for share in (25, 98))
        assert contrast((ink,) * 3, (plate,) * 3) >= 4.5


@given(RGB)
def test_words_read_on_the_whole_ground(colour: tuple[int, int, int]) -> None:
    """From the darkest corner to the light's middle, ink has a contrast of 4.5 with every colour in between."""
    dark, light = ground_colours(colour)
    ink = ink_on(colour)
    for step in range(9):
        between = tuple(round(d + (x - d) * step / 8) for d, x in zip(dark, light, strict=True))
        assert contrast(ink, (between[0], between[1], between[2])) >= 4.4
    assert min(contrast(ink, end) for end in (dark, light)) >= 4.5


@pytest.mark.parametrize("colour", COLOURS)
def test_words_read_on_the_picture(colour: str) -> None:
    """Measured on the last decoded picture: the strongest ink against the ground beside it."""
    made = segment("大促", None, size=(480, 480), colour=colour, label=None)
    *_, picture = frames_of(encode_segment(made))
    layout = lay_out(made.card, 480, 480, None)
    piece = layout.pieces[0]
    high, wide = piece.coverage.shape
    patch = picture[piece.top : piece.top + high, piece.left : piece.left + wide]
    inked, bare = patch[piece.coverage > 0.99], patch[piece.coverage < 0.01]
    ink, ground = (tuple(int(level) for level in np.median(part, axis=0)) for part in (inked, bare))
    assert contrast((ink[0], ink[1], ink[2]), (ground[0], ground[1], ground[2])) >= 4.5
    assert contrast((ground[0], ground[1], ground[2]), parse(colour)) < 1.6


@given(HOSTILE, st.none() | HOSTILE, st.sampled_from(SIZES), st.booleans())
@settings(deadline=None, max_examples=80)
def test_whatever_the_text_a_card_is_set_whole_or_refused(
    headline: str, subline: str | None, size: tuple[int, int], labelled: bool
) -> None:
    """Hostile, endless or empty words end in a card inside the picture, or in an error that names the words."""
    card = EndCard(headline=headline, subline=subline, locale="x", colour="#123456")
    label = make_label("AI生成", *size) if labelled else None
    layout, field = laid_out(card, size, label)
    if layout is None:
        assert field in ("dressing.end_card.headline", "dressing.end_card.subline")
        return
    bottom = max(piece.top + piece.coverage.shape[0] for piece in layout)
    assert bottom < size[1]
    assert min(piece.top for piece in layout) > 0


def laid_out(card: EndCard, size: tuple[int, int], label: Plate | None) -> tuple[tuple[Piece, ...] | None, str]:
    """The pieces, or None and the field that was refused."""
    try:
        return lay_out(card, *size, label).pieces, ""
    except WordsError as error:
        return None, error.field


@given(st.integers(16, 300).map(lambda n: 2 * n), st.integers(16, 300).map(lambda n: 2 * n), st.sampled_from(CARDS))
@settings(deadline=None, max_examples=40)
def test_every_size_has_a_card_or_a_reason(width: int, height: int, words: tuple[str, str | None, str]) -> None:
    """Down to 32 pixels: nothing is drawn outside the picture, nothing but a DressError is raised."""
    made = segment(words[0], words[1], size=(width, height), seconds=0.5)
    try:
        shown = list(pictures(made))
    except DressError:
        return
    assert len(shown) == 12


def test_it_moves_gently() -> None:
    """It opens on its ground alone, words come in without a jump, and the second half stands for reading."""
    luma = [planes(picture)[0].astype(int) for picture in pictures(segment(size=(480, 270), label=None))]
    assert len(luma) == 36
    ink = [int((frame > 215).sum()) for frame in luma]
    assert ink[0] == 0
    assert ink[-1] > 1000
    assert min(ink[20:]) > 0.97 * max(ink)
    steps = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(luma)]
    assert max(steps) < 4
    assert min(steps) > 0, "the light drifts to the end"


@pytest.mark.parametrize("seconds", [0.5, 0.7, 1.0, 1.5, 3.0, 5.0])
def test_words_are_there_for_most_of_any_card(seconds: float) -> None:
    """A short card hurries: half of its time is left for reading all of it."""
    made = segment(seconds=seconds)
    layout = lay_out(made.card, 320, 240, None)
    assert max(start + length for start, length in layout.entrances) <= 0.53 * seconds


@pytest.mark.parametrize(("seconds", "frames"), [(0.5, 12), (1.5, 36), (1.3, 31), (1.27, 30), (1.0208334, 25)])
def test_a_segment_has_the_frames_the_recipe_counts(seconds: float, frames: int) -> None:
    """Seconds become whole frames in one place, and the file has them."""
    made = segment(seconds=seconds)
    headers = probe(encode_segment(made))
    assert made.frames == headers.frames == frames
    assert (headers.width, headers.height, headers.tags) == (320, 240, {})


def test_a_segment_joins_what_was_encoded_with_the_same_settings() -> None:
    """Its decoder configuration is that of any clip of that size, rate and encoding."""
    made = segment()
    body = encode(pan(24, 240, 320), (320, 240), 24, made.encoding, {})
    assert probe(splice(body, encode_segment(made), {})).frames == 60


def test_the_same_segment_has_the_same_bytes() -> None:
    """Drawn and encoded anew, equal to the last bit; another word, colour or label makes other bytes."""
    made = segment(size=(240, 320))
    first = encode_segment(made)
    assert encode_segment.__wrapped__(made) == first
    others = (replace(made, label=None), replace(made, card=replace(made.card, colour="#000000")))
    assert all(encode_segment(other) != first for other in others)


def test_a_segment_is_taken_from_the_recipe() -> None:
    """Size, rate, label and encoding are the body's own; a recipe without a card has none."""
    card = EndCard(headline="Sale", locale="en", colour="#ff0000")
    made = segment_of(recipe(end_card=card, size=(64, 48), encoding=Encoding(crf=30)), after_key=True)
    assert made is not None
    assert (made.width, made.height, made.fps, made.label, made.encoding.crf) == (64, 48, 24, None, 30)
    assert made.after_key
    assert segment_of(generated()) is None


@pytest.mark.parametrize("colour", COLOURS)
def test_a_card_is_neither_black_nor_flat(colour: str) -> None:
    """Marketplaces refuse black ends, and our own inspection flat pictures; even a black card has light in it."""
    rgb = Converter().to_rgb(planar_frame(last(segment(size=(480, 480), colour=colour))))
    assert rgb.std() > 2.5
    assert (rgb.max(2) > 26).mean() > 0.05


def test_words_are_where_the_layout_says() -> None:
    """Nothing is drawn outside the pieces."""
    made = segment("大促", "全场五折")
    layout = lay_out(made.card, 320, 240, make_label("AI生成", 320, 240))
    drawn = words(made)
    top = min(piece.top for piece in layout.pieces)
    bottom = max(piece.top + piece.coverage.shape[0] for piece in layout.pieces)
    rows = np.flatnonzero(drawn.any(1))
    assert rows[0] >= top
    assert rows[-1] < bottom
