"""Laws of the tracker: whatever happens in whatever order, nothing is lost, doubled or committed out of order."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumer.stream.errors import SettlementError
from consumer.stream.offsets import Claim, Tracker
from consumer.stream.types import Lease, Output, Partition, Record, Settlement

P, Q = Partition("events", 0), Partition("events", 1)


def record(partition: Partition, offset: int) -> Record:
    """A record that knows where it lies."""
    return Record(partition.topic, partition.number, offset, None, b"", (), 0)


def output(source: Record) -> Output:
    """An output that says what caused it."""
    return Output("out", f"{source.topic}/{source.partition}".encode(), str(source.offset).encode())


def lease(tracker: Tracker, partition: Partition, *offsets: int) -> Lease:
    """Lend these offsets; they must be ours to lend."""
    lent = tracker.lease(partition, [record(partition, offset) for offset in offsets], 0.0)
    assert lent is not None
    return lent


def settle(tracker: Tracker, *leases: Lease) -> None:
    """Settle as one group, with an output for every record."""
    outputs = [output(source) for one in leases for source in one.records]
    tracker.settle(Settlement(leases[0], outputs, also=leases[1:]))


def values(claim: Claim | None) -> list[bytes | None]:
    """The outputs of a claim, by the offsets that caused them."""
    assert claim is not None
    return [one.value for one in claim.outputs()]


@pytest.fixture
def tracker() -> Tracker:
    """A tracker that holds two partitions."""
    tracker = Tracker()
    tracker.assign([P, Q])
    return tracker


def test_results_wait_for_the_slower_record_before_them(tracker: Tracker) -> None:
    """What is settled behind an unsettled record neither commits nor is written."""
    first, second = lease(tracker, P, 0), lease(tracker, P, 1)
    settle(tracker, second)
    assert tracker.take(100) is None
    settle(tracker, first)
    claim = tracker.take(100)
    assert claim is not None
    assert claim.offsets == {P: 2}
    assert values(claim) == [b"0", b"1"]


def test_gaps_in_offsets_are_no_records(tracker: Tracker) -> None:
    """Compacted topics and transaction markers leave gaps: reading goes on after the last record that was read."""
    settle(tracker, lease(tracker, P, 3, 7))
    settle(tracker, lease(tracker, P, 20))
    claim = tracker.take(100)
    assert claim is not None
    assert claim.offsets == {P: 21}


def test_there_is_one_claim_at_a_time(tracker: Tracker) -> None:
    """Results that arrive during a transaction gather for the next."""
    settle(tracker, lease(tracker, P, 0))
    claim = tracker.take(100)
    settle(tracker, lease(tracker, P, 1))
    assert tracker.take(100) is None
    assert claim is not None
    tracker.commit(claim)
    assert values(tracker.take(100)) == [b"1"]


def test_an_aborted_claim_comes_again(tracker: Tracker) -> None:
    """After an abort the same outputs and offsets are claimed again, together with what was settled since."""
    settle(tracker, lease(tracker, P, 0))
    claim = tracker.take(100)
    assert claim is not None
    settle(tracker, lease(tracker, P, 1))
    assert tracker.abort(claim)
    assert values(tracker.take(100)) == [b"0", b"1"]


def test_a_claim_is_closed_once(tracker: Tracker) -> None:
    """A second life of the committing thread cannot close what the first has closed."""
    settle(tracker, lease(tracker, P, 0))
    claim = tracker.take(100)
    assert claim is not None
    assert tracker.commit(claim)
    assert not tracker.commit(claim)
    assert not tracker.abort(claim)
    assert not tracker.valid(claim)


def test_what_was_revoked_is_dropped_with_its_outputs(tracker: Tracker) -> None:
    """Results of a partition that left do not count, settled before or after it left."""
    before, after = lease(tracker, P, 0), lease(tracker, P, 1)
    settle(tracker, before)
    tracker.revoke([P])
    settle(tracker, after)
    assert tracker.take(100) is None
    assert tracker.in_flight == 0


def test_a_partition_that_returns_begins_a_new_epoch(tracker: Tracker) -> None:
    """The old result of a partition that left and came back is discarded; the new lease decides."""
    old = lease(tracker, P, 0)
    tracker.revoke([P])
    tracker.assign([P])
    new = lease(tracker, P, 0)
    assert new.epoch != old.epoch
    settle(tracker, old)
    assert tracker.take(100) is None
    settle(tracker, new)
    assert values(tracker.take(100)) == [b"0"]


def test_assigning_again_without_a_revocation_is_a_new_epoch_too(tracker: Tracker) -> None:
    """An assignment always starts from nothing."""
    settle(tracker, lease(tracker, P, 0))
    tracker.assign([P])
    assert tracker.take(100) is None


def test_a_group_commits_whole_or_not_at_all(tracker: Tracker) -> None:
    """A batch over two partitions waits until both of its leases are contiguous."""
    blocker = lease(tracker, Q, 0)
    settle(tracker, lease(tracker, P, 0), lease(tracker, Q, 1))
    assert tracker.take(100) is None
    settle(tracker, blocker)
    claim = tracker.take(100)
    assert claim is not None
    assert claim.offsets == {P: 1, Q: 2}


def test_groups_that_wait_for_each_other_commit_together(tracker: Tracker) -> None:
    """Two groups, each behind the other in one partition, leave in one transaction, even above the limit."""
    p0, p1, q0, q1 = (
        lease(tracker, P, 0),
        lease(tracker, P, 1),
        lease(tracker, Q, 0),
        lease(tracker, Q, 1),
    )
    settle(tracker, p0, q1)
    assert tracker.take(1) is None
    settle(tracker, p1, q0)
    claim = tracker.take(1)
    assert claim is not None
    assert claim.offsets == {P: 2, Q: 2}


def test_a_group_that_loses_a_partition_is_read_again(tracker: Tracker) -> None:
    """The outputs of a mixed batch are dropped; the partition that stays is read again from there."""
    p, q = lease(tracker, P, 5), lease(tracker, Q, 8, 9)
    settle(tracker, p, q)
    tracker.revoke([P])
    assert tracker.take(100) is None
    assert tracker.rewinds() == {Q: 8}
    assert tracker.lease(Q, [record(Q, 10)], 0.0) is None, "read before the consumer went back"
    tracker.rewound(Q, 8)
    again = lease(tracker, Q, 8, 9)
    settle(tracker, again)
    assert values(tracker.take(100)) == [b"8", b"9"]


def test_a_group_settled_after_the_loss_is_read_again(tracker: Tracker) -> None:
    """The same when the partition left while the batch was worked."""
    p, q = lease(tracker, P, 5), lease(tracker, Q, 8)
    tracker.revoke([P])
    settle(tracker, p, q)
    assert tracker.rewinds() == {Q: 8}


def test_dissolving_spreads_to_what_comes_after(tracker: Tracker) -> None:
    """Where a partition goes back, later groups with a part in it dissolve too."""
    third = Partition("events", 2)
    tracker.assign([third])
    settle(tracker, lease(tracker, P, 0), lease(tracker, Q, 0))
    settle(tracker, lease(tracker, Q, 1), lease(tracker, third, 0))
    tracker.revoke([P])
    assert tracker.rewinds() == {Q: 0, third: 0}
    assert tracker.in_flight == 0


def test_a_rewind_that_moved_back_meanwhile_stays_open(tracker: Tracker) -> None:
    """The consumer went to an offset that is not far enough back any more: it has to go again."""
    third = Partition("events", 2)
    tracker.assign([third])
    settle(tracker, lease(tracker, P, 0), lease(tracker, Q, 0))
    settle(tracker, lease(tracker, Q, 4), lease(tracker, third, 0))
    tracker.revoke([third])
    assert tracker.rewinds() == {Q: 4}
    tracker.revoke([P])
    tracker.rewound(Q, 4)
    assert tracker.rewinds() == {Q: 0}


def test_a_claim_whose_partition_leaves_is_not_valid(tracker: Tracker) -> None:
    """A transaction asks before it sends its offsets; aborted, the rest of a mixed group is read again."""
    settle(tracker, lease(tracker, P, 0), lease(tracker, Q, 3))
    claim = tracker.take(100)
    assert claim is not None
    assert tracker.valid(claim)
    tracker.revoke([P])
    assert not tracker.valid(claim)
    tracker.abort(claim)
    assert tracker.take(100) is None
    assert tracker.rewinds() == {Q: 3}


def test_a_commit_counts_for_the_partitions_that_stayed(tracker: Tracker) -> None:
    """When the transaction committed although a partition left meanwhile, the others move on."""
    settle(tracker, lease(tracker, P, 0), lease(tracker, Q, 3))
    claim = tracker.take(100)
    assert claim is not None
    tracker.revoke([P])
    assert tracker.commit(claim)
    assert not tracker.rewinds()
    assert tracker.in_flight == 0


def test_outputs_without_records_commit_alone(tracker: Tracker) -> None:
    """What is recovered when partitions arrive needs no offsets, and survives an abort."""
    tracker.settle(Settlement(None, [Output("out", None, b"recovered")]))
    claim = tracker.take(100)
    assert claim is not None
    assert claim.offsets == {}
    tracker.abort(claim)
    assert values(tracker.take(100)) == [b"recovered"]


def test_outputs_leave_as_they_were_settled(tracker: Tracker) -> None:
    """Across partitions the order of settlements holds; within one, the order of offsets."""
    p0, p1, q0 = lease(tracker, P, 0), lease(tracker, P, 1), lease(tracker, Q, 10)
    settle(tracker, q0)
    settle(tracker, p1)
    settle(tracker, p0)
    assert values(tracker.take(100)) == [b"10", b"0", b"1"]


def test_a_claim_holds_about_its_limit(tracker: Tracker) -> None:
    """A backlog of results leaves in several transactions."""
    for offset in range(10):
        settle(tracker, lease(tracker, P, offset))
    sizes = []
    while claim := tracker.take(4):
        sizes.append(sum(claim.records().values()))
        tracker.commit(claim)
    assert sum(sizes) == 10
    assert max(sizes) <= 4


def test_settling_twice_is_refused(tracker: Tracker) -> None:
    """A lease is settled exactly once."""
    one = lease(tracker, P, 0)
    settle(tracker, one)
    with pytest.raises(SettlementError, match="twice"):
        settle(tracker, one)


def test_records_that_were_lent_are_not_lent_again(tracker: Tracker) -> None:
    """Should the client hand a record out twice, only what is new is lent; nothing new is no lease."""
    lease(tracker, P, 0, 1)
    again = lease(tracker, P, 1, 2)
    assert [one.offset for one in again.records] == [2]
    assert tracker.lease(P, [record(P, 0)], 0.0) is None
    assert tracker.lease(P, [], 0.0) is None


def test_records_of_others_are_not_lent(tracker: Tracker) -> None:
    """A partition that is not held lends nothing."""
    assert tracker.lease(Partition("events", 9), [record(P, 0)], 0.0) is None


def test_released_leases_are_not_waited_for(tracker: Tracker) -> None:
    """A partition that leaves waits for what was begun only."""
    begun, never = lease(tracker, P, 0), lease(tracker, P, 1)
    assert tracker.unsettled([P, Q]) == 2
    tracker.release([never])
    assert tracker.unsettled([P]) == 1
    settle(tracker, begun)
    claim = tracker.take(100)
    assert claim is not None
    tracker.commit(claim)
    assert tracker.unsettled([P]) == 0


def test_the_oldest_lease_tells_the_age(tracker: Tracker) -> None:
    """The oldest uncommitted lease counts, not the last."""
    assert tracker.oldest() is None
    tracker.lease(P, [record(P, 0)], 5.0)
    tracker.lease(Q, [record(Q, 0)], 3.0)
    assert tracker.oldest() == 3.0


def test_a_claim_knows_whose_output_is_whose(tracker: Tracker) -> None:
    """Outputs are numbered over all bundles of a claim."""
    settle(tracker, lease(tracker, P, 0, 1))
    settle(tracker, lease(tracker, P, 2))
    claim = tracker.take(100)
    assert claim is not None
    assert claim.bundle_of(1) is claim.bundles[0]
    assert claim.bundle_of(2) is claim.bundles[1]
    with pytest.raises(IndexError):
        claim.bundle_of(3)


class World(RuleBasedStateMachine):
    """A tracker among a log that never ends, workers that finish in any order, and a broker that is atomic."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = Tracker()
        self.partitions = [Partition("t", number) for number in range(3)]
        self.position = dict.fromkeys(self.partitions, 0)
        self.committed = dict.fromkeys(self.partitions, 0)
        self.written: dict[Partition, list[int]] = defaultdict(list)
        self.outstanding: list[Lease] = []
        self.claim: Claim | None = None
        self.transacted = False

    @rule(number=st.integers(0, 2))
    def assign(self, number: int) -> None:
        """A partition arrives; reading begins where the group stands."""
        partition = self.partitions[number]
        if partition not in self.tracker.partitions:
            self.tracker.assign([partition])
            self.position[partition] = self.committed[partition]

    @rule(number=st.integers(0, 2))
    def revoke(self, number: int) -> None:
        """A partition leaves at any moment, with work and transactions under way."""
        self.tracker.revoke([self.partitions[number]])

    @rule(number=st.integers(0, 2), gaps=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def lease(self, number: int, gaps: list[int]) -> None:
        """Records are read, offsets with gaps. Every third offset is a record."""
        partition = self.partitions[number]
        if partition in self.tracker.partitions:
            start = -(-self.position[partition] // 3) * 3
            records = [record(partition, start + 3 * index) for index in range(len(gaps))]
            self.position[partition] = records[-1].offset + 1
            if (lent := self.tracker.lease(partition, records, 0.0)) is not None:
                self.outstanding.append(lent)

    @precondition(lambda self: self.outstanding)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Any leases are settled as one group, stale ones too."""
        count = data.draw(st.integers(1, min(3, len(self.outstanding))))
        chosen = [self.outstanding.pop(data.draw(st.integers(0, len(self.outstanding) - 1))) for _ in range(count)]
        settle(self.tracker, *chosen)

    @precondition(lambda self: self.claim is None)
    @rule(limit=st.integers(1, 6))
    def take(self, limit: int) -> None:
        """The committing thread takes what is ready."""
        self.claim, self.transacted = self.tracker.take(limit), False

    @precondition(lambda self: self.claim is not None and not self.transacted)
    @rule()
    def transact(self) -> None:
        """The broker commits, all or nothing, unless it fences a member whose partitions left."""
        assert self.claim is not None
        if not self.tracker.valid(self.claim):
            return
        for partition, offset in self.claim.offsets.items():
            assert offset > self.committed[partition], "a watermark never goes back"
        fresh: dict[Partition, list[int]] = defaultdict(list)
        for one in self.claim.outputs():
            assert one.key is not None
            assert one.value is not None
            number = int(one.key.rsplit(b"/", 1)[1])
            fresh[self.partitions[number]].append(int(one.value))
        for partition, offset in self.claim.offsets.items():
            # Groups may interleave, and a group's outputs stay together: so no order among them here.
            assert sorted(fresh.pop(partition, [])) == self.due(partition, offset), (
                "exactly the records below the new watermark"
            )
            self.committed[partition] = offset
        assert not fresh, "no outputs without their offsets"
        self.transacted = True

    @precondition(lambda self: self.claim is not None)
    @rule()
    def finish(self) -> None:
        """The committing thread learns how it went."""
        assert self.claim is not None
        assert self.tracker.commit(self.claim) if self.transacted else self.tracker.abort(self.claim)
        self.claim, self.transacted = None, False

    @rule()
    def rewind(self) -> None:
        """The polling thread goes back where it has to."""
        for partition, offset in self.tracker.rewinds().items():
            assert offset >= self.committed[partition]
            self.position[partition] = offset
            self.tracker.rewound(partition, offset)

    @invariant()
    def counts(self) -> None:
        """What is in flight is never negative, and nothing when nothing is held."""
        assert self.tracker.in_flight >= 0
        if not self.tracker.partitions:
            assert self.tracker.in_flight == 0

    def due(self, partition: Partition, end: int) -> list[int]:
        """The records that are not committed yet below an offset: every third is one."""
        return [offset for offset in range(self.committed[partition], end) if offset % 3 == 0]

    def teardown(self) -> None:
        """Left alone, everything that was read gets committed: nothing is stuck and nothing lost."""
        read = {partition: self.position[partition] for partition in self.tracker.partitions}
        for _ in range(500):
            self.rewind()
            for lent in self.outstanding:
                settle(self.tracker, lent)
            self.outstanding.clear()
            self.claim = self.claim or self.tracker.take(4)
            if self.claim is not None:
                self.transact() if not self.transacted else None
                self.finish()
                continue
            behind = [partition for partition in read if self.due(partition, read[partition])]
            if not behind:
                break
            for partition in behind:
                if self.position[partition] < read[partition]:
                    self.lease(partition.number, [1])
        assert not any(self.due(partition, read[partition]) for partition in read)


World.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestWorld = World.TestCase
