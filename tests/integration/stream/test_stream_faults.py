"""Laws under violence: killed, frozen and cut-off members, a broker that dies; a reader sees each record once."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumer.observe.metrics import TRANSACTIONS, Metrics
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.status import State
from tests.integration.stream.parts import (
    PATIENCE,
    ROLE,
    Echo,
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
from tests.services.kafka import Kafka

ROOT = Path(__file__).resolve().parents[3]


class Member:
    """A member process and what it printed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.integration.stream.member", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for stream, take in ((self.process.stdout, self.lines.put), (self.process.stderr, self.log.append)):
            threading.Thread(target=lambda s=stream, t=take: [t(line) for line in s], daemon=True).start()

    def says(self, words: str) -> None:
        """Wait until it prints a line with these words."""
        try:
            while words not in self.lines.get(timeout=PATIENCE):
                pass
        except queue.Empty:
            raise AssertionError(f"it never said {words!r}; its log:\n{''.join(self.log)}") from None

    def logs(self, word: str) -> None:
        """Wait until it logs a line with this word."""
        end = time.monotonic() + PATIENCE
        while not any(word in line for line in list(self.log)):
            assert time.monotonic() < end, f"it never logged {word!r}; its log:\n{''.join(self.log)}"
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@contextmanager
def member(kafka: str, source: str, target: str, *, instance: str = "one", step: str = "none",
           delivery: str = "exactly_once") -> Iterator[Member]:  # fmt: skip
    """A member process that is killed in the end."""
    one = Member(kafka, source, instance, source, target, delivery, step)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait(PATIENCE)
        for pipe in (one.process.stdout, one.process.stderr):
            assert pipe is not None
            pipe.close()


def echo(target: str, metrics: Metrics, group: str) -> BatchWorker:
    """A worker that copies."""
    return BatchWorker(Echo(target), metrics, role=ROLE, group=group, options=BatchOptions(records=50))


@pytest.mark.parametrize("step", ["send_offsets_to_transaction", "commit_transaction"])
def test_fault_03_a_kill_inside_a_transaction_leaves_no_trace(kafka: KafkaAddress, topics: Topics, step: str) -> None:
    """Killed with its outputs written but not committed: a reader sees none, and after the restart each once."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 200)
    with member(kafka.bootstrap, source, target, step=step) as victim:
        victim.says(f"halted before {step}")
        until(lambda: read(kafka.bootstrap, target, committed=False))
        victim.signal(signal.SIGKILL)
    metrics, chosen = Metrics(), options(kafka.bootstrap, source)
    with running(chosen, source, echo(target, metrics, chosen.group), metrics) as loop:
        # The same transactional.id: the new life aborts what the old left open, before it joins.
        wait_for(loop, lambda: committed(metrics, source) == 200)
    assert numbers(read(kafka.bootstrap, target)) == list(range(200))
    assert len(read(kafka.bootstrap, target, committed=False)) > 200


def test_fault_05_a_frozen_member_that_wakes_up_writes_nothing_twice(kafka: KafkaAddress, topics: Topics) -> None:
    """A zombie under its own name, frozen in mid-transaction and woken when another has done its work, is fenced."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2_000)
    with member(kafka.bootstrap, source, target, instance="zombie") as zombie:
        zombie.says("committed")
        zombie.signal(signal.SIGSTOP)
        metrics, chosen = Metrics(), options(kafka.bootstrap, source)
        with running(chosen, source, echo(target, metrics, chosen.group), metrics) as loop:
            wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 2_000)
            zombie.signal(signal.SIGCONT)
            zombie.logs("lost")
            fill(kafka.bootstrap, source, 500, start=2_000)
            wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 2_500)
    assert numbers(read(kafka.bootstrap, target)) == list(range(2_500))


def test_of_two_with_one_name_the_later_wins(kafka: KafkaAddress, topics: Topics) -> None:
    """A replica that was replaced while it was frozen finds itself fenced when it wakes up, and doubles nothing."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2_000)
    with member(kafka.bootstrap, source, target) as old:
        old.says("committed")
        old.signal(signal.SIGSTOP)
        metrics, chosen = Metrics(), options(kafka.bootstrap, source)
        with running(chosen, source, echo(target, metrics, chosen.group), metrics) as loop:
            wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 2_000)
            old.signal(signal.SIGCONT)
            old.logs("lost")
            fill(kafka.bootstrap, source, 500, start=2_000)
            wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 2_500)
    assert numbers(read(kafka.bootstrap, target)) == list(range(2_500))


def test_at_least_once_loses_nothing_to_a_kill(kafka: KafkaAddress, topics: Topics) -> None:
    """Killed at any moment, every record is written at least once."""
    real = topics("in", "out", partitions=2)
    source, target = real["in"], real["out"]
    fill(kafka.bootstrap, source, 2_000)
    with member(kafka.bootstrap, source, target, delivery="at_least_once") as victim:
        victim.says("committed")
        victim.signal(signal.SIGKILL)
    metrics, chosen = Metrics(), options(kafka.bootstrap, source, delivery="at_least_once")
    with running(chosen, source, echo(target, metrics, chosen.group), metrics) as loop:
        wait_for(loop, lambda: sum(group_offsets(chosen, source, 2)) == 2_000)
    assert set(numbers(read(kafka.bootstrap, target))) == set(range(2_000))


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_fault_11_a_broker_that_dies_and_returns_costs_time_only(own_kafka: Kafka, delivery: str) -> None:
    """Through restarts of the broker under load, in order and by a kill, nothing is lost, and exactly once holds."""
    own_kafka.create_topics({"in": 2, "out": 2})
    metrics = Metrics()
    # Both timeouts short: a call that hangs on the dead broker is given up soon.
    chosen = options(own_kafka.bootstrap, "group", delivery=delivery, batch=50, transaction_timeout=3.0)

    with running(chosen, "in", echo("out", metrics, "group"), metrics) as loop:
        wait_for(loop, lambda: loop.status().state is State.RUNNING)
        fill(own_kafka.bootstrap, "in", 1_000)
        wait_for(loop, lambda: committed(metrics, "in") > 100)
        if delivery == "exactly_once":
            own_kafka.restart()
        else:
            own_kafka.kill()
            own_kafka.start()
        fill(own_kafka.bootstrap, "in", 1_500, start=1_000)
        wait_for(loop, lambda: sum(group_offsets(chosen, "in", 2)) == 2_500, 2 * PATIENCE)
    seen = numbers(read(own_kafka.bootstrap, "out"))
    assert (seen if delivery == "exactly_once" else sorted(set(seen))) == list(range(2_500))


def test_fault_12_a_broker_that_freezes_in_a_transaction_is_waited_for(own_kafka: Kafka) -> None:
    """A commit whose answer does not come has an unknown outcome: the group is asked, and nothing doubles."""
    own_kafka.create_topics({"in": 1, "out": 1})
    metrics = Metrics()
    chosen = options(
        own_kafka.bootstrap, "group", batch=50, transaction_timeout=2.0, client={"socket.timeout.ms": "1000"}
    )
    slow = Echo("out", lambda _: time.sleep(0.02))
    worker = BatchWorker(slow, metrics, role=ROLE, group="group", options=BatchOptions(records=50))
    with running(chosen, "in", worker, metrics) as loop:
        fill(own_kafka.bootstrap, "in", 2_000)
        wait_for(loop, lambda: committed(metrics, "in") > 100)
        own_kafka.pause()
        wait_for(loop, lambda: "broker" in loop.status().unavailable)
        own_kafka.resume()
        wait_for(loop, lambda: committed(metrics, "in") == 2_000, 2 * PATIENCE)
        until(lambda: "broker" not in loop.status().unavailable)
    assert numbers(read(own_kafka.bootstrap, "out")) == list(range(2_000))
    assert metrics.value(TRANSACTIONS, role=ROLE, result="rebuilt") + metrics.value(
        TRANSACTIONS, role=ROLE, result="aborted"
    )


def test_a_stop_ends_in_time_although_the_broker_hangs(own_kafka: Kafka) -> None:
    """Neither a commit nor leaving the group keeps a process from ending when the broker does not answer."""
    own_kafka.create_topics({"in": 1, "out": 1})
    metrics, chosen = Metrics(), options(own_kafka.bootstrap, "group", drain_timeout=2.0)
    with running(chosen, "in", echo("out", metrics, "group"), metrics) as loop:
        fill(own_kafka.bootstrap, "in", 100)
        wait_for(loop, lambda: committed(metrics, "in") == 100)
        fill(own_kafka.bootstrap, "in", 100)
        own_kafka.pause()
        loop.stop()
        try:
            assert loop.join(PATIENCE)
        finally:
            own_kafka.resume()
