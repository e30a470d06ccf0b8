"""The committing thread: takes what became contiguous, commits it, and gets over whatever the broker does meanwhile.

While one transaction runs, results gather for the next (group commit). It never learns what the outputs mean.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import structlog

from consumer.observe.metrics import (
    DEAD_LETTERS,
    OUTPUTS,
    PROGRESS,
    RECORDS,
    TRANSACTION_SECONDS,
    TRANSACTIONS,
    Metrics,
)
from consumer.stream.backoff import Backoff
from consumer.stream.deadletter import is_dead_letter
from consumer.stream.errors import BrokerError, FencedError, StreamError
from consumer.stream.ledger import Ledger
from consumer.stream.offsets import Claim
from consumer.stream.options import StreamOptions
from consumer.stream.types import Output, Record
from consumer.stream.writer import HANG, AbortedError, BrokenError, RefusedError, Writer

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

DeadLetter = Callable[[Record, Exception], Output]
"""Makes the dead letter of a record whose output the broker refuses."""

BACKOFF = Backoff(first=0.05, longest=5.0)
"""Between failed attempts."""

OPEN_TIMEOUT = 2.0
"""Seconds for one attempt to get a writer ready: also how long a stop waits for it at most."""

ASK_TIMEOUT = 5.0
"""Seconds for one question about committed offsets: those of an open transaction are waited for."""

REBUILDS, REBUILD_WINDOW = 10, 60.0
"""So many producers within so many seconds: two processes are taking the transactional.id from each other."""


class Committer:
    """Commits claims of a ledger with a writer, on a thread of its own that a watchdog may give up and replace.

    ``failed`` is called once, from the committing thread, when it cannot go on.
    """

    def __init__(
        self,
        ledger: Ledger,
        writer: Callable[[], Writer],
        options: StreamOptions,
        *,
        dead_letter: DeadLetter,
        failed: Callable[[BaseException], None],
        metrics: Metrics,
        role: str,
        counted: Callable[[int, int], object] = lambda *_: None,
    ) -> None:
        """``counted`` hears how many records were committed, and how many of them as dead letters."""
        self.ledger = ledger
        self.writer = writer
        self.options = options
        self.dead_letter = dead_letter
        self.failed = failed
        self.metrics = metrics
        self.role = role
        self.counted = counted
        self.log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(role=role, group=options.group)
        self.stopping = threading.Event()
        self.last_progress = time.monotonic()
        self.failing_since: float | None = None
        self._rebuilds: deque[float] = deque(maxlen=REBUILDS)
        self._life: _Life | None = None

    @property
    def ready(self) -> bool:
        """Whether a writer is open, its predecessor's transactions ended: only then may partitions be asked for."""
        return self._life is not None and self._life.ready.is_set()

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failing_since is not None

    def start(self) -> None:
        """Begin; returns at once."""
        self._life = _Life(self)
        self._life.start()

    def watch(self) -> None:
        """The watchdog; the polling thread calls it every turn. A call that outlived every timeout is given up:
        its thread is left behind with its producer, which the next one's ``open`` fences.
        """
        life = self._life
        if life is not None and life.hangs(time.monotonic()) and not self.stopping.is_set():
            self.log.error("commit_hangs", step=life.step, seconds=HANG, action="producer given up, new one made")
            self.start()

    def close(self, seconds: float) -> bool:
        """Stop after the claim in hand. False when the thread did not end in time; it is a daemon."""
        self.stopping.set()
        self.ledger.wake()
        if self._life is not None:
            self._life.join(seconds)
            return not self._life.is_alive()
        return True

    def progressed(self) -> None:
        """Something was committed, or nothing waits."""
        self.failing_since = None
        self.last_progress = time.monotonic()
        self.metrics.set(PROGRESS, time.time(), role=self.role)

    def setback(self, error: Exception) -> None:
        """An attempt failed. Raises BrokerError when that has gone on for too long."""
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if now - self.failing_since > self.options.give_up:
            raise BrokerError(f"nothing could be committed for {self.options.give_up:.0f} s: {error}") from error

    def rebuilt(self, error: Exception) -> None:
        """A producer has to be made anew. Raises FencedError when that happens too often."""
        now = time.monotonic()
        if len(self._rebuilds) == REBUILDS and now - self._rebuilds[0] < REBUILD_WINDOW:
            raise FencedError(
                f"{REBUILDS} producers were lost within {REBUILD_WINDOW:.0f} s; is another replica also named "
                f"{self.options.instance!r}? {error}"
            ) from error
        self._rebuilds.append(now)
        self.metrics.inc(TRANSACTIONS, role=self.role, result="rebuilt")

    def count(self, claim: Claim, outputs: list[Output], seconds: float) -> None:
        """Book a committed claim."""
        metrics, role = self.metrics, self.role
        metrics.inc(TRANSACTIONS, role=role, result="committed")
        metrics.observe(TRANSACTION_SECONDS, seconds, role=role)
        records = claim.records()
        for topic, number in records.items():
            metrics.inc(RECORDS, number, role=role, topic=topic)
        self.counted(records.total(), sum(is_dead_letter(output, self.options.group) for output in outputs))
        topics: dict[str, int] = {}
        for output in outputs:
            topics[output.topic] = topics.get(output.topic, 0) + 1
        for topic, number in topics.items():
            metrics.inc(OUTPUTS, number, role=role, topic=topic)


class _Life(threading.Thread):
    """One thread with one writer, until both are given up."""

    def __init__(self, committer: Committer) -> None:
        super().__init__(name=f"commit-{committer.role}", daemon=True)
        self.owner = committer
        self.ready = threading.Event()
        self._busy = False
        self._failures = 0
        self._writer = committer.writer()
        self._inherited = committer.ledger.hold(self)

    @property
    def step(self) -> str:
        """What its writer is at."""
        return self._writer.step

    def hangs(self, now: float) -> bool:
        """Whether a call has outlived its timeouts."""
        return self._busy and now - self._writer.step_since > HANG and self._current

    def run(self) -> None:
        """The thread."""
        try:
            self._open()
            if self._inherited is not None:
                self._resolve(self._inherited)
            while (claim := self._next()) is not None:
                self._commit(claim)
        except _SupersededError:
            pass
        except Exception as error:  # noqa: BLE001 - handed to the owner, whatever it is
            if self._current:
                self.owner.failed(error)
        finally:
            self._writer.close()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """The watchdog looks at what happens inside."""
        self._writer.at("start")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    @property
    def _current(self) -> bool:
        return self.owner.ledger.held_by(self)

    def _next(self) -> Claim | None:
        owner = self.owner
        return owner.ledger.take(self, owner.options.transaction_records, owner.stopping.is_set)

    def _open(self) -> None:
        """Open the writer, as often as it takes."""
        while True:
            self._check()
            try:
                with self._watched():
                    self._writer.open(OPEN_TIMEOUT)
            except AbortedError as error:
                self._setback("open_failed", error)
            else:
                if not self.ready.is_set():
                    self.owner.failing_since = None
                self.ready.set()
                return

    def _commit(self, claim: Claim) -> None:
        """One attempt at one claim."""
        owner, outputs, started = self.owner, claim.outputs(), time.monotonic()
        try:
            with self._watched():
                self._writer.write(outputs, claim.offsets, lambda: owner.ledger.valid(claim))
        except RefusedError as error:
            self._replace(claim, error)
            self._aborted(claim)
        except AbortedError as error:
            self._aborted(claim)
            self._setback("commit_aborted", error)
        except BrokenError as error:
            self._rebuild(claim, error)
        else:
            if owner.ledger.commit(claim):
                owner.count(claim, outputs, time.monotonic() - started)
                self._committed(claim)

    def _aborted(self, claim: Claim) -> None:
        self.owner.ledger.abort(claim)
        self.owner.metrics.inc(TRANSACTIONS, role=self.owner.role, result="aborted")

    def _committed(self, claim: Claim) -> None:
        self._failures = 0
        for bundle in claim.bundles:
            if bundle.settlement.committed is not None:
                bundle.settlement.committed()
        self.owner.progressed()

    def _replace(self, claim: Claim, error: RefusedError) -> None:
        """Dead letters instead of an output that the broker will never take."""
        owner = self.owner
        refused = claim.outputs()[error.index]
        given_up = owner.ledger.replace(claim, error.index, lambda record: owner.dead_letter(record, error))
        for record in given_up:
            owner.metrics.inc(DEAD_LETTERS, role=owner.role, topic=record.topic, stage="produce")
        owner.log.error(
            "output_refused",
            topic=refused.topic,
            bytes=len(refused.value or b""),
            error=str(error.reason),
            dead_letters=len(given_up),
        )

    def _rebuild(self, claim: Claim, error: BrokenError) -> None:
        """Destroy the producer, make another, and find out what became of the claim."""
        owner = self.owner
        self._setback("producer_lost", error)
        owner.rebuilt(error)
        self._writer.close()
        self._writer = owner.writer()
        self._open()
        self._resolve(claim)

    def _resolve(self, claim: Claim) -> None:
        """Close a claim whose outcome nobody saw: its offsets were in the transaction, so the group knows."""
        while not claim.closed:
            self._check()
            try:
                with self._watched():
                    done = bool(claim.offsets) and self._writer.committed(claim.offsets, ASK_TIMEOUT)
            except AbortedError as error:
                self._setback("outcome_unknown", error)
                continue
            self.owner.log.warning("outcome_resolved", committed=done)
            if not done:
                self._aborted(claim)
            elif self.owner.ledger.commit(claim):
                self.owner.count(claim, claim.outputs(), 0.0)
                self._committed(claim)

    def _setback(self, event: str, error: Exception) -> None:
        """Log, check the budget, and wait a little, longer each time."""
        self._check()
        self.owner.setback(error)
        self._failures += 1
        pause = BACKOFF.pause(self._failures)
        self.owner.log.warning(event, error=str(error), retry_in=round(pause, 2))
        if self.owner.stopping.wait(pause):
            raise _SupersededError

    def _check(self) -> None:
        if not self._current:
            raise _SupersededError


class _SupersededError(StreamError):
    """Raised inside a life that was given up, or whose owner stops while nothing works."""
