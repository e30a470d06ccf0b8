"""The colours of a clip: one hue, from the photo or from the seed, in five roles that read on each other.

Knows colours only. Lightness is fixed per role in OKLCH, so that contrast does not depend on the hue.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model.typeset import Rgb, oklch

_HUES = (28.0, 62.0, 95.0, 150.0, 195.0, 235.0, 262.0, 300.0, 350.0)
"""Clay, amber, olive, sage, teal, sky, indigo, lilac, rose: hues that flatter no category more than another."""
_DARK = 0.4
"""Share of clips on a dark ground: most shop pages are light."""
_BINS = 36


@dataclass(frozen=True, slots=True)
class Palette:
    """``base``, ``warm`` and ``cool`` make the moving ground, ``ink`` and ``soft`` the words, ``accent`` the marks."""

    base: Rgb
    warm: Rgb
    cool: Rgb
    ink: Rgb
    soft: Rgb
    accent: Rgb
    dark: bool


def seeded_palette(seed: int) -> Palette:
    """A palette for a clip without a photo."""
    dice = random.Random(f"palette-{seed}")  # noqa: S311 - design, not secrets
    hue = dice.choice(_HUES)
    return tinted(hue, dark=_may_be_dark(hue) and dice.random() < _DARK, vivid=1.6)


def photo_palette(photo: Image.Image, seed: int) -> Palette:
    """A palette in the photo's own strongest hue; a colourless photo takes a restrained hue from the seed."""
    dice = random.Random(f"palette-{seed}")  # noqa: S311 - design, not secrets
    fallback, dark = dice.choice(_HUES), dice.random() < _DARK
    hue, strength = _strongest_hue(photo)
    if strength > 0.01:
        return tinted(hue, dark=dark and _may_be_dark(hue), vivid=1.0)
    return tinted(fallback, dark=dark and _may_be_dark(fallback), vivid=0.5)


def _may_be_dark(hue: float) -> bool:
    """Yellows turn to mud when they are dark."""
    return not 58 <= hue <= 128


def tinted(hue: float, *, dark: bool, vivid: float) -> Palette:
    """Five roles in one hue (degrees) and its neighbour; ``vivid`` scales how coloured the ground is."""
    if dark:
        return Palette(
            base=oklch(0.25, 0.030 * vivid, hue),
            warm=oklch(0.34, 0.052 * vivid, hue + 18),
            cool=oklch(0.30, 0.050 * vivid, hue - 30),
            ink=oklch(0.975, 0.010, hue),
            soft=oklch(0.90, 0.025, hue),
            accent=oklch(0.80, 0.125, hue),
            dark=True,
        )
    return Palette(
        base=oklch(0.965, 0.014 * vivid, hue),
        warm=oklch(0.915, 0.040 * vivid, hue + 30),
        cool=oklch(0.935, 0.034 * vivid, hue - 30),
        ink=oklch(0.25, 0.045, hue),
        soft=oklch(0.36, 0.040, hue),
        accent=oklch(0.55, 0.150, hue),
        dark=False,
    )


def _strongest_hue(photo: Image.Image) -> tuple[float, float]:
    """Hue in degrees with the most colour behind it, and how much (mean chroma of the picture)."""
    small = np.asarray(photo.resize((48, 48), Image.Resampling.BOX), dtype=np.float32) / 255
    lightness = small.mean(axis=2)
    # Opponent axes are enough to rank hues; the palette itself is made in OKLCH.
    a = (small[..., 0] - small[..., 1]) * 0.5 + (small[..., 2] - small[..., 1]) * 0.2
    b = (small[..., 0] + small[..., 1]) * 0.25 - small[..., 2] * 0.5
    chroma = np.hypot(a, b) * (lightness > 0.06)
    hues = np.degrees(np.arctan2(b, a)) % 360
    weights, _ = np.histogram(hues, bins=_BINS, range=(0, 360), weights=chroma**2)
    smooth = weights + 0.5 * (np.roll(weights, 1) + np.roll(weights, -1))
    best = int(np.argmax(smooth))
    near = np.abs((hues - (best + 0.5) * 360 / _BINS + 180) % 360 - 180) < 1.5 * 360 / _BINS
    weight = (chroma**2) * near
    along, across = float((weight * np.cos(np.radians(hues))).sum()), float((weight * np.sin(np.radians(hues))).sum())
    return math.degrees(math.atan2(across, along)) % 360, float(chroma.mean())
