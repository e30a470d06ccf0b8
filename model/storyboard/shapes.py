"""Company for a card without a photo: a pale disc, a ring and a dot that travels on it, clear of the words.

Knows the words' boxes, so as to keep away from them; knows nothing of what they say.
"""

from __future__ import annotations

import math
import random
from itertools import product

from PIL import Image

from model.recipe import Scene
from model.storyboard.layout import Box, Words
from model.storyboard.palette import Palette
from model.storyboard.sprite import Sprite, disc, ring

_LARGEST, _SMALLEST = 0.24, 0.10
"""Radius of the ring as a share of the short side; where not even the smallest keeps clear, there is none."""
_PALE = 0.10
"""Strength of the disc, which may lie under words: too faint to cost them contrast."""


class Shapes:
    """The shapes of one card. The same scene and words give the same shapes."""

    def __init__(self, palette: Palette, size: tuple[int, int], scene: Scene, words: Words | None) -> None:
        dice = random.Random(f"shapes-{scene.seed}")  # noqa: S311 - design, not secrets
        short = min(size)
        self._turn, self._sense = dice.random(), dice.choice((-1, 1))
        self._drift = min(0.03, 0.010 * scene.duration) * short
        # The dot swings to and fro: a full turn would hurry in a short clip.
        self._swing = min(0.5, 0.13 * scene.duration)
        dot = max(6, round(0.045 * short))
        self._middle, room = _roomiest(size, words.boxes() if words else [], dice)
        self._inward = math.radians(135 if self._middle[1] < size[1] / 2 else 225)
        self._radius = min(dice.uniform(0.19, _LARGEST) * short, room - self._drift - dot)
        self._pale = disc(round(dice.uniform(0.80, 0.95) * short), palette.accent)
        ringed = self._radius >= _SMALLEST * short
        self._ring = ring(round(2 * self._radius), max(2, round(0.006 * short)), palette.accent) if ringed else None
        self._dot = disc(dot, palette.accent)

    def draw(self, canvas: Image.Image, cycle: float) -> None:
        """Draw the shapes at a place in their cycle; 0 and 1 are the same place."""
        angle = 2 * math.pi * (cycle * self._sense + self._turn)
        x, y = self._middle
        across, down = self._drift * math.cos(angle), self._drift * math.sin(angle)
        _centred(self._pale, canvas, x + 0.6 * across, y + 0.6 * down, _PALE)
        if self._ring is None:
            return
        x, y = x - across, y - down
        _centred(self._ring, canvas, x, y, 0.55)
        inward = self._inward + self._swing * math.sin(angle)
        reach = self._radius - 1
        _centred(self._dot, canvas, x + reach * math.cos(inward), y + reach * math.sin(inward), 1.0)


def _roomiest(size: tuple[int, int], boxes: list[Box], dice: random.Random) -> tuple[tuple[float, float], float]:
    """The place near a right-hand corner that is furthest from all words, and how far; by the dice where equal."""
    width, height = size
    places = [(x * width, y * height) for x, y in product((0.93, 1.0), (0.10, 0.90, 0.0, 1.0))]
    dice.shuffle(places)
    generous = _LARGEST * 2 * min(size)
    rooms = [min([generous, *(_distance(place, box) for box in boxes)]) for place in places]
    best = max(range(len(places)), key=lambda index: rooms[index])
    return places[best], rooms[best]


def _distance(point: tuple[float, float], box: Box) -> float:
    across = max(box.x - point[0], 0.0, point[0] - box.x - box.width)
    down = max(box.y - point[1], 0.0, point[1] - box.y - box.height)
    return math.hypot(across, down)


def _centred(sprite: Sprite, canvas: Image.Image, x: float, y: float, strength: float) -> None:
    sprite.draw(canvas, x - sprite.width / 2, y - sprite.height / 2, strength)
