"""The contract of a writer, held by both deliveries on a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.stream.at_least_once import AtLeastOnce
from consumer.stream.exactly_once import ExactlyOnce
from consumer.stream.options import StreamOptions
from consumer.stream.types import Output, Partition
from consumer.stream.writer import AbortedError, RefusedError, Writer
from tests.integration.stream.parts import PATIENCE, numbers, options, read
from tests.services import KafkaAddress
from tests.services.fixtures import Topics

Make = Callable[..., Writer]


class Member:
    """A consumer that is a member of the group, as the loop's is."""

    def __init__(self, chosen: StreamOptions, topic: str) -> None:
        config = {key: value for key, value in chosen.consumer().items() if not key.endswith("_cb")}
        self.consumer = Consumer({**config, "auto.offset.reset": "earliest", "log_level": 0})
        self.consumer.subscribe([topic])
        end = time.monotonic() + PATIENCE
        while not self.consumer.assignment():
            assert time.monotonic() < end
            self.consumer.poll(0.1)

    def metadata(self) -> bytes:
        """See ExactlyOnce."""
        metadata: bytes = self.consumer.consumer_group_metadata()
        return metadata

    def commit(self, positions: list[TopicPartition]) -> None:
        """See AtLeastOnce."""
        self.consumer.commit(offsets=positions, asynchronous=False)


@pytest.fixture(params=["exactly_once", "at_least_once"])
def delivery(request: pytest.FixtureRequest) -> str:
    """Both."""
    return str(request.param)


@pytest.fixture
def real(topics: Topics) -> dict[str, str]:
    """An input and an output topic."""
    return topics("in", "out", partitions=1)


@pytest.fixture
def make(kafka: KafkaAddress, real: dict[str, str], delivery: str) -> Iterator[Make]:
    """Opens writers of a group of which we are a member."""
    opened: list[Writer] = []
    members: list[Member] = []

    def made(**changes: object) -> Writer:
        chosen = options(kafka.bootstrap, real["in"], delivery=delivery, **changes)
        if not members:
            members.append(Member(options(kafka.bootstrap, real["in"], delivery=delivery), real["in"]))
        (member,) = members
        writer: Writer = (
            ExactlyOnce(chosen, member.metadata) if chosen.exactly_once else AtLeastOnce(chosen, member.commit)
        )
        opened.append(writer)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                writer.open(5.0)
            except AbortedError:
                assert time.monotonic() < end
            else:
                return writer

    yield made
    for writer in opened:
        writer.close()
    for member in members:
        member.consumer.close()


def outputs(topic: str, *numbers: int) -> list[Output]:
    """Outputs with these numbers."""
    return [Output(topic, b"k", str(number).encode(), [("h", b"1"), ("none", None)]) for number in numbers]


def test_outputs_and_offsets_are_committed(kafka: KafkaAddress, real: dict[str, str], make: Make) -> None:
    """After a write a reader sees the outputs, with headers, and the group stands at the offsets."""
    writer, place = make(), Partition(real["in"], 0)
    assert not writer.committed({place: 1}, 5.0)
    writer.write(outputs(real["out"], 1, 2), {place: 5}, lambda: True)
    writer.write(outputs(real["out"], 3), {}, lambda: True)
    copies = read(kafka.bootstrap, real["out"])
    assert numbers(copies) == [1, 2, 3]
    assert copies[0].headers() == [("h", b"1"), ("none", None)]
    assert writer.committed({place: 5}, 5.0)
    assert writer.committed({place: 4}, 5.0), "further than asked for is committed too"
    assert not writer.committed({place: 6}, 5.0)


def test_partitions_that_left_stop_the_commit(
    kafka: KafkaAddress, real: dict[str, str], make: Make, delivery: str
) -> None:
    """Asked last thing before the offsets; in a transaction the outputs vanish too. The writer goes on."""
    writer, place = make(), Partition(real["in"], 0)
    with pytest.raises(AbortedError, match="left"):
        writer.write(outputs(real["out"], 1), {place: 5}, lambda: False)
    assert not writer.committed({place: 1}, 5.0)
    writer.write(outputs(real["out"], 2), {place: 6}, lambda: True)
    assert numbers(read(kafka.bootstrap, real["out"])) == ([2] if delivery == "exactly_once" else [1, 2])


def test_what_the_client_cannot_send_is_refused(kafka: KafkaAddress, real: dict[str, str], make: Make) -> None:
    """A value of a wrong type or beyond the client's own limit names its output; nothing is committed."""
    writer, place = make(), Partition(real["in"], 0)
    broken = [*outputs(real["out"], 1), Output(real["out"], None, 3.14)]  # type: ignore[arg-type]
    with pytest.raises(RefusedError) as refused:
        writer.write(broken, {place: 5}, lambda: True)
    assert refused.value.index == 1
    with pytest.raises(RefusedError, match="too large"):
        writer.write([Output(real["out"], None, b"x" * 9_000_000)], {place: 5}, lambda: True)
    assert not writer.committed({place: 1}, 5.0)
    writer.write(outputs(real["out"], 2), {place: 6}, lambda: True)
    assert 2 in numbers(read(kafka.bootstrap, real["out"]))


def test_a_full_queue_is_waited_for(kafka: KafkaAddress, real: dict[str, str], make: Make) -> None:
    """More outputs than the client's queue holds are sent all the same."""
    writer = make(client={"queue.buffering.max.messages": "10"})
    writer.write(outputs(real["out"], *range(200)), {}, lambda: True)
    assert numbers(read(kafka.bootstrap, real["out"])) == list(range(200))


def test_a_topic_that_is_missing_is_no_poison(real: dict[str, str], make: Make) -> None:
    """The outputs wait for whoever creates the topic: nothing is committed, nothing refused."""
    writer, place = make(transaction_timeout=1.0), Partition(real["in"], 0)
    with pytest.raises(Exception, match=r"acknowledged|flush|Unknown|UNKNOWN|TIMED_OUT") as failed:
        writer.write(outputs(f"{real['out']}-missing", 1), {place: 5}, lambda: True)
    assert not isinstance(failed.value, RefusedError)
    assert not writer.committed({place: 1}, 5.0)


def test_nobody_can_say_without_a_broker(delivery: str) -> None:
    """Opening and asking fail softly while nobody answers, to be tried again; closing is always possible."""

    def nowhere(_: object = None) -> bytes:
        raise KafkaException("nobody")

    chosen = options("127.0.0.1:1", "g", delivery=delivery)
    writer = ExactlyOnce(chosen, nowhere) if chosen.exactly_once else AtLeastOnce(chosen, nowhere)
    with pytest.raises(AbortedError):
        writer.open(0.2)
    with pytest.raises(AbortedError):
        writer.committed({Partition("t", 0): 1}, 0.2)
    writer.close()
    writer.close()


def test_a_stranger_commits_nothing(kafka: KafkaAddress, real: dict[str, str]) -> None:
    """Without a membership the metadata would pass unfenced: it is not sent at all."""
    chosen = options(kafka.bootstrap, real["in"])
    stranger = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": chosen.group, "log_level": 0})
    writer = ExactlyOnce(chosen, stranger.consumer_group_metadata)
    try:
        writer.open(10.0)
        with pytest.raises(AbortedError, match="not a member"):
            writer.write(outputs(real["out"], 1), {Partition(real["in"], 0): 1}, lambda: True)
        assert read(kafka.bootstrap, real["out"]) == []
    finally:
        writer.close()
        stranger.close()
