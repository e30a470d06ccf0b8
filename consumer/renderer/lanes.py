"""Lanes: interactive work first, bulk when none waits and in a stated share of turns. Knows no request and no topic."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

_ROUNDING = 1e-9
"""Added before rounding down: 100 turns at a share of 0.29 are 29, though their product is a little less."""


class Lane(Enum):
    """How urgent a piece of work is."""

    INTERACTIVE = "interactive"
    """Somebody waits for it: a new or changed product."""
    BULK = "bulk"
    """One of many: a promotion's."""


class LaneQueue(Generic[T]):
    """A queue with two lanes. Thread-safe; first in, first out within each lane.

    While both lanes wait, interactive work is taken, except for a ``share`` of the turns: at those arrival decides, so
    that bulk work that has waited longer comes next. At 0 bulk work waits as long as there is any other; at 1 lanes
    make no difference. Of N such turns in a row, no more than the share, rounded up, go to bulk; and no fewer than the
    share, rounded down, when its work has waited longest.
    """

    def __init__(self, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share: {share} is outside 0…1")
        self._share = share
        self._changed = threading.Condition()
        self._waiting: dict[Lane, deque[tuple[int, T]]] = {lane: deque() for lane in Lane}
        self._arrived = 0
        self._turns = 0

    def put(self, item: T, lane: Lane) -> None:
        """Queue an item; never blocks."""
        with self._changed:
            self._waiting[lane].append((self._arrived, item))
            self._arrived += 1
            self._changed.notify_all()

    def take(self, seconds: float, unless: Callable[[], bool] = lambda: False) -> T | None:
        """The next item, waited for; None when there is none, or when ``unless`` says that nothing more begins."""
        end = time.monotonic() + seconds
        with self._changed:
            while not len(self) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._next() if len(self) and not unless() else None

    def hasten(self, wanted: Callable[[T], bool]) -> None:
        """Move bulk items to the end of the interactive lane: somebody waits for them now."""
        with self._changed:
            bulk = self._waiting[Lane.BULK]
            for entry in [entry for entry in bulk if wanted(entry[1])]:
                bulk.remove(entry)
                self._waiting[Lane.INTERACTIVE].append(entry)
            self._changed.notify_all()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _next(self) -> T:
        interactive, bulk = self._waiting[Lane.INTERACTIVE], self._waiting[Lane.BULK]
        if not interactive or not bulk:
            return (interactive or bulk).popleft()[1]
        before, self._turns = self._due(), self._turns + 1
        older = bulk if bulk[0][0] < interactive[0][0] else interactive
        return (older if self._due() > before else interactive).popleft()[1]

    def _due(self) -> int:
        """Turns so far at which arrival decided."""
        return math.floor(self._turns * self._share + _ROUNDING)
