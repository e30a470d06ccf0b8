"""Colours as eyes see them: WCAG contrast and the OKLCH colour space.

Knows numbers only. Contrast after WCAG 2.2 (relative luminance, contrast ratio); OKLab after Björn Ottosson's
published matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Rgb = tuple[int, int, int]
"""sRGB, 0…255 a channel."""

WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)


def parse(colour: str) -> Rgb:
    """``#RRGGBB`` as numbers. Raises ValueError."""
    if len(colour) != 7 or not colour.startswith("#"):
        raise ValueError(f"colour {colour!r} is not #RRGGBB")
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: Rgb) -> float:
    """Relative luminance, 0 (black) … 1 (white)."""
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio, 1 … 21; body text wants 4.5."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable_on(background: Rgb, candidates: Sequence[Rgb] = (), *, ratio: float = 4.5) -> Rgb:
    """The first candidate that reads on the background, else black or white, whichever reads better.

    One of black and white always reaches 4.58, so the promise of 4.5 can be kept on every colour.
    """
    for candidate in candidates:
        if contrast(candidate, background) >= ratio:
            return candidate
    return max((WHITE, BLACK), key=lambda ink: contrast(ink, background))


def oklch(lightness: float, chroma: float, hue: float) -> Rgb:
    """A perceptual colour: lightness 0…1, chroma 0…0.4, hue in degrees; chroma yields where sRGB ends."""
    while True:
        channels = _oklab_to_linear(
            lightness, chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
        )
        if chroma < 1e-3 or all(-1e-4 <= channel <= 1 + 1e-4 for channel in channels):
            red, green, blue = (round(255 * _encoded(min(max(channel, 0.0), 1.0))) for channel in channels)
            return red, green, blue
        chroma *= 0.95


def _oklab_to_linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _encoded(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else float(1.055 * channel ** (1 / 2.4) - 0.055)
