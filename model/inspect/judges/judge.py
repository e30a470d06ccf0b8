"""The Judge protocol, and what all judges do alike: choose frames. Loads no model."""

from __future__ import annotations

from typing import Protocol

from model.engine import Frames
from model.inspect.expected import Expected
from model.inspect.measures import spread_over
from model.inspect.report import Outcome

LATE = 0.75
"""Where the late frames begin: the first ones are the photo itself, whatever becomes of the clip."""


class JudgeError(Exception):
    """Raised when a model that is configured cannot be loaded; the message names the folder and what to do."""


class Judge(Protocol):
    """One check that asks a model. May take its time; thread-safe."""

    @property
    def check(self) -> str:
        """Its name in the catalogue."""
        ...

    def look(self, frames: Frames, expected: Expected) -> Outcome:
        """Score a clip's frames (frames, height, width, 3), uint8; or why it cannot be scored. Raises nothing."""
        ...


def some_of(frames: Frames, most: int, start: float = 0.0) -> Frames:
    """At most ``most`` frames, evenly spread from a share of the clip on."""
    first = min(int(len(frames) * start), len(frames) - 1)
    return frames[first + spread_over(len(frames) - first, most)]
