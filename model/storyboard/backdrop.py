"""The moving ground behind words: broad pools of colour that drift on closed paths.

Computed on a coarse grid and enlarged, so that a frame costs little and the motion is finer than a pixel.
"""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.storyboard.palette import Palette
from model.typeset import Rgb

_CELL = 12
"""Pixels of the picture per cell of the grid: far below the size of a pool, so that no cell shows."""

_Line = npt.NDArray[np.float32]


class Backdrop:
    """Frames of one ground. The same palette, size and seed give the same pictures."""

    def __init__(self, palette: Palette, size: tuple[int, int], seed: int) -> None:
        dice = random.Random(f"backdrop-{seed}")  # noqa: S311 - design, not secrets
        self._size = size
        columns, rows = (max(4, math.ceil(length / _CELL)) for length in size)
        self._x: _Line = np.linspace(0, 1, columns, dtype=np.float32)
        self._y: _Line = np.linspace(0, 1, rows, dtype=np.float32)
        self._base = _pixel(palette.base)
        turn = dice.random()
        self._pools = [
            _Pool(_pixel(colour), turn + index / 3, dice.choice((-1, 1)), dice.uniform(0.30, 0.42))
            for index, colour in enumerate((palette.warm, palette.cool, palette.warm))
        ]

    def at(self, cycle: float) -> Image.Image:
        """The ground at a place in its cycle; 0 and 1 are the same place."""
        rows, columns = len(self._y), len(self._x)
        field = np.broadcast_to(self._base, (rows, columns, 3)).astype(np.float32)
        for pool in self._pools:
            share = pool.share(self._x, self._y, cycle)[..., None]
            field += (pool.colour - field) * share
        coarse = Image.fromarray((field + 0.5).astype(np.uint8))
        return coarse.resize(self._size, Image.Resampling.BILINEAR)


class _Pool:
    """A soft spot of colour on an ellipse around the middle."""

    def __init__(self, colour: _Line, turn: float, sense: int, spread: float) -> None:
        self.colour = colour
        self._turn, self._sense, self._spread = turn, sense, spread

    def share(self, x: _Line, y: _Line, cycle: float) -> _Line:
        angle = 2 * math.pi * self._turn
        drift = 2 * math.pi * self._sense * cycle
        centre_x = 0.5 + 0.42 * math.cos(angle) + 0.16 * math.cos(drift)
        centre_y = 0.5 + 0.42 * math.sin(angle) + 0.16 * math.sin(drift)
        across = np.exp(-((x - centre_x) ** 2) / (2 * self._spread**2))
        down = np.exp(-((y - centre_y) ** 2) / (2 * self._spread**2))
        share: _Line = (np.outer(down, across) * 0.95).astype(np.float32)
        return share


def _pixel(colour: Rgb) -> _Line:
    return np.array(colour, dtype=np.float32)
