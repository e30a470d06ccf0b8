"""Headphones, speaker and lamp."""

from __future__ import annotations

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Form, arc, block, circle, ellipse, path, shape, stroke
from consumer.operate.samples.palette import (
    INK,
    RGB,
    WHITE,
    Linear,
    Radial,
    across,
    ball,
    cylinder,
    darker,
    lighter,
    metal,
    mix,
    rgb,
    slant,
)
from consumer.operate.samples.shapes.parts import GOLD, STEEL, tube


def headphones(c: Canvas, colour: RGB) -> None:
    """Over-ear headphones seen from the front."""
    soft = mix(darker(colour, 0.2), rgb("#40444C"), 0.35)
    c.shadow(330, 806, 110, 0.42)
    c.shadow(690, 806, 110, 0.42)
    band = arc((505, 470), 262, 292, 176, 364)
    tube(c, band, 50, colour, 0.35)
    pad = stroke(26, arc((505, 482), 238, 268, 206, 334))
    c.fill(pad, darker(soft, 0.25))
    c.edge(pad, WHITE, 0.28, (0, 8), 6)
    for side in (False, True):
        for form, paint in _cup(colour, soft):
            turned = form.flipped(505) if side else form
            c.fill(turned, paint if not side or not isinstance(paint, Linear) else _mirrored(paint))
            c.edge(turned, INK, 0.38, (-10, -12), 12)
            c.edge(turned, WHITE, 0.22, (7, 8), 7)
        logo = circle(214, 636, 13)
        c.fill(logo.flipped(505) if side else logo, metal(GOLD), 0.9)
    c.glow(ellipse(222, 560, 12, 66).turned(6, (222, 560)), WHITE, 0.35, 10)


def _cup(colour: RGB, soft: RGB) -> list[tuple[Form, RGB | Linear]]:
    arm = shape("M232 440 C236 480 226 520 236 556 L266 556 C262 520 272 480 270 440")
    shell = shape("M262 500 C206 500 178 560 178 640 C178 724 208 784 262 784 L300 784 L300 500")
    cushion = block(288, 478, 382, 806, 44)
    return [
        (arm, metal(STEEL)),
        (cushion, across((0, darker(soft, 0.30)), (0.45, lighter(soft, 0.10)), (1, darker(soft, 0.55)))),
        (shell, Linear(((0, lighter(colour, 0.22)), (0.4, lighter(colour, 0.06)), (1, darker(colour, 0.38))), 1, 0.2)),
    ]


def _mirrored(paint: Linear) -> Linear:
    stops = tuple((1 - place, colour) for place, colour in reversed(paint.stops))
    return Linear(stops, paint.x, paint.y)


def speaker(c: Canvas, colour: RGB) -> None:
    """An upright fabric speaker with a metal ring and a strap."""
    c.shadow(500, 812, 205)
    tube(c, path("M670 318 C742 316 764 372 760 440 C758 498 722 520 672 520"), 16, GOLD, 0.3)
    body = block(312, 236, 688, 818, 70, 70, 60, 60)
    c.fill(body, cylinder(colour, 0.30, 0.55))
    weave = Form(
        lines=tuple((((312 + step - 300, 236), (312 + step + 282, 818)), 1.7) for step in range(-300, 680, 11))
    )
    c.fill(weave, WHITE, 0.10, body)
    c.fill(weave.flipped(500), INK, 0.22, body)
    c.edge(body, INK, 0.45, (0, -30), 30)
    c.glow(block(392, 270, 420, 790, 14), WHITE, 0.24, 16, body)
    top = ellipse(500, 262, 176, 40)
    c.fill(ellipse(500, 268, 186, 47), metal(STEEL))
    c.fill(top, slant(lighter(colour, 0.30), darker(colour, 0.45)))
    c.edge(top, WHITE, 0.35, (4, 8), 6)
    for x, mark in ((440, "minus"), (560, "plus")):
        c.fill(block(x - 17, 260, x + 17, 264, 2), WHITE, 0.75)
        if mark == "plus":
            c.fill(block(x - 2.4, 251, x + 2.4, 273, 2), WHITE, 0.75)
    c.solid(
        block(312, 770, 688, 806, 6, 6, 40, 40),
        across((0, darker(colour, 0.5)), (0.3, darker(colour, 0.2)), (1, darker(colour, 0.75))),
        depth=5,
    )
    c.glow(circle(500, 716, 10), rgb("#7FE3C4"), 0.55, 10)
    c.fill(circle(500, 716, 6.5), rgb("#B8FFE6"))


def lamp(c: Canvas, colour: RGB) -> None:
    """A mushroom table lamp, lit."""
    warm = rgb("#FFE6B0")
    shell = mix(colour, warm, 0.12)
    c.glow(ellipse(500, 520, 420, 330), rgb("#FFF1CF"), 0.55, 120)
    c.shadow(500, 812, 160, 0.45)
    c.glow(ellipse(500, 818, 330, 46), rgb("#FFE9BE"), 0.55, 40)
    dome = shape(
        "M232 486 C232 318 352 196 500 196 C648 196 768 318 768 486 C768 526 640 548 500 548 C360 548 232 526 232 486"
    )
    opening = ellipse(500, 496, 250, 44)
    c.fill(dome, ball(shell, 0.50, 0.34))
    c.glow(ellipse(500, 510, 280, 80), warm, 0.60, 46, dome)
    c.fill(opening, Radial(((0, WHITE), (0.45, rgb("#FFF3D2")), (1, mix(colour, warm, 0.55))), 0.5, 0.4, 0.5))
    c.edge(opening, darker(colour, 0.3), 0.30, (0, 8), 7)
    c.glow(ellipse(398, 286, 66, 34).turned(-38, (398, 286)), WHITE, 0.75, 13, dome)
    stem = shape(
        "M440 476 C446 590 440 690 392 764 C382 784 384 812 414 812 L586 812 "
        "C616 812 618 784 608 764 C560 690 554 590 560 476 Q500 460 440 476"
    )
    c.fill(stem, cylinder(shell, 0.35, 0.42))
    c.edge(stem, darker(colour, 0.9), 0.35, (0, -18), 18)
    c.glow(ellipse(500, 470, 120, 66), WHITE, 0.95, 26, stem)
    c.glow(ellipse(500, 520, 120, 60), warm, 0.75, 34, stem)
    c.solid(circle(500, 742, 12), metal(GOLD), depth=3)
