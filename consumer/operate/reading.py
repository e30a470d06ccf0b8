"""Partitions read from an offset to the end they had when reading began, committed records only. Knows no topic.

Unlike a tail, it says for sure that nothing was missed: it waits for transactions that are open below that end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.operate.broker import ANSWER_SECONDS, BrokerError, Complaints, open_client
from consumer.stream.types import Partition, Record

STALL_SECONDS = 60.0
"""Without progress for so long the reading is given up. Longer than the transactions that it may have to wait for."""
POLL_SECONDS = 0.2
AT_ONCE = 1_000
"""Records taken from the client at once."""


def partitions_of(options: Mapping[str, Any], topics: set[str]) -> dict[str, int]:
    """Those of ``topics`` that exist, and how many partitions each has. Raises BrokerError, SettingsError."""
    client, complaints = open_client(Consumer, {**options, "group.id": "skureel-look"})
    try:
        found = client.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as error:
        complaints.listen(client)
        raise BrokerError(f"Kafka at {options['bootstrap.servers']}: {complaints.why(error.args[0])}") from None
    finally:
        client.close()
    return {name: len(found[name].partitions) for name in topics if name in found and found[name].error is None}


def ends(options: Mapping[str, Any], partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
    """First offset and end of partitions, transactions that are open now included. Raises BrokerError."""
    client, complaints = open_client(
        Consumer, {**options, "group.id": "skureel-look", "isolation.level": "read_uncommitted"}
    )
    try:
        return {
            each: client.get_watermark_offsets(TopicPartition(each.topic, each.number), timeout=ANSWER_SECONDS)
            for each in partitions
        }
    except KafkaException as error:
        complaints.listen(client)
        raise BrokerError(f"Kafka at {options['bootstrap.servers']}: {complaints.why(error.args[0])}") from None
    finally:
        client.close()


def read(
    options: Mapping[str, Any], starts: Mapping[Partition, int], told: Callable[[int, int], object] = lambda *_: None
) -> Iterator[Record]:
    """The records from each partition's start (0: the beginning) to its present end.

    ``told`` hears how many offsets are behind, and how many there are. Raises BrokerError, SettingsError.
    """
    marks = ends(options, list(starts))
    begins = {each: max(start, marks[each][0]) for each, start in starts.items()}
    left = {each: marks[each][1] for each, begin in begins.items() if begin < marks[each][1]}
    total = sum(end - begins[each] for each, end in left.items())
    if not left:
        return
    consumer, complaints = open_client(
        Consumer,
        {
            **options,
            "group.id": "skureel-read",  # never joined: partitions are assigned by hand, nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            # The broker holds a fetch that finds nothing for so long: short, for the end is known, ms.
            "fetch.wait.max.ms": 20,
        },
    )
    try:
        consumer.assign([TopicPartition(each.topic, each.number, begins[each]) for each in sorted(left)])
        yield from _until_the_ends(consumer, complaints, left, lambda behind: told(total - behind, total), begins)
    except KafkaException as error:
        raise BrokerError(f"Kafka at {options['bootstrap.servers']}: {complaints.why(error.args[0])}") from error
    finally:
        consumer.close()


def _until_the_ends(
    consumer: Consumer,
    complaints: Complaints,
    left: dict[Partition, int],
    told: Callable[[int], object],
    begins: Mapping[Partition, int],
) -> Iterator[Record]:
    ends_, reached, heard = dict(left), dict(begins), time.monotonic()
    while left:
        # consume() alone would wait until it has them all.
        first = consumer.poll(POLL_SECONDS)
        messages = [] if first is None else [first, *consumer.consume(AT_ONCE, 0)]
        if not messages and time.monotonic() - heard > STALL_SECONDS:
            where = ", ".join(f"{topic}[{number}]" for topic, number in sorted(left))
            raise BrokerError(f"{where}: nothing came for {STALL_SECONDS:.0f} s: {complaints.why()}")
        for message in messages:
            place, error = Partition(str(message.topic()), int(message.partition() or 0)), message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                if error.retriable():
                    continue
                raise BrokerError(f"{place.topic}: {error.str()}")
            offset = int(message.offset() or 0)
            if error is None and place in left and offset < ends_[place]:
                heard = time.monotonic()
                yield record_of(message)
            # The end is told also where the last offsets are no records but the marks of transactions.
            reached[place] = max(reached.get(place, 0), offset + 1 if error is None else offset)
            if place in left and reached[place] >= ends_[place]:
                heard = time.monotonic()
                del left[place]
        told(sum(end - min(end, reached[place]) for place, end in ends_.items()))


def record_of(message: Any) -> Record:
    """A message of the client as ours."""
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers() or (),
        message.timestamp()[1],
    )
