"""Draws forms with gradients, soft light and soft shadow, smoothed by supersampling. It knows no product."""

from __future__ import annotations

import io
import math
from itertools import pairwise

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from consumer.operate.samples.forms import Form, Point
from consumer.operate.samples.palette import INK, RGB, WHITE, Linear, Paint, Radial, table

FINE = 4
"""Times finer than the picture an outline is drawn, in each direction, before it is averaged to smooth edges."""

HAZE = 2.5
"""Pixels of blur to a pixel of the mask it is done on: nobody sees the difference, and it is many times as fast."""

UNITS = 1000.0
"""Units of the plane that fit the shorter side."""

Box = tuple[int, int, int, int]


class Canvas:
    """A picture in the making. Positions are units of a 1000 × 1000 plane in the middle of the picture."""

    def __init__(self, size: tuple[int, int], background: Image.Image) -> None:
        self._size = size
        self._wide, self._high = size
        self._unit = min(self._wide, self._high) / UNITS
        self._left, self._top = (self._wide - UNITS * self._unit) / 2, (self._high - UNITS * self._unit) / 2
        self._image = background.resize((self._wide, self._high), Image.Resampling.BICUBIC)

    def fill(self, form: Form, paint: Paint, alpha: float = 1.0, clip: Form | None = None) -> None:
        """The form in a colour or gradient (over its own box), within ``clip``."""
        if box := self._box(form):
            self._paste(box, self._clipped(self._mask(form, box), clip, box), paint, alpha)

    def glow(self, form: Form, colour: RGB, alpha: float, blur: float, clip: Form | None = None) -> None:
        """The form with soft edges, ``blur`` units wide, within ``clip``: light, shade and haze."""
        if box := self._box(form, blur * 3):
            self._paste(box, self._clipped(self._blurred(form, box, blur), clip, box), colour, alpha)

    def edge(self, form: Form, colour: RGB, alpha: float, shift: Point, blur: float) -> None:
        """Inner shade (or light): what of the form's edge lies where ``shift`` points away from."""
        if box := self._box(form, blur * 3):
            outside = ImageChops.invert(self._blurred(form.moved(*shift), box, blur))
            self._paste(box, self._clipped(outside, form, box), colour, alpha)

    def solid(self, form: Form, paint: Paint, shade: RGB = INK, depth: float = 14, light: float = 0.35) -> None:
        """The form as a soft solid: filled, its far edge in the shade, its near edge in the light."""
        self.fill(form, paint)
        self.edge(form, shade, 0.42, (-depth, -depth), depth)
        self.edge(form, WHITE, light, (depth * 0.6, depth * 0.6), depth * 0.7)

    def shadow(self, x: float, y: float, across: float, alpha: float = 0.5, colour: RGB = INK) -> None:
        """What a thing standing at ``x``, ``y`` with half width ``across`` does to the floor."""
        for wide, high, moved, strength, blur in (
            (1.25, 0.22, 0.16, 0.36, 0.10),
            (1.02, 0.10, 0.05, 0.55, 0.045),
            (0.90, 0.04, 0.0, 0.75, 0.014),
        ):
            steps = 72
            angles = np.linspace(0, 2 * np.pi, steps, endpoint=False)
            outline = tuple(
                (x + across * (moved + wide * float(np.cos(a))), y + across * high * (0.35 + float(np.sin(a))))
                for a in angles
            )
            self.glow(Form((outline,)), colour, alpha * strength, max(4.0, across * blur))

    def png(self) -> bytes:
        """The finished picture."""
        out = io.BytesIO()
        self._image.save(out, "PNG", compress_level=6)
        return out.getvalue()

    def _box(self, form: Form, margin: float = 0) -> Box | None:
        """The pixels a form covers, cut to the picture; None outside it."""
        left, top, right, bottom = form.box()
        x0, y0 = self._pixel((left - margin, top - margin))
        x1, y1 = self._pixel((right + margin, bottom + margin))
        box = (max(0, int(x0) - 2), max(0, int(y0) - 2), min(self._wide, int(x1) + 3), min(self._high, int(y1) + 3))
        return box if box[0] < box[2] and box[1] < box[3] else None

    def _pixel(self, point: Point) -> Point:
        return (self._left + point[0] * self._unit, self._top + point[1] * self._unit)

    def _mask(self, form: Form, box: Box) -> Image.Image:
        """How much of each pixel of ``box`` the form covers, 0…255."""
        return self._drawn(form, box, FINE).reduce(FINE)

    def _drawn(self, form: Form, box: Box, scale: float) -> Image.Image:
        size = (max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale)))
        mask = Image.new("L", size, 0)
        draw = ImageDraw.Draw(mask)

        def local(points: tuple[Point, ...]) -> list[Point]:
            return [((x - box[0]) * scale, (y - box[1]) * scale) for x, y in map(self._pixel, points)]

        for outline in form.outlines:
            draw.polygon(local(outline), fill=255)
        for points, width in form.lines:
            _line(draw, local(points), width * self._unit * scale)
        for hole in form.holes:
            draw.polygon(local(hole), fill=0)
        return mask

    def _blurred(self, form: Form, box: Box, blur: float) -> Image.Image:
        radius = blur * self._unit
        shrink = max(1.0, radius / HAZE)
        mask = self._drawn(form, box, 2 / shrink)
        return mask.filter(ImageFilter.GaussianBlur(radius / shrink * 2)).resize(
            (box[2] - box[0], box[3] - box[1]), Image.Resampling.BICUBIC
        )

    def _clipped(self, mask: Image.Image, clip: Form | None, box: Box) -> Image.Image:
        return mask if clip is None else ImageChops.multiply(mask, self._mask(clip, box))

    def _paste(self, box: Box, mask: Image.Image, paint: Paint, alpha: float) -> None:
        if alpha < 1:
            mask = mask.point([round(value * alpha) for value in range(256)])
        width, height = mask.size
        if isinstance(paint, Linear | Radial):
            places = (paint.places(width, height) * 255).astype(np.uint8)
            self._image.paste(Image.fromarray(table(paint)[places]), box[:2], mask)
        else:
            red, green, blue = (round(part) for part in paint)
            self._image.paste((red, green, blue), box, mask)


def _line(draw: ImageDraw.ImageDraw, points: list[Point], width: float) -> None:
    """A thick line with round joints and ends: Pillow's own wide lines leave notches where short pieces meet."""
    half = width / 2
    for x, y in points:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
    for (x0, y0), (x1, y1) in pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        if length:
            dx, dy = (y1 - y0) / length * half, (x0 - x1) / length * half
            draw.polygon(((x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)), fill=255)
