"""What the loop's tests are made of: workers that a test steers, topics filled and read back, loops watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from consumer.observe.metrics import RECORDS, Metrics
from consumer.stream.intake import split
from consumer.stream.loop import Loop
from consumer.stream.options import StreamOptions
from consumer.stream.types import Handled, Lease, Output, Partition, Record, Settlement, Settler, Worker

ROLE = "test"
PATIENCE = 40.0
"""Seconds after which a test gives up waiting: the machine may be busy."""


def options(bootstrap: str, group: str, **changes: Any) -> StreamOptions:
    """Options with budgets that suit tests."""
    plain: dict[str, Any] = {
        "bootstrap": bootstrap,
        "group": group,
        "instance": "one",
        "transaction_timeout": 10.0,
        "session_timeout": 3.0,
        "drain_timeout": 10.0,
        "revoke_timeout": 2.0,
    }
    return StreamOptions(**{**plain, **changes})


def until(happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain")
        time.sleep(0.01)


def fill(bootstrap: str, topic: str, count: int, *, start: int = 0, partition: int | None = None) -> None:
    """Write records valued 0, 1, 2, …, spread over the partitions or to one."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    spread = len(producer.list_topics(topic, timeout=10).topics[topic].partitions)
    for number in range(start, start + count):
        where = number % spread if partition is None else partition
        producer.produce(topic, str(number).encode(), f"k{number}".encode(), partition=where)
    assert producer.flush(20) == 0
    producer.close()


def read(bootstrap: str, topic: str, *, committed: bool = True) -> list[Message]:
    """All there is in a topic now, as a reader sees it who skips aborted transactions or who does not."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        messages, open_ends = [], set(partitions)
        while open_ends:
            for message in consumer.consume(10_000, 0.2):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.name() == "_PARTITION_EOF":
                    open_ends.discard(message.partition())
                else:
                    raise KafkaException(error)
        return messages
    finally:
        consumer.close()


def numbers(messages: Sequence[Message]) -> list[int]:
    """The values of records that ``fill`` wrote, sorted: a double shows as a double."""
    return sorted(int(message.value() or b"-1") for message in messages)


def as_record(message: Message) -> Record:
    """A message as the loop hands it out."""
    runs, _ = split(message, [])
    ((record,),) = runs.values()
    return record


def group_offsets(options: StreamOptions, topic: str, partitions: int) -> list[int]:
    """Where the group stands, by partition; -1001 for nowhere."""
    consumer = Consumer({"bootstrap.servers": options.bootstrap, "group.id": options.group, "log_level": 0})
    try:
        positions = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=20)
        return [position.offset for position in positions]
    finally:
        consumer.close()


class Echo:
    """A BatchHandler that copies every record to a topic, and remembers what it was asked."""

    def __init__(self, target: str, before: Callable[[Sequence[Record]], None] = lambda _: None) -> None:
        self.target = target
        self.before = before
        self.handled = 0
        self.arrivals: list[Partition] = []

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """Nothing is owed."""
        self.arrivals += partitions
        return Handled()

    def handle(self, records: Sequence[Record]) -> Handled:
        """One copy a record."""
        self.before(records)
        self.handled += len(records)
        return Handled([Output(self.target, one.key, one.value, one.headers, one) for one in records])

    def idle(self) -> None:
        """No duties."""


@dataclass
class Hand:
    """A Worker that does nothing by itself: the test settles its leases, in the order it wants."""

    target: str
    room: int = 1_000
    leases: list[Lease] = field(default_factory=list)
    held: list[Partition] = field(default_factory=list)
    settler: Settler | None = None
    drains: threading.Event = field(default_factory=threading.Event)

    def start(self, settler: Settler) -> None:
        """See Worker."""
        self.settler = settler

    def capacity(self) -> int:
        """See Worker."""
        return self.room - len(self.leases)

    def submit(self, leases: Sequence[Lease]) -> None:
        """See Worker."""
        self.leases += leases

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """See Worker."""
        self.held += partitions

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See Worker."""
        self.held = [partition for partition in self.held if partition not in partitions]

    def drain(self, seconds: float) -> bool:
        """See Worker."""
        return self.drains.wait(seconds)

    def close(self) -> None:
        """See Worker."""

    def settle(self, *leases: Lease) -> None:
        """Settle each by itself, with a copy of its records."""
        assert self.settler is not None
        self.settler.settle([Settlement(one, [self.copy(source) for source in one.records]) for one in leases])

    def copy(self, source: Record) -> Output:
        """A record's output."""
        return Output(self.target, source.key, source.value, (), source)


@contextmanager
def running(
    options: StreamOptions, topic: str, worker: Worker, metrics: Metrics | None = None, **more: Any
) -> Iterator[Loop]:
    """A loop that runs, and in the end is stopped, without its error being raised."""
    loop = Loop(options, [topic], worker, metrics or Metrics(), role=ROLE, **more)
    loop.start()
    try:
        yield loop
    finally:
        loop.abandon()
        if loop.status().error is None:
            assert loop.join(PATIENCE), "the loop did not end"
        else:
            until(lambda: loop.status().state.value == "stopped")


def committed(metrics: Metrics, topic: str) -> int:
    """Records committed so far."""
    return int(metrics.value(RECORDS, role=ROLE, topic=topic))


def wait_for(loop: Loop, happened: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something has happened, unless the loop fails first: then that is raised."""

    def look() -> bool:
        if loop.status().error is not None:
            loop.join(PATIENCE)
        return bool(happened())

    until(look, seconds)
