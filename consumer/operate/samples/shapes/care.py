"""Lipstick, serum and honey: small things in tubes and glass."""

from __future__ import annotations

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import arc, block, circle, ellipse, line, polygon, shape, stroke
from consumer.operate.samples.palette import (
    INK,
    RGB,
    WHITE,
    Radial,
    across,
    cylinder,
    darker,
    down,
    lighter,
    metal,
    mix,
    rgb,
    slant,
)
from consumer.operate.samples.shapes.parts import GOLD, WOOD, tube


def lipstick(c: Canvas, colour: RGB) -> None:
    """An open lipstick and its cap."""
    case = rgb("#2B2426")
    c.shadow(590, 812, 92, 0.42)
    c.shadow(405, 812, 108)
    bullet = shape("M338 470 L338 300 C340 262 372 222 440 196 C462 190 470 204 470 226 L470 470")
    c.fill(bullet, cylinder(colour, 0.30, 0.45))
    face = shape("M346 318 C340 270 384 224 446 202 C464 200 466 216 464 232 C440 290 392 330 346 318")
    c.fill(face, slant(lighter(colour, 0.34), darker(colour, 0.05)))
    c.glow(ellipse(398, 268, 46, 15).turned(-40, (398, 268)), WHITE, 0.40, 8, face)
    c.glow(block(366, 330, 378, 460, 6), WHITE, 0.45, 5, bullet)
    c.fill(block(326, 440, 482, 566, 8), metal(GOLD))
    for y in (452, 554):
        c.fill(block(326, y, 482, y + 3, 1), darker(GOLD, 0.5), 0.6)
    c.solid(block(306, 560, 502, 818, 10, 10, 16, 16), cylinder(case, 0.34, 0.6), depth=7, light=0.25)
    c.fill(block(306, 596, 502, 606, 0), metal(GOLD))
    c.glow(block(346, 616, 360, 800, 7), WHITE, 0.35, 6)
    cap = block(520, 476, 676, 818, 26, 26, 16, 16)
    c.solid(cap, cylinder(case, 0.34, 0.6), depth=7, light=0.25)
    c.fill(block(520, 770, 676, 780, 0), metal(GOLD))
    c.glow(block(550, 510, 564, 756, 7), WHITE, 0.38, 6, cap)
    c.fill(circle(598, 620, 17), metal(GOLD))
    c.fill(circle(598, 620, 12), cylinder(case, 0.3, 0.6))


def serum(c: Canvas, colour: RGB) -> None:
    """A dropper bottle of tinted glass."""
    paper, rubber = rgb("#FBF6EC"), rgb("#2C2A2B")
    c.shadow(500, 812, 165)
    c.glow(ellipse(600, 820, 120, 14), lighter(colour, 0.35), 0.5, 20)
    bulb = shape("M462 300 C452 250 446 190 470 160 C484 144 516 144 530 160 C554 190 548 250 538 300")
    c.solid(bulb, cylinder(rubber, 0.35, 0.5), depth=7, light=0.2)
    c.fill(block(436, 292, 564, 372, 10), metal(GOLD))
    for x in range(446, 560, 9):
        c.fill(block(x, 306, x + 2.2, 366, 1), darker(GOLD, 0.6), 0.35)
    c.fill(block(452, 366, 548, 404, 4), cylinder(lighter(colour, 0.15), 0.4, 0.45))
    glass = shape(
        "M452 398 C446 420 360 424 350 470 C346 486 346 500 346 520 L346 776 "
        "C346 802 358 816 384 816 L616 816 C642 816 654 802 654 776 L654 520 "
        "C654 500 654 486 650 470 C640 424 554 420 548 398"
    )
    c.fill(
        glass,
        across(
            (0, darker(colour, 0.62)),
            (0.08, darker(colour, 0.2)),
            (0.25, lighter(colour, 0.34)),
            (0.5, colour),
            (0.8, darker(colour, 0.35)),
            (0.93, lighter(colour, 0.15)),
            (1, darker(colour, 0.6)),
        ),
    )
    c.glow(block(350, 400, 650, 512, 20), lighter(colour, 0.45), 0.40, 16, glass)
    c.fill(ellipse(500, 512, 152, 15), lighter(colour, 0.25), 0.55, glass)
    c.fill(block(490, 400, 510, 760, 10), lighter(colour, 0.35), 0.28, glass)
    c.edge(glass, darker(colour, 0.95), 0.5, (0, -20), 16)
    label = block(346, 560, 654, 746)
    c.fill(
        label,
        across((0, darker(paper, 0.28)), (0.25, WHITE), (0.55, paper), (1, darker(paper, 0.34))),
        clip=glass,
    )
    _print_label(c, colour)
    c.glow(block(378, 476, 396, 556, 9), WHITE, 0.8, 5, glass)
    c.glow(block(378, 752, 396, 796, 9), WHITE, 0.65, 5, glass)
    c.glow(block(626, 470, 634, 800, 4), WHITE, 0.35, 5, glass)


def _print_label(c: Canvas, colour: RGB) -> None:
    """An ornament and bars where a label has words: letters would be invented ones."""
    drop = shape("M500 576 C524 608 522 630 500 632 C478 630 476 608 500 576")
    c.fill(drop, down(lighter(colour, 0.25), darker(colour, 0.1)))
    for wide, top, high, alpha in ((74, 660, 10, 0.75), (50, 684, 6, 0.45), (62, 708, 6, 0.45)):
        c.fill(block(500 - wide, top, 500 + wide, top + high, 4), rgb("#4A4038"), alpha)


def honey(c: Canvas, colour: RGB) -> None:
    """A jar of honey with its dipper."""
    amber = mix(colour, rgb("#E39A1F"), 0.65)
    paper = rgb("#FFF8E7")
    c.shadow(470, 812, 230)
    c.shadow(800, 816, 78, 0.32)
    c.glow(ellipse(600, 822, 170, 14), lighter(amber, 0.4), 0.5, 20)
    jar = shape(
        "M286 372 C240 400 236 440 236 480 L236 750 C236 800 262 816 306 816 L634 816 "
        "C678 816 704 800 704 750 L704 480 C704 440 700 400 654 372"
    )
    c.fill(
        jar,
        across(
            (0, darker(amber, 0.55)),
            (0.07, darker(amber, 0.15)),
            (0.22, lighter(amber, 0.45)),
            (0.5, lighter(amber, 0.08)),
            (0.8, darker(amber, 0.28)),
            (0.94, lighter(amber, 0.35)),
            (1, darker(amber, 0.5)),
        ),
    )
    c.glow(ellipse(470, 640, 180, 130), lighter(amber, 0.55), 0.45, 60, jar)
    c.edge(jar, darker(amber, 0.9), 0.45, (0, -26), 22)
    c.fill(block(236, 366, 704, 424), lighter(amber, 0.72), 0.62, jar)
    c.fill(ellipse(470, 424, 234, 16), lighter(amber, 0.45), 0.85, jar)
    label = block(290, 506, 650, 738, 26)
    c.glow(label.moved(0, 6), INK, 0.25, 7, jar)
    c.fill(label, across((0, darker(paper, 0.16)), (0.3, WHITE), (1, darker(paper, 0.2))))
    c.fill(block(304, 520, 636, 724, 18).without(block(308, 524, 632, 720, 15)), amber, 0.8)
    for column, row in ((0, 0), (1, 0), (2, 0), (0.5, 1), (1.5, 1), (1, 2)):
        _cell(c, 412 + column * 58, 560 + row * 50, 29, amber if row != 1 else lighter(amber, 0.3))
    for x in (352, 522):
        c.fill(block(x, 676, x + 66, 682, 3), rgb("#6B4A1E"), 0.55)
        c.fill(block(x + 14, 692, x + 52, 697, 2), rgb("#6B4A1E"), 0.35)
    c.solid(block(272, 246, 668, 384, 22, 22, 10, 10), metal(GOLD), depth=8)
    for x in range(284, 664, 12):
        c.fill(block(x, 276, x + 2.6, 372, 1), darker(GOLD, 0.55), 0.28)
    c.fill(ellipse(470, 250, 190, 15), lighter(GOLD, 0.45), 0.55)
    c.glow(block(270, 446, 290, 490, 10), WHITE, 0.8, 6, jar)
    c.glow(block(262, 520, 278, 770, 8), WHITE, 0.55, 7, jar)
    c.glow(block(676, 470, 686, 780, 5), WHITE, 0.40, 5, jar)
    _dipper(c, amber)


def _cell(c: Canvas, x: float, y: float, size: float, colour: RGB) -> None:
    across = size * 0.866
    cell = polygon(
        (x, y - size),
        (x + across, y - size / 2),
        (x + across, y + size / 2),
        (x, y + size),
        (x - across, y + size / 2),
        (x - across, y - size / 2),
    )
    c.fill(cell, slant(lighter(colour, 0.3), darker(colour, 0.1)))
    c.fill(line(3, (x - across, y - size / 2), (x, y - size), (x + across, y - size / 2)), WHITE, 0.5)


def _dipper(c: Canvas, amber: RGB) -> None:
    tube(c, ((832, 420), (806, 690)), 20, WOOD, 0.3)
    for step in range(6):
        wide = (34, 46, 52, 52, 46, 32)[step]
        y = 690 + step * 21
        c.solid(
            block(804 - wide - step * 2, y, 804 + wide - step * 2, y + 16, 8),
            cylinder(WOOD, 0.4, 0.45),
            depth=4,
            light=0.2,
        )
    c.fill(ellipse(800, 806, 66, 12), slant(lighter(amber, 0.35), darker(amber, 0.1)))
    c.glow(stroke(4, arc((800, 804), 52, 8, 180, 280)), WHITE, 0.8, 3)
    c.fill(circle(832, 414, 15), Radial(((0, lighter(WOOD, 0.5)), (1, darker(WOOD, 0.3))), 0.35, 0.3))
