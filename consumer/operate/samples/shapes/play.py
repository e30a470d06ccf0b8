"""Blocks, toy car and yoga mat."""

from __future__ import annotations

import math

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Form, arc, block, circle, ellipse, polygon, ring, shape, stroke
from consumer.operate.samples.palette import (
    INK,
    RGB,
    WHITE,
    Linear,
    ball,
    cylinder,
    darker,
    down,
    lighter,
    mix,
    rgb,
    slant,
)
from consumer.operate.samples.shapes.parts import WOOD

_BEECH = rgb("#E3BC8B")
_PLAY = (rgb("#E4573D"), rgb("#F2B632"), rgb("#3F8FC4"), rgb("#58A56B"))


def blocks(c: Canvas, _: RGB) -> None:
    """Painted wooden blocks built to a small house."""
    red, yellow, blue, green = _PLAY
    c.shadow(500, 812, 330)
    _cube(c, 250, 600, 210, blue)
    _arch(c, _BEECH)
    _cube(c, 292, 412, 182, yellow)
    _cylinder(c, green)
    _roof(c, red)
    c.shadow(842, 806, 58, 0.4)
    c.fill(circle(842, 754, 58), ball(red, 0.5, 0.45))
    c.glow(ellipse(822, 732, 15, 9).turned(-35, (822, 732)), WHITE, 0.8, 5)


def _cube(c: Canvas, x: float, y: float, side: float, colour: RGB) -> None:
    deep, far = side * 0.17, x + side
    top = polygon((x + 8, y + 3), (x + deep, y - deep), (far + deep, y - deep), (far - 3, y + 3))
    flank = polygon(
        (far - 3, y + 6), (far + deep, y - deep), (far + deep, y + side - deep - 6), (far - 3, y + side - 4)
    )
    _sides(c, top, flank, colour)
    _front(c, block(x, y, far, y + side, 13), colour)


def _arch(c: Canvas, colour: RGB) -> None:
    top = polygon((508, 603), (536, 564), (786, 564), (747, 603))
    flank = polygon((747, 606), (786, 564), (786, 768), (747, 806))
    _sides(c, top, flank, colour)
    gate = polygon(*arc((625, 709), 62, 62, 180, 360), (687, 812), (563, 812))
    c.fill(gate, down(darker(colour, 0.75), darker(colour, 0.5)))
    c.fill(gate.moved(18, -11), mix(darker(colour, 0.45), INK, 0.1), 0.5, gate)
    _front(c, block(500, 600, 750, 810, 13).without(gate), colour)


def _sides(c: Canvas, top: Form, flank: Form, colour: RGB) -> None:
    c.fill(flank, down(darker(colour, 0.26), darker(colour, 0.47)))
    c.fill(top, slant(lighter(colour, 0.55), lighter(colour, 0.22)))


def _front(c: Canvas, face: Form, colour: RGB) -> None:
    """A painted face, the wood's grain showing through."""
    c.solid(face, slant(lighter(colour, 0.18), darker(colour, 0.12)), darker(colour, 0.9), 10)
    left, top, right, bottom = face.box()
    wide, high = right - left, bottom - top
    for row in range(6):
        grain = [
            (left + wide * step / 12, top + high * (0.1 + row * 0.16) + 5 * math.sin(step * 0.55 + row * 1.7))
            for step in range(13)
        ]
        c.fill(stroke(2.2, grain), darker(colour, 0.5), 0.13, face)


def _cylinder(c: Canvas, colour: RGB) -> None:
    body = polygon(*arc((630, 592), 66, 17, 0, 180), (564, 478), (696, 478))
    c.fill(body, cylinder(colour, 0.35, 0.45))
    c.edge(body, darker(colour, 0.9), 0.3, (0, -14), 12)
    c.fill(ellipse(630, 478, 66, 17), slant(lighter(colour, 0.6), lighter(colour, 0.2)))


def _roof(c: Canvas, colour: RGB) -> None:
    slope = polygon((386, 276), (412, 246), (544, 376), (508, 400))
    c.fill(slope, slant(darker(colour, 0.1), darker(colour, 0.45)))
    _front(c, shape("M373 280 Q382 266 391 280 L510 390 Q516 406 498 406 L266 406 Q248 406 254 390"), colour)


def car(c: Canvas, colour: RGB) -> None:
    """A wooden racing car from the side."""
    c.shadow(500, 786, 330)
    body = shape(
        "M136 690 C130 620 160 576 250 560 C330 546 366 520 410 476 C452 432 500 420 560 420 "
        "C640 420 690 460 722 516 C736 540 760 552 800 556 C850 562 872 600 868 690 "
        "C866 712 852 722 832 722 L170 722 C150 722 138 712 136 690"
    )
    c.fill(body, down(lighter(colour, 0.22), darker(colour, 0.2)))
    c.edge(body, darker(colour, 0.95), 0.45, (-10, -26), 22)
    c.edge(body, WHITE, 0.42, (8, 13), 10)
    stripe = block(120, 622, 890, 650)
    c.fill(stripe, rgb("#FFF6E6"), 0.92, body)
    c.fill(block(120, 656, 890, 662), rgb("#FFF6E6"), 0.7, body)
    c.edge(body, darker(colour, 0.95), 0.25, (-10, -26), 22)
    window = shape(
        "M446 548 C452 500 490 466 546 462 C604 460 640 494 664 548 C664 556 658 560 650 560 "
        "L458 560 C450 560 446 556 446 548"
    )
    c.fill(window, darker(_BEECH, 0.35))
    c.fill(window.moved(7, 8), slant(lighter(_BEECH, 0.25), darker(_BEECH, 0.08)), clip=window)
    c.solid(circle(556, 520, 34), ball(_BEECH, 0.5, 0.35), depth=4)
    c.fill(window.without(circle(556, 520, 34)), WHITE, 0.10)
    badge = circle(772, 612, 44)
    c.solid(badge, rgb("#FFF6E6"), depth=4)
    c.fill(ring(772, 612, 30, 22), colour)
    c.glow(ellipse(300, 574, 90, 8).turned(-14, (300, 574)), WHITE, 0.65, 6, body)
    c.glow(ellipse(520, 434, 70, 7), WHITE, 0.6, 6, body)
    for x in (286, 716):
        c.glow(circle(x, 712, 96), INK, 0.35, 10, body)
        c.solid(circle(x, 704, 86), slant(rgb("#4A3A32"), rgb("#241B18")), depth=10, light=0.3)
        c.solid(circle(x, 704, 56), ball(_BEECH, 0.45, 0.35), depth=6)
        c.fill(ring(x, 704, 40, 37), darker(WOOD, 0.3), 0.5)
        c.solid(circle(x, 704, 14), ball(colour, 0.5, 0.4), depth=3)


def mat(c: Canvas, colour: RGB) -> None:
    """A yoga mat, nearly rolled up, with its strap."""
    c.shadow(590, 796, 300)
    back = mix(colour, rgb("#5A5570"), 0.35)
    flap = polygon((300, 770), (838, 770), (930, 806), (372, 806))
    c.fill(flap, slant(lighter(colour, 0.30), colour))
    c.fill(polygon((372, 806), (930, 806), (930, 816), (372, 816)), darker(back, 0.25))
    roll = polygon((330, 410), *arc((800, 600), 76, 190, 270, 450), (330, 790))
    c.fill(
        roll,
        Linear(
            (
                (0, lighter(colour, 0.10)),
                (0.18, lighter(colour, 0.45)),
                (0.45, colour),
                (0.85, darker(colour, 0.42)),
                (1, darker(colour, 0.28)),
            ),
            0,
            1,
        ),
    )
    dots = Form(
        lines=tuple(
            (((x, y), (x + 0.8, y)), 3.0) for y in range(424, 790, 17) for x in range(330 + (y // 17 % 2) * 9, 890, 18)
        )
    )
    c.fill(dots, darker(colour, 0.6), 0.16, roll)
    c.glow(block(330, 462, 850, 478, 8), WHITE, 0.42, 12, roll)
    for x in (470, 700):
        strap = polygon(*arc((x, 600), 76, 190, 270, 450), *reversed(arc((x + 30, 600), 76, 190, 270, 450)))
        c.glow(strap.moved(6, 2), INK, 0.30, 6, roll)
        c.fill(
            strap,
            Linear(((0, rgb("#6E6258")), (0.2, rgb("#A4968A")), (0.6, rgb("#5B5048")), (1, rgb("#3D342E"))), 0, 1),
        )
    end = ellipse(330, 600, 76, 190)
    c.fill(end, slant(lighter(back, 0.25), darker(back, 0.2)))
    _spiral(c, end, colour, back)
    c.edge(end, INK, 0.30, (-8, -14), 12)
    c.edge(end, WHITE, 0.35, (5, 8), 5)


def _spiral(c: Canvas, end: Form, colour: RGB, back: RGB) -> None:
    turns, points = 6.5, []
    for step in range(420):
        share = step / 419
        angle = share * turns * 2 * math.pi + math.pi / 2
        points.append(
            (330 + 76 * (1 - share * 0.93) * math.cos(angle), 600 + 190 * (1 - share * 0.93) * math.sin(angle))
        )
    c.fill(stroke(9, points), darker(back, 0.42), 0.8, end)
    c.fill(stroke(3, [(x - 2, y - 2) for x, y in points]), lighter(colour, 0.55), 0.75, end)
