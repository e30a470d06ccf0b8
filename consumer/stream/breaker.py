"""The circuit breaker: too many dead letters in a while mean that the fault is ours, and consumption stops.

So a bad deployment does not drain a topic into its dead letters. Counts what was committed; calls no client.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import structlog

from consumer.observe.metrics import BREAKER_OPENINGS, PAUSED, Metrics

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

LONGEST = 20
"""So many times the first pause is the longest: it doubles with every probe that fails."""


@dataclass(frozen=True, kw_only=True)
class BreakerOptions:
    """When it opens, and for how long. Times in seconds."""

    share: float = 0.5
    """Of the records committed within the window, the share of dead letters at which it opens."""
    window: float = 60.0
    minimum: int = 100
    """Records that the window must hold before a share says anything."""
    pause: float = 30.0
    """How long it stays open at first, and how long a probe may take."""
    probe: int = 10
    """Records that are let through to see whether it is over."""


class _State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Thread-safe: the committing thread tells what was committed, the polling thread asks how much may be taken."""

    def __init__(
        self, options: BreakerOptions, metrics: Metrics, *, role: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options, self._metrics, self._role, self._clock = options, metrics, role, clock
        self._log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(role=role)
        self._lock = threading.Lock()
        self._state = _State.CLOSED
        self._window: deque[tuple[float, int, int]] = deque()
        self._records = self._letters = self._taken = 0
        self._pause, self._until = options.pause, 0.0
        self._why = ""

    def note(self, records: int, letters: int) -> None:
        """So many records were committed, so many of them as dead letters."""
        with self._lock:
            if self._state is _State.OPEN:
                return  # they were taken before
            now = self._clock()
            self._window.append((now, records, letters))
            self._records += records
            self._letters += letters
            if self._state is _State.CLOSED:
                self._forget(now - self._options.window)
                if self._records >= self._options.minimum and self._poisoned:
                    self._open(self._options.pause)
            elif self._records >= self._options.probe:
                self._judge()

    def allowance(self) -> int | None:
        """How many records may be taken now; None: any number."""
        with self._lock:
            if self._state is _State.CLOSED:
                return None
            if self._clock() >= self._until:
                if self._state is _State.HALF_OPEN and self._records:
                    self._judge()
                else:
                    self._probe()
                return self._left()
            return self._left()

    def took(self, records: int) -> None:
        """So many were taken."""
        with self._lock:
            self._taken += records

    def reason(self) -> str | None:
        """Why nothing, or only a probe, is taken; None while all is well."""
        with self._lock:
            if self._state is _State.CLOSED:
                return None
            if self._state is _State.HALF_OPEN:
                return f"breaker: {self._why}; trying {self._options.probe} records"
            return f"breaker: {self._why}; next try in {max(0.0, self._until - self._clock()):.0f} s"

    @property
    def _poisoned(self) -> bool:
        return self._letters >= self._options.share * self._records

    def _left(self) -> int | None:
        if self._state is _State.CLOSED:
            return None
        return max(0, self._options.probe - self._taken) if self._state is _State.HALF_OPEN else 0

    def _forget(self, before: float) -> None:
        while self._window and self._window[0][0] < before:
            _, records, letters = self._window.popleft()
            self._records -= records
            self._letters -= letters

    def _judge(self) -> None:
        """The probe is over."""
        if self._poisoned:
            self._open(min(self._pause * 2, LONGEST * self._options.pause))
            return
        self._log.info("breaker_closed", records=self._records, dead_letters=self._letters)
        self._metrics.set(PAUSED, 0.0, role=self._role, reason="breaker")
        self._enter(_State.CLOSED)

    def _open(self, pause: float) -> None:
        self._why = f"{self._letters} of {self._records} records became dead letters"
        self._log.error("breaker_open", why=self._why, pause=pause, action="mend the cause; it tries again by itself")
        self._metrics.inc(BREAKER_OPENINGS, role=self._role)
        self._metrics.set(PAUSED, 1.0, role=self._role, reason="breaker")
        self._pause, self._until = pause, self._clock() + pause
        self._enter(_State.OPEN)

    def _probe(self) -> None:
        self._log.info("breaker_half_open", records=self._options.probe)
        self._until = self._clock() + self._options.pause
        self._enter(_State.HALF_OPEN)

    def _enter(self, state: _State) -> None:
        self._state = state
        self._window.clear()
        self._records = self._letters = self._taken = 0
