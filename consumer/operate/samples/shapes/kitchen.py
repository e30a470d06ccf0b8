"""Kettle and mug."""

from __future__ import annotations

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import arc, block, circle, ellipse, path, shape, stroke
from consumer.operate.samples.palette import (
    RGB,
    WHITE,
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
from consumer.operate.samples.shapes.parts import WOOD, tube


def kettle(c: Canvas, colour: RGB) -> None:
    """A round enamel kettle with a wooden handle on its base."""
    steel = rgb("#B9BEC4")
    c.shadow(500, 822, 250)
    tube(c, path("M640 372 C770 330 862 400 838 520 C822 600 770 650 712 672"), 40, WOOD)
    for x, y, angle in ((648, 372, -12), (716, 668, -28)):
        c.solid(block(x - 30, y - 27, x + 22, y + 27, 12).turned(angle, (x, y)), metal(steel), depth=5)
    spout = shape(
        "M392 690 C318 676 306 560 226 452 C214 438 222 420 240 412 C262 404 276 408 288 424 C330 486 360 506 420 520"
    )
    c.solid(spout, slant(lighter(colour, 0.35), darker(colour, 0.25)), darker(colour, 0.8), 14)
    c.fill(ellipse(255, 426, 33, 11).turned(-27, (255, 426)), darker(colour, 0.7))
    body = shape(
        "M330 770 C318 640 366 500 420 384 C424 372 436 366 450 366 L594 366 "
        "C608 366 620 372 624 384 C690 500 728 640 716 770 C714 786 704 792 690 792 L356 792 "
        "C342 792 332 786 330 770"
    )
    c.fill(body, cylinder(colour, 0.42, 0.42))
    c.edge(body, darker(colour, 0.9), 0.35, (0, -26), 26)
    c.edge(body, WHITE, 0.30, (0, 14), 14)
    gleam = shape(
        "M424 470 C396 540 376 620 374 704 C376 722 394 722 396 704 C398 620 418 548 446 480 C450 462 430 456 424 470"
    )
    c.glow(gleam, WHITE, 0.75, 5, body)
    c.glow(ellipse(628, 560, 16, 120).turned(-14, (628, 560)), WHITE, 0.16, 16, body)
    c.solid(block(396, 352, 648, 384, 15), metal(steel), depth=6)
    lid = shape("M420 356 C430 300 480 284 522 284 C564 284 614 300 624 356")
    c.fill(lid, cylinder(colour, 0.45, 0.40))
    c.edge(lid, WHITE, 0.35, (0, 10), 9)
    c.solid(block(502, 256, 542, 288, 8), metal(steel), depth=5)
    c.fill(circle(522, 236, 32), ball(WOOD, 0.5, 0.5))
    base = block(314, 786, 732, 822, 10, 10, 18, 18)
    c.solid(base, across((0, rgb("#6B7076")), (0.3, rgb("#9AA0A6")), (1, rgb("#3C4046"))), depth=8)
    c.fill(circle(690, 805, 5), mix(colour, WHITE, 0.5))


def mug(c: Canvas, colour: RGB) -> None:
    """A stoneware mug, glazed down to a raw foot."""
    clay, coffee = rgb("#D9C3A5"), rgb("#5B3A24")
    c.shadow(480, 800, 250)
    handle = path("M676 440 C800 410 872 470 858 566 C846 660 760 702 654 690")
    tube(c, handle, 54, colour)
    body = shape(
        "M264 366 C264 520 272 640 296 716 C318 782 360 806 480 806 C600 806 642 782 664 716 C688 640 696 520 696 366"
    )
    c.fill(body, cylinder(clay, 0.35, 0.40))
    glaze = shape(
        "M262 360 C262 520 268 600 284 672 C330 712 360 676 408 700 C452 724 470 754 514 722 "
        "C560 690 600 728 676 672 C692 600 698 520 698 360"
    )
    c.fill(glaze, cylinder(colour, 0.40, 0.50), clip=body)
    c.glow(
        stroke(10, path("M284 674 C330 714 360 678 408 702 C452 726 470 756 514 724 C560 692 600 730 676 674")),
        darker(colour, 0.7),
        0.35,
        5,
        body,
    )
    c.edge(body, darker(colour, 0.9), 0.30, (0, -30), 28)
    c.glow(block(322, 420, 352, 640, 15), WHITE, 0.55, 9, glaze)
    c.glow(block(372, 430, 382, 600, 5), WHITE, 0.28, 5, glaze)
    rim = ellipse(480, 366, 216, 50)
    c.fill(rim, slant(lighter(colour, 0.45), darker(colour, 0.15)))
    inside = ellipse(480, 370, 198, 40)
    c.fill(inside, slant(darker(colour, 0.55), lighter(colour, 0.15)))
    c.fill(ellipse(480, 388, 190, 33), slant(lighter(coffee, 0.12), darker(coffee, 0.3)), clip=inside)
    c.glow(stroke(5, arc((480, 388), 178, 28, 190, 300)), rgb("#C99B6B"), 0.55, 4, inside)
    c.glow(stroke(5, arc((480, 364), 208, 45, 170, 275)), WHITE, 0.55, 3, rim)
