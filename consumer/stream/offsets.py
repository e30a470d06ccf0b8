"""The watermark of each partition: which leases may commit, with which outputs, and which must be read again.

Pure bookkeeping, not thread-safe; it knows neither threads nor Kafka. Everything that is settled waits here, outputs
included, until its offset is in the contiguous prefix of its partition: outputs and offsets then leave together.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.stream.errors import SettlementError
from consumer.stream.types import Lease, Output, Partition, Record, Settlement


@dataclass(slots=True, eq=False)
class Bundle:
    """A settlement on its way: all of its leases commit in one transaction, or none."""

    settlement: Settlement
    number: int
    """Counts settlements, so that outputs leave in the order in which they came."""
    entries: list[_Entry] = field(default_factory=list, repr=False)
    outputs: Sequence[Output] = ()


@dataclass(slots=True, eq=False)
class _Entry:
    """A lease and where it stands."""

    lease: Lease
    home: _Home | None
    """None once its partition left or is read again: whatever becomes of it does not count."""
    taken: float
    bundle: Bundle | None = None
    claimed: bool = False
    released: bool = False


@dataclass(slots=True, eq=False)
class _Home:
    """An assigned partition: its uncommitted leases in offset order."""

    partition: Partition
    epoch: int
    entries: deque[_Entry] = field(default_factory=deque)
    position: int = -1
    """Offset after the last lease; records below it were leased already."""


@dataclass(slots=True, eq=False)
class Claim:
    """What one transaction carries. At most one is open at a time."""

    bundles: list[Bundle]
    offsets: Mapping[Partition, int]
    closed: bool = False

    def outputs(self) -> list[Output]:
        """All outputs, in order."""
        return list(itertools.chain.from_iterable(bundle.outputs for bundle in self.bundles))

    def bundle_of(self, index: int) -> Bundle:
        """The bundle that output number ``index`` of ``outputs()`` belongs to."""
        for bundle in self.bundles:
            if index < len(bundle.outputs):
                return bundle
            index -= len(bundle.outputs)
        raise IndexError(index)

    def records(self) -> Counter[str]:
        """How many records it commits, by topic."""
        counts: Counter[str] = Counter()
        for bundle in self.bundles:
            for lease in bundle.settlement.leases:
                counts[lease.partition.topic] += len(lease.records)
        return counts


class Tracker:
    """Leases, settlements and claims over all assigned partitions."""

    def __init__(self) -> None:
        self._homes: dict[Partition, _Home] = {}
        self._entries: dict[Lease, _Entry] = {}
        self._free: list[Bundle] = []
        self._claim: Claim | None = None
        self._rewinds: dict[Partition, int] = {}
        self._epochs = itertools.count(1)
        self._numbers = itertools.count(1)
        self._in_flight = 0

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions held now."""
        return tuple(self._homes)

    @property
    def in_flight(self) -> int:
        """Records leased and not committed."""
        return self._in_flight

    @property
    def claim(self) -> Claim | None:
        """The open claim."""
        return self._claim

    def oldest(self) -> float | None:
        """When the oldest uncommitted lease was taken; None when there is none."""
        return min((home.entries[0].taken for home in self._homes.values() if home.entries), default=None)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Partitions arrived: each begins a new epoch."""
        arriving = list(partitions)
        self.revoke(partition for partition in arriving if partition in self._homes)
        for partition in arriving:
            self._homes[partition] = _Home(partition, next(self._epochs))

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Partitions left: their leases no longer count, and groups they had a part in dissolve."""
        orphans: list[Bundle] = []
        for partition in partitions:
            self._rewinds.pop(partition, None)
            home = self._homes.pop(partition, None)
            if home is not None:
                orphans += self._drop(home, 0)
        self._dissolve(orphans)

    def lease(self, partition: Partition, records: Sequence[Record], now: float) -> Lease | None:
        """Lend a run of records of one partition, in offset order; None when it is not ours to lend (any more)."""
        home = self._homes.get(partition)
        if home is None or partition in self._rewinds:
            return None
        if records and records[0].offset < home.position:
            records = [record for record in records if record.offset >= home.position]
        if not records:
            return None
        home.position = records[-1].offset + 1
        lease = Lease(partition, home.epoch, records, home.position)
        entry = _Entry(lease, home, now)
        home.entries.append(entry)
        self._entries[lease] = entry
        self._in_flight += len(records)
        return lease

    def settle(self, settlement: Settlement) -> None:
        """Take a result. Raises SettlementError when a lease that counts was settled before."""
        bundle = Bundle(settlement, next(self._numbers), outputs=settlement.outputs)
        if not settlement.leases:
            self._free.append(bundle)
            return
        known = [self._entries.get(lease) for lease in settlement.leases]
        live = [entry for entry in known if entry is not None]
        if any(entry.bundle is not None for entry in live):
            raise SettlementError(f"settled twice: {settlement}")
        if len(live) == len(known):
            bundle.entries = live
            for entry in live:
                entry.bundle = bundle
        else:
            # Part of a group is gone: its outputs cannot be told apart, so the rest has to be done again.
            for entry in live:
                self._dissolve(self._rewind(entry))

    def taken(self, lease: Lease) -> float | None:
        """When a lease was lent; None when it does not count any more."""
        entry = self._entries.get(lease)
        return None if entry is None else entry.taken

    def release(self, leases: Iterable[Lease]) -> None:
        """Leases that will never be settled, because their partition leaves."""
        for lease in leases:
            if (entry := self._entries.get(lease)) is not None:
                entry.released = True

    def unsettled(self, partitions: Iterable[Partition]) -> int:
        """How many leases of these partitions may still commit if one waits."""
        homes = (self._homes[partition] for partition in partitions if partition in self._homes)
        return sum(1 for home in homes for entry in home.entries if not entry.released)

    def rewinds(self) -> dict[Partition, int]:
        """Partitions to be read again, and from which offset. They lend nothing until ``rewound``."""
        return dict(self._rewinds)

    def rewound(self, partition: Partition, offset: int) -> None:
        """The consumer stands at this offset, which ``rewinds`` gave (and which may have moved further back since)."""
        if self._rewinds.get(partition) == offset:
            del self._rewinds[partition]
            home = self._homes[partition]
            home.epoch = next(self._epochs)
            home.position = offset

    def take(self, limit: int) -> Claim | None:
        """Claim what has become contiguous: about ``limit`` records at most, never half a group. None if nothing has.

        The claim ends with ``commit`` or ``abort``; until then there is no other.
        """
        if self._claim is not None:
            return None
        chosen = self._choose(limit)
        if not chosen and not self._free:
            return None
        offsets: dict[Partition, int] = {}
        for home, count in chosen.items():
            for entry in itertools.islice(home.entries, count):
                entry.claimed = True
            offsets[home.partition] = home.entries[count - 1].lease.next_offset
        self._claim = Claim(self._in_order(chosen), offsets)
        self._free = []
        return self._claim

    def ready(self) -> bool:
        """Whether there is anything to claim once no claim is open."""
        return bool(self._free or self._choose(1))

    def valid(self, claim: Claim) -> bool:
        """Whether every partition of an open claim is still held as it was when the claim was taken."""
        return not claim.closed and all(entry.home is not None for b in claim.bundles for entry in b.entries)

    def commit(self, claim: Claim) -> bool:
        """The claim's transaction committed. False when it was closed before."""
        if not self._close(claim):
            return False
        for bundle in claim.bundles:
            for entry in bundle.entries:
                if entry.home is not None:
                    entry.home.entries.popleft()
                    self._forget(entry)
            # It and its entries refer to each other: uncut, records and outputs would stay until the garbage collector
            # gets round to them.
            bundle.entries = []
        return True

    def abort(self, claim: Claim) -> bool:
        """The claim's transaction did not commit: what still counts may be claimed again. False if closed before."""
        if not self._close(claim):
            return False
        broken = []
        for bundle in claim.bundles:
            for entry in bundle.entries:
                entry.claimed = False
            if not bundle.entries:
                self._free.append(bundle)
            elif any(entry.home is None for entry in bundle.entries):
                broken.append(bundle)
        self._dissolve(broken)
        return True

    def _close(self, claim: Claim) -> bool:
        if claim.closed:
            return False
        claim.closed = True
        self._claim = None
        return True

    def _forget(self, entry: _Entry) -> None:
        entry.home = None
        del self._entries[entry.lease]
        self._in_flight -= len(entry.lease.records)

    def _drop(self, home: _Home, index: int) -> list[Bundle]:
        """Forget a partition's leases from ``index`` on; returns the groups that this breaks."""
        broken = []
        while len(home.entries) > index:
            entry = home.entries.pop()
            self._forget(entry)
            # What is in a transaction now is looked at again when that has ended.
            if entry.bundle is not None and not entry.claimed:
                broken.append(entry.bundle)
        return broken

    def _dissolve(self, bundles: Iterable[Bundle]) -> None:
        """Break groups up: every partition with a lease in one of them is read again from there."""
        work = list(bundles)
        while work:
            for entry in work.pop().entries:
                work += self._rewind(entry)

    def _rewind(self, entry: _Entry) -> list[Bundle]:
        """Have a partition read again, from this lease or the first that is not settled; returns groups this breaks."""
        home = entry.home
        if home is None:
            return []
        index = next(i for i, other in enumerate(home.entries) if other.bundle is None or other is entry)
        offset = home.entries[index].lease.records[0].offset
        self._rewinds[home.partition] = min(offset, self._rewinds.get(home.partition, offset))
        return self._drop(home, index)

    def _choose(self, limit: int) -> dict[_Home, int]:
        """How many leases of each partition may leave together."""
        # Without the limit where a group is larger than it, or several wait for each other.
        return self._closed_under_groups(self._prefixes(limit)) or self._closed_under_groups(self._prefixes(None))

    def _prefixes(self, limit: int | None) -> dict[_Home, int]:
        """How many leases at the head of each partition are settled, within its share of the limit."""
        share = None if limit is None else max(1, limit // max(1, len(self._homes)))
        counts: dict[_Home, int] = {}
        for home in self._homes.values():
            count = records = 0
            for entry in home.entries:
                if entry.bundle is None or (share is not None and count and records >= share):
                    break
                count += 1
                records += len(entry.lease.records)
            if count:
                counts[home] = count
        return counts

    @staticmethod
    def _closed_under_groups(counts: dict[_Home, int]) -> dict[_Home, int]:
        """Shorten the prefixes until no group sticks out of them."""
        shrunk = True
        while shrunk:
            shrunk = False
            inside = {entry for home, count in counts.items() for entry in itertools.islice(home.entries, count)}
            for home, count in list(counts.items()):
                for index, entry in enumerate(itertools.islice(home.entries, count)):
                    if entry.bundle and len(entry.bundle.entries) > 1 and not inside.issuperset(entry.bundle.entries):
                        counts[home] = index
                        shrunk = True
                        break
            counts = {home: count for home, count in counts.items() if count}
        return counts

    def _in_order(self, chosen: dict[_Home, int]) -> list[Bundle]:
        """The bundles as they were settled, except that a partition's own order comes first."""
        ranks: dict[Bundle, tuple[int, int]] = {bundle: (bundle.number, 0) for bundle in self._free}
        for home, count in chosen.items():
            highest = 0
            for index, entry in enumerate(itertools.islice(home.entries, count)):
                bundle = entry.bundle
                assert bundle is not None  # noqa: S101 - only settled leases are chosen
                # What was settled early behind a slower lease leaves after it.
                rank = (bundle.number, 0) if bundle.number > highest else (highest, index)
                highest = max(highest, bundle.number)
                ranks[bundle] = max(ranks.get(bundle, (0, 0)), rank)
        return sorted(ranks, key=ranks.__getitem__)
