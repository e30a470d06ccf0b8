"""The strips along a picture's top and bottom that belong to a promotion's ribbon; drawn scenes keep words off them.

Knows sizes only: no ribbon's words, and no scene.
"""

from __future__ import annotations

import math

from model.words import unit

FROM_EDGE = 0.045
"""Distance of a ribbon's band from the top or bottom, as a share of the height."""
HIGHEST = 2.5
"""Height of a band at most, in units: one line of Chinese at its largest, and the air around it. On pictures below some
240 pixels a band is higher, for words do not get smaller than they can be read."""


def edge(height: int) -> int:
    """Pixels between a band and the picture's edge, an even number."""
    return _up_even(FROM_EDGE * height)


def strip(width: int, height: int) -> int:
    """Pixels from the top, or from the bottom, within which a band lies; its shadow reaches a little further."""
    return edge(height) + _up_even(HIGHEST * unit(width, height))


def _up_even(length: float) -> int:
    return math.ceil(length / 2) * 2
