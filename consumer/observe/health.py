"""Whether this process is well: named probes of life and of readiness. Knows no role and opens no port."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import structlog

Clock = Callable[[], float]
"""Seconds that only go forward."""
Probe = Callable[[], str | None]
"""What is wrong, or None. Must be quick: probes are asked from the health page."""

_FRAMES = 30
_THREADS = 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a page of health says: well where there are no reasons. Reasons by the name of their probe."""

    reasons: dict[str, str]

    @property
    def well(self) -> bool:
        """True where nothing is wrong."""
        return not self.reasons


class Liveness:
    """A role's pulse. Well while its loop turns, and while waiting work is also worked on. Thread-safe.

    A role that waits for an outage to pass calls ``beat(waiting=False)``: a restart would not bring the database back.
    """

    def __init__(self, stuck_after: float, clock: Clock = time.monotonic) -> None:
        self._stuck_after = stuck_after
        self._clock = clock
        self._lock = threading.Lock()
        self._turned = clock()
        self._progressed = self._turned
        self._waiting = False

    def beat(self, *, waiting: bool) -> None:
        """The loop turned; ``waiting`` says whether work is in hand that somebody should be finishing."""
        with self._lock:
            self._turned = self._clock()
            if waiting and not self._waiting:
                self._progressed = self._turned  # the work has only just arrived
            self._waiting = waiting

    def progress(self) -> None:
        """Something was finished."""
        with self._lock:
            self._turned = self._progressed = self._clock()

    def __call__(self) -> str | None:
        """As a probe."""
        with self._lock:
            now = self._clock()
            still, stuck = now - self._turned, now - self._progressed
            waiting = self._waiting
        if still > self._stuck_after:
            return f"the loop has not turned for {still:.0f} s"
        if waiting and stuck > self._stuck_after:
            return f"work waits and nothing was finished for {stuck:.0f} s"
        return None


class Readiness:
    """A role's reasons not to be given work yet, by what is missing. Thread-safe."""

    def __init__(self, *, starting: bool = True) -> None:
        self._lock = threading.Lock()
        self._missing: dict[str, str] = {"start": "starting"} if starting else {}

    def started(self) -> None:
        """The role has all it needs to begin."""
        self.restored("start")

    def missing(self, what: str, reason: str) -> None:
        """Something needed is out: ``missing("database", "connection refused")``."""
        with self._lock:
            self._missing[what] = reason

    def restored(self, what: str) -> None:
        """It is back; nothing happens where it was never out."""
        with self._lock:
            self._missing.pop(what, None)

    def __call__(self) -> str | None:
        """As a probe."""
        with self._lock:
            return "; ".join(f"{what}: {reason}" for what, reason in self._missing.items()) or None


class Health:
    """All probes of a process."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[str, Probe] = {}
        self._ready: dict[str, Probe] = {}
        self._known_dead: set[str] = set()

    def liveness(self, name: str, stuck_after: float) -> Liveness:
        """A pulse under this name; ``stuck_after`` in seconds."""
        pulse = Liveness(stuck_after, self._clock)
        self.watch_life(name, pulse)
        return pulse

    def readiness(self, name: str, *, starting: bool = True) -> Readiness:
        """Reasons under this name; not ready until ``started`` is called."""
        reasons = Readiness(starting=starting)
        self.watch_readiness(name, reasons)
        return reasons

    def watch_life(self, name: str, probe: Probe) -> None:
        """Ask this probe for /healthz, and for /readyz."""
        with self._lock:
            self._live[name] = probe

    def watch_readiness(self, name: str, probe: Probe) -> None:
        """Ask this probe for /readyz."""
        with self._lock:
            self._ready[name] = probe

    def forget(self, name: str) -> None:
        """Ask no more under this name: its role has ended in order."""
        with self._lock:
            self._live.pop(name, None)
            self._ready.pop(name, None)
            self._known_dead.discard(name)

    def live(self) -> Verdict:
        """Should this process be left alone? The first time a probe says no, every thread's stack goes to the log."""
        with self._lock:
            probes = dict(self._live)
        reasons = _ask(probes)
        with self._lock:
            news = set(reasons) - self._known_dead
            self._known_dead = set(reasons)
        if news:
            _log.error("not alive", reasons={name: reasons[name] for name in sorted(news)}, stacks=stacks())
        return Verdict(reasons)

    def ready(self) -> Verdict:
        """Should this process be given work?"""
        with self._lock:
            probes = dict(self._ready)
        return Verdict({**_ask(probes), **self.live().reasons})


def _ask(probes: dict[str, Probe]) -> dict[str, str]:
    reasons = {}
    for name, probe in probes.items():
        try:
            reason = probe()
        except Exception as error:  # noqa: BLE001 - a probe that breaks is an answer, and no reason to break the page
            reason = f"the probe failed: {type(error).__name__}: {error}"
        if reason is not None:
            reasons[name] = reason
    return reasons


def stacks() -> dict[str, str]:
    """What every thread is doing, by thread name; the last frames of each."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = list(sys._current_frames().items())[:_THREADS]  # noqa: SLF001 - there is no other way to ask
    return {
        f"{names.get(ident, 'unknown')} ({ident})": "".join(traceback.format_stack(frame)[-_FRAMES:])
        for ident, frame in frames
    }
