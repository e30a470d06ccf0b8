"""Ribbons: inside the picture, clear of the label, legible, gentle, and nothing changes where they are not."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import ribbon as module
from model.colour import Converter, Planar, planar_frame, planes
from model.errors import DressError, WordsError
from model.plate import Plate
from model.recipe import Overlays, Position, Ribbon
from model.ribbon import MovingRibbon, make_ribbon
from model.strips import strip
from model.typeset import contrast, parse
from model.visible import make_label
from model.words import unit
from tests.unit.model_clip.test_clip_words import HOSTILE

SIZES = [(832, 480), (480, 832), (480, 480), (1280, 720), (320, 240), (240, 426), (720, 1280)]
TEXTS = [
    ("618大促 满300减50", "zh-CN"),
    ("清仓", "zh-CN"),
    ("新品尝鲜价，限时三天，前一百名下单再赠礼盒", "zh-CN"),
    ("Black Friday: 30% off", "en"),
    ("Free shipping on orders over $49 this week", "en"),
]
COLOURS = ["#e11d48", "#111827", "#f59e0b", "#ffffff", "#000000", "#7f7f7f", "#16a34a", "#00ffff"]


def ribbon_for(
    text: str,
    size: tuple[int, int],
    *,
    colour: str = "#e11d48",
    position: Position = "bottom",
    label: str | None = "AI生成",
    frames: int = 72,
) -> tuple[MovingRibbon, Plate | None]:
    """A ribbon and its label."""
    over = Overlays(
        width=size[0], height=size[1], ribbon=Ribbon(text=text, locale="x", colour=colour, position=position)
    )
    plate = make_label(label, *size) if label else None
    ribbon = make_ribbon(over, frames, 24, plate)
    assert ribbon is not None
    return ribbon, plate


def grey(size: tuple[int, int], level: int = 128) -> Planar:
    """A picture of one grey."""
    picture = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    picture[: size[1]] = level
    return picture


def changed(ribbon: MovingRibbon, size: tuple[int, int], frame: int) -> npt.NDArray[np.bool_]:
    """Which pixels the ribbon touches at a frame."""
    picture = grey(size)
    ribbon.lay_over(picture, frame)
    touched: npt.NDArray[np.bool_] = planes(picture)[0] != 128
    return touched


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("position", ["top", "bottom"])
@pytest.mark.parametrize(("text", "locale"), TEXTS)
def test_a_ribbon_is_inside_and_clear_of_the_label(
    text: str, locale: str, position: Position, size: tuple[int, int]
) -> None:
    """It keeps to its half of the picture and never touches the label's plate, in every shape of picture."""
    ribbon, label = ribbon_for(text, size, position=position, label="AI生成" if locale != "en" else "AI generated")
    assert label is not None
    touched = changed(ribbon, size, 36)
    rows = np.flatnonzero(touched.any(1))
    assert rows[-1] - rows[0] < 0.3 * size[1]
    middle = (rows[0] + rows[-1]) / 2
    assert middle < size[1] / 2 if position == "top" else middle > size[1] / 2
    assert rows[0] > 0
    assert rows[-1] < size[1] - 1
    wide, high = label.size
    assert not touched[label.top : label.top + high, label.left : label.left + wide].any()


@pytest.mark.parametrize("size", [*SIZES, (640, 480), (854, 480), (480, 854)])
@pytest.mark.parametrize("position", ["top", "bottom"])
@pytest.mark.parametrize("text", [text for text, _ in TEXTS])
def test_a_band_keeps_to_the_strip_that_scenes_leave_to_it(
    text: str, position: Position, size: tuple[int, int]
) -> None:
    """One line or two, Chinese or English: drawn words that keep off the strip are never covered."""
    band = module._laid_out(Ribbon(text=text, locale="x", colour="#e11d48", position=position), *size, None)
    reach = band.top + band.height if position == "top" else size[1] - band.top
    assert reach <= strip(*size)


def shown(ribbon: MovingRibbon, size: tuple[int, int]) -> npt.NDArray[np.int_]:
    """The ribbon at rest over dark grey, RGB."""
    picture = grey(size, 90)
    ribbon.lay_over(picture, 36)
    return Converter().to_rgb(planar_frame(picture)).astype(int)


def inside(rgb: npt.NDArray[np.int_], colour: str) -> tuple[slice, slice]:
    """The rectangle inside the band that holds the words: without its edges and its slanted end."""
    band = np.abs(rgb - np.array(parse(colour))).max(2) <= 8
    rows = np.flatnonzero(band.sum(1) > 0.1 * rgb.shape[1])
    columns = np.flatnonzero(band[rows[0] + 3 : rows[-1] - 3].any(0))
    high = rows[-1] - rows[0]
    return slice(rows[0] + 3, rows[-1] - 3), slice(columns[0], columns[-1] - high // 2)


@pytest.mark.parametrize("colour", COLOURS)
def test_words_read_on_the_colour(colour: str) -> None:
    """The band has the creative's own colour, and ink with a contrast of 4.5 at least stands on it."""
    ribbon, _ = ribbon_for("满300减50 SALE", (832, 480), colour=colour, label=None)
    rgb = shown(ribbon, (832, 480))
    words = rgb[inside(rgb, colour)].reshape(-1, 3)
    ratios = np.array([contrast((int(r), int(g), int(b)), parse(colour)) for r, g, b in words])
    assert np.mean(ratios >= 4.5) > 0.08, "the ink"
    assert np.mean(ratios <= 1.1) > 0.4, "the band"


@pytest.mark.parametrize("size", SIZES)
def test_words_are_large_enough_and_away_from_the_edge(size: tuple[int, int]) -> None:
    """Ink keeps to the safe margins, and Chinese characters stand nearly as high as body text does."""
    colour = "#b91c1c"
    ribbon, _ = ribbon_for("满减大促", size, colour=colour, label=None)
    rgb = shown(ribbon, size)
    rows, columns = inside(rgb, colour)
    white = rgb[rows, columns].min(2) > 180
    down, across = np.flatnonzero(white.any(1)) + rows.start, np.flatnonzero(white.any(0)) + columns.start
    assert across[0] >= 0.05 * size[0]
    assert across[-1] <= 0.95 * size[0]
    assert down[-1] < 0.95 * size[1]
    assert down[-1] - down[0] >= 0.8 * unit(*size)


@given(HOSTILE, st.sampled_from(SIZES), st.sampled_from(["top", "bottom"]), st.booleans())
@settings(deadline=None, max_examples=80)
def test_whatever_the_text_a_ribbon_is_drawn_whole_or_refused(
    text: str, size: tuple[int, int], position: Position, labelled: bool
) -> None:
    """Hostile, endless or empty text ends in a ribbon inside the picture, or in an error that names the field."""
    try:
        ribbon, _ = ribbon_for(text, size, position=position, label="AI生成" if labelled else None)
    except WordsError as error:
        field = error.field
    else:
        field = ""
    if field:
        assert field == "dressing.overlays.ribbon.text"
        return
    wide, high = ribbon.plate.size
    assert ribbon.plate.left + wide <= size[0]
    assert ribbon.plate.top >= 0
    assert ribbon.plate.top + high <= size[1]


@given(st.integers(16, 300).map(lambda n: 2 * n), st.integers(16, 300).map(lambda n: 2 * n), st.sampled_from(TEXTS))
@settings(deadline=None, max_examples=60)
def test_every_size_has_a_ribbon_or_a_reason(width: int, height: int, text: tuple[str, str]) -> None:
    """Down to 32 pixels: nothing is drawn outside the picture, nothing but a DressError is raised."""
    try:
        ribbon, _ = ribbon_for(text[0], (width, height), position="top")
    except DressError:
        return
    ribbon.lay_over(grey((width, height)), 36)


@pytest.mark.parametrize("frames", [30, 49, 72, 121])
def test_it_comes_and_goes_gently(frames: int) -> None:
    """Not there at first and last, whole in between for most of the clip, and never jumping by more than a quarter."""
    ribbon, _ = ribbon_for("清仓", (320, 240), frames=frames)
    present = [ribbon.present(frame) for frame in range(frames)]
    assert present[0] == present[-1] == 0
    assert max(abs(b - a) for a, b in itertools.pairwise(present)) <= 0.4
    assert list(ribbon.settled) == [frame for frame in range(frames) if present[frame] == 1]
    assert len(ribbon.settled) >= 0.5 * frames
    peak = present.index(1.0)
    assert present[: peak + 1] == sorted(present[: peak + 1])
    assert present[peak:] == sorted(present[peak:], reverse=True)


@pytest.mark.parametrize("frames", [1, 2, 24])
def test_a_body_too_short_for_movement_has_it_throughout(frames: int) -> None:
    """Where there is no time to read between coming and going, it stands still."""
    ribbon, _ = ribbon_for("清仓", (320, 240), frames=frames)
    assert all(ribbon.present(frame) == 1 for frame in range(frames))
    assert ribbon.settled == range(frames)


def test_pictures_without_it_are_untouched() -> None:
    """At the first and last frame not one pixel changes; while it moves, only left of where it ends."""
    ribbon, _ = ribbon_for("618大促 满300减50", (832, 480))
    assert not changed(ribbon, (832, 480), 0).any()
    assert not changed(ribbon, (832, 480), 71).any()
    resting = changed(ribbon, (832, 480), 36)
    for frame in (8, 10, 12, 64, 68):
        moving = changed(ribbon, (832, 480), frame)
        assert moving.any()
        assert np.flatnonzero(moving.any(0)).max() <= np.flatnonzero(resting.any(0)).max()
        assert set(np.flatnonzero(moving.any(1))) <= set(np.flatnonzero(resting.any(1)))


def test_a_ribbon_is_the_same_every_time() -> None:
    """Drawn anew, it is equal to the last bit."""
    ribbon, _ = ribbon_for("Sale 五折", (480, 832))
    module._plate.cache_clear()
    again, _ = ribbon_for("Sale 五折", (480, 832))
    assert again.plate is not ribbon.plate
    for one, other in zip((*ribbon.plate.add, *ribbon.plate.keep), (*again.plate.add, *again.plate.keep), strict=True):
        assert (one == other).all()
