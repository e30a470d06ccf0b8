"""Colour: what goes into YUV comes out of it, and crops and planes keep luma and chroma together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.colour import Converter, cropped, planar_array, planar_frame, planes
from tests.unit.model_clip.samples import photo

PURE = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (255, 255, 0), (128, 64, 200), (12, 90, 180)]
EVEN = st.integers(8, 40).map(lambda n: 2 * n)


@pytest.mark.parametrize("colour", PURE)
def test_a_colour_survives_the_way_there_and_back(colour: tuple[int, int, int]) -> None:
    """RGB to BT.709 YUV and back is within two levels a channel: what 8 bits allow."""
    converter = Converter()
    picture = np.full((48, 64, 3), colour, np.uint8)
    back = converter.to_rgb(converter.to_yuv(picture)).astype(int)
    assert np.abs(back - picture).max() <= 2


@pytest.mark.parametrize(
    ("colour", "yuv"),
    [
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
        ((255,) * 3, (235, 128, 128)),
        ((0,) * 3, (16, 128, 128)),
    ],
)
def test_the_matrix_is_bt709_in_tv_range(colour: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    """Pure colours have the values of ITU-R BT.709, not those of BT.601 that swscale takes by default."""
    converted = planar_array(Converter().to_yuv(np.full((48, 64, 3), colour, np.uint8)))
    assert [int(plane[5, 5]) for plane in planes(converted)] == pytest.approx(yuv, abs=1)


def test_a_photo_survives_but_for_its_chroma_detail() -> None:
    """A photo comes back without a shift of colour, and close to itself."""
    converter, picture = Converter(), photo(96, 128, 3)
    error = converter.to_rgb(converter.to_yuv(picture)).astype(float) - picture
    assert np.abs(error.mean((0, 1))).max() < 0.5
    assert np.abs(error).mean() < 8


@given(EVEN, EVEN)
def test_planes_are_views_of_the_whole_picture(width: int, height: int) -> None:
    """Luma and both chromas cover an I420 picture without overlap, for heights whose chroma is odd too."""
    picture = np.zeros((height * 3 // 2, width), np.uint8)
    for value, plane in enumerate(planes(picture), 1):
        np.add(plane, value, out=plane)
    assert (
        np.bincount(picture.ravel(), minlength=4) == [0, width * height, width * height // 4, width * height // 4]
    ).all()


@given(st.data())
def test_a_crop_is_the_same_window_of_every_plane(draw: st.DataObject) -> None:
    """Cropping an I420 picture crops its luma there, and its chroma at half of there."""
    width, height = draw.draw(EVEN), draw.draw(EVEN)
    left, top = 2 * draw.draw(st.integers(0, width // 4)), 2 * draw.draw(st.integers(0, height // 4))
    wide, high = width - left, height - top
    picture = np.arange(width * height * 3 // 2).astype(np.uint8).reshape(-1, width)
    luma, blue, red = planes(picture)
    got = planes(cropped(picture, left, top, wide, high))
    assert (got[0] == luma[top:, left:]).all()
    assert (got[1] == blue[top // 2 :, left // 2 :]).all()
    assert (got[2] == red[top // 2 :, left // 2 :]).all()


def test_frames_and_arrays_are_the_same_picture() -> None:
    """An I420 array goes into a frame and comes out unchanged, also when its rows are padded there."""
    picture = np.random.default_rng(1).integers(0, 256, (54 * 3 // 2, 70), dtype=np.uint8)
    assert (planar_array(planar_frame(picture)) == picture).all()


def test_scaling_to_the_same_size_changes_nothing() -> None:
    """The same size is the same picture; another size has the same colours."""
    converter = Converter()
    picture = planar_array(converter.to_yuv(np.full((48, 64, 3), (200, 30, 60), np.uint8)))
    assert converter.scaled(picture, 64, 48) is picture
    larger = converter.scaled(picture, 128, 96)
    assert larger.shape == (144, 128)
    assert [int(plane.mean()) for plane in planes(larger)] == [int(plane.mean()) for plane in planes(picture)]
