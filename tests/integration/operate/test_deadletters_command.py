"""Dead letters listed, shown, replayed and dropped, on a real Kafka and on the embedded broker; and killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from consumer.operate import reading
from consumer.operate.letterbox import find
from consumer.operate.publish import Line, encode_lines
from consumer.operate.reading import read
from consumer.settings import load
from consumer.stream.deadletter import REPLAYS, dead_letter
from consumer.stream.types import Output, Partition, Record
from consumer.wiring import bootstrap_of, open_codec
from tests.commands import DEAD, embedded, product, skureel
from tests.services.addresses import KafkaAddress, unique

TRACE = ("traceparent", b"00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Place:
    """A topic of products, its dead letters, and where both are."""

    topic: str
    bootstrap: str

    @property
    def letters(self) -> str:
        """The planner's topic of dead letters."""
        return f"{self.topic}.skureel-planner.dlq"

    def fail(self, *values: bytes | None, key: bytes = b"p-1", partition: int = 1, replays: int = 0) -> list[Record]:
        """Have records on the topic fail: each is published, and a dead letter of it is."""
        options = {"bootstrap.servers": self.bootstrap}
        at: list[int] = []
        producer = Producer(options)
        own = [TRACE, *([(REPLAYS, str(replays).encode())] if replays else [])]
        for value in values:
            producer.produce(
                self.topic, value, key, partition, headers=list(own), timestamp=1_000_000_000_000,
                on_delivery=lambda _, message: at.append(message.offset() or 0),
            )  # fmt: skip
            assert producer.flush(20) == 0
        records = [
            Record(self.topic, partition, offset, key, value, own, 1_000_000_000_000)
            for offset, value in zip(at, values, strict=True)
        ]
        for record in records:
            out = dead_letter(record, group="skureel-planner", stage="decode", error=ValueError("wrong magic byte"))
            producer.produce(out.topic, out.value, out.key, headers=list(out.headers))
        assert producer.flush(20) == 0
        return records

    def add(self, *outputs: Output, partition: int = 1) -> None:
        """Publish records."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for output in outputs:
            producer.produce(self.topic, output.value, output.key, partition, headers=list(output.headers))
        assert producer.flush(20) == 0

    def records(self) -> list[Record]:
        """All committed records of the topic's partition 1."""
        return list(read({"bootstrap.servers": self.bootstrap}, {Partition(self.topic, 1): 0}))


@pytest.fixture(params=["embedded", "kafka"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Fresh topics on each kind of broker, where commands find them by their settings."""
    name = unique("products")
    monkeypatch.setenv("SKUREEL_TOPICS__PRODUCT_CREATED", name)
    with ExitStack() as closing:
        if request.param == "embedded":
            closing.enter_context(embedded(name, f"{name}.skureel-planner.dlq"))
        else:
            kafka: KafkaAddress = request.getfixturevalue("kafka")
            monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", kafka.bootstrap)
            kafka.create_topics({name: 4, f"{name}.skureel-planner.dlq": 4})
        yield Place(name, bootstrap_of(load().kafka))


def encoded(place: Place, **fields: object) -> Output:
    """A product event as it is published."""
    (output,) = encode_lines(open_codec(load()), place.topic, [Line(1, json.dumps(product(**fields)))])  # type: ignore[arg-type]
    return output


def ids(*arguments: str) -> list[str]:
    """Ids of the letters that are listed, in order."""
    return [line["id"] for line in skureel("deadletters", "list", "--json", *arguments).lines()]


def test_a_replay_puts_the_record_back_as_it_was_and_only_once(place: Place) -> None:
    """Bytes, key, time, trace and partition are kept, its replays counted; then it is listed no more, and let be."""
    place.fail(b"garbage", None, key=b"p-9")
    place.fail(b"\xff\xfe", key=b"p-8")
    assert len(ids()) == 3
    assert len(ids("--product", "p-9")) == 2
    assert len(ids("--reason", "MAGIC", "--since", "1h", "--role", "planner", "--topic", place.topic)) == 3
    assert ids("--until", "1h") == ids("--stage", "render") == ids("--role", "dresser") == []
    assert len(ids("--limit", "2")) == 2

    dry = skureel("deadletters", "replay", "--product", "p-9", "--superseded", "--dry-run", "--json")
    assert dry.json()["replayed"] == 2
    assert len(ids()) == 3
    assert skureel("deadletters", "replay", "--product", "p-9", "--superseded").out == "2 replayed\n"
    before, after = place.records()[:3], place.records()[3:]
    assert [(one.key, one.value, one.partition) for one in after] == [(b"p-9", b"garbage", 1), (b"p-9", None, 1)]
    for one in after:
        assert list(one.headers) == [TRACE, (REPLAYS, b"1")]
        assert one.timestamp == before[0].timestamp
    assert len(ids()) == 1
    assert len(ids("--handled")) == 3
    assert skureel("deadletters", "replay", "--product", "p-9").out == "no dead letters\n"
    assert len(place.records()) == 5


def test_dropping_hides_a_letter_and_publishes_nothing(place: Place) -> None:
    """It is still there for those who ask; its id is then refused with what was done with it."""
    place.fail(b"one", b"two")
    first, second = ids()
    assert skureel("deadletters", "drop", first, "--json").json()["dropped"] == 1
    assert ids() == [second]
    assert len(place.records()) == 2
    again = skureel("deadletters", "replay", first)
    assert (again.code, "was dropped at" in again.err) == (2, True)
    assert skureel("deadletters", "show", first, "--json").json()["handled"]["as"] == "dropped"
    assert skureel("deadletters", "drop", "--all", "--limit", "9").out == "1 dropped\n"
    assert skureel("deadletters", "list").out == "0 dead letters\n"


def test_fault_25_poison_that_is_replayed_does_not_loop(place: Place) -> None:
    """The count rises with every failure; at the limit it is published no more, unless somebody insists."""
    for count in range(3):
        place.fail(b"poison", replays=count)
        assert skureel("deadletters", "replay", "--all", "--json").json()["replayed"] == 1
    place.fail(b"poison", replays=3)
    assert skureel("deadletters", "replay", "--all", "--json").json()["at_the_limit"] == 1
    (left,) = skureel("deadletters", "list", "--json").lines()
    assert left["replays"] == 3
    assert skureel("deadletters", "replay", "--all", "--again").out == "1 replayed\n"
    assert dict(place.records()[-1].headers)[REPLAYS] == b"4"


def test_what_is_superseded_is_marked_and_not_published(place: Place) -> None:
    """By a later record of its key with a higher revision, or any where its own cannot be read; not by one that failed
    too, nor by an older one; and by a tombstone, or the product would come back."""
    old, new = (encoded(place, product_id="p-1", revision=number) for number in (1, 2))
    place.fail(old.value, b"garbage")
    place.add(new)
    place.fail(new.value, key=b"p-2")
    place.fail(b"garbage", key=b"p-2")
    place.add(encoded(place, product_id="p-2", revision=1))
    place.fail(encoded(place, product_id="p-3", revision=5).value, key=b"p-3")
    place.add(Output(place.topic, b"p-3", None))
    found = skureel("deadletters", "replay", "--all", "--json").json()
    # p-1: both. p-2: the one that cannot be read, by revision 1; not revision 2. p-3: by the tombstone.
    assert (found["superseded"], found["replayed"], found["judged_by"]) == (4, 1, ["topics"])
    assert place.records()[-1].value == new.value
    assert ids() == []
    handled = [line["handled"]["as"] for line in skureel("deadletters", "list", "--handled", "--json").lines()]
    assert sorted(handled) == ["replayed", "superseded", "superseded", "superseded", "superseded"]


def test_a_letter_is_shown_whole(place: Place) -> None:
    """Decoded where that is possible, else its bytes and the reason why not; for people as well."""
    event = encoded(place, product_id="p-1")
    place.fail(event.value, b"\xffgarbage")
    good, bad = (skureel("deadletters", "show", each, "--json").json() for each in ids())
    assert good["value"]["product_id"] == "p-1"
    assert good["headers"] == [[TRACE[0], TRACE[1].decode()]]
    assert (bad["value_base64"], "magic" in bad["undecodable"]) == ("/2dhcmJhZ2U=", True)
    assert "wrong magic byte" in skureel("deadletters", "show", good["id"]).out
    assert "2 dead letters" in skureel("deadletters", "list").out


def test_letters_whose_topic_is_gone_stay(place: Place) -> None:
    """Each is told with its reason, exit code 1; the others are replayed."""
    place.fail(b"one")
    gone = Record(f"{place.topic}-gone", 0, 0, b"p-1", b"two", (), 5)
    out = dead_letter(gone, group="skureel-planner", stage="decode", error="x")
    producer = Producer({"bootstrap.servers": place.bootstrap})
    producer.produce(place.letters, out.value, out.key, headers=list(out.headers))
    assert producer.flush(20) == 0
    ran = skureel("deadletters", "replay", "--all", "--json")
    (failed,) = ran.json()["failed"]
    assert (ran.code, ran.json()["replayed"], f"{gone.topic} is gone" in failed["reason"]) == (1, 1, True)
    assert ids() == [failed["id"]]


def test_without_a_broker_its_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3: something needed is out."""
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", DEAD)
    monkeypatch.setattr(reading, "ANSWER_SECONDS", 0.3)
    ran = skureel("deadletters", "list")
    assert (ran.code, DEAD in ran.err) == (3, True)


def run_until_halted(step: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a command that halts before a step; returns once it has."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.operate.halting", step, "deadletters", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"halted before {step}\n"
    return process


@pytest.fixture
def real(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Fresh topics on a real broker."""
    place = Place(unique("products"), kafka.bootstrap)
    monkeypatch.setenv("SKUREEL_TOPICS__PRODUCT_CREATED", place.topic)
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", kafka.bootstrap)
    kafka.create_topics({place.topic: 4, place.letters: 4})
    return place


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL, and gone."""
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.parametrize("step", ["flush", "commit_transaction"])
def test_a_replay_killed_in_between_has_done_each_letter_once_or_not_at_all(real: Place, step: str) -> None:
    """Killed before its commit it did nothing, and the next one does all: once, for a reader of committed records."""
    real.fail(*(f"bad {number}".encode() for number in range(5)))
    killed = run_until_halted(step, "replay", "--all", "--superseded")
    kill(killed)
    assert skureel("deadletters", "replay", "--all", "--superseded").out == "5 replayed\n"
    replayed = [one.value for one in real.records() if REPLAYS in dict(one.headers)]
    assert sorted(each or b"" for each in replayed) == [f"bad {number}".encode() for number in range(5)]
    assert ids() == []


def test_of_two_replays_at_once_the_later_one_wins(real: Place) -> None:
    """The earlier one is fenced: what it had not committed is done by the later one alone."""
    real.fail(b"one", b"two")
    earlier = run_until_halted("commit_transaction", "replay", "--all", "--superseded")
    try:
        assert skureel("deadletters", "replay", "--all", "--superseded").out == "2 replayed\n"
        assert len(real.records()) == 4
    finally:
        kill(earlier)


def test_letters_behind_an_open_transaction_are_waited_for(real: Place, make_open: Callable[[], Producer]) -> None:
    """A reader of committed records stops in front of it, and would take what follows for nothing."""
    producer = make_open()
    producer.produce(real.letters, b"open", b"k", 1)
    assert producer.flush(20) == 0
    real.fail(b"behind")
    ended: list[int] = []
    options = {"bootstrap.servers": real.bootstrap}

    def told(done: int, total: int) -> None:
        if not ended and done < total:
            producer.commit_transaction(20)
            ended.append(done)

    assert [letter.dead.value for letter in find(options, {real.letters}, told)] == [b"behind"]


@pytest.fixture
def make_open(kafka: KafkaAddress) -> Callable[[], Producer]:
    """A producer with an open transaction."""

    def make() -> Producer:
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("open")})
        producer.init_transactions(20)
        producer.begin_transaction()
        return producer

    return make


def test_one_that_the_broker_refuses_keeps_none_of_the_others_back(real: Place) -> None:
    """A value that the topic does not take any more fails alone; its letter stays."""
    small = unique("small")
    admin = KafkaAddress(real.bootstrap).admin()
    admin.create_topics([NewTopic(small, 1, 1, config={"max.message.bytes": "1000"})])[small].result(20)
    real.fail(b"one", b"two")
    big = Record(small, 0, 0, b"p-1", os.urandom(5000), (), 5)
    out = dead_letter(big, group="skureel-planner", stage="decode", error="x")
    producer = Producer({"bootstrap.servers": real.bootstrap})
    producer.produce(real.letters, out.value, out.key, headers=list(out.headers))
    assert producer.flush(20) == 0
    ran = skureel("deadletters", "replay", "--all", "--superseded", "--json")
    (failed,) = ran.json()["failed"]
    assert (ran.code, ran.json()["replayed"], "too large" in failed["reason"]) == (1, 2, True)
    assert ids() == [failed["id"]]
