"""One-colour shapes with soft edges, pasted at fractions of a pixel and at any strength.

Knows masks and colours; knows nothing of what they mean.
"""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from model.typeset import Rgb

_STRENGTHS = [[level * strength // 255 for level in range(256)] for strength in range(256)]
"""Look-up tables from full coverage to coverage at a strength."""


class Sprite:
    """A mask in one colour. The mask is padded by a pixel all round, so that fractions have room."""

    def __init__(self, mask: Image.Image, colour: Rgb) -> None:
        self.width, self.height = mask.size
        self._colour = colour
        self._mask = mask
        self._padded = Image.new("L", (mask.width + 2, mask.height + 2), 0)
        self._padded.paste(mask, (1, 1))

    def draw(self, canvas: Image.Image, x: float, y: float, strength: float = 1.0) -> None:
        """Paste with the mask's top left corner at (x, y); parts outside the canvas are cut off."""
        level = round(255 * strength)
        if level <= 0:
            return
        left, top = math.floor(x), math.floor(y)
        shift_x, shift_y = round(x - left, 2), round(y - top, 2)
        mask = self._mask
        if shift_x or shift_y:
            size = (self.width + 1, self.height + 1)
            box = (1 - shift_x, 1 - shift_y, 1 - shift_x + size[0], 1 - shift_y + size[1])
            mask = self._padded.resize(size, Image.Resampling.BILINEAR, box=box)
        if level < 255:
            mask = mask.point(_STRENGTHS[level])
        canvas.paste(self._colour, (left, top, left + mask.width, top + mask.height), mask)


def rounded_bar(width: int, height: int, colour: Rgb) -> Sprite:
    """A bar with fully rounded ends."""
    large = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), height * 2, fill=255)
    return Sprite(large.resize((width, height), Image.Resampling.BOX), colour)


def disc(diameter: int, colour: Rgb) -> Sprite:
    """A filled circle."""
    return rounded_bar(diameter, diameter, colour)


def ring(diameter: int, stroke: int, colour: Rgb) -> Sprite:
    """A circle's outline, ``stroke`` pixels wide."""
    large = Image.new("L", (diameter * 4, diameter * 4), 0)
    ImageDraw.Draw(large).ellipse((0, 0, diameter * 4 - 1, diameter * 4 - 1), outline=255, width=stroke * 4)
    return Sprite(large.resize((diameter, diameter), Image.Resampling.BOX), colour)
