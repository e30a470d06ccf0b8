"""When an engine last gave a sign of life, and how long its silence is borne. Knows no engine and stops nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

LEAST_PATIENCE = 60.0
"""Seconds of silence borne of an engine that tells of its steps, however short they are."""
STEPS = 20.0
"""The same in steps: what is twenty times slower than the slowest step seen will not end."""
SILENT_PATIENCE = 600.0
"""Seconds of silence borne while an engine loads, and always of one that never told of a step.

Loading reads tens of gigabytes and compiles for minutes, and neither can say how far it is; of an engine that tells
nothing, work cannot be told from a hang.
"""

MISSED = 5.0
"""Seconds between two looks after which the one who looks was stopped, not late."""


class Sign(NamedTuple):
    """A sign of life. ``at`` in seconds of the pulse's clock; ``done`` of ``total`` pieces of the stage were done."""

    at: float
    stage: str
    done: int
    total: int
    starting: bool

    def __str__(self) -> str:
        """Where it was, for a message."""
        return f"stage {self.stage} ({self.done} of {self.total})" if self.total else self.stage


class Silence(NamedTuple):
    """A silence that is too long: seconds, and the last sign before it."""

    seconds: float
    since: Sign

    def __str__(self) -> str:
        """What it means, for a message."""
        return f"no sign of life for {self.seconds:.0f} s since {self.since}"


class Pulse:
    """One engine's signs of life. One thread writes (``begin``, ``beat``, ``end``); any may read."""

    def __init__(
        self,
        hang_after: float | None = None,
        *,
        silent: float = SILENT_PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``hang_after``: seconds of silence borne within a batch; None: derived from the steps seen."""
        self._hang_after, self._silent, self._clock = hang_after, silent, clock
        self._told = False
        self._last: Sign | None = None
        self.slowest = 0.0
        """Seconds of the slowest step seen in a batch."""

    @property
    def last(self) -> Sign | None:
        """The last sign of what is under way; None while nothing is."""
        return self._last

    def begin(self, stage: str, *, starting: bool = False) -> None:
        """A batch, or the loading, begins now."""
        self._last = Sign(self._clock(), stage, 0, 0, starting)

    def beat(self, stage: str, done: int, total: int) -> None:
        """A step is done."""
        self._told = True
        before, now = self._last, self._clock()
        starting = before is not None and before.starting
        self._note(before, now)
        self._last = Sign(now, stage, done, total, starting)

    def end(self) -> None:
        """What was under way has ended, well or not."""
        before, self._last = self._last, None
        self._note(before, self._clock())

    def patience(self, *, starting: bool = False) -> float:
        """Seconds of silence that are borne."""
        if starting:
            return max(self._silent, self._hang_after or 0.0)
        if self._hang_after is not None:
            return self._hang_after
        return max(LEAST_PATIENCE if self._told else self._silent, STEPS * self.slowest)

    def silence(self, excused: float = 0.0) -> Silence | None:
        """The present silence when it is longer than is borne, else None. ``excused`` seconds of it do not count."""
        last = self._last
        if last is None:
            return None
        seconds = self._clock() - last.at - excused
        return Silence(seconds, last) if seconds > self.patience(starting=last.starting) else None

    def _note(self, before: Sign | None, now: float) -> None:
        """Loading is no measure for steps."""
        if before is not None and not before.starting:
            self.slowest = max(self.slowest, now - before.at)


class Looks:
    """Looks at a pulse again and again. Time in which nobody looked is not counted: the machine or we were stopped.

    Else a process that is stopped and continued would find its engine hanging, though nothing could have moved.
    """

    def __init__(self, pulse: Pulse, clock: Callable[[], float] = time.monotonic) -> None:
        self._pulse, self._clock = pulse, clock
        self._looked = clock()
        self._sign: Sign | None = None
        self._missed = 0.0

    def silence(self) -> Silence | None:
        """The present silence when it is longer than is borne. To be asked more often than every ``MISSED`` seconds."""
        now, sign = self._clock(), self._pulse.last
        if sign is not self._sign:
            self._sign, self._missed = sign, 0.0
        elif now - self._looked > MISSED:
            self._missed += now - self._looked
        self._looked = now
        return self._pulse.silence(self._missed)
