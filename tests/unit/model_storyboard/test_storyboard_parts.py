"""Laws of the storyboard's parts: motion that loops, stages that lose nothing, sprites at fractions of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.storyboard.backdrop import Backdrop
from model.storyboard.motion import PAN_LIMIT, Camera, Timetable, ease
from model.storyboard.palette import photo_palette, seeded_palette
from model.storyboard.sprite import Sprite, disc, ring, rounded_bar
from model.storyboard.stage import OVERSCAN, compose
from tests.unit.model_storyboard.samples import busy, product

SECONDS = st.floats(0.5, 10)


@given(st.floats(-1, 2), st.floats(0, 0.2))
def test_easing_rises_from_nought_to_one(at: float, further: float) -> None:
    """Easing never falls, never leaves 0…1, and rests at both ends."""
    assert 0 <= ease(at) <= ease(at + further) + 1e-9 <= 1 + 1e-9
    assert ease(0) == 0
    assert ease(1) == 1


@given(SECONDS, st.integers(0, 4))
def test_captions_end_as_they_began(duration: float, points: int) -> None:
    """Title and points stand at the end where they stood at the start: the clip loops."""
    timetable = Timetable(duration, points)
    assert timetable.gathered(0) == pytest.approx(timetable.gathered(duration), abs=0.05)
    for index in range(points):
        assert timetable.point(index, 0) == pytest.approx(timetable.point(index, duration), abs=0.02)


@given(st.floats(2, 10), st.integers(1, 4))
def test_all_points_are_shown_together_long_enough(duration: float, points: int) -> None:
    """In order they enter, and all stand together for at least a tenth of the clip."""
    timetable = Timetable(duration, points)
    moments = np.arange(0, duration, 1 / 48)
    shown = np.array([[timetable.point(index, moment) for moment in moments] for index in range(points)])
    assert (shown.min(axis=0) > 0.95).mean() >= 0.1
    entered = [int(np.argmax(row > 0.5)) for row in shown]
    assert entered == sorted(entered)


@pytest.mark.parametrize("duration", [0.1, 0.5, 1.0, 1.9])
def test_short_clips_show_everything_at_once(duration: float) -> None:
    """Under two seconds nothing enters or leaves."""
    timetable = Timetable(duration, 3)
    assert timetable.still
    assert all(timetable.point(index, moment) == 1 for index in range(3) for moment in (0, duration / 2, duration))


@given(SECONDS, st.floats(0, 6.3), st.floats(0, 1))
def test_the_camera_stays_on_the_stage_and_comes_back(duration: float, angle: float, share: float) -> None:
    """Zoom is gentle and never below rest, the pan within the overscan, and the path closed."""
    camera = Camera(duration, angle)
    zoom, x, y = camera.at(share * duration)
    assert 1 <= zoom <= 1.081
    assert np.hypot(x, y) <= PAN_LIMIT + 1e-9 <= OVERSCAN
    assert camera.at(0) == pytest.approx(camera.at(duration), abs=1e-9)


@given(SECONDS, st.floats(0, 6.3), st.floats(0, 1))
def test_the_camera_never_stands_still(duration: float, angle: float, share: float) -> None:
    """Between any two frames zoom or pan has changed."""
    camera = Camera(duration, angle)
    now, next_ = camera.at(share * duration), camera.at(share * duration + 1 / 24)
    assert max(abs(a - b) for a, b in zip(now, next_, strict=True)) > 1e-5


@pytest.mark.parametrize("seed", range(6))
def test_the_ground_drifts_and_returns(seed: int) -> None:
    """A cycle ends where it began, differs on the way, and never jumps."""
    ground = Backdrop(seeded_palette(seed), (160, 120), seed)
    start, half, end = (np.asarray(ground.at(cycle), dtype=np.int16) for cycle in (0.0, 0.5, 1.0))
    assert np.array_equal(start, end)
    assert np.abs(start - half).mean() > 0.5
    step = np.abs(np.asarray(ground.at(0.01), dtype=np.int16) - start)
    assert step.max() <= 3


@pytest.mark.parametrize("place", [(358, 480), (480, 285), (64, 64), (640, 480), (300, 40)])
@pytest.mark.parametrize("size", [(400, 400), (1000, 200), (200, 1000), (1, 1), (1, 300), (7, 5)])
@pytest.mark.parametrize("kind", ["plain", "busy", "flat"])
def test_a_stage_serves_every_view_the_camera_takes(place: tuple[int, int], size: tuple[int, int], kind: str) -> None:
    """Any photo for any place: the view has the place's size at all of the camera's extremes."""
    photo = {"plain": product, "busy": busy}.get(kind, lambda size: Image.new("RGB", size, (200, 210, 220)))(size)
    stage = compose(photo, place)
    for zoom, x, y in ((1.0, PAN_LIMIT, 0.0), (1.0, 0.0, -PAN_LIMIT), (1.08, -PAN_LIMIT, PAN_LIMIT)):
        assert stage.view(zoom, x, y).size == place


@pytest.mark.parametrize("ground", ["white", "#e8ecf0", "#202428"])
def test_a_product_on_plain_ground_stands_whole_and_centred(ground: str) -> None:
    """The product is in the middle, whole at the closest view, and the photo's rectangle does not show."""
    picture = Image.new("RGB", (500, 400), ground)
    picture.paste((220, 40, 40), (20, 150, 140, 350))  # far from the middle of the photo
    view = compose(picture, (300, 300)).view(1.08, 0.0, 0.0)
    pixels = np.asarray(view, dtype=np.int16)
    red = (pixels[..., 0] - pixels[..., 1]) > 100
    rows, columns = np.nonzero(red)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(150, abs=6)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(150, abs=6)
    assert min(rows.min(), columns.min()) > 5
    assert max(rows.max(), columns.max()) < 294
    assert red.sum() / (rows.max() - rows.min() + 1) / (columns.max() - columns.min() + 1) > 0.95
    smooth = np.abs(np.diff(pixels[:, 4].mean(axis=1)))
    assert smooth.max() < 3


def test_a_graded_ground_goes_on_without_a_seam() -> None:
    """A studio gradient is continued beyond the photo: no step where the photo ends."""
    falls = np.linspace(235, 190, 300)[:, None, None]
    photo = Image.fromarray(np.broadcast_to(falls, (300, 300, 3)).astype(np.uint8))
    photo.paste((30, 60, 120), (120, 60, 180, 260))
    view = np.asarray(compose(photo, (500, 300)).view(1.0, 0.0, 0.0), dtype=np.int16)
    assert np.abs(np.diff(view[20].mean(axis=1))).max() < 3
    assert np.abs(np.diff(view[280].mean(axis=1))).max() < 3


@pytest.mark.parametrize("place", [(346, 480), (480, 268), (480, 512)])
def test_a_studio_photo_goes_on_beyond_its_edges(place: tuple[int, int]) -> None:
    """A wall that meets a floor is carried on to all sides of the place without a seam, the product whole."""
    horizon = 1 / (1 + np.exp(-(np.linspace(0, 1, 500) - 0.7) * 16))
    falls = (240 - 45 * horizon)[:, None, None]
    photo = Image.fromarray(np.broadcast_to(falls, (500, 500, 3)).astype(np.uint8))
    photo.paste((200, 60, 30), (150, 150, 350, 400))
    pixels = np.asarray(compose(photo, place).view(1.0, 0.0, 0.0), dtype=np.int16)
    red = (pixels[..., 0] - pixels[..., 1]) > 80
    rows, columns = np.nonzero(red)
    assert rows.min() > 0
    assert rows.max() < place[1] - 1
    assert (rows.max() - rows.min()) / (columns.max() - columns.min()) == pytest.approx(250 / 200, abs=0.05)
    for line in (pixels[:, 5], pixels[:, -6], pixels[3], pixels[-4]):
        assert np.abs(np.diff(line.mean(axis=1))).max() < 3


def test_a_fitting_scene_fills_its_place_and_another_stands_whole() -> None:
    """A scene of the place's shape has no border; a wide one in a tall place is shown from end to end."""
    marked = busy((600, 400))
    marked.paste((255, 0, 255), (0, 180, 20, 220))
    marked.paste((0, 255, 0), (580, 180, 600, 220))
    tall = np.asarray(compose(marked, (300, 480)).view(1.0, 0.0, 0.0), dtype=np.int16)
    assert ((tall[..., 0] > 200) & (tall[..., 1] < 90) & (tall[..., 2] > 200)).sum() > 20
    assert ((tall[..., 0] < 90) & (tall[..., 1] > 200) & (tall[..., 2] < 90)).sum() > 20
    same = np.asarray(compose(busy((600, 400)), (300, 200)).view(1.0, 0.0, 0.0))
    source = np.asarray(busy((600, 400)).resize((300, 200)))
    assert np.abs(same.astype(np.int16) - source).mean() < 40


def test_a_flat_photo_still_has_something_to_see() -> None:
    """A photo of one colour gets studio light, so that a camera's move shows."""
    stage = compose(Image.new("RGB", (200, 200), (255, 255, 255)), (200, 200))
    assert not np.array_equal(np.asarray(stage.view(1.0, 0.0, 0.0)), np.asarray(stage.view(1.05, 0.01, 0.0)))


@pytest.mark.parametrize(("colour", "channel"), [((210, 30, 30), 0), ((30, 170, 40), 1), ((40, 60, 220), 2)])
def test_the_palette_takes_up_the_products_colour(colour: tuple[int, int, int], channel: int) -> None:
    """A strongly coloured product gives its hue to the accent."""
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste(colour, (50, 50, 150, 150))
    accent = photo_palette(picture, 1).accent
    assert int(np.argmax(accent)) == channel


def test_a_colourless_photo_takes_a_restrained_palette() -> None:
    """Grey products get a hue from the seed, and little of it."""
    grey = Image.new("RGB", (50, 50), (128, 128, 128))
    base = photo_palette(grey, 2).base
    assert max(base) - min(base) < 14
    assert len({photo_palette(grey, seed) for seed in range(12)}) > 3


def test_a_sprite_moves_by_fractions_of_a_pixel() -> None:
    """Its centre of ink follows to a twentieth of a pixel; strength thins it, nought leaves the canvas alone."""
    mark = disc(11, (255, 255, 255))
    for x, y in ((10.0, 10.0), (10.25, 10.0), (10.5, 10.75), (9.9, 11.1)):
        canvas = Image.new("RGB", (40, 40))
        mark.draw(canvas, x, y)
        ink = np.asarray(canvas, dtype=np.float64)[..., 0]
        rows, columns = np.indices(ink.shape)
        assert (ink * columns).sum() / ink.sum() == pytest.approx(x + 5, abs=0.05)
        assert (ink * rows).sum() / ink.sum() == pytest.approx(y + 5, abs=0.05)
    canvas = Image.new("RGB", (40, 40))
    mark.draw(canvas, 10, 10, 0.5)
    assert canvas.getpixel((15, 15)) == (128, 128, 128)
    empty = Image.new("RGB", (40, 40))
    mark.draw(empty, 10, 10, 0.001)
    assert empty.getbbox() is None


@pytest.mark.parametrize("at", [(-6.3, 4.0), (36.5, 36.5), (100.0, 100.0), (-50.0, 0.0)])
def test_a_sprite_over_the_edge_is_cut_off(at: tuple[float, float]) -> None:
    """Parts outside the canvas are not drawn and do no harm."""
    canvas = Image.new("RGB", (40, 40))
    Sprite(Image.new("L", (12, 12), 255), (9, 9, 9)).draw(canvas, *at)
    assert canvas.size == (40, 40)


def test_shapes_are_smooth_and_of_their_size() -> None:
    """Bars and rings have the size asked for, soft edges, and a ring is hollow."""
    canvas = Image.new("RGB", (60, 60))
    ring(40, 3, (255, 255, 255)).draw(canvas, 10, 10)
    assert canvas.getbbox() == (10, 10, 50, 50)
    assert canvas.getpixel((30, 30)) == (0, 0, 0)
    levels = set(np.asarray(canvas)[..., 0].ravel().tolist())
    assert len(levels) > 8
    bar = rounded_bar(30, 6, (1, 2, 3))
    assert (bar.width, bar.height) == (30, 6)
