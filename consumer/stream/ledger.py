"""The tracker behind one lock, and the waiting on it: where polling, working and committing threads meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from consumer.stream.errors import UndeliverableError
from consumer.stream.grace import JobTimes
from consumer.stream.offsets import Bundle, Claim, Tracker
from consumer.stream.types import Lease, Output, Partition, Record, Settlement

GLANCE = 0.01
"""Seconds between two looks around by a thread that waits."""


class Ledger:
    """Thread-safe. ``holder`` names the committing thread's current life: only it is given claims."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracker = Tracker()
        self._changed = threading.Condition()
        self._clock = clock
        self._holder: object | None = None
        self.times = JobTimes()
        """How long work takes."""
        self.changes = 0
        """Counts settlements, commits and what else may make room."""

    # The worker's side

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Take results, in any order of leases."""
        with self._changed:
            now = self._clock()
            for settlement in settlements:
                for lease in settlement.leases[:1]:  # a batch is one piece of work
                    if (taken := self._tracker.taken(lease)) is not None:
                        self.times.add(now - taken)
                self._tracker.settle(settlement)
            self._notify()

    def release(self, leases: Iterable[Lease]) -> None:
        """Take back leases that were never begun."""
        with self._changed:
            self._tracker.release(leases)
            self._notify()

    # The polling thread's side

    def assign(self, partitions: Sequence[Partition]) -> None:
        """Partitions arrived."""
        with self._changed:
            self._tracker.assign(partitions)

    def revoke(self, partitions: Sequence[Partition]) -> None:
        """Partitions left; what was not committed no longer counts."""
        with self._changed:
            self._tracker.revoke(partitions)
            self._notify()

    def lend(self, runs: Iterable[tuple[Partition, Sequence[Record]]]) -> list[Lease]:
        """Leases over runs of records; those of partitions that are not ours (any more) are left out."""
        now = self._clock()
        with self._changed:
            leases = [self._tracker.lease(partition, records, now) for partition, records in runs]
        return [lease for lease in leases if lease is not None]

    def rewinds(self) -> dict[Partition, int]:
        """Partitions that must be read again, and from where."""
        with self._changed:
            return self._tracker.rewinds()

    def rewound(self, partition: Partition, offset: int) -> None:
        """The consumer stands where ``rewinds`` said."""
        with self._changed:
            self._tracker.rewound(partition, offset)

    def partitions(self) -> tuple[Partition, ...]:
        """The partitions held."""
        with self._changed:
            return self._tracker.partitions

    def in_flight(self) -> int:
        """Records leased and not committed."""
        return self._tracker.in_flight

    def oldest_age(self) -> float:
        """Seconds since the oldest uncommitted record was taken; 0 when there is none."""
        with self._changed:
            oldest = self._tracker.oldest()
        return 0.0 if oldest is None else self._clock() - oldest

    def await_change(self, seen: int, seconds: float) -> int:
        """Wait until ``changes`` is another number than ``seen``; returns what it is then."""
        with self._changed:
            self._changed.wait_for(lambda: self.changes != seen, seconds)
            return self.changes

    def wait_committed(
        self, partitions: Sequence[Partition], seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> bool:
        """Wait until no lease of these partitions can still commit, calling ``meanwhile`` now and then."""
        end = self._clock() + seconds
        while True:
            with self._changed:
                seen = self.changes
                if not self._tracker.unsettled(partitions):
                    return True
            if (left := end - self._clock()) <= 0:
                return False
            meanwhile()
            self.await_change(seen, min(left, GLANCE))

    def quiet(self) -> bool:
        """Whether nothing is being committed, nor ready to be."""
        with self._changed:
            return self._tracker.claim is None and not self._tracker.ready()

    def wake(self) -> None:
        """Have all who wait look again."""
        with self._changed:
            self._notify()

    def _notify(self) -> None:
        self.changes += 1
        self._changed.notify_all()

    # The committing thread's side

    def hold(self, holder: object) -> Claim | None:
        """From now on only ``holder`` is given claims. Returns the one its predecessor left open, to be resolved."""
        with self._changed:
            self._holder = holder
            self._notify()
            return self._tracker.claim

    def held_by(self, holder: object) -> bool:
        """Whether ``holder`` is still the one."""
        return self._holder is holder

    def take(self, holder: object, limit: int, stopped: Callable[[], bool]) -> Claim | None:
        """The next claim, waited for; None when stopped or superseded."""
        with self._changed:
            while self._holder is holder and not stopped():
                claim = self._tracker.take(limit)
                if claim is not None:
                    return claim
                self._changed.wait()
        return None

    def valid(self, claim: Claim) -> bool:
        """Whether all of an open claim's partitions are still ours."""
        with self._changed:
            return self._tracker.valid(claim)

    def commit(self, claim: Claim) -> bool:
        """The claim committed; False when somebody closed it before."""
        with self._changed:
            closed = self._tracker.commit(claim)
            self._notify()
            return closed

    def abort(self, claim: Claim) -> bool:
        """The claim did not commit; what still counts comes again."""
        with self._changed:
            closed = self._tracker.abort(claim)
            self._notify()
            return closed

    def replace(self, claim: Claim, index: int, letter: Callable[[Record], Output]) -> list[Record]:
        """Replace output ``index`` of an open claim, and its siblings of the same cause, by dead letters.

        Returns the records given up. None: the output belonged to no record, and was dropped.

        Raises:
            UndeliverableError: it is itself such a dead letter.
        """
        with self._changed:
            bundle = claim.bundle_of(index)
            refused = claim.outputs()[index]
            records, kept = _given_up(bundle, refused)
            letters = [letter(record) for record in records]
            if any(refused.topic == instead.topic for instead in letters):
                raise UndeliverableError(
                    f"{refused.topic} refuses the dead letter of {_where(records[0])}: raise its max.message.bytes"
                )
            bundle.outputs = [*kept, *letters]
        return records


def _given_up(bundle: Bundle, refused: Output) -> tuple[list[Record], list[Output]]:
    """The records that an output stands for, and the outputs of its bundle that stay."""
    if refused.cause is not None:
        return [refused.cause], [output for output in bundle.outputs if output.cause is not refused.cause]
    records = [record for lease in bundle.settlement.leases for record in lease.records]
    return records, [] if records else [output for output in bundle.outputs if output is not refused]


def _where(record: Record) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"
