"""Colours against the record: a product in its colour passes in light and shade, another is found, and a record that
the photo contradicts is not believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.planner.prompting import vocabulary
from model.engine import Frames
from model.inspect import POLICY, Expected
from model.inspect.hues import colour, oklch_of
from model.inspect.measures import Measures
from model.inspect.report import NotRun, Outcome, Score
from tests.seeded.clips import Rgb, ball, png

LIMIT = POLICY.rules["colour"].limit


def looked(clip: Frames, rgb: Rgb, photo: Frames | None = None) -> Outcome:
    """The check's outcome on a clip."""
    expected = Expected(colour=rgb, photo=png(photo) if photo is not None else None)
    return colour(Measures(clip[::12], 24), POLICY, expected)


def share(clip: Frames, rgb: Rgb, photo: Frames | None = None) -> float:
    """The check's score."""
    found = looked(clip, rgb, photo)
    assert isinstance(found, Score), found
    return found.value


def named(word: str) -> Rgb:
    """A colour by its word."""
    rgb = vocabulary.rgb(word)
    assert rgb is not None
    return rgb


RED, TEAL = named("red"), named("teal")


@pytest.mark.parametrize(
    ("word", "other"), [("red", "teal"), ("navy", "orange"), ("浅粉色", "green"), ("dark grey", "red")]
)
def test_a_lit_product_has_its_own_colour_and_no_other(word: str, other: str) -> None:
    """On a light ground as on a dark one."""
    for ground in (40, 250):
        clip = ball(named(word), ground, 1)
        assert share(clip, named(word)) > 3 * LIMIT, ground
        assert share(clip, named(other)) < LIMIT, ground


def test_a_photo_of_the_colour_changes_nothing() -> None:
    """It is the clip that is judged: in the wrong colour it is found, photo or none."""
    good, bad = ball(RED, 250, 1), ball(TEAL, 250, 1)
    assert share(good, RED, good[0]) == share(good, RED)
    assert share(bad, RED, good[0]) == share(bad, RED) < LIMIT


def test_a_record_that_the_photo_contradicts_is_not_believed() -> None:
    """No clip of the product could pass; the reason says so. A photo that cannot be read contradicts nothing."""
    clip = ball(TEAL, 250, 1)
    found = looked(clip, RED, clip[0])
    assert found == NotRun("the photo does not have the recorded colour either")
    broken = colour(Measures(clip[::12], 24), POLICY, Expected(colour=RED, photo=b"no picture"))
    assert isinstance(broken, Score)


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_oklch_is_what_its_author_defines(rgb: Rgb) -> None:
    """Against the definition in plain arithmetic: greys have no chroma, white has lightness 1."""
    linear = [v / 255 / 12.92 if v / 255 <= 0.04045 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in rgb]
    red, green, blue = linear
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    light = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    found = oklch_of(np.array([rgb], np.uint8))
    assert found.lightness[0] == pytest.approx(light, abs=1e-4)
    assert found.chroma[0] == pytest.approx(float(np.hypot(a, b)), abs=1e-4)
    if np.hypot(a, b) > 0.02:
        turn = (found.hue[0] - np.degrees(np.arctan2(b, a)) + 180) % 360 - 180
        assert abs(turn) < 0.5
