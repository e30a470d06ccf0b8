"""Outlines in a plane of 1000 × 1000 units: points only. They know no colour and no pixel."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Point = tuple[float, float]

SMOOTH = 24
"""Points to a curve piece or a quarter circle: beyond what supersampling can show."""


@dataclass(frozen=True, slots=True)
class Form:
    """Filled outlines, holes cut out of them, and thick lines with round ends."""

    outlines: tuple[tuple[Point, ...], ...] = ()
    holes: tuple[tuple[Point, ...], ...] = ()
    lines: tuple[tuple[tuple[Point, ...], float], ...] = ()

    def __add__(self, other: Form) -> Form:
        return Form(self.outlines + other.outlines, self.holes + other.holes, self.lines + other.lines)

    def without(self, other: Form) -> Form:
        """The same with ``other``'s outlines cut out."""
        return replace(self, holes=self.holes + other.outlines)

    def moved(self, x: float, y: float) -> Form:
        """Shifted."""
        return self._each(lambda p: (p[0] + x, p[1] + y))

    def turned(self, degrees: float, centre: Point) -> Form:
        """Rotated clockwise about ``centre``."""
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

        def turn(point: Point) -> Point:
            x, y = point[0] - centre[0], point[1] - centre[1]
            return (centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine)

        return self._each(turn)

    def flipped(self, axis: float) -> Form:
        """Mirrored left and right about the vertical at ``axis``."""
        return self._each(lambda p: (2 * axis - p[0], p[1]))

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        xs, ys = [], []
        for outline in self.outlines:
            xs += [x for x, _ in outline]
            ys += [y for _, y in outline]
        for line, width in self.lines:
            xs += [x + side for x, _ in line for side in (-width / 2, width / 2)]
            ys += [y + side for _, y in line for side in (-width / 2, width / 2)]
        return min(xs), min(ys), max(xs), max(ys)

    def _each(self, change: Callable[[Point], Point]) -> Form:
        def all_of(points: Sequence[Point]) -> tuple[Point, ...]:
            return tuple(change(point) for point in points)

        return Form(
            tuple(map(all_of, self.outlines)),
            tuple(map(all_of, self.holes)),
            tuple((all_of(line), width) for line, width in self.lines),
        )


def polygon(*points: Point) -> Form:
    """A shape with straight sides."""
    return Form((points,))


def ellipse(x: float, y: float, across: float, down: float) -> Form:
    """Centre and the two half axes."""
    return Form((arc((x, y), across, down, 0, 360),))


def circle(x: float, y: float, radius: float) -> Form:
    """Centre and radius."""
    return ellipse(x, y, radius, radius)


def ring(x: float, y: float, outer: float, inner: float) -> Form:
    """A disc with a hole."""
    return circle(x, y, outer).without(circle(x, y, inner))


def arc(centre: Point, across: float, down: float, start: float, end: float) -> tuple[Point, ...]:
    """Points of an elliptic arc with two half axes; degrees, clockwise from the right."""
    steps = SMOOTH * 4
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return tuple((centre[0] + across * math.cos(angle), centre[1] + down * math.sin(angle)) for angle in angles)


def block(left: float, top: float, right: float, bottom: float, *radii: float) -> Form:
    """A rectangle with round corners: one radius for all, or four from the upper left clockwise."""
    corners = radii * 4 if len(radii) == 1 else radii or (0, 0, 0, 0)
    a, b, c, d = corners
    points: list[Point] = []
    for x, y, radius, start in (
        (left + a, top + a, a, 180),
        (right - b, top + b, b, 270),
        (right - c, bottom - c, c, 0),
        (left + d, bottom - d, d, 90),
    ):
        points += arc((x, y), radius, radius, start, start + 90)[:: SMOOTH // 6]
    return Form((tuple(points),))


def curve(*points: Point) -> tuple[Point, ...]:
    """A smooth open line through ``points``: a Catmull-Rom spline."""
    out: list[Point] = []
    for index in range(len(points) - 1):
        first, second = points[index], points[index + 1]
        before, after = points[max(index - 1, 0)], points[min(index + 2, len(points) - 1)]
        # The same piece as a Bézier curve: its controls lie a sixth of the neighbours' span away.
        controls = [
            first,
            (first[0] + (second[0] - before[0]) / 6, first[1] + (second[1] - before[1]) / 6),
            (second[0] - (after[0] - first[0]) / 6, second[1] - (after[1] - first[1]) / 6),
            second,
        ]
        out += [_bezier(controls, step / SMOOTH) for step in range(SMOOTH)]
    return (*out, points[-1])


def line(width: float, *points: Point) -> Form:
    """A thick straight-sided line with round ends."""
    return Form(lines=((points, width),))


def stroke(width: float, points: Sequence[Point]) -> Form:
    """A thick line along ready points."""
    return Form(lines=((tuple(points), width),))


_PIECE = re.compile(r"([MLQC])([^MLQC]*)")


def path(drawn: str) -> tuple[Point, ...]:
    """Points of an SVG path of absolute M, L, Q and C pieces: ``M0 0 L10 0 Q20 0 20 10 C20 20 10 30 0 30``."""
    out: list[Point] = []
    for kind, numbers in _PIECE.findall(drawn):
        values = [float(number) for number in numbers.split()]
        controls = list(zip(values[::2], values[1::2], strict=True))
        if kind in "ML":
            out += controls
        else:
            curve_points = [out[-1], *controls]
            out += [_bezier(curve_points, step / SMOOTH) for step in range(1, SMOOTH + 1)]
    return tuple(out)


def _bezier(controls: Sequence[Point], t: float) -> Point:
    while len(controls) > 1:
        controls = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairwise(controls)]
    return controls[0]


def shape(drawn: str) -> Form:
    """A closed shape along an SVG path (see ``path``)."""
    return Form((path(drawn),))
