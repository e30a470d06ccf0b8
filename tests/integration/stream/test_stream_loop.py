"""Laws of the whole loop on a real broker: what is read is worked, written and committed once, in every protocol."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Literal

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewPartitions

from consumer.observe.metrics import DEAD_LETTERS, OUTPUTS, PAUSED, REBALANCES, TRANSACTIONS, Metrics
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.deadletter import dead_letter_topic, read_dead_letter
from consumer.stream.errors import BrokerError, OffsetGoneError
from consumer.stream.loop import Loop
from consumer.stream.status import State
from consumer.stream.types import Handled, Output, Partition, Record, Settlement
from tests.integration.stream.parts import (
    PATIENCE,
    ROLE,
    Echo,
    Hand,
    as_record,
    committed,
    fill,
    group_offsets,
    numbers,
    options,
    read,
    running,
    until,
    wait_for,
)
from tests.services import KafkaAddress
from tests.services.fixtures import Topics

PROTOCOLS: list[Literal["classic", "consumer"]] = ["classic", "consumer"]


def batches(handler: Echo, metrics: Metrics, group: str, records: int = 50) -> BatchWorker:
    """A batch worker with small batches, so that a test sees many."""
    return BatchWorker(handler, metrics, role=ROLE, group=group, options=BatchOptions(records=records))


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_record_is_written_once(kafka: KafkaAddress, topics: Topics, protocol: str, delivery: str) -> None:
    """Without faults both deliveries write each record once, keep keys, and leave the group at the end."""
    real, metrics = topics("in", "out", partitions=3), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 1_000)
    chosen = options(kafka.bootstrap, source, protocol=protocol, delivery=delivery, batch=100)
    with running(chosen, source, batches(Echo(target), metrics, chosen.group), metrics) as loop:
        wait_for(loop, lambda: committed(metrics, source) == 1_000)
        assert loop.status().state is State.RUNNING
        loop.stop()
        assert loop.join(PATIENCE)
    copies = read(kafka.bootstrap, target)
    assert numbers(copies) == list(range(1_000))
    assert all(copy.key() == b"k" + (copy.value() or b"") for copy in copies)
    # One partition's last offset is the marker-free end: the inputs were written without transactions.
    assert sum(group_offsets(chosen, source, 3)) == 1_000
    assert metrics.value(OUTPUTS, role=ROLE, topic=target) == 1_000
    assert metrics.value(TRANSACTIONS, role=ROLE, result="committed") < 200, "results gather during a transaction"


def test_results_in_any_order_commit_in_order(kafka: KafkaAddress, topics: Topics) -> None:
    """A record that finishes early is neither written nor committed before those below it."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 3)
    hand, chosen = Hand(target), options(kafka.bootstrap, source)
    with running(chosen, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 3)
        first, second, third = hand.leases
        assert [one.next_offset for one in hand.leases] == [1, 2, 3]
        hand.settle(third)
        hand.settle(first)
        wait_for(loop, lambda: committed(metrics, source) == 1)
        assert numbers(read(kafka.bootstrap, target)) == [0]
        assert group_offsets(chosen, source, 1) == [1]
        hand.settle(second)
        wait_for(loop, lambda: committed(metrics, source) == 3)
    assert [copy.value() for copy in read(kafka.bootstrap, target)] == [b"0", b"1", b"2"]
    assert group_offsets(chosen, source, 1) == [3]


@pytest.mark.parametrize(
    ("protocol", "delivery"),
    [("classic", "exactly_once"), ("consumer", "exactly_once"), ("classic", "at_least_once")],
)
def test_fault_06_a_second_member_loses_nothing_and_doubles_nothing(
    kafka: KafkaAddress, topics: Topics, protocol: str, delivery: str
) -> None:
    """While a group grows and shrinks under load, every record is written, and exactly once where promised."""
    real, total = topics("in", "out", partitions=4), 6_000
    source, target = real["in"], real["out"]
    first, second = Metrics(), Metrics()
    fill(kafka.bootstrap, source, total // 2)
    one = options(kafka.bootstrap, source, protocol=protocol, delivery=delivery, batch=40)
    two = options(kafka.bootstrap, source, protocol=protocol, delivery=delivery, batch=40, instance="two")

    def slowly(_: object) -> None:
        time.sleep(0.01)  # work that takes time, so that both members have some under way

    with running(one, source, batches(Echo(target, slowly), first, one.group, 40), first) as loop:
        wait_for(loop, lambda: committed(first, source) > 200)
        with running(two, source, batches(Echo(target, slowly), second, two.group, 40), second) as other:
            wait_for(other, lambda: other.status().assigned == 2)
            fill(kafka.bootstrap, source, total // 2, start=total // 2)
            wait_for(other, lambda: committed(second, source) > 200)
            other.stop()
            assert other.join(PATIENCE)
        wait_for(loop, lambda: sum(group_offsets(one, source, 4)) == total)
    seen = numbers(read(kafka.bootstrap, target))
    # What was written when its partition left is written again by the next owner: that is what the name says.
    assert (seen if delivery == "exactly_once" else sorted(set(seen))) == list(range(total))
    assert first.value(REBALANCES, role=ROLE, kind="revoked") >= 1
    assert first.value(REBALANCES, role=ROLE, kind="lost") == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_fault_07_what_returns_after_a_revocation_is_worked_anew(
    kafka: KafkaAddress, topics: Topics, protocol: str
) -> None:
    """A result that was under way when its partition left is discarded, even when the partition came back."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    metrics = Metrics()
    fill(kafka.bootstrap, source, 2)
    one = options(kafka.bootstrap, source, protocol=protocol, revoke_timeout=0.1)
    two = options(kafka.bootstrap, source, protocol=protocol, instance="two", revoke_timeout=0.1)
    hand, helper = Hand(target, room=2), Hand(target)
    with running(one, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 2)
        wait_for(loop, lambda: loop.status().state is State.PAUSED)
        old = list(hand.leases)
        with running(two, source, helper, lease="record") as other:
            wait_for(other, lambda: len(helper.leases) == 1)
        wait_for(loop, lambda: sorted(hand.held) == [Partition(source, 0), Partition(source, 1)])
        returned = helper.leases[0].partition
        hand.leases.clear()  # room again: what came back must not be stuck paused
        hand.settle(*old)
        wait_for(loop, lambda: len(hand.leases) == 1)
        new = hand.leases[0]
        assert new.partition == returned
        assert new.epoch > max(lease.epoch for lease in old)
        wait_for(loop, lambda: committed(metrics, source) == 1)
        assert [copy.value() for copy in read(kafka.bootstrap, target)] == [
            lease.records[0].value for lease in old if lease.partition != returned
        ]
        hand.settle(new)
        wait_for(loop, lambda: committed(metrics, source) == 2)
    assert numbers(read(kafka.bootstrap, target)) == [0, 1]


def test_fault_30_a_group_of_results_dissolves_with_one_of_its_partitions(kafka: KafkaAddress, topics: Topics) -> None:
    """A batch over two partitions of which one leaves: no outputs, no offsets commit; the part that stays is redone."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2)
    one = options(kafka.bootstrap, source, revoke_timeout=0.1)
    hand, helper, metrics = Hand(target), Hand(target), Metrics()
    with running(one, source, hand, metrics) as loop:
        wait_for(loop, lambda: len(hand.leases) == 2)
        old = list(hand.leases)
        hand.leases.clear()
        with running(options(kafka.bootstrap, source, instance="two"), source, helper) as other:
            wait_for(other, lambda: len(helper.leases) == 1)
            outputs = [hand.copy(lease.records[0]) for lease in old]
            loop.settle([Settlement(old[0], outputs, also=old[1:])])
            wait_for(loop, lambda: len(hand.leases) == 1)
            assert hand.leases[0].partition != helper.leases[0].partition
            assert read(kafka.bootstrap, target) == []
            hand.settle(*hand.leases)
            helper.settle(*helper.leases)
            wait_for(loop, lambda: sum(max(0, n) for n in group_offsets(one, source, 2)) == 2)
    assert numbers(read(kafka.bootstrap, target)) == [0, 1]


def test_stopping_finishes_what_was_begun(kafka: KafkaAddress, topics: Topics) -> None:
    """A stop drains: what the worker finishes in time commits, what it does not is left, and the group is left."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 3)
    hand, chosen = Hand(target), options(kafka.bootstrap, source)
    with running(chosen, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 3)
        loop.stop()
        wait_for(loop, lambda: loop.status().state is State.DRAINING)
        fill(kafka.bootstrap, source, 1, start=3)
        hand.settle(*hand.leases[:2])
        hand.drains.set()
        assert loop.join(PATIENCE)
        assert loop.status().state is State.STOPPED
        assert len(hand.leases) == 3, "nothing new was taken"
    assert numbers(read(kafka.bootstrap, target)) == [0, 1]
    assert group_offsets(chosen, source, 1) == [2]
    admin = kafka.admin()
    groups = admin.describe_consumer_groups([chosen.group])
    assert groups[chosen.group].result(timeout=PATIENCE).members == []


def test_abandoning_commits_nothing_more(kafka: KafkaAddress, topics: Topics) -> None:
    """An abandoned loop ends at once; its results come again for whoever reads next."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2)
    hand, chosen = Hand(target), options(kafka.bootstrap, source)
    with running(chosen, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 2)
        loop.abandon()
        hand.settle(*hand.leases[1:])
        assert loop.join(PATIENCE)
    assert read(kafka.bootstrap, target) == []
    again = Hand(target)
    with running(chosen, source, again, lease="record") as loop:
        wait_for(loop, lambda: len(again.leases) == 2)


def test_fault_08_a_slow_worker_is_not_expelled(kafka: KafkaAddress, topics: Topics) -> None:
    """Work that takes longer than max.poll.interval.ms costs nothing: polling never stops. Meanwhile it is paused."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2)
    chosen = options(kafka.bootstrap, source, session_timeout=2.0, poll_interval=2.0, patience=0.3)
    hand = Hand(target, room=1)
    with running(chosen, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 1)
        wait_for(loop, lambda: loop.status().state is State.PAUSED)
        assert metrics.value(PAUSED, role=ROLE, reason="backpressure") == 1
        wait_for(loop, lambda: loop.status().oldest > 4.0)
        first = hand.leases.pop()
        hand.settle(first)
        wait_for(loop, lambda: committed(metrics, source) == 1)
        wait_for(loop, lambda: len(hand.leases) == 1)
        assert loop.status().state is State.RUNNING or hand.capacity() == 0
        hand.settle(*hand.leases)
        wait_for(loop, lambda: committed(metrics, source) == 2)
    assert metrics.value(REBALANCES, role=ROLE, kind="assigned") == 1
    assert metrics.value(REBALANCES, role=ROLE, kind="lost") == 0


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_fault_28_an_output_too_large_becomes_a_dead_letter(kafka: KafkaAddress, topics: Topics, delivery: str) -> None:
    """The broker's refusal is final: the record is dead-lettered with the reason, its neighbours commit."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    kafka.create_topics({dead_letter_topic(source, source): 1})
    fill(kafka.bootstrap, source, 5)
    chosen = options(kafka.bootstrap, source, delivery=delivery)

    class Swell(Echo):
        def copy(self, one: Record) -> Output:
            """Number 3 is more than any broker takes by default."""
            return Output(target, one.key, b"x" * 2_000_000 if one.value == b"3" else one.value, (), one)

        def handle(self, records: Sequence[Record]) -> Handled:
            handled = super().handle(records)
            handled.outputs = [self.copy(one) for one in records]
            return handled

    with running(chosen, source, batches(Swell(target), metrics, chosen.group), metrics) as loop:
        wait_for(loop, lambda: committed(metrics, source) == 5)
    written = numbers(read(kafka.bootstrap, target))
    assert written == [0, 1, 2, 4] if delivery == "exactly_once" else set(written) == {0, 1, 2, 4}
    (message,) = read(kafka.bootstrap, dead_letter_topic(source, source))
    letter = read_dead_letter(as_record(message))
    assert (letter.value, letter.offset, letter.stage) == (b"3", 3, "produce")
    assert "too large" in letter.message
    assert metrics.value(DEAD_LETTERS, role=ROLE, topic=source, stage="produce") == 1


def test_outputs_of_a_partition_that_arrives_are_written(kafka: KafkaAddress, topics: Topics) -> None:
    """What a handler owes from before is committed without any record, and its callback called."""
    real, done = topics("in", "out", partitions=1), threading.Event()
    source, target = real["in"], real["out"]

    class Debtor(Echo):
        def assigned(self, partitions: Sequence[Partition]) -> Handled:
            handled = super().assigned(partitions)
            handled.outputs, handled.committed = [Output(target, None, b"7")], done.set
            return handled

    metrics, chosen = Metrics(), options(kafka.bootstrap, source)
    with running(chosen, source, batches(Debtor(target), metrics, chosen.group), metrics) as loop:
        wait_for(loop, done.is_set)
    assert numbers(read(kafka.bootstrap, target)) == [7]


def test_a_worker_that_breaks_stops_the_loop(kafka: KafkaAddress, topics: Topics) -> None:
    """An error that is nobody's record's is raised to the loop's owner; nothing commits after it."""
    source = topics("in", partitions=1)["in"]
    hand = Hand("out")
    with running(options(kafka.bootstrap, source), source, hand) as loop:
        wait_for(loop, lambda: hand.held)
        loop.fail(RuntimeError("the engine is gone"))
        with pytest.raises(RuntimeError, match="engine"):
            loop.join(PATIENCE)
        assert loop.status().error == "RuntimeError: the engine is gone"


@pytest.mark.parametrize("policy", ["error", "earliest"])
def test_fault_27_an_offset_deleted_by_retention_follows_the_policy(
    kafka: KafkaAddress, topics: Topics, policy: str
) -> None:
    """Records that went unread are an error, unless it was said that the rest is good enough."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 10)
    chosen = options(kafka.bootstrap, source, offset_gone=policy)
    hand = Hand(target)
    with running(chosen, source, hand, metrics, lease="record") as loop:
        wait_for(loop, lambda: len(hand.leases) == 10)
        hand.settle(*hand.leases[:2])
        wait_for(loop, lambda: committed(metrics, source) == 2)
    admin = kafka.admin()
    deleted = admin.delete_records([TopicPartition(source, 0, 5)])
    assert next(iter(deleted.values())).result(timeout=PATIENCE).low_watermark == 5
    again = Hand(target)
    with running(chosen, source, again, lease="record") as loop:
        if policy == "error":
            until(lambda: loop.status().error is not None)
            with pytest.raises(OffsetGoneError, match=r"stands at offset 2, which is gone.*offset_gone"):
                loop.join(PATIENCE)
        else:
            wait_for(loop, lambda: len(again.leases) == 5)
            assert again.leases[0].records[0].offset == 5


def test_a_broker_that_is_away_at_the_start_is_an_outage_until_the_budget_ends() -> None:
    """Starting without a broker waits, says what is out, and gives up with a clear error."""
    chosen = options("127.0.0.1:1", "nobody", give_up=3.0)
    loop = Loop(chosen, ["in"], Hand("out"), Metrics(), role=ROLE)
    loop.start()
    until(lambda: "broker" in loop.status().unavailable)
    assert loop.status().state is State.STARTING
    with pytest.raises(BrokerError, match="nothing could be committed for 3 s"):
        loop.join(PATIENCE)
    assert loop.status().state is State.STOPPED


def test_stopping_before_the_broker_answers_is_no_error() -> None:
    """A loop that never started stops at once and cleanly."""
    loop = Loop(options("127.0.0.1:1", "nobody"), ["in"], Hand("out"), Metrics(), role=ROLE)
    loop.start()
    loop.stop()
    assert loop.join(PATIENCE)
    assert loop.status().state is State.STOPPED


def test_fault_29_partitions_added_while_running_are_read(kafka: KafkaAddress, topics: Topics) -> None:
    """A topic that grows is read whole, from the first record of its new partitions."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 10)
    chosen = options(kafka.bootstrap, source, client={"topic.metadata.refresh.interval.ms": "500"})
    with running(chosen, source, batches(Echo(target), metrics, chosen.group), metrics) as loop:
        wait_for(loop, lambda: committed(metrics, source) == 10)
        admin = kafka.admin()
        admin.create_partitions([NewPartitions(source, 3)])[source].result(timeout=PATIENCE)
        for partition in (1, 2):
            fill(kafka.bootstrap, source, 10, start=10 * partition, partition=partition)
        wait_for(loop, lambda: committed(metrics, source) == 30)
        assert loop.status().assigned == 3
    assert numbers(read(kafka.bootstrap, target)) == list(range(30))


def test_uncommitted_records_are_bounded(kafka: KafkaAddress, topics: Topics) -> None:
    """However much room the worker claims, only so many records are uncommitted at once."""
    source = topics("in", partitions=1)["in"]
    fill(kafka.bootstrap, source, 100)
    hand = Hand("out", room=10**9)
    with running(options(kafka.bootstrap, source, uncommitted=30, patience=0.05), source, hand) as loop:
        wait_for(loop, lambda: loop.status().state is State.PAUSED)
        assert loop.status().in_flight == 30


def test_a_worker_that_cannot_take_partitions_stops_the_loop(kafka: KafkaAddress, topics: Topics) -> None:
    """An error inside a rebalance reaches the loop's owner."""
    source = topics("in", partitions=1)["in"]

    class Unwilling(Hand):
        def assigned(self, partitions: Sequence[Partition]) -> None:
            raise RuntimeError(f"no room for {len(partitions)}")

    with running(options(kafka.bootstrap, source), source, Unwilling("out")) as loop:
        until(lambda: loop.status().error is not None)
        with pytest.raises(RuntimeError, match="no room for 1"):
            loop.join(PATIENCE)
