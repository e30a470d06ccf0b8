"""Rows about one loop on a real broker: a stolen epoch, a missing topic, nothing but poison, a partition that waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from confluent_kafka import Producer

from consumer.observe.metrics import BREAKER_OPENINGS, PAUSED, TRANSACTIONS, Metrics
from consumer.roles import Role
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.breaker import BreakerOptions
from consumer.stream.deadletter import dead_letter_topic
from consumer.stream.types import Partition, Record, UnavailableError
from tests.integration.stream.parts import (
    ROLE,
    Echo,
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


def batches(handler: Echo, metrics: Metrics, group: str, records: int = 50) -> BatchWorker:
    """A worker with small batches."""
    return BatchWorker(handler, metrics, role=ROLE, group=group, options=BatchOptions(records=records))


def test_fault_14_a_loop_whose_epoch_was_taken_makes_a_new_producer_and_goes_on(
    kafka: KafkaAddress, topics: Topics
) -> None:
    """Somebody opened and left the same transactional.id: one producer is lost, no record, and not the process."""
    real, metrics = topics("in", "out", partitions=2), Metrics()
    source, target = real["in"], real["out"]
    chosen = options(kafka.bootstrap, source, batch=50)
    with running(chosen, source, batches(Echo(target), metrics, chosen.group), metrics) as loop:
        fill(kafka.bootstrap, source, 100)
        wait_for(loop, lambda: committed(metrics, source) == 100)
        thief = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": chosen.transactional_id})
        thief.init_transactions(20)
        fill(kafka.bootstrap, source, 100, start=100)
        wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 200)
    assert numbers(read(kafka.bootstrap, target)) == list(range(200))
    assert metrics.value(TRANSACTIONS, role=ROLE, result="rebuilt") >= 1


def test_fault_23_without_the_topic_of_dead_letters_nothing_is_committed_and_nothing_dropped(
    kafka: KafkaAddress, topics: Topics
) -> None:
    """Poison waits, and what was worked with it; both are written when somebody has made the topic."""
    real, metrics = topics("in", "out", partitions=1), Metrics()
    source, target = real["in"], real["out"]
    chosen = options(kafka.bootstrap, source, transaction_timeout=2.0)
    letters = dead_letter_topic(source, chosen.group)

    def picky(records: Sequence[Record]) -> None:
        if any(record.value == b"3" for record in records):
            raise ValueError("no threes")

    with running(chosen, source, batches(Echo(target, picky), metrics, chosen.group), metrics) as loop:
        fill(kafka.bootstrap, source, 5)
        wait_for(loop, lambda: metrics.value(TRANSACTIONS, role=ROLE, result="aborted") >= 1)
        assert "broker" in loop.status().unavailable
        assert group_offsets(chosen, source, 1) == [-1001]
        assert read(kafka.bootstrap, target) == []
        kafka.create_topics({letters: 1})
        wait_for(loop, lambda: group_offsets(chosen, source, 1) == [5])
    assert numbers(read(kafka.bootstrap, target)) == [0, 1, 2, 4]
    assert numbers(read(kafka.bootstrap, letters)) == [3]


def test_fault_24_nothing_but_poison_opens_the_breaker_which_closes_when_the_cause_is_mended(
    kafka: KafkaAddress, topics: Topics
) -> None:
    """A share of a topic becomes dead letters, the rest waits; readiness and a metric say so; then all goes on."""
    real, metrics = topics("in", "out", partitions=2), Metrics()
    source, target = real["in"], real["out"]
    mended = threading.Event()

    def bad_deployment(_: Sequence[Record]) -> None:
        if not mended.is_set():
            raise RuntimeError("a bad deployment")

    breaker = BreakerOptions(share=0.5, window=60.0, minimum=30, pause=0.5, probe=5)
    chosen = options(kafka.bootstrap, source, batch=10, uncommitted=20, patience=0.1, breaker=breaker)
    letters = dead_letter_topic(source, chosen.group)
    kafka.create_topics({letters: 1})
    fill(kafka.bootstrap, source, 400)
    handler = Echo(target, bad_deployment)
    with running(chosen, source, batches(handler, metrics, chosen.group, 10), metrics) as loop:
        role = Role(loop)
        wait_for(loop, lambda: "breaker" in (role.readiness() or ""))
        assert role.life(0.0) is None or "poll" in (role.life(0.0) or ""), "stopped on purpose is not stuck"
        assert metrics.value(PAUSED, role=ROLE, reason="breaker") == 1
        wait_for(loop, lambda: metrics.value(BREAKER_OPENINGS, role=ROLE) >= 2)  # a probe failed
        mended.set()
        wait_for(loop, lambda: committed(metrics, source) == 400)
        until(lambda: role.readiness() is None)
    lost, made = numbers(read(kafka.bootstrap, letters)), numbers(read(kafka.bootstrap, target))
    assert sorted(lost + made) == list(range(400))
    assert 30 <= len(lost) < 120, "most of the topic was spared"


def test_fault_26_a_partition_that_waits_is_paused_and_the_others_flow(kafka: KafkaAddress, topics: Topics) -> None:
    """Something is out for the records of one partition alone, for long: it holds up no other, and loses nothing."""
    real, metrics = topics("in", "out", partitions=3), Metrics()
    source, target = real["in"], real["out"]
    back = threading.Event()
    sick = Partition(source, 1)

    def out(records: Sequence[Record]) -> None:
        if any(record.partition == sick.number for record in records) and not back.is_set():
            raise UnavailableError("registry", "status 500 for one schema")

    chosen = options(kafka.bootstrap, source, batch=20, uncommitted=200)
    worker = batches(Echo(target, out), metrics, chosen.group, 20)
    with running(chosen, source, worker, metrics) as loop:
        fill(kafka.bootstrap, source, 900)
        wait_for(loop, lambda: committed(metrics, source) == 600)
        fill(kafka.bootstrap, source, 900, start=900)
        wait_for(loop, lambda: committed(metrics, source) == 1_200)
        assert worker.held_back() == {sick}
        assert worker.unavailable() == ()
        assert loop.status().in_flight <= 200
        back.set()
        wait_for(loop, lambda: committed(metrics, source) == 1_800)
    copies = [as_record(message) for message in read(kafka.bootstrap, target)]
    assert sorted(int(one.value or b"-1") for one in copies) == list(range(1_800))
