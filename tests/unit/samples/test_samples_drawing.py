"""What drawing promises: real pictures, the same bytes, any size and colour."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from consumer.events import Product
from consumer.operate.samples import draw_photo, products
from consumer.operate.samples import palette as p
from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Form, arc, block, circle, curve, line, path, polygon, ring, shape, stroke
from consumer.operate.samples.shapes import SHAPES

SAMPLE = products()[0]


def sample(**fields: object) -> Product:
    """A product with other fields."""
    return Product.from_avro(SAMPLE.to_avro() | fields)


def opened(data: bytes) -> Image.Image:
    """The picture in PNG bytes."""
    return Image.open(io.BytesIO(data))


def canvas(size: tuple[int, int] = (100, 100)) -> Canvas:
    """A black canvas: ten units a pixel."""
    return Canvas(size, Image.new("RGB", (4, 4)))


def pixels(drawn: Canvas) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What was drawn, as numbers."""
    return np.asarray(opened(drawn.png()), dtype=np.float64)


@pytest.mark.parametrize("tag", SHAPES)
def test_every_thing_is_drawn_in_its_place(tag: str) -> None:
    """There is something in the middle of the picture and backdrop at its upper corners."""
    plain = np.asarray(opened(draw_photo(sample(tags=["none"], colour="blue"), (160, 160))), dtype=int)
    drawn = np.asarray(opened(draw_photo(sample(tags=[tag], colour="blue"), (160, 160))), dtype=int)
    assert drawn.shape == (160, 160, 3)
    assert drawn.std() > 12
    assert np.abs(drawn[:12, :12] - plain[:12, :12]).max() <= 2
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 1000


@pytest.mark.parametrize("tag", ["kettle", "backpack"])
def test_the_same_product_gives_the_same_bytes(tag: str) -> None:
    """A photo's digest is part of a clip's recipe."""
    assert draw_photo(sample(tags=[tag]), (96, 96)) == draw_photo(sample(tags=[tag]), (96, 96))


def test_the_products_colour_is_the_things_colour() -> None:
    """A red suitcase is red, a blue one blue; a code is as good as a word."""
    middle = {}
    for colour in ("red", "蓝色", "#2F6FD0"):
        picture = np.asarray(opened(draw_photo(sample(tags=["suitcase"], colour=colour), (120, 120))), dtype=float)
        middle[colour] = picture[50:70, 50:70].mean(axis=(0, 1))
    assert middle["red"][0] > middle["red"][2] + 60
    assert middle["蓝色"][2] > middle["蓝色"][0] + 60
    assert np.allclose(middle["蓝色"], middle["#2F6FD0"])


@pytest.mark.parametrize("colour", [None, "", "no such colour", "transparent", "white", "black"])
def test_any_colour_stands_out_from_its_backdrop(colour: str | None) -> None:
    """Unknown colours get a plain one, white things a warm wall."""
    picture = np.asarray(opened(draw_photo(sample(tags=["suitcase"], colour=colour), (120, 120))), dtype=float)
    assert np.abs(picture[55:65, 45:75].mean(axis=(0, 1)) - picture[60, 8]).max() > 18


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (33, 47), (1, 1)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    """The thing stands in the middle of whatever shape is asked for."""
    assert opened(draw_photo(sample(tags=["watch"]), size)).size == size


def test_a_form_covers_what_it_says() -> None:
    """A block's pixels are its colour, the rest is untouched, and edges are smooth."""
    drawn = canvas()
    drawn.fill(block(200, 300, 605, 700), (255, 255, 255))
    seen = pixels(drawn)[..., 0]
    assert seen[30:70, 20:60].min() == 255
    assert seen[:29].max() == seen[72:].max() == seen[:, :19].max() == 0
    assert 60 < seen[50, 60] < 200


def test_what_lies_outside_the_picture_is_not_drawn() -> None:
    """A form may leave the plane."""
    drawn = canvas()
    before = drawn.png()
    far = circle(5000, 5000, 10)
    drawn.fill(far, p.WHITE)
    drawn.glow(far, p.WHITE, 1, 10)
    drawn.edge(far, p.WHITE, 1, (1, 1), 10)
    assert drawn.png() == before


def test_clips_holes_and_lines() -> None:
    """A clip cuts, a hole stays empty, a line has its width."""
    drawn = canvas()
    drawn.fill(block(0, 0, 1000, 1000), p.WHITE, clip=ring(500, 500, 400, 200))
    seen = pixels(drawn)[..., 0]
    assert seen[50, 50] == 0
    assert seen[50, 20] == 255
    assert seen[5, 5] == 0
    lined = canvas()
    lined.fill(line(100, (200, 500), (800, 500)), p.WHITE)
    assert abs(pixels(lined)[:, 50, 0].sum() / 255 - 10) < 0.6


def test_glow_is_soft_and_shade_lies_on_the_far_side() -> None:
    """Light falls off; the inner shade is where the shift points away from."""
    drawn = canvas()
    drawn.glow(circle(500, 500, 200), p.WHITE, 1, 60)
    row = pixels(drawn)[50, 50:, 0]
    assert np.all(np.diff(row) <= 1)
    assert 20 < row[20] < 235
    shaded = canvas()
    shaded.solid(block(200, 200, 800, 800), p.WHITE)
    seen = pixels(shaded)[..., 0]
    assert seen[50, 78] < seen[50, 50] > seen[78, 50]


def test_gradients_run_where_they_say() -> None:
    """Down, across, outwards; the light of round things comes from the left."""
    dark, light = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    for paint, axis in ((p.down(dark, light), 0), (p.across((0, dark), (1, light)), 1)):
        drawn = canvas()
        drawn.fill(block(0, 0, 1000, 1000), paint)
        seen = pixels(drawn)[..., 0]
        assert np.all(np.diff(seen.mean(axis=1 - axis)) >= 0)
        assert np.all(seen.std(axis=1 - axis) < 1)
    places = p.Radial(((0, dark), (1, light))).places(40, 20)
    assert places.shape == (20, 40)
    assert places.argmin() == 10 * 40 + 20
    assert places.max() <= 1
    assert p.Linear((), -1, 0.5).places(9, 9).min() == 0
    for round_body in (p.cylinder((90, 90, 90)), p.metal((90, 90, 90))):
        light_of = p.table(round_body)[:, 0]
        assert light_of[:128].max() > light_of[128:].max()


def test_colours_are_mixed_in_their_ranges() -> None:
    """Lighter, darker, tinted; hue and saturation as asked."""
    red = p.rgb("#D32027")
    assert p.mix(red, p.WHITE, 1) == p.WHITE
    assert p.lightness(p.lighter(red, 0.5)) > p.lightness(red) > p.lightness(p.darker(red, 0.5))
    pale = p.tint(red, 0.9, 0.3)
    assert math.isclose(p.hue(pale), p.hue(red), abs_tol=0.01)
    assert p.saturation(pale) < 0.31
    assert all(0 <= part <= 255 for colour in (pale, p.darker(red, 1), p.lighter(red, 1)) for part in colour)


def test_paths_are_svg() -> None:
    """Straight, quadratic and cubic pieces end where they say; curves pass through their points."""
    points = path("M0 0 L10 0 Q20 0 20 10 C20 20 10 30 -5.5 30")
    assert points[:2] == ((0.0, 0.0), (10.0, 0.0))
    assert points[-1] == pytest.approx((-5.5, 30.0))
    assert any(point == pytest.approx((20, 10)) for point in points)
    corners = [(0.0, 0.0), (50.0, 80.0), (100.0, 0.0)]
    smooth = curve(*corners)
    assert all(any(point == pytest.approx(corner) for point in smooth) for corner in corners)


def test_forms_move_turn_and_flip() -> None:
    """Their boxes go with them, holes and lines too."""
    form = polygon((0, 0), (10, 0), (10, 20), (0, 20))
    assert form.moved(5, 5).box() == (5, 5, 15, 25)
    assert form.turned(90, (0, 0)).box() == pytest.approx((-20, 0, 0, 10))
    assert form.flipped(10).box() == (10, 0, 20, 20)
    both = form.without(circle(5, 5, 2)) + stroke(4, ((0, 0), (100, 0)))
    assert both.moved(1, 0).holes[0][0] == pytest.approx((8, 5))
    assert both.box() == (-2, -2, 102, 20)
    assert shape("M0 0 L9 0 L9 9").box() == (0, 0, 9, 9)
    assert arc((0, 0), 10, 5, 0, 90)[-1] == pytest.approx((0, 5))
    assert block(0, 0, 10, 10, 1, 2, 3, 4).box() == pytest.approx((0, 0, 10, 10))
    assert isinstance(both, Form)
