"""Ring and watch."""

from __future__ import annotations

import math

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Form, arc, block, circle, ellipse, line, polygon, shape, stroke
from consumer.operate.samples.forms import ring as disc
from consumer.operate.samples.palette import (
    INK,
    RGB,
    WHITE,
    Linear,
    Radial,
    across,
    darker,
    down,
    lighter,
    metal,
    mix,
    rgb,
    slant,
)


def ring(c: Canvas, colour: RGB) -> None:
    """A solitaire ring, upright."""
    c.shadow(500, 836, 150, 0.5)
    c.glow(ellipse(560, 838, 190, 20), lighter(colour, 0.45), 0.5, 20)
    x, y, outer, inner = 500.0, 600.0, 236.0, 202.0
    back = Form((tuple(arc((x + 10, y - 4), inner + 16, inner + 16, 0, 360)),)).without(
        circle(x + 6, y - 2, inner - 12)
    )
    c.fill(back, Linear(((0, darker(colour, 0.7)), (0.5, darker(colour, 0.25)), (1, lighter(colour, 0.25))), 1, 0.4))
    band = disc(x, y, outer, inner)
    c.fill(
        band,
        Linear(
            (
                (0, darker(colour, 0.25)),
                (0.12, lighter(colour, 0.75)),
                (0.25, lighter(colour, 0.2)),
                (0.45, darker(colour, 0.25)),
                (0.62, lighter(colour, 0.55)),
                (0.8, colour),
                (1, darker(colour, 0.5)),
            ),
            0.8,
            0.6,
        ),
    )
    c.edge(band, darker(colour, 0.95), 0.5, (-5, -7), 6)
    for start, end, alpha in ((195, 235, 0.95), (20, 60, 0.7), (120, 150, 0.5)):
        c.glow(
            stroke(7, arc((x, y), (outer + inner) / 2 + 4, (outer + inner) / 2 + 4, start, end)), WHITE, alpha, 4, band
        )
    seat = shape("M432 372 C456 404 470 420 500 424 C530 420 544 404 568 372 C548 388 452 388 432 372")
    c.fill(seat, metal(colour))
    _diamond(c, 500, 300, 128)
    for prong in ((404, 300, 430, 372), (596, 300, 570, 372), (470, 316, 478, 392), (530, 316, 522, 392)):
        c.fill(line(11, (prong[0], prong[1]), (prong[2], prong[3])), metal(colour))
        c.fill(
            circle(prong[0], prong[1], 8.5),
            Radial(((0, WHITE), (0.5, lighter(colour, 0.3)), (1, darker(colour, 0.35))), 0.35, 0.3),
        )
    for spark in ((430, 222, 34), (590, 258, 22), (330, 470, 24)):
        _spark(c, *spark)


def _diamond(c: Canvas, x: float, y: float, half: float) -> None:
    """A brilliant from the side: table, crown and pavilion in facets."""
    table, girdle, culet = y - half * 0.52, y - half * 0.04, y + half * 0.92
    ice, mist, deep = rgb("#FDFEFF"), rgb("#BCD3E6"), rgb("#5F86A8")
    top = [(x + half * at, table) for at in (-0.58, -0.2, 0.2, 0.58)]
    belt = [(x + half * at, girdle) for at in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    foot, left, right = (x, culet), (x - half * 0.22, y + half * 0.42), (x + half * 0.22, y + half * 0.42)
    whole = polygon(top[0], top[-1], belt[-1], foot, belt[0])
    c.glow(whole, WHITE, 0.9, 14)
    c.fill(whole, slant(ice, mist))
    strip = [belt[0], *(point for pair in zip(top, belt[1:], strict=True) for point in pair)]
    crown = [strip[at : at + 3] for at in range(len(strip) - 2)]
    pavilion = [
        [belt[0], belt[1], left],
        [belt[0], left, foot],
        [belt[1], belt[2], left],
        [belt[2], left, foot],
        [belt[2], right, foot],
        [belt[2], belt[3], right],
        [belt[3], belt[4], right],
        [belt[4], right, foot],
    ]
    shades = (mist, ice, mix(mist, deep, 0.45), ice, mix(mist, deep, 0.7), mist, mix(mist, deep, 0.25), ice)
    for index, facet in enumerate((*crown, *pavilion)):
        shade = shades[(index * 3 + (2 if index >= len(crown) else 0)) % len(shades)]
        c.fill(polygon(*facet), down(lighter(shade, 0.18), darker(shade, 0.06)))
    for facet in (*crown, *pavilion):
        c.fill(line(1.6, *facet, facet[0]), WHITE, 0.75)
    c.edge(whole, deep, 0.35, (-6, -8), 8)
    c.fill(polygon((top[0][0] + 8, table + 5), (top[1][0], table + 5), (belt[1][0] - 8, girdle - 8)), WHITE, 0.85)


def _spark(c: Canvas, x: float, y: float, size: float) -> None:
    c.glow(circle(x, y, size * 0.4), WHITE, 0.7, size * 0.25)
    star = [(size if step % 2 == 0 else size * 0.13, math.radians(step * 45)) for step in range(8)]
    c.fill(polygon(*((x + away * math.cos(angle), y + away * math.sin(angle)) for away, angle in star)), WHITE)


def watch(c: Canvas, colour: RGB) -> None:
    """A plain watch with a leather strap, seen from the front."""
    leather, face = rgb("#6B4630"), rgb("#FBFAF7")
    x, y, radius = 500.0, 500.0, 214.0
    strap = shape(
        "M392 -30 C384 150 372 260 366 340 L366 660 C372 740 384 850 392 1030 L608 1030 "
        "C616 850 628 740 634 660 L634 340 C628 260 616 150 608 -30"
    )
    c.glow(strap.moved(20, 22), INK, 0.36, 22)
    c.glow(circle(x + 22, y + 28, radius + 6), INK, 0.42, 26)
    c.fill(
        strap,
        across((0, darker(leather, 0.3)), (0.3, lighter(leather, 0.18)), (0.6, leather), (1, darker(leather, 0.4))),
    )
    c.glow(ellipse(470, 160, 40, 90), WHITE, 0.16, 30, strap)
    for side in (400, 600):
        for first, last in ((0, 300), (700, 1000)):
            for step in range(first, last, 20):
                c.fill(line(4, (side, step), (side, step + 10)), lighter(leather, 0.5), 0.75)
    for lug in ((352, 300), (600, 300), (352, 652), (600, 652)):
        c.solid(block(lug[0], lug[1], lug[0] + 48, lug[1] + 62, 10), metal(colour), depth=5)
    c.solid(block(x + radius - 4, y - 24, x + radius + 32, y + 24, 8), metal(colour), depth=4)
    for step in range(5):
        c.fill(block(x + radius + 2, y - 19 + step * 9, x + radius + 30, y - 16.5 + step * 9, 1), INK, 0.35)
    case = circle(x, y, radius)
    c.fill(
        case,
        Linear(
            (
                (0, WHITE),
                (0.2, lighter(colour, 0.5)),
                (0.45, darker(colour, 0.35)),
                (0.65, lighter(colour, 0.4)),
                (1, darker(colour, 0.45)),
            ),
            0.7,
            0.7,
        ),
    )
    c.edge(case, INK, 0.35, (-5, -7), 6)
    c.fill(circle(x, y, radius - 20), Linear(((0, darker(colour, 0.55)), (1, lighter(colour, 0.5))), 0.7, 0.7))
    dial = circle(x, y, radius - 28)
    c.fill(dial, Radial(((0, WHITE), (0.7, face), (1, darker(face, 0.12))), 0.42, 0.38, 0.6))
    c.edge(dial, INK, 0.35, (10, 12), 12)
    for hour in range(12):
        angle = math.radians(hour * 30)
        outer, long = radius - 42, 34 if hour % 3 == 0 else 20
        c.fill(
            line(
                6 if hour % 3 == 0 else 3.6,
                *(((x + (outer - at) * math.sin(angle), y - (outer - at) * math.cos(angle))) for at in (0, long)),
            ),
            rgb("#2E3338"),
        )
    for degrees, length, width in ((305, 96, 9), (60, 138, 6.5)):
        angle = math.radians(degrees)
        hand = line(
            width,
            (x - 22 * math.sin(angle), y + 22 * math.cos(angle)),
            (x + length * math.sin(angle), y - length * math.cos(angle)),
        )
        c.glow(hand.moved(4, 6), INK, 0.30, 4, dial)
        c.fill(hand, rgb("#2E3338"))
    second = math.radians(200)
    c.fill(
        line(
            2.6,
            (x - 34 * math.sin(second), y + 34 * math.cos(second)),
            (x + 150 * math.sin(second), y - 150 * math.cos(second)),
        ),
        rgb("#C8553D"),
    )
    c.fill(circle(x, y, 9), rgb("#2E3338"))
    c.fill(circle(x, y, 4), rgb("#C8553D"))
    gleam = shape("M340 470 C350 390 420 330 520 322 C450 360 380 420 340 470")
    c.glow(gleam, WHITE, 0.55, 8, dial)
