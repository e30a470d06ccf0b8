"""``draw_photo``: a still life of a product in its own colour, for demos. The same product gives the same bytes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from consumer.events import Product
from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.palette import RGB, hue, lightness, mix, rgb, saturation, tint
from consumer.operate.samples.shapes import SHAPES
from consumer.planner.prompting import vocabulary

SIZE = (1024, 1024)

PLAIN: RGB = (126, 150, 176)
"""For products whose colour is no word we know."""


def draw_photo(product: Product, size: tuple[int, int] = SIZE) -> bytes:
    """A PNG of ``product``, ``size`` in pixels: the thing its tags name, or a gift box where none is known."""
    draw = next((SHAPES[tag] for tag in product.tags if tag in SHAPES), SHAPES["gift"])
    colour: RGB = vocabulary.rgb(product.colour or "") or PLAIN
    canvas = Canvas(size, backdrop(colour))
    draw(canvas, colour)
    return canvas.png()


def backdrop(colour: RGB) -> Image.Image:
    """A seamless studio backdrop in a pale shade that lets ``colour`` stand out: wall, floor, and a pool of light."""
    if saturation(colour) < 0.12 or lightness(colour) > 0.9:
        wall, floor = rgb("#E8DED4"), rgb("#D6C8BC")  # warm, where the thing itself is grey or white
    else:
        # Pale yellow turns to green beside gold, so yellows stand before their orange neighbour.
        turn = -0.045 if 0.09 < hue(colour) < 0.2 else 0.02
        wall, floor = tint(colour, 0.895, 0.42, turn), tint(colour, 0.80, 0.36, turn / 2)
    side = 256
    down = np.linspace(0, 1, side, dtype=np.float64)[:, None, None]
    across = np.linspace(0, 1, side, dtype=np.float64)[None, :, None]
    horizon = 1 / (1 + np.exp(-(down - 0.70) * 16))
    plain = np.array(wall) * (1 - horizon) + np.array(floor) * horizon
    pool = np.exp(-(((across - 0.40) / 0.42) ** 2 + ((down - 0.40) / 0.42) ** 2))
    lit = plain + (np.array(mix(wall, (255, 255, 255), 0.75)) - plain) * pool * 0.75
    corner = ((across - 0.5) ** 2 + (down - 0.5) ** 2) * 0.22
    return Image.fromarray(np.clip(lit * (1 - corner), 0, 255).round().astype(np.uint8))
