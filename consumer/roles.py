"""One role of a process: its loop, and how well both are. Knows no settings and no parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from consumer.stream.loop import Loop
from consumer.stream.status import State


@dataclass(slots=True)
class Role:
    """A loop, and what its worker says of itself."""

    loop: Loop
    ready: Callable[[], bool] = field(default=lambda: True)
    sign: Callable[[], float | None] = field(default=lambda: None)
    """When its engine last gave a sign of life, monotonic seconds: a batch may take longer than the loop's patience."""
    stuck: Callable[[], bool] = field(default=lambda: False)
    """True when a thread of its own did not end although it was closed."""
    notes: Callable[[], dict[str, str]] = field(default=dict)
    """What is worth knowing, by what it is about: work goes on."""

    def life(self, patience: float) -> str | None:
        """What is wrong, or nothing: polling stopped, or work is in hand and none of it gets on for ``patience`` s."""
        status, now = self.loop.status(), time.monotonic()
        if status.state is State.STOPPED and status.error:
            return f"stopped: {status.error}"
        if now - status.last_poll > patience and status.state is not State.STOPPED:
            return f"no poll for {now - status.last_poll:.0f} s"
        progress = max(status.last_progress, self.sign() or 0.0)
        if status.in_flight and not status.unavailable and now - progress > patience:
            return f"{status.in_flight} records in flight and no progress for {now - progress:.0f} s"
        idle = now - status.since
        paused = status.state is State.PAUSED and not (status.unavailable or status.breaker or status.in_flight)
        if paused and self.ready() and idle > patience:
            return f"nothing in hand, and no room for anything for {idle:.0f} s"
        return None

    def readiness(self) -> str | None:
        """Why it should be given no work now, or nothing."""
        status = self.loop.status()
        if status.unavailable:
            return f"out: {', '.join(status.unavailable)}"
        if status.breaker:
            return status.breaker
        if status.state not in {State.RUNNING, State.PAUSED}:
            return str(status.state.value)
        return None if self.ready() else "the engine is loading"
