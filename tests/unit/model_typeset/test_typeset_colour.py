"""Laws of colour: contrast as WCAG has it, and colours that keep their promised lightness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.typeset import BLACK, WHITE, Rgb, contrast, luminance, oklch, parse, readable_on

CHANNEL = st.integers(0, 255)
COLOUR = st.tuples(CHANNEL, CHANNEL, CHANNEL)


def test_the_scale_ends_where_wcag_says() -> None:
    """Black on white is 21 to 1; a colour on itself is 1 to 1; WCAG's grey #767676 just reads on white."""
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast((1, 2, 3), (1, 2, 3)) == 1
    assert contrast(parse("#767676"), WHITE) == pytest.approx(4.54, abs=0.01)
    assert luminance(WHITE) == pytest.approx(1)


@given(COLOUR, COLOUR)
def test_contrast_is_symmetric(one: Rgb, other: Rgb) -> None:
    """Ink and paper may change places."""
    assert contrast(one, other) == contrast(other, one)


@given(COLOUR, st.lists(COLOUR, max_size=3))
def test_a_readable_ink_is_found_on_every_ground(ground: Rgb, wishes: list[Rgb]) -> None:
    """4.5 to 1 is reached on any colour, wishes or not; a wish that reads is granted."""
    ink = readable_on(ground, wishes)
    assert contrast(ink, ground) >= 4.5
    granted = [wish for wish in wishes if contrast(wish, ground) >= 4.5]
    assert ink == granted[0] if granted else ink in (BLACK, WHITE)


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(-720, 720))
def test_perceptual_colours_stay_in_gamut_and_keep_their_lightness(light: float, chroma: float, hue: float) -> None:
    """Chroma yields where sRGB ends, lightness does not: equal lightness is nearly equal luminance."""
    colour = oklch(light, chroma, hue)
    assert all(0 <= channel <= 255 for channel in colour)
    assert abs(luminance(colour) - luminance(oklch(light, 0, 0))) < 0.16


def test_perceptual_colours_have_their_hue() -> None:
    """Near the published corners of sRGB: hue 29 is red, 142 green, 264 blue."""
    assert oklch(0.628, 0.2577, 29.23) == pytest.approx((255, 0, 0), abs=36)
    assert oklch(0.8664, 0.2948, 142.5) == pytest.approx((0, 255, 0), abs=36)
    assert oklch(0.452, 0.3132, 264.05) == pytest.approx((0, 0, 255), abs=36)


@pytest.mark.parametrize("colour", ["", "red", "#12345", "#1234567", "123456#", "#gg0000"])
def test_malformed_colours_are_refused(colour: str) -> None:
    """Only #RRGGBB is a colour."""
    with pytest.raises(ValueError, match=r"colour|base 16"):
        parse(colour)
