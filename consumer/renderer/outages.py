"""Waiting for what is out: the same work again and again, with growing pauses, until the part is back or we stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

from consumer.observe import metrics as m
from consumer.storage.store import StoreUnavailableError
from consumer.stream.types import UnavailableError

log = structlog.get_logger(__name__)
R = TypeVar("R")

FIRST_DELAY, LAST_DELAY = 0.25, 15.0
"""Seconds between tries while something is out: doubled from the first to the last."""


class StoppedError(Exception):
    """Raised when the process stops while something is out."""


class Outages:
    """What is out just now. Thread-safe."""

    def __init__(self, stopping: threading.Event, metrics: m.Metrics, role: str) -> None:
        self._stopping, self._metrics, self._role = stopping, metrics, role
        self._lock = threading.Lock()
        self._out: dict[str, str] = {}

    def names(self) -> tuple[str, ...]:
        """The parts that are out."""
        with self._lock:
            return tuple(self._out)

    def patiently(self, stage: str, work: Callable[[], R]) -> R:
        """Do the work, again and again while something it needs is out. Raises StoppedError when the process stops."""
        delay, out = FIRST_DELAY, ""
        while True:
            try:
                result = work()
            except (StoreUnavailableError, UnavailableError) as error:
                out = error.what if isinstance(error, UnavailableError) else "store"
                self._note(out, str(error), stage)
                if self._stopping.wait(delay):
                    raise StoppedError from error
                delay = min(delay * 2, LAST_DELAY)
            else:
                if out:
                    self._end(out)
                return result

    def _note(self, what: str, reason: str, stage: str) -> None:
        with self._lock:
            self._out[what] = reason
        self._metrics.inc(m.OUTAGES, role=self._role, what=what)
        log.warning("waiting for an outage to end", what=what, stage=stage, reason=reason)

    def _end(self, what: str) -> None:
        with self._lock:
            self._out.pop(what, None)
        log.info("outage ended", what=what)
