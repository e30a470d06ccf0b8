"""Laws of the small parts: options, error flags, back-off, membership, splitting messages."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.backoff import Backoff
from consumer.stream.errors import OptionsError
from consumer.stream.exactly_once import METADATA_MAGIC, is_member
from consumer.stream.failures import Verdict, kafka_error, stops_consumer, verdict
from consumer.stream.intake import split
from consumer.stream.options import OURS, StreamOptions
from consumer.stream.types import Partition
from consumer.stream.writer import positions


def options(**changes: Any) -> StreamOptions:
    """Plain options."""
    return StreamOptions(**{"bootstrap": "host:9092", "group": "g", "instance": "i", **changes})


def test_the_transactional_id_is_stable() -> None:
    """It follows from group and replica alone, so that a restart ends what the life before left open."""
    assert options().transactional_id == options(batch=7).transactional_id == "g-i"
    assert options().producer()["transactional.id"] == "g-i"
    assert "transactional.id" not in options(delivery="at_least_once").producer()


def test_secrets_stay_out_of_the_repr() -> None:
    """Options of the client may hold passwords: they never print."""
    chosen = options(client={"sasl.password": "hunter2"})
    assert "hunter2" not in repr(chosen)
    assert chosen.consumer()["sasl.password"] == chosen.producer()["sasl.password"] == "hunter2"


@pytest.mark.parametrize("name", sorted(OURS))
def test_options_that_carry_promises_are_refused(name: str) -> None:
    """Nobody turns off by configuration what exactly once rests on."""
    with pytest.raises(OptionsError, match=name.replace(".", r"\.")):
        options(client={name: "anything"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("bootstrap", ""), ("group", ""), ("instance", ""), ("batch", 0), ("uncommitted", 0), ("transaction_timeout", 0.0),
     ("give_up", -1.0)],
)  # fmt: skip
def test_senseless_options_are_refused_by_name(name: str, value: object) -> None:
    """A faulty value is refused, naming it."""
    with pytest.raises(OptionsError, match=name):
        options(**{name: value})


def test_each_protocol_is_configured_its_way() -> None:
    """Under KIP-848 the broker sets session and assignor, and refuses to be told; the classic one is cooperative."""
    classic, modern = options().consumer(), options(protocol="consumer").consumer()
    assert classic["partition.assignment.strategy"] == "cooperative-sticky"
    assert modern["group.protocol"] == "consumer"
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & set(modern)


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_aborted_records_are_never_read(delivery: str) -> None:
    """Whatever we write, we read committed records only, and commit by ourselves."""
    config = options(delivery=delivery).consumer()
    assert config["isolation.level"] == "read_committed"
    assert config["enable.auto.commit"] is False


def test_options_of_the_user_win_over_tuning() -> None:
    """What no promise rests on can be set."""
    assert options(client={"linger.ms": "50"}).producer()["linger.ms"] == "50"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"fatal": True}, Verdict.REBUILD),
        ({"txn_requires_abort": True}, Verdict.ABORT),
        ({"retriable": True}, Verdict.RETRY),
        ({}, Verdict.REBUILD),
        ({"fatal": True, "retriable": True, "txn_requires_abort": True}, Verdict.REBUILD),
        ({"retriable": True, "txn_requires_abort": True}, Verdict.ABORT),
    ],
)
def test_flags_decide_not_names(flags: dict[str, bool], expected: Verdict) -> None:
    """The same code means different things in different calls; without a flag the worst is assumed."""
    for code in (KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._TIMED_OUT, KafkaError.ILLEGAL_GENERATION):
        assert verdict(KafkaError(code, "reason", **flags)) is expected


def test_only_what_cannot_pass_stops_consumption() -> None:
    """A refusal that needs a person stops; an outage does not."""
    assert stops_consumer(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert stops_consumer(KafkaError(KafkaError._FATAL, "x", fatal=True))
    assert not stops_consumer(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert not stops_consumer(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def test_the_inner_error_is_found() -> None:
    """The library wraps its errors, or does not."""
    inner = KafkaError(KafkaError._TIMED_OUT)
    assert kafka_error(KafkaException(inner)) is inner
    assert kafka_error(inner) is inner
    assert kafka_error(ValueError("x")) is None
    assert kafka_error(KafkaException("text")) is None


def metadata(generation: int, member: str) -> bytes:
    """Group metadata as the library writes it."""
    return METADATA_MAGIC + struct.pack("<i", generation) + b"group\0" + member.encode() + b"\0\x01"


def test_only_members_commit() -> None:
    """Metadata without generation or member id would be taken for a stranger's and pass unfenced."""
    assert is_member(metadata(1, "me"))
    assert is_member(metadata(0, "me"))
    assert not is_member(metadata(-1, ""))
    assert not is_member(metadata(-1, "me"))
    assert not is_member(metadata(3, ""))
    assert not is_member(b"")
    assert is_member(b"another format"), "left for the broker to judge"


@given(st.integers(1, 10_000))
def test_pauses_grow_to_their_cap(failures: int) -> None:
    """However often it failed: never above the cap, never below half the first."""
    pause = Backoff(first=0.1, longest=5.0).pause(failures)
    assert 0.05 <= pause <= 5.0
    if failures > 10:
        assert pause >= 2.5


def message(topic: str, partition: int, offset: int, error: KafkaError | None = None) -> Message:
    """A message of the library."""
    return Message(
        topic=topic, partition=partition, offset=offset, key=b"k", value=b"v", headers=[("h", b"1")],
        timestamp=(1, 1234), error=error,
    )  # fmt: skip


def test_messages_become_runs_in_offset_order() -> None:
    """Records are gathered by partition, whatever their order of arrival, and errors set apart."""
    broken = message("a", 0, 9, KafkaError(KafkaError._PARTITION_EOF))
    batch = [message("a", 1, 0), message("a", 0, 6), broken, message("b", 0, 3), message("a", 0, 8)]
    runs, failures = split(message("a", 0, 5), batch)
    assert {partition: [one.offset for one in run] for partition, run in runs.items()} == {
        Partition("a", 0): [5, 6, 8],
        Partition("a", 1): [0],
        Partition("b", 0): [3],
    }
    assert failures == [broken]
    first = runs[Partition("a", 0)][0]
    assert (first.key, first.value, list(first.headers), first.timestamp) == (b"k", b"v", [("h", b"1")], 1234)


def test_offsets_are_told_as_the_client_wants_them() -> None:
    """With their offsets for commits, without for questions."""
    (told,) = positions({Partition("a", 3): 7})
    assert (told.topic, told.partition, told.offset) == ("a", 3, 7)
    (asked,) = positions({Partition("a", 3): 7}, with_offsets=False)
    assert asked.offset < 0
