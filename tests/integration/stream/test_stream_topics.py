"""Laws of making topics: what is missing is made, what exists is left alone, refusals are explained."""

from __future__ import annotations

import pytest

from consumer.stream.errors import TopicsError
from consumer.stream.topics import ensure_topics
from tests.services import KafkaAddress
from tests.services.addresses import unique
from tests.services.fixtures import Topics


def test_only_missing_topics_are_made(kafka: KafkaAddress, topics: Topics) -> None:
    """An existing topic keeps its partitions; a second call has nothing to do."""
    old, new = topics("old", partitions=1)["old"], unique("new")
    made = ensure_topics(
        kafka.bootstrap, [old, new, new], partitions=3, replication=1, settings={"retention.ms": "9000"}
    )
    assert made == [new]
    admin = kafka.admin()
    known = admin.list_topics(timeout=20).topics
    assert (len(known[old].partitions), len(known[new].partitions)) == (1, 3)
    assert ensure_topics(kafka.bootstrap, [old, new], partitions=5, replication=1) == []


def test_a_refusal_names_topic_and_reason(kafka: KafkaAddress) -> None:
    """More replicas than brokers cannot be had: the message says so."""
    name = unique("too-many")
    with pytest.raises(TopicsError, match=rf"{name}: .*[Rr]eplication"):
        ensure_topics(kafka.bootstrap, [name], partitions=1, replication=3)


def test_a_bad_name_is_refused(kafka: KafkaAddress) -> None:
    """The broker's own rules for names apply."""
    with pytest.raises(TopicsError, match="no good"):
        ensure_topics(kafka.bootstrap, ["no good"], partitions=1, replication=1)


def test_without_a_broker_the_address_is_named() -> None:
    """Nobody answers: said with the address, after the timeout."""
    with pytest.raises(TopicsError, match=r"127\.0\.0\.1:1 within 1 s"):
        ensure_topics("127.0.0.1:1", ["a"], partitions=1, replication=1, timeout=1.0)
