"""What a round left in its output topic, as a read_committed consumer sees it: proof that both sides did the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.services import KafkaAddress, unique

_VARYING = frozenset({"traceparent"})
"""Headers with chance in them."""


class DifferentError(AssertionError):
    """Raised when two sides did not write the same."""


@dataclass(frozen=True, slots=True)
class Written:
    """The committed records of a topic, in whatever order."""

    count: int
    keys: int
    """Different keys."""
    digest: str
    """Of all keys, values and headers (those with chance in them by name only)."""


def written(bootstrap: str, topic: str) -> Written:
    """Read a topic from beginning to end. Raises KafkaException."""
    count, keys, total = 0, set(), 0
    for message in committed(bootstrap, topic):
        count += 1
        keys.add(message.key())
        total += _number(message)
    return Written(count, len(keys), f"{total % 2**128:032x}")


def committed(bootstrap: str, topic: str) -> Iterator[Any]:
    """Every committed record of a topic, partition by partition as they come. Raises KafkaException."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": unique("bench-reader"),
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=30).topics[topic]
        left = set(found.partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            for message in consumer.consume(5_000, 0.2):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()


def _number(message: Any) -> int:
    """A record as a number: their sum does not depend on the order."""
    headers = [(name, None if name in _VARYING else value) for name, value in message.headers() or ()]
    one = repr((message.key(), message.value(), headers)).encode()
    return int.from_bytes(hashlib.blake2b(one, digest_size=16).digest(), "big")


def drop(kafka: KafkaAddress, *topics: str) -> None:
    """Delete topics that were read: a round's output is as large as its input."""
    admin = kafka.admin()  # kept until the answers are there: they die with it
    for done in admin.delete_topics(list(topics), operation_timeout=30).values():
        done.result(timeout=60)
