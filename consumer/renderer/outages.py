"""Waiting for what is out: the same work again and again, with growing pauses, until the part is back or we stop.

And telling an outage, which everybody has, from the trouble of one record, which must not be waited for for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from consumer.observe import metrics as m
from consumer.storage.store import StoreUnavailableError
from consumer.stream.backoff import Backoff
from consumer.stream.types import OwnTroubleError, UnavailableError

log = structlog.get_logger(__name__)
R = TypeVar("R")

BACKOFF = Backoff(first=0.25, longest=15.0)
"""Between tries while something is out."""
TRIES = 6
"""Attempts at a record that fail although others get through, before it is given up: some 8 s of pauses."""
CLEARLY = 9
"""So many times more attempts of others must succeed than fail before a failure counts as a record's own."""


class StoppedError(Exception):
    """Raised when the process stops while something is out."""


class PutOffError(Exception):
    """Raised when something was out: the same again in so many ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.1f} s")
        self.seconds = seconds


@dataclass(slots=True)
class _Tally:
    """Attempts in one stage, by everybody."""

    passed: int = 0
    failed: int = 0


@dataclass(slots=True)
class Case:
    """What one record has been through in a row."""

    failures: int = 0
    alone: int = 0
    """Those of them that were its own, for others got through."""
    seen: _Tally = field(default_factory=_Tally)


class Outages:
    """What is out just now, by stage: a stage needs several parts, and one attempt that succeeds shows that all are up.

    Thread-safe.
    """

    def __init__(
        self,
        stopping: threading.Event,
        metrics: m.Metrics,
        role: str,
        *,
        tries: int = TRIES,
        backoff: Backoff = BACKOFF,
    ) -> None:
        self._stopping, self._metrics, self._role, self._tries, self._backoff = stopping, metrics, role, tries, backoff
        self._lock = threading.Lock()
        self._out: dict[str, str] = {}
        self._tallies: dict[str, _Tally] = {}

    def names(self) -> tuple[str, ...]:
        """The parts that are out."""
        with self._lock:
            return tuple(sorted(set(self._out.values())))

    def patiently(self, stage: str, work: Callable[[], R]) -> R:
        """Do the work, again and again while something it needs is out. Blocks meanwhile.

        Raises:
            StoppedError: the process stops.
            OwnTroubleError: see ``attempt``.
        """
        case = Case()
        while True:
            try:
                return self.attempt(stage, case, work)
            except PutOffError as later:
                if self._stopping.wait(later.seconds):
                    raise StoppedError from later

    def attempt(self, stage: str, case: Case, work: Callable[[], R]) -> R:
        """Do the work once. ``case`` is the record's own, and is kept from one attempt to the next.

        Raises:
            PutOffError: something is out.
            OwnTroubleError: others got through meanwhile, clearly and each time: it is not the part that is out.
        """
        try:
            result = work()
        except (StoreUnavailableError, UnavailableError) as error:
            what = error.what if isinstance(error, UnavailableError) else "store"
            self._failed(stage, what, case)
            if case.alone >= self._tries:
                raise OwnTroubleError(what, case.failures, error) from error
            pause = self._backoff.pause(case.failures)
            self._metrics.inc(m.OUTAGES, role=self._role, what=what)
            log.warning(
                "waiting for an outage to end",
                what=what,
                stage=stage,
                reason=str(error),
                alone=case.alone,
                retry_in=round(pause, 2),
            )
            raise PutOffError(pause) from error
        self._passed(stage)
        case.failures = case.alone = 0
        return result

    def _failed(self, stage: str, what: str, case: Case) -> None:
        """Book a failure, and whether it is the record's own: by what others did since its last one."""
        with self._lock:
            tally = self._tallies.setdefault(stage, _Tally())
            passed, failed = tally.passed - case.seen.passed, tally.failed - case.seen.failed
            own = case.failures > 0 and passed > 0 and passed >= CLEARLY * failed
            tally.failed += 1
            case.failures += 1
            case.alone += own
            case.seen = _Tally(tally.passed, tally.failed)
            if own:
                self._metrics.inc(m.RETRIES, stage=stage)
            else:
                self._out[stage] = what
                self._metrics.set(m.PAUSED, 1.0, role=self._role, reason="unavailable")

    def _passed(self, stage: str) -> None:
        with self._lock:
            self._tallies.setdefault(stage, _Tally()).passed += 1
            what = self._out.pop(stage, None)
            if what is not None and not self._out:
                self._metrics.set(m.PAUSED, 0.0, role=self._role, reason="unavailable")
        if what is not None:
            log.info("outage ended", what=what, stage=stage)
