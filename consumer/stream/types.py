"""The loop's vocabulary: records, leases, outputs, and the contracts its users implement. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

Headers = Sequence[tuple[str, bytes | None]]


class Record(NamedTuple):
    """One record as it was read. A tuple, for there may be tens of thousands a second."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    """Milliseconds since 1970, as the broker keeps it."""


class Output(NamedTuple):
    """One record to be written in the same transaction as the offsets of what caused it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    cause: Record | None = None
    """The record it comes from. When the broker refuses the output for good (too large), this record is
    dead-lettered in its place; without a cause, every record of the settlement is."""


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    number: int


@dataclass(slots=True, eq=False)
class Lease:
    """A run of records of one partition, in offset order, lent to a worker until it is settled.

    The epoch tells assignments of the same partition apart: what is settled under an old epoch is dropped,
    outputs and all, because the partition's new owner does that work.
    """

    partition: Partition
    epoch: int
    records: Sequence[Record] = field(repr=False)
    next_offset: int
    """Where reading goes on once this lease is settled."""


@dataclass(slots=True)
class Settlement:
    """What became of a lease, or of several at once: the outputs commit together with all their offsets, or not at all.

    A settlement over several leases is one atomic group. When one of their partitions leaves before the commit,
    the group is dissolved, outputs and all, and the partitions that stay are read again from there: to the worker
    it looks as if they had been revoked and assigned anew.

    No outputs and no reason is a valid outcome ("done, nothing to say"). ``committed`` is called once, on the
    committing thread, after the transaction that carries it; it must return at once and not raise. It is not
    called when the lease was revoked or the process died: whoever relies on it recovers at the next start.
    """

    lease: Lease | None
    """None for outputs that no record caused: what is recovered when partitions arrive."""
    outputs: Sequence[Output] = ()
    committed: Callable[[], None] | None = field(default=None, repr=False)
    also: Sequence[Lease] = ()
    """Further leases of the same outcome: a batch."""

    @property
    def leases(self) -> tuple[Lease, ...]:
        """All leases it settles."""
        return () if self.lease is None else (self.lease, *self.also)


class UnavailableError(Exception):
    """Raised by a handler when something it needs is out (store, database, registry): nothing is wrong with the record.

    The loop keeps polling, stops taking new records, and tries the same records again. ``what`` names the part.
    """

    def __init__(self, what: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what


class OwnTroubleError(Exception):
    """Raised when something was out for one record again and again while others got through: its own trouble."""

    def __init__(self, what: str, attempts: int, error: BaseException) -> None:
        super().__init__(f"{what} failed {attempts} times for this record alone: {error}")
        self.what = what
        self.attempts = attempts


class UnworkableError(Exception):
    """Raised when a record can never be worked as it is; the base of what roles raise for that."""


class Settler(Protocol):
    """The loop's side of a lease. Thread-safe; never blocks; may be called in any order of leases."""

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Hand results over. Each lease is settled exactly once; commits happen as soon as they are contiguous."""
        ...

    def release(self, leases: Iterable[Lease]) -> None:
        """Hand back leases that were never begun, because their partitions leave or the worker drains.

        Optional kindness: a loop that gives partitions away then does not wait for them. Whoever owns the partition
        next reads them.
        """
        ...

    def fail(self, error: BaseException) -> None:
        """Stop the loop with an error: the worker is broken and cannot go on."""
        ...


class Worker(Protocol):
    """Does the work, on threads of its own. All methods are called from the polling thread and return at once,
    except ``drain`` and ``close``.
    """

    def start(self, settler: Settler) -> None:
        """Begin; leases follow."""
        ...

    def capacity(self) -> int:
        """How many more records it would take now; at 0 the loop pauses its partitions and goes on polling."""
        ...

    def submit(self, leases: Sequence[Lease]) -> None:
        """Take leases. Never blocks; a worker may be given a few more records than its capacity said."""
        ...

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Partitions arrived; records of them follow."""
        ...

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Partitions leave: drop what has not started (and ``release`` it); settling it is allowed and ignored."""
        ...

    def drain(self, seconds: float) -> bool:
        """Finish what has begun, start nothing new. True when all was settled in time."""
        ...

    def close(self) -> None:
        """Stop now and join the threads. Idempotent."""
        ...


@runtime_checkable
class ReportsOutages(Protocol):
    """A worker that can say what it is waiting for; the loop's status repeats it."""

    def unavailable(self) -> Collection[str]:
        """The parts that are out just now: "store", "database", …"""
        ...


@runtime_checkable
class RanksTopics(Protocol):
    """A worker that may have room for one topic and none for another: the loop then goes on with the one."""

    def room_for(self, topic: str) -> int:
        """How many more records of this topic it would take now."""
        ...


@runtime_checkable
class HoldsBack(Protocol):
    """A worker that has put partitions off: the loop pauses them and goes on with the others."""

    def held_back(self) -> frozenset[Partition]:
        """The partitions of which no more is wanted now."""
        ...


@dataclass(slots=True)
class Handled:
    """What a batch handler made of a batch."""

    outputs: Sequence[Output] = ()
    committed: Callable[[], None] | None = None


class BatchHandler(Protocol):
    """A worker's simpler sibling: a synchronous function of batches, run in order on one thread by ``BatchWorker``.

    At an UnavailableError the partitions of the batch are put off and tried again, each alone, with growing pauses,
    until they get through or leave; other partitions go on meanwhile. Any other exception
    makes the worker give the batch again in ever smaller parts, and dead-letter the record that raises alone. So a
    handler keeps no half-done state when it raises.
    """

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """Partitions arrived: what a predecessor left undone. May raise UnavailableError."""
        ...

    def handle(self, records: Sequence[Record]) -> Handled:
        """Work one batch; records of one partition come in offset order."""
        ...

    def idle(self) -> None:
        """Called again and again while no records wait, and before closing: background duties, a small piece each time.

        May raise UnavailableError.
        """
        ...


@runtime_checkable
class WorksInBackground(Protocol):
    """A batch handler with long work of its own, that no record waits for and no offset is kept of."""

    def background(self, held: Collection[Partition]) -> Handled | None:
        """One piece of it, bounded in time, for records wait meanwhile; None when there is nothing to do now.

        Called on the handler's thread after every batch, and again and again while no records wait, as long as few
        pieces are unpublished. Its outputs are published in a transaction without offsets: what a crash leaves
        unpublished the handler must find again. ``held`` are the partitions held now. May raise UnavailableError.
        """
        ...
