"""Sneaker, T-shirt, and the ball that goes with them."""

from __future__ import annotations

import math

from consumer.operate.samples.canvas import Canvas
from consumer.operate.samples.forms import Form, arc, block, circle, curve, ellipse, path, shape, stroke
from consumer.operate.samples.palette import INK, RGB, WHITE, darker, down, lighter, rgb, slant
from consumer.operate.samples.palette import ball as sphere
from consumer.operate.samples.shapes.parts import stitches


def sneaker(c: Canvas, colour: RGB) -> None:
    """A low canvas sneaker from the side, toe to the left."""
    rubber, lace = rgb("#F6F1E8"), rgb("#FFFDF8")
    c.shadow(510, 766, 350)
    tongue = shape("M548 470 C520 420 520 372 548 340 C580 326 622 340 640 366 C650 440 620 480 600 500")
    c.solid(tongue, down(lighter(colour, 0.20), darker(colour, 0.2)), depth=9)
    opening = ellipse(704, 416, 112, 44).turned(8, (704, 416))
    c.fill(opening, darker(colour, 0.75))
    upper = shape(
        "M160 690 C156 620 214 590 300 576 C390 556 470 480 532 404 C552 384 580 388 596 404 "
        "C640 450 740 462 800 404 C826 386 852 398 850 428 C846 500 862 600 856 700"
    )
    c.fill(upper, slant(lighter(colour, 0.22), darker(colour, 0.28)))
    c.edge(upper, darker(colour, 0.9), 0.40, (-6, -34), 26)
    c.edge(upper, WHITE, 0.40, (8, 14), 12)
    quarter = shape("M560 690 C570 600 620 540 700 500 C756 474 820 470 852 470 L860 700 L560 700")
    c.fill(quarter, darker(colour, 0.16), 0.55, upper)
    stitches(c, path("M548 690 C560 594 612 532 694 492 C752 466 806 462 842 462"), lace)
    eyestay = shape(
        "M376 566 C440 520 500 452 536 408 C556 392 580 396 590 410 C570 470 520 540 440 600 C410 612 380 600 376 566"
    )
    c.fill(eyestay, darker(colour, 0.10), 0.9, upper)
    stitches(c, path("M384 572 C446 524 506 456 542 412"), lace)
    stitches(c, path("M448 590 C516 534 562 474 582 420"), lace)
    for step in range(5):
        x, y = 420 + step * 34, 556 - step * 33
        end = (x + 62, y + 20)
        c.glow(stroke(17, ((x, y + 6), (end[0], end[1] + 6))), INK, 0.28, 5, upper)
        c.fill(stroke(16, path(f"M{x - 4} {y} Q{x + 20} {y - 10} {x + 62} {y + 20}")), lace)
        c.edge(stroke(16, path(f"M{x - 4} {y} Q{x + 20} {y - 10} {x + 62} {y + 20}")), INK, 0.25, (-3, -5), 4)
    for loop in ("M556 404 C500 360 470 420 536 432", "M560 404 C640 372 650 440 566 430"):
        points = path(loop)
        c.glow(stroke(14, points).moved(3, 8), INK, 0.25, 6)
        c.fill(stroke(13, points), lace)
        c.edge(stroke(13, points), INK, 0.22, (-3, -4), 3)
    tab = shape("M806 404 C826 388 850 398 850 430 C848 470 852 510 854 540 L820 536 C812 480 808 440 806 404")
    c.solid(tab, down(rubber, darker(rubber, 0.12)), depth=6)
    sole = shape(
        "M150 676 C220 664 300 696 420 694 C600 690 760 694 866 668 C880 690 880 730 868 754 "
        "C860 766 850 768 836 768 L220 768 C176 766 146 740 150 676"
    )
    c.fill(sole, down(lighter(rubber, 0.5), darker(rubber, 0.14)))
    c.edge(sole, INK, 0.25, (0, -14), 10)
    c.fill(
        stroke(5, path("M158 712 C240 716 320 726 430 724 C600 720 760 722 868 704")),
        colour,
        0.9,
    )
    toe = shape("M156 684 C150 620 214 592 286 582 C322 612 330 660 320 696 C260 690 200 672 156 684")
    c.fill(toe, slant(WHITE, darker(rubber, 0.16)))
    c.edge(toe, INK, 0.20, (-8, -8), 10)
    c.glow(ellipse(226, 622, 46, 12).turned(-18, (226, 622)), WHITE, 0.8, 7, toe)


def tee(c: Canvas, colour: RGB) -> None:
    """A T-shirt seen from the front, hung close to a wall."""
    body = shape(
        "M390 196 C330 212 280 226 250 250 C206 300 158 390 120 468 C118 480 124 486 132 490 "
        "C180 516 220 534 262 552 C274 556 280 552 284 542 C294 510 304 488 312 470 "
        "C318 580 310 730 304 850 C304 862 308 868 320 870 C440 882 560 882 680 870 "
        "C692 868 696 862 696 850 C690 730 682 580 688 470 C696 488 706 510 716 542 "
        "C720 552 726 556 738 552 C780 534 820 516 868 490 C876 486 882 480 880 468 "
        "C842 390 794 300 750 250 C720 226 670 212 610 196 C580 262 420 262 390 196"
    )
    c.glow(body.moved(26, 34), INK, 0.34, 30)
    c.glow(body.moved(8, 10), INK, 0.24, 8)
    inner = shape("M388 196 C430 176 570 176 612 196 C580 262 420 262 388 196")
    c.fill(inner, darker(colour, 0.45))
    c.fill(block(470, 196, 530, 222, 4), lighter(colour, 0.75), 0.9)
    c.fill(body, slant(lighter(colour, 0.24), darker(colour, 0.14)))
    c.edge(body, darker(colour, 0.9), 0.34, (-16, -14), 20)
    c.edge(body, WHITE, 0.32, (8, 8), 9)
    folds = (
        ((330, 500), (372, 600), (356, 760)),
        ((672, 480), (622, 600), (650, 790)),
        ((420, 300), (470, 480), (440, 700)),
        ((590, 320), (560, 470), (588, 640)),
        ((300, 300), (330, 360), (326, 440)),
        ((702, 300), (672, 360), (676, 440)),
    )
    for index, fold in enumerate(folds):
        points = curve(*fold)
        c.glow(stroke(20, points), darker(colour, 0.9), 0.22, 15, body)
        c.glow(stroke(12, points).moved(-22 if index % 2 else 22, -4), WHITE, 0.24, 13, body)
    for seam in ("M312 470 C300 380 292 300 300 240", "M688 470 C700 380 708 300 700 240"):
        c.glow(stroke(4, path(seam)), darker(colour, 0.8), 0.5, 2, body)
    collar = stroke(25, path("M384 204 C416 276 584 276 616 204"))
    c.fill(collar, slant(lighter(colour, 0.15), darker(colour, 0.22)))
    c.edge(collar, darker(colour, 0.9), 0.45, (0, -7), 5)
    c.edge(collar, WHITE, 0.30, (0, 6), 4)
    stitches(c, path("M306 846 C440 858 560 858 694 846"), darker(colour, 0.55), 0.6)
    stitches(c, path("M136 470 C180 496 230 518 276 534"), darker(colour, 0.55), 0.6)
    stitches(c, path("M864 470 C820 496 770 518 724 534"), darker(colour, 0.55), 0.6)


def ball(c: Canvas, colour: RGB) -> None:
    """A basketball."""
    c.shadow(505, 806, 225, 0.6)
    x, y, radius = 500.0, 520.0, 290.0
    disc = circle(x, y, radius)
    c.fill(disc, sphere(colour, 0.36, 0.55))
    grain: list[tuple[tuple[tuple[float, float], ...], float]] = []
    for ring in range(1, 30):
        count = ring * 7
        for step in range(count):
            angle = 2 * math.pi * (step + ring * 0.37) / count
            away = radius * math.sin(ring / 30 * math.pi / 2)
            spot = (x + away * math.cos(angle), y + away * math.sin(angle))
            grain.append(((spot, (spot[0] + 0.6, spot[1] + 0.6)), 3.4 - 1.6 * ring / 30))
    c.fill(Form(lines=tuple(grain)), darker(colour, 0.6), 0.22, disc)
    seams = (
        "M440 236 C570 410 560 660 470 809",
        "M214 568 C390 650 630 630 783 458",
        "M248 374 C440 410 460 630 286 716",
        "M676 289 C560 430 610 610 740 684",
    )
    for seam in map(path, seams):
        c.glow(stroke(13, seam).moved(3, 4), lighter(colour, 0.5), 0.5, 3, disc)
        c.fill(stroke(12, seam), rgb("#2A211E"), 0.92, disc)
    c.edge(disc, rgb("#2A1208"), 0.55, (-46, -56), 60)
    c.edge(disc, lighter(colour, 0.6), 0.35, (10, 10), 12)
    c.glow(ellipse(398, 372, 84, 52).turned(-38, (398, 372)), WHITE, 0.50, 30, disc)
    c.glow(stroke(9, arc((x, y), radius - 16, radius - 16, 40, 110)), lighter(colour, 0.7), 0.30, 10, disc)
