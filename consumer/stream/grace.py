"""How long a stop waits for what was begun: by how long work took lately. Knows no lease and no thread."""

from __future__ import annotations

from collections import deque

REMEMBERED = 1_000
"""Pieces of work that are remembered: many, for one that is slow may follow hundreds that are not."""
SHORTEST = 5.0
"""Seconds that are waited at least: a commit wants some too."""
TIMES = 2.0
"""So many times the slowest piece of work is waited for: what takes longer hangs."""


class JobTimes:
    """Seconds from taking a record to its result, the last ones."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """One piece of work is done."""
        self._seconds.append(seconds)

    def grace(self, most: float) -> float:
        """How long a stop may take, ``most`` at most: also where nothing was measured yet."""
        slowest = max(list(self._seconds), default=None)
        return most if slowest is None else min(most, max(SHORTEST, TIMES * slowest))
