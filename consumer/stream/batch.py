"""A worker for work in batches: runs a synchronous handler on one thread, through outages and poisonous records.

It knows what may go wrong with a batch, not what the batch is about.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import structlog

from consumer.observe.metrics import DEAD_LETTERS, OUTAGES, PAUSED, Metrics
from consumer.stream.backoff import Backoff
from consumer.stream.deadletter import dead_letter
from consumer.stream.errors import PoisonError
from consumer.stream.failures import place
from consumer.stream.telling import together
from consumer.stream.types import (
    BatchHandler,
    Handled,
    Lease,
    Output,
    Partition,
    Record,
    Settlement,
    Settler,
    UnavailableError,
    WorksInBackground,
)

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")

YOUNG = 50_000
"""New objects after which the garbage collector looks through them, in the whole process. Batches in hand are tens of
thousands of objects that live until their commit; at Python's default of 700 a tenth of a planner's time went into
looking through them again and again. What nobody refers to goes at once as before: only cycles wait longer.
"""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How batches are worked. Times in seconds."""

    records: int = 2_000
    """Records given to the handler at once, about."""
    ahead: int = 2
    """Batches taken ahead of the handler, its own included: one to work on, one to go on with."""
    backoff: Backoff = field(default_factory=Backoff)
    idle: float = 0.25
    """Pause between two calls of the handler's ``idle`` while nothing waits."""
    close: float = 30.0
    """How long the end waits for a handler that does not return; its thread is a daemon and is left behind then."""
    pieces: int = 2
    """Pieces of background work that may be unpublished at once: one to publish, one to work on."""
    breaker: int = 1_000
    """So many poisonous records in a row are not the records' fault: the loop stops instead of emptying the topic."""


class BatchWorker:
    """A Worker over a BatchHandler. Give it runs (``Loop(lease="run")``): a batch is several, settled as one group."""

    def __init__(
        self, handler: BatchHandler, metrics: Metrics, *, role: str, group: str, options: BatchOptions | None = None
    ) -> None:
        self.handler = handler
        self.metrics = metrics
        self.role = role
        self.group = group
        self.options = options or BatchOptions()
        self.log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(role=role, group=group)
        self._settler: Settler | None = None
        self._changed = threading.Condition()
        self._waiting: deque[Lease] = deque()
        self._current: list[Lease] = []
        self._arrived: list[Partition] = []
        self._recovering: list[Partition] = []
        self._held = 0
        self._partitions: set[Partition] = set()
        self._pieces = 0
        self._more = False
        self._busy = False
        self._draining = self._closing = False
        self._out: str | None = None
        self._poison = 0
        self._thread = threading.Thread(target=self._run, name=f"batch-{role}", daemon=True)

    # Worker: what the polling thread calls

    def start(self, settler: Settler) -> None:
        """See Worker."""
        self._settler = settler
        young, *older = gc.get_threshold()
        if 0 < young < YOUNG:  # 0: somebody wants no collection at all
            gc.set_threshold(YOUNG, *older)
        self._thread.start()

    def capacity(self) -> int:
        """See Worker."""
        return self.options.ahead * self.options.records - self._held

    def submit(self, leases: Sequence[Lease]) -> None:
        """See Worker."""
        with self._changed:
            self._waiting.extend(leases)
            self._held += sum(len(lease.records) for lease in leases)
            self._changed.notify_all()

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """See Worker."""
        with self._changed:
            self._arrived.extend(partitions)
            self._partitions.update(partitions)
            self._changed.notify_all()

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See Worker."""
        gone = set(partitions)
        with self._changed:
            self._partitions -= gone
            self._arrived = [partition for partition in self._arrived if partition not in gone]
            self._recovering = [partition for partition in self._recovering if partition not in gone]
            self._current = [lease for lease in self._current if lease.partition not in gone]
            dropped = [lease for lease in self._waiting if lease.partition in gone]
            self._waiting = deque(lease for lease in self._waiting if lease.partition not in gone)
            self._released(dropped)
            self._changed.notify_all()
        self._release(dropped)

    def drain(self, seconds: float) -> bool:
        """See Worker."""
        with self._changed:
            self._draining = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._released(dropped)
            self._changed.notify_all()
        self._release(dropped)
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)

    def close(self) -> None:
        """See Worker."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(self.options.close)
            if self._thread.is_alive():
                self.log.error("handler_hangs", action="left behind")

    def unavailable(self) -> Collection[str]:
        """See ReportsOutages."""
        out = self._out
        return () if out is None else (out,)

    # The working thread

    def _run(self) -> None:
        try:
            while self._step():
                pass
            self.handler.idle()
        except UnavailableError as error:  # while closing: what was put off stays put off
            self.log.warning("closing_idle_failed", what=error.what, error=str(error))
        except BaseException as error:  # noqa: BLE001 - the loop decides
            self._loop.fail(error)
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    @property
    def _loop(self) -> Settler:
        assert self._settler is not None  # noqa: S101 - start() comes first
        return self._settler

    def _step(self) -> bool:
        """One piece of work. False when it is time to end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            if self._closing:
                return False
            if self._draining:
                self._changed.wait()
                return True
            arrived, self._arrived = self._arrived, []
            self._current = [] if arrived else self._next()
            self._busy = True
        if arrived:
            self._recover(arrived)
        elif self._current:
            self._work()
            self._background()
        elif not self._background():
            self._rest()
        return True

    def _next(self) -> list[Lease]:
        """The next batch: whole leases, about as many records as a batch has."""
        batch: list[Lease] = []
        records = 0
        while self._waiting and (not batch or records + len(self._waiting[0].records) <= self.options.records):
            batch.append(self._waiting.popleft())
            records += len(batch[-1].records)
        return batch

    def _recover(self, partitions: list[Partition]) -> None:
        """What a predecessor left undone comes before new records."""
        self._recovering = partitions

        def still() -> bool:
            return not self._arrived and len(self._recovering) == len(partitions)

        try:
            handled = self._insist(lambda: self.handler.assigned(partitions), still)
        except _GoneError:
            with self._changed:  # more came, some left, or all ends: what remains together next time
                self._arrived[:0] = self._recovering
            return
        if handled.outputs or handled.committed:
            self._loop.settle([Settlement(None, handled.outputs, handled.committed)])

    def _work(self) -> None:
        """Work the current leases, settle them as one group."""
        taken = list(self._current)
        settlement: Settlement | None = None
        while settlement is None and (leases := list(self._current)):
            try:
                handled = self._handle(leases)
            except _GoneError:
                if self._ends:
                    break
                continue  # partitions left during an outage: the others' records again
            settlement = Settlement(leases[0], handled.outputs, handled.committed, leases[1:])
        with self._changed:
            self._released(taken)
        if settlement is not None:
            self._loop.settle([settlement])

    def _handle(self, leases: list[Lease]) -> Handled:
        """The handler over all records of some leases. Raises _GoneError when one of them left during an outage."""
        records = leases[0].records if len(leases) == 1 else [record for lease in leases for record in lease.records]

        def still() -> bool:
            return len(self._current) == len(leases)

        outputs: list[Output] = []
        callbacks: list[Callable[[], None]] = []
        letters: list[Output] = []
        parts = [records]
        while parts:
            part = parts.pop()
            try:
                handled = self._insist(lambda part=part: self.handler.handle(part), still)  # type: ignore[misc]
            except _GoneError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, the record is to blame
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                letters.append(self._poisonous(part[0], error))
                outputs.append(letters[-1])
            else:
                self._poison = 0
                outputs.extend(handled.outputs)
                if handled.committed is not None:
                    callbacks.append(handled.committed)
        for letter in letters:
            self._count(letter)
        return Handled(outputs, together(callbacks))

    def _poisonous(self, record: Record, error: Exception) -> Output:
        """The dead letter of a record that raises even alone. Raises PoisonError when there were too many in a row."""
        self._poison += 1
        self.log.error(
            "record_failed",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
            kind=type(error).__name__,
            at=place(error),
        )
        if self._poison >= self.options.breaker:
            raise PoisonError(
                f"{self._poison} records in a row failed, the last with {type(error).__name__}: {error}. Nothing of "
                "this batch was committed; mend the cause and start again"
            ) from error
        return dead_letter(record, group=self.group, stage=getattr(error, "stage", "handle"), error=error)

    def _count(self, letter: Output) -> None:
        assert letter.cause is not None  # noqa: S101 - a dead letter has one
        stage = next(value for name, value in letter.headers if name.endswith(".stage"))
        self.metrics.inc(
            DEAD_LETTERS, role=self.role, topic=letter.cause.topic, stage=(stage or b"").decode(errors="replace")
        )

    def _background(self) -> bool:
        """A piece of the handler's own work, if it has any and the last pieces are published. True when it did one."""
        handler = self.handler
        with self._changed:
            self._more = False
            if not isinstance(handler, WorksInBackground) or self._pieces >= self.options.pieces or self._ends:
                self._more = self._pieces > 0
                return False
            held = frozenset(self._partitions)
        try:
            handled = self._insist(lambda: handler.background(held), lambda: not (self._waiting or self._arrived))
        except _GoneError:
            return False
        if handled is None:
            return False
        if handled.outputs or handled.committed:
            with self._changed:
                self._pieces += 1
            told = together([each for each in (handled.committed, self._published) if each is not None])
            self._loop.settle([Settlement(None, handled.outputs, told)])
        return True

    def _published(self) -> None:
        """A piece of background work was committed."""
        with self._changed:
            self._pieces -= 1
            self._changed.notify_all()

    def _rest(self) -> None:
        """Nothing waits: the handler's background duties, then a pause until something does."""
        with contextlib.suppress(_GoneError):
            self._insist(self.handler.idle, lambda: not (self._waiting or self._arrived))
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(self._stirs, self.options.idle)

    def _stirs(self) -> bool:
        """Whether a rest is over: there is something to do, or room for it."""
        room = self._more and self._pieces < self.options.pieces
        return bool(room or self._waiting or self._arrived or self._ends)

    def _insist(self, call: Callable[[], T], still: Callable[[], bool]) -> T:
        """Call until nothing is out. Raises _GoneError when meanwhile the work is not ours any more."""
        failures = 0
        while True:
            try:
                result = call()
            except UnavailableError as error:
                failures += 1
                self._outage(error, failures)
                end = time.monotonic() + self.options.backoff.pause(failures)
                with self._changed:
                    self._changed.wait_for(lambda: self._ends or not still(), max(0.0, end - time.monotonic()))
                    if self._ends or not still():
                        raise _GoneError from error
            else:
                if self._out is not None:
                    self._restored()
                return result

    @property
    def _ends(self) -> bool:
        return self._closing or self._draining

    def _outage(self, error: UnavailableError, failures: int) -> None:
        self.metrics.inc(OUTAGES, role=self.role, what=error.what)
        self.metrics.set(PAUSED, 1.0, role=self.role, reason="unavailable")
        if failures == 1 or self._out != error.what:
            self.log.warning("unavailable", what=error.what, error=str(error))
        self._out = error.what

    def _restored(self) -> None:
        self.log.info("available", what=self._out)
        self.metrics.set(PAUSED, 0.0, role=self.role, reason="unavailable")
        self._out = None

    def _released(self, leases: Sequence[Lease]) -> None:
        self._held -= sum(len(lease.records) for lease in leases)

    def _release(self, leases: Sequence[Lease]) -> None:
        """Outside our lock: the loop takes its own."""
        if leases and self._settler is not None:
            self._settler.release(leases)


class _GoneError(Exception):
    """Raised inside when work stopped being ours while something it needs was out."""
