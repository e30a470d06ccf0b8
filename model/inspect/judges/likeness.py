"""The checks of alignment (does it show what the caption says?) and of fidelity (is it still the photo's product?)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from model.engine import EngineError, Frames
from model.inspect.expected import Expected
from model.inspect.judges.judge import LATE, some_of
from model.inspect.judges.towers import Towers, Vectors
from model.inspect.report import NotRun, Outcome, Score
from model.photo import load_photo

_FRAMES = 4
_SIDE = 512
OTHERS = (
    "a person talking",
    "an empty room",
    "a landscape with trees",
    "a street with cars",
    "a plate of food",
    "a pair of shoes",
    "an animal",
    "colourful noise",
)
"""What a picture is compared with where nothing better is known. A likeness alone says little; a margin over captions
that are wrong says whether the right one is seen."""


class Alignment:
    """How much better the caption fits than the best of wrong ones, in cosine."""

    check = "alignment"

    def __init__(self, towers: Towers) -> None:
        self._towers = towers
        self._read = lru_cache(maxsize=1024)(self._one)

    def look(self, frames: Frames, expected: Expected) -> Outcome:
        """The margin, averaged over four frames."""
        if not expected.caption.strip():
            return NotRun("there is no caption")
        seen = self._towers.see(some_of(frames, _FRAMES)).mean(0)
        right = float(seen @ self._read(expected.caption))
        wrong = max((float(seen @ self._read(each)), each) for each in (expected.wrong or OTHERS))
        return Score(right - wrong[0], f"next to {wrong[1]!r}")

    def _one(self, caption: str) -> Vectors:
        vector: Vectors = self._towers.read([caption])[0]
        return vector


class Fidelity:
    """How like the photo the late frames are, in cosine."""

    check = "fidelity"

    def __init__(self, towers: Towers) -> None:
        self._towers = towers
        self._photo = lru_cache(maxsize=64)(self._one)

    def look(self, frames: Frames, expected: Expected) -> Outcome:
        """The likeness of the least alike of four late frames."""
        if expected.photo is None:
            return NotRun("there is no photo")
        known = self._photo(expected.photo)
        if known is None:
            return NotRun("the photo cannot be read")
        return Score(float((self._towers.see(some_of(frames, _FRAMES, LATE)) @ known).min()))

    def _one(self, photo: bytes) -> Vectors | None:
        try:
            picture = load_photo(photo, _SIDE)
        except EngineError:
            return None
        vector: Vectors = self._towers.see(np.asarray(picture.convert("RGB"))[None])[0]
        return vector
