"""Suitcase, backpack, and a gift box for what has no picture of its own."""

from __future__ import annotations

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import block, circle, curve, ellipse, line, path, polygon, shape, stroke
from consumer.operate.samples.palette import (
    INK,
    RGB,
    WHITE,
    Linear,
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
from consumer.operate.samples.shapes.parts import GOLD, STEEL, stitches, tube


def suitcase(c: Canvas, colour: RGB) -> None:
    """A cabin case on four wheels, its handle drawn out."""
    c.shadow(500, 836, 225)
    for x in (436, 552):
        c.fill(block(x, 120, x + 16, 300, 4), metal(STEEL))
    c.solid(block(420, 92, 584, 130, 18), slant(rgb("#5A5F66"), rgb("#2C2F34")), depth=6)
    for x in (338, 632):
        c.solid(block(x - 20, 790, x + 34, 822, 8), slant(rgb("#5A5F66"), rgb("#33373C")), depth=5)
        c.solid(circle(x + 6, 820, 24), ball(rgb("#3A3E44"), 0.35, 0.5), depth=5)
        c.fill(circle(x + 6, 820, 9), metal(STEEL))
    shell = block(288, 254, 712, 804, 58)
    c.fill(
        shell,
        Linear(
            ((0, lighter(colour, 0.18)), (0.3, lighter(colour, 0.22)), (0.7, colour), (1, darker(colour, 0.32))),
            1,
            0.35,
        ),
    )
    c.edge(shell, darker(colour, 0.95), 0.45, (-14, -22), 22)
    c.edge(shell, WHITE, 0.45, (10, 12), 12)
    for x in (352, 426, 500, 574, 648):
        rib = block(x - 13, 314, x + 13, 744, 13)
        c.glow(rib.moved(9, 5), darker(colour, 0.9), 0.42, 7, shell)
        c.fill(rib, across((0, lighter(colour, 0.52)), (0.45, lighter(colour, 0.14)), (1, darker(colour, 0.18))))
        c.edge(rib, WHITE, 0.25, (3, 5), 4)
    seam = block(282, 262, 718, 796, 56).without(block(296, 276, 704, 782, 50))
    c.fill(seam, darker(colour, 0.55), 0.30, shell)
    tube(
        c,
        path("M438 262 C440 226 460 222 500 222 C540 222 560 226 562 262"),
        19,
        rgb("#4A4E55"),
        0.3,
    )
    tube(
        c,
        path("M716 470 C742 474 744 500 744 530 C744 560 742 586 716 590"),
        15,
        rgb("#4A4E55"),
        0.3,
    )
    for x, y in ((288, 254), (712, 254), (288, 804), (712, 804)):
        corner = circle(x, y, 62)
        c.glow(corner, darker(colour, 0.8), 0.16, 8, shell)
    plate = block(462, 274, 538, 296, 8)
    c.solid(plate, metal(STEEL), depth=3)
    lock = block(680, 506, 722, 558, 9)
    c.solid(lock, slant(rgb("#6A6F76"), rgb("#2E3136")), depth=4)
    for y in (518, 532, 546):
        c.fill(block(692, y - 3, 710, y + 3, 2), rgb("#E8EBEE"))
    c.glow(ellipse(334, 330, 16, 70).turned(10, (334, 330)), WHITE, 0.5, 12, shell)


def backpack(c: Canvas, colour: RGB) -> None:
    """A roll-top backpack from the front."""
    dark, strap = darker(colour, 0.35), rgb("#3B3F46")
    c.shadow(500, 836, 235)
    for side in (False, True):
        band = path("M352 330 C268 380 240 520 262 690 C268 730 290 756 316 770")
        points = [(1000 - x, y) for x, y in band] if side else band
        tube(c, points, 30, strap, 0.18)
    tube(c, path("M440 214 C446 150 554 150 560 214"), 20, strap, 0.25)
    body = shape(
        "M318 330 C300 470 288 640 296 760 C300 812 330 832 382 834 C460 840 540 840 618 834 "
        "C670 832 700 812 704 760 C712 640 700 470 682 330 C640 300 360 300 318 330"
    )
    c.fill(
        body,
        Linear(
            ((0, lighter(colour, 0.12)), (0.3, lighter(colour, 0.25)), (0.65, colour), (1, darker(colour, 0.35))),
            1,
            0.3,
        ),
    )
    c.edge(body, darker(colour, 0.95), 0.48, (-16, -26), 26)
    c.edge(body, WHITE, 0.30, (10, 10), 12)
    for fold in (
        ((330, 420), (352, 470), (340, 560)),
        ((668, 420), (640, 480), (664, 560)),
        ((420, 400), (470, 440), (560, 430)),
    ):
        c.glow(stroke(16, curve(*fold)), darker(colour, 0.9), 0.24, 12, body)
        c.glow(stroke(9, curve(*fold)).moved(12, -8), WHITE, 0.22, 9, body)
    roll = shape(
        "M306 330 C290 300 296 232 330 214 C420 196 580 196 670 214 C704 232 710 300 694 330 C640 372 360 372 306 330"
    )
    c.glow(roll.moved(0, 16), INK, 0.35, 12, body)
    c.fill(
        roll,
        Linear(
            ((0, lighter(colour, 0.15)), (0.25, lighter(colour, 0.42)), (0.6, colour), (1, darker(colour, 0.42))),
            0.1,
            1,
        ),
    )
    c.edge(roll, darker(colour, 0.95), 0.35, (-10, -12), 12)
    for y in (244, 276):
        c.glow(stroke(5, path(f"M306 {y + 24} C420 {y} 580 {y} 694 {y + 24}")), darker(colour, 0.8), 0.4, 3, roll)
    for x in (404, 572):
        belt = block(x, 204, x + 26, 470, 4)
        c.glow(belt.moved(5, 5), INK, 0.30, 6)
        c.fill(belt, slant(lighter(strap, 0.15), darker(strap, 0.2)))
        buckle = block(x - 11, 396, x + 37, 446, 9)
        c.solid(buckle, slant(rgb("#6C7178"), rgb("#33363B")), depth=5)
        c.fill(block(x + 2, 414, x + 24, 420, 3), INK, 0.6)
    pocket = shape(
        "M362 560 C356 640 356 720 366 768 C372 786 388 790 404 790 C470 794 530 794 596 790 "
        "C612 790 628 786 634 768 C644 720 644 640 638 560 C620 540 380 540 362 560"
    )
    c.glow(pocket.moved(6, 12), INK, 0.34, 12, body)
    c.fill(pocket, slant(lighter(colour, 0.20), darker(colour, 0.14)))
    c.edge(pocket, darker(colour, 0.95), 0.30, (-8, -10), 10)
    c.edge(pocket, WHITE, 0.28, (6, 6), 6)
    zipper = path("M374 588 C450 572 550 572 626 588")
    c.fill(stroke(10, zipper), dark)
    stitches(c, zipper, lighter(STEEL, 0.3), 0.9, 3)
    tube(c, ((612, 588), (606, 630)), 9, GOLD, 0.3)
    stitches(c, path("M376 776 C460 782 540 782 624 776"), lighter(colour, 0.5), 0.7)
    c.solid(block(464, 652, 536, 692, 7), slant(mix(strap, WHITE, 0.1), darker(strap, 0.3)), depth=4)
    c.fill(line(5, (484, 672), (496, 662), (508, 680), (518, 668)), lighter(colour, 0.4))


def gift(c: Canvas, colour: RGB) -> None:
    """A box with a ribbon."""
    ribbon = lighter(colour, 0.72)
    c.shadow(500, 812, 275)
    box = block(262, 470, 738, 812, 16)
    c.solid(
        box,
        Linear(((0, lighter(colour, 0.15)), (0.5, colour), (1, darker(colour, 0.3))), 1, 0.3),
        darker(colour, 0.9),
        16,
    )
    c.fill(block(458, 470, 542, 812), cylinder(ribbon, 0.5, 0.25))
    c.glow(block(262, 470, 738, 500), INK, 0.35, 14, box)
    lid = block(232, 384, 768, 486, 16)
    c.solid(
        lid,
        Linear(((0, lighter(colour, 0.25)), (0.5, lighter(colour, 0.06)), (1, darker(colour, 0.22))), 1, 0.3),
        darker(colour, 0.9),
        12,
    )
    c.fill(block(458, 384, 542, 486), cylinder(ribbon, 0.5, 0.25))
    for side in (False, True):
        bow = shape("M500 372 C430 260 300 220 282 296 C270 366 400 392 500 378")
        hole = shape("M470 356 C420 300 340 270 330 306 C330 346 410 362 470 360")
        tail = polygon((486, 378), (420, 470), (452, 466), (462, 494), (512, 392))
        for form in (tail, bow):
            c.solid(
                form.flipped(500) if side else form,
                slant(lighter(ribbon, 0.3), darker(ribbon, 0.15)),
                darker(colour, 0.7),
                9,
            )
        c.fill(hole.flipped(500) if side else hole, darker(ribbon, 0.45), 0.6)
    c.solid(block(466, 342, 534, 408, 20), ball(ribbon, 0.5, 0.25), darker(colour, 0.7), 8)
