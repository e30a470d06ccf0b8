"""Whether this process is well: named probes of life and of readiness. Knows no role and opens no port."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

Probe = Callable[[], str | None]
"""What is wrong, or None. Must be quick: probes are asked from the health page."""

_FRAMES = 30
_THREADS = 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a page of health says: well where there are no reasons. Reasons by the name of their probe."""

    reasons: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)
    """What is worth knowing and no reason: work goes on."""

    @property
    def well(self) -> bool:
        """True where nothing is wrong."""
        return not self.reasons


class Health:
    """All probes of a process. Thread-safe; probes are asked outside the lock, so a slow one holds up no other page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Probe] = {}
        self._ready: dict[str, Probe] = {}
        self._notes: dict[str, Callable[[], dict[str, str]]] = {}
        self._known_dead: set[str] = set()

    def watch_life(self, name: str, probe: Probe) -> None:
        """Ask this probe for /healthz, and for /readyz."""
        with self._lock:
            self._live[name] = probe

    def watch_readiness(self, name: str, probe: Probe) -> None:
        """Ask this probe for /readyz."""
        with self._lock:
            self._ready[name] = probe

    def watch_notes(self, name: str, notes: Callable[[], dict[str, str]]) -> None:
        """Tell these notes on /readyz, each below its own name."""
        with self._lock:
            self._notes[name] = notes

    def forget(self, name: str) -> None:
        """Ask no more under this name: its role has ended in order."""
        with self._lock:
            self._live.pop(name, None)
            self._ready.pop(name, None)
            self._notes.pop(name, None)
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
            probes, notes = dict(self._ready), dict(self._notes)
        told = {what: why for each in notes.values() for what, why in each().items()}
        return Verdict({**_ask(probes), **self.live().reasons}, told)


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
