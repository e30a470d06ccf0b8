"""What several things are made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Point, stroke
from consumer.operate.samples.palette import RGB, WHITE, darker, lighter, rgb

WOOD: RGB = rgb("#C98F55")
GOLD: RGB = rgb("#D8AE5E")
STEEL: RGB = rgb("#B9BEC4")


def tube(c: Canvas, points: Sequence[Point], width: float, colour: RGB, shine: float = 0.5) -> None:
    """A round tube along ``points``."""
    outer = stroke(width, points)
    c.fill(outer, darker(colour, 0.18))
    c.edge(outer, darker(colour, 0.85), 0.55, (-width * 0.22, -width * 0.22), width * 0.2)
    middle = stroke(width * 0.42, points).moved(-width * 0.10, -width * 0.10)
    c.glow(middle, lighter(colour, 0.35), 0.85, width * 0.12, outer)
    c.glow(stroke(width * 0.12, points).moved(-width * 0.16, -width * 0.18), WHITE, shine, width * 0.05, outer)


def stitches(c: Canvas, points: Sequence[Point], colour: RGB, alpha: float = 0.8, width: float = 3.2) -> None:
    """A sewn seam along ``points``: every other stretch of thread."""
    dash: list[Point] = []
    length = 0.0
    drawing = True
    for first, second in pairwise(points):
        dash.append(first)
        length += ((second[0] - first[0]) ** 2 + (second[1] - first[1]) ** 2) ** 0.5
        if length > (11 if drawing else 8):
            if drawing and len(dash) > 1:
                c.fill(stroke(width, dash), colour, alpha)
            dash, length, drawing = [], 0.0, not drawing
