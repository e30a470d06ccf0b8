"""Colours and gradients of the sample photos. It knows no shape."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RGB = tuple[float, float, float]
"""Red, green and blue, 0…255."""

WHITE: RGB = (255, 255, 255)
INK: RGB = (24, 26, 34)


def rgb(code: str) -> RGB:
    """``#RRGGBB`` as a colour."""
    value = int(code.lstrip("#"), 16)
    return (value >> 16, (value >> 8) & 255, value & 255)


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """``first`` with ``share`` (0…1) of ``second``."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def lighter(colour: RGB, share: float) -> RGB:
    """Towards white."""
    return mix(colour, WHITE, share)


def darker(colour: RGB, share: float) -> RGB:
    """Towards a deep shade of the same hue: colour in the shade gains saturation, grey paint does not."""
    turn, light, own = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    deep = colorsys.hls_to_rgb(turn, light * 0.22, min(1.0, own * 1.08))
    red, green, blue = (part * 255 for part in deep)
    return mix(colour, (red, green, blue), share)


def tint(colour: RGB, light: float, most: float, turn: float = 0.0) -> RGB:
    """The hue of ``colour`` turned by ``turn`` of the circle, at lightness ``light``, saturated ``most`` at most."""
    place, _, own = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    red, green, blue = (part * 255 for part in colorsys.hls_to_rgb((place + turn) % 1, light, min(own, most)))
    return (red, green, blue)


def hue(colour: RGB) -> float:
    """0…1 around the circle from red."""
    return colorsys.rgb_to_hls(*(part / 255 for part in colour))[0]


def lightness(colour: RGB) -> float:
    """0…1."""
    return colorsys.rgb_to_hls(*(part / 255 for part in colour))[1]


def saturation(colour: RGB) -> float:
    """0…1."""
    return colorsys.rgb_to_hls(*(part / 255 for part in colour))[2]


Stops = Sequence[tuple[float, RGB]]
"""Places (0…1) and their colours."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A gradient along a direction: ``x`` and ``y`` are how much of each counts, over the shape's own box."""

    stops: Stops
    x: float = 0.0
    y: float = 1.0

    def places(self, width: int, height: int) -> NDArray[np.float32]:
        """0…1 for each pixel of a box."""
        across = np.linspace(0, self.x, width, dtype=np.float32)[None, :]
        down = np.linspace(0, self.y, height, dtype=np.float32)[:, None]
        low = min(0.0, self.x) + min(0.0, self.y)
        places: NDArray[np.float32] = (across + down - np.float32(low)) / np.float32(abs(self.x) + abs(self.y))
        return places


@dataclass(frozen=True, slots=True)
class Radial:
    """A gradient from a centre (shares of the shape's box) outwards to ``radius`` (share of its larger side)."""

    stops: Stops
    x: float = 0.5
    y: float = 0.5
    radius: float = 0.7

    def places(self, width: int, height: int) -> NDArray[np.float32]:
        """0 at the centre, 1 at the radius and beyond."""
        across = (np.arange(width, dtype=np.float32) - self.x * width)[None, :]
        down = (np.arange(height, dtype=np.float32) - self.y * height)[:, None]
        distance = np.sqrt(across * across + down * down) / np.float32(self.radius * max(width, height))
        places: NDArray[np.float32] = np.minimum(distance, np.float32(1))
        return places


Paint = RGB | Linear | Radial


def across(*stops: tuple[float, RGB]) -> Linear:
    """A gradient from left to right."""
    return Linear(stops, 1, 0)


def down(top: RGB, bottom: RGB) -> Linear:
    """A plain vertical gradient."""
    return Linear(((0, top), (1, bottom)))


def slant(first: RGB, last: RGB) -> Linear:
    """A gradient from the upper left to the lower right: where the sample photos' light comes from."""
    return Linear(((0, first), (1, last)), 0.6, 0.8)


def cylinder(colour: RGB, shine: float = 0.35, shade: float = 0.45) -> Linear:
    """Light around an upright round body: a soft band left of the middle, the far edge in the shade."""
    return Linear(
        (
            (0.0, darker(colour, shade * 0.55)),
            (0.10, darker(colour, shade * 0.15)),
            (0.28, lighter(colour, shine)),
            (0.40, lighter(colour, shine * 0.35)),
            (0.62, colour),
            (0.88, darker(colour, shade * 0.75)),
            (0.97, darker(colour, shade)),
            (1.0, darker(colour, shade * 0.8)),
        ),
        1,
        0,
    )


def metal(colour: RGB) -> Linear:
    """Light around polished metal: several hard bands."""
    return Linear(
        (
            (0.0, darker(colour, 0.45)),
            (0.16, lighter(colour, 0.30)),
            (0.26, lighter(colour, 0.85)),
            (0.36, lighter(colour, 0.15)),
            (0.60, darker(colour, 0.35)),
            (0.80, lighter(colour, 0.25)),
            (0.90, lighter(colour, 0.05)),
            (1.0, darker(colour, 0.5)),
        ),
        1,
        0,
    )


def ball(colour: RGB, shine: float = 0.45, shade: float = 0.5) -> Radial:
    """Light on a sphere, from the upper left."""
    return Radial(
        (
            (0.0, lighter(colour, shine)),
            (0.35, lighter(colour, shine * 0.25)),
            (0.65, colour),
            (1.0, darker(colour, shade)),
        ),
        0.34,
        0.28,
        0.85,
    )


def table(paint: Linear | Radial) -> NDArray[np.uint8]:
    """256 colours of a gradient, for looking its places up."""
    places = np.linspace(0, 1, 256)
    at = [place for place, _ in paint.stops]
    channels = [np.interp(places, at, [colour[channel] for _, colour in paint.stops]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)
