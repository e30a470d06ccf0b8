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
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from consumer.observe.metrics import OUTAGES, PARKED, PAUSED, RETRIES, Metrics
from consumer.stream.backoff import Backoff
from consumer.stream.parking import Parking
from consumer.stream.sieve import Judge, Sieve, dead_letters_only
from consumer.stream.telling import together
from consumer.stream.types import (
    BatchHandler,
    Lease,
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
        self,
        handler: BatchHandler,
        metrics: Metrics,
        *,
        role: str,
        group: str,
        options: BatchOptions | None = None,
        judge: Judge = dead_letters_only,
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
        self._sieve = Sieve(metrics, role=role, group=group, breaker=self.options.breaker, judge=judge)
        told = partial(metrics.set, PARKED, role=role)
        self._parking = Parking(self.options.backoff, time.monotonic, told)
        self._passes = self._passed_before = 0
        self._thread = threading.Thread(target=self._run, name=f"batch-{role}", daemon=True)

    def start(self, settler: Settler) -> None:
        """See Worker."""
        self._settler = settler
        young, *older = gc.get_threshold()
        if 0 < young < YOUNG:  # 0: somebody wants no collection at all
            gc.set_threshold(YOUNG, *older)
        self._thread.start()

    def capacity(self) -> int:
        """See Worker."""
        with self._changed:
            off = self._parking.failed()
            put_off = sum(len(lease.records) for lease in self._waiting if lease.partition in off) if off else 0
            return self.options.ahead * self.options.records - self._held + put_off

    def held_back(self) -> frozenset[Partition]:
        """See HoldsBack."""
        with self._changed:
            off = self._parking.failed()
            return off & {lease.partition for lease in self._waiting} if off else off

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
            self._parking.forget(gone)
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
        """The next batch: whole leases, about as many records as a batch has, of partitions that are not put off.

        One that failed last time comes alone.
        """
        failed, off = self._parking.failed(), self._parking.waiting()
        batch: list[Lease] = []
        passed_over: deque[Lease] = deque()
        records = 0
        while self._waiting and (not batch or records + len(self._waiting[0].records) <= self.options.records):
            lease = self._waiting.popleft()
            alone = (
                bool(batch)
                and batch[0].partition != lease.partition
                and (lease.partition in failed or batch[0].partition in failed)
            )
            if alone or lease.partition in off or any(lease.partition == other.partition for other in passed_over):
                passed_over.append(lease)
                continue
            batch.append(lease)
            records += len(lease.records)
        self._waiting.extendleft(reversed(passed_over))
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
        """Work the current leases, settle them as one group; or put them off while something they need is out."""
        leases = list(self._current)
        try:
            handled = self._sieve.through(self.handler.handle, _records(leases))
        except UnavailableError as error:
            self._put_off(leases, error)
            return
        with self._changed:
            self._passes += 1
            self._parking.forget({lease.partition for lease in leases})
            self._released(leases)
        if self._out is not None:
            self._restored()
        self._loop.settle([Settlement(leases[0], handled.outputs, handled.committed, leases[1:])])

    def _put_off(self, leases: Sequence[Lease], error: UnavailableError) -> None:
        """Each partition of the current leases waits for a while and is then tried alone; the others go on.

        While none gets through, it is an outage of them all.
        """
        with self._changed:
            back = self._current  # without those whose partition left meanwhile
            self._released([lease for lease in leases if lease not in back])
            self._waiting.extendleft(reversed(back))
            partitions = {lease.partition for lease in back}
            own = bool(back) and self._passes > self._passed_before and partitions <= self._parking.failed()
            self._passed_before = self._passes
            pauses = [self._parking.put(partition) for partition in sorted(partitions)]
            self._current = []
        if own:
            self.metrics.inc(RETRIES, stage="handle")
            where = [f"{topic}[{number}]" for topic, number in sorted(partitions)]
            self.log.warning("put_off", what=error.what, error=str(error), partitions=where, retry_in=max(pauses))
        else:
            self._outage(error, 1)

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
            handled = self._insist(lambda: handler.background(held), lambda: not (self._ready() or self._arrived))
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
            self._insist(self.handler.idle, lambda: not (self._ready() or self._arrived))
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(self._stirs, self.options.idle)

    def _stirs(self) -> bool:
        """Whether a rest is over: there is something to do, or room for it."""
        room = self._more and self._pieces < self.options.pieces
        return bool(room or self._ready() or self._arrived or self._ends)

    def _ready(self) -> bool:
        """Whether leases wait that may be worked now."""
        if not self._waiting:
            return False
        off = self._parking.waiting()
        return any(lease.partition not in off for lease in self._waiting)

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
                if self._out is not None and not self._parking.failed():
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


def _records(leases: Sequence[Lease]) -> Sequence[Record]:
    return leases[0].records if len(leases) == 1 else [record for lease in leases for record in lease.records]


class _GoneError(Exception):
    """Raised inside when work stopped being ours while something it needs was out."""
