"""Dressing: the base fills the output without bars or distortion, and its label is there in every frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import dress as dressing
from model.colour import Converter, Planar, planar_array, planes
from model.dress import cover, cover_window
from model.encode import encode_base, planar_frames_of
from model.engine import Frames
from model.errors import DecodeError
from model.recipe import Overlays
from tests.unit.model_clip.samples import base_of_gradient, gradient, pan, scene

SIDES = st.integers(16, 400).map(lambda n: 2 * n)


def dress(base: bytes, overlays: Overlays) -> Iterator[Planar]:
    """The body's pictures, for a scene whose length does not matter: nothing here moves."""
    return dressing.dress(base, overlays, scene())


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


def test_dressing_streams() -> None:
    """Pictures come one by one: the first is there before a damaged end is met."""
    base = base_of_gradient()
    pictures = dress(base[:-2000] + bytes(2000), Overlays(width=128, height=96))
    assert next(pictures).shape == (144, 128)
    with pytest.raises(DecodeError):
        list(pictures)


def test_cover_crops_before_it_scales() -> None:
    """A portrait output takes the middle of a landscape base, not the whole of it squeezed."""
    clip = gradient(1, 96, 192)
    clip[:, :, :64] = 0
    clip[:, :, 128:] = 0
    picture = cover(planar_array(Converter().to_yuv(clip[0])), 64, 96, Converter())
    assert planes(picture)[0][:, 4:-4].min() > 25
