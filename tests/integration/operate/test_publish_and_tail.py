"""Publishing to brokers and reading back: the embedded one and a real Kafka, and one that is not there."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.operate import broker, publish, tail
from consumer.settings import load
from consumer.stream.codec import SINGLE_OBJECT_MAGIC
from consumer.wiring import bootstrap_of, open_codec
from tests.commands import DEAD, PROGRAM, Ran, embedded, jsonl, product, program, skureel
from tests.services.addresses import KafkaAddress, unique

TOPIC = "product-created"


@pytest.fixture(params=["embedded", "kafka"])
def topic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A topic of products on each kind of broker, where commands find it by their settings."""
    with ExitStack() as closing:
        name = TOPIC
        if request.param == "embedded":
            closing.enter_context(embedded(TOPIC))
        else:
            name = use(request.getfixturevalue("kafka"), monkeypatch)
        yield name


def use(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch, *, create: bool = True) -> str:
    """Point the settings at a real broker, and name a fresh topic of products there."""
    name = unique("products")
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("SKUREEL_TOPICS__PRODUCT_CREATED", name)
    if create:
        kafka.create_topics({name: 4})
    return name


def produce(bootstrap: str, topic: str, *values: bytes | None, key: bytes = b"k", **options: Any) -> None:
    """Write raw records."""
    producer = Producer({"bootstrap.servers": bootstrap, **options})
    for value in values:
        producer.produce(topic, value=value, key=key, headers=[("n", b"1"), ("n", b"\xff"), ("none", None)])
    assert producer.flush(30) == 0


def bootstrap() -> str:
    """The broker that commands would use now."""
    return bootstrap_of(load().kafka)


def test_what_is_published_is_read_back(topic: str, tmp_path: Path) -> None:
    """Every event comes back as it was given, defaults filled in; a tombstone as one; a limit stops early."""
    given = [product(f"p-{n}", price={"amount": "12.5", "currency": "EUR"}) for n in range(20)]
    file = jsonl(tmp_path, *given, {"product_id": "p-0", "tombstone": True})
    ran = skureel("publish", topic, file)
    assert (ran.code, ran.out, ran.err) == (0, f"{topic}: 21 published\n", "")
    lines = skureel("tail", topic).lines()
    assert {"key": "p-0", "tombstone": True} in lines
    events = {line["product_id"]: line for line in lines if "tombstone" not in line}
    assert set(events) == {f"p-{n}" for n in range(20)}
    for event in given:
        wanted = {**event, "price": {"amount": "12.5000", "currency": "EUR"}}
        assert wanted.items() <= events[str(event["product_id"])].items()
    assert len(skureel("tail", topic, "-n", 3).lines()) == 3
    assert len(skureel("tail", topic, "-n", 99).lines()) == 21
    assert skureel("publish", topic, file, "--json").json() == {"topic": topic, "published": 21}
    assert len(skureel("tail", topic).lines()) == 42


def test_what_is_read_can_be_published(topic: str, tmp_path: Path) -> None:
    """The output of tail is input of publish: a topic can be copied by a pipe."""
    skureel("publish", topic, jsonl(tmp_path, product("p-1"), product("p-2")))
    read = skureel("tail", topic).out
    assert skureel("publish", topic, "-", stdin=read).out == f"{topic}: 2 published\n"


def test_nothing_is_published_while_a_line_is_wrong(topic: str, tmp_path: Path) -> None:
    """One wrong line keeps all the others back, and checking publishes nothing either."""
    ran = skureel("publish", topic, jsonl(tmp_path, product("p-1"), product("p-2", tier="WARM"), product("p-3")))
    assert (ran.code, "line 2: tier: 'WARM'" in ran.err) == (2, True)
    assert skureel("publish", topic, jsonl(tmp_path, product("p-1")), "--check").code == 0
    assert skureel("tail", topic).lines() == []


def test_meta(topic: str, tmp_path: Path) -> None:
    """--meta shows where a record lies, its key and every header, repeated ones too; a tombstone's value is null."""
    skureel("publish", topic, jsonl(tmp_path, product("p-1")))
    (record,) = skureel("tail", topic, "--meta").lines()
    assert (record["topic"], record["offset"], record["key"]) == (topic, 0, "p-1")
    assert record["partition"] in range(4)
    assert abs(record["timestamp"] / 1000 - time.time()) < 600
    assert record["value"]["product_id"] == "p-1"
    assert ["ce_type", "skureel.product-created"] in record["headers"]
    produce(bootstrap(), topic, None, key=b"\xff")
    (tombstone,) = [line for line in skureel("tail", topic, "--meta").lines() if line["value"] is None]
    assert tombstone["key"] == "base64:/w=="
    assert tombstone["headers"] == [["n", "1"], ["n", "base64:/w=="], ["none", None]]


def test_undecodable_records_are_shown(topic: str) -> None:
    """What is no Avro of ours shows its bytes and the reason; the records after it are read all the same."""
    produce(bootstrap(), topic, b"hello", b"", SINGLE_OBJECT_MAGIC + b"\x00" * 8)
    by_value = {line["value"]: line["undecodable"] for line in skureel("tail", topic).lines()}
    assert "wrong magic byte" in by_value["hello"]
    assert "the value is empty" in by_value[""]
    assert "unknown schema fingerprint" in by_value["base64:wwEAAAAAAAAAAA=="]


def test_dead_letters(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead-letter topic shows each record's headers and raw value, and needs no schema."""
    use(kafka, monkeypatch, create=False)
    letters = f"{unique('products')}.skureel-planner.dlq"
    kafka.create_topics({letters: 1})
    produce(kafka.bootstrap, letters, b"hello", b"\xff\x00", None)
    lines = skureel("tail", letters).lines()
    assert [line["value"] for line in lines] == ["hello", "base64:/wA=", None]
    assert lines[0]["headers"] == {"n": "base64:/w==", "none": None}
    assert skureel("tail", letters, "--meta").lines()[1]["value"] == "base64:/wA="


def test_a_topic_without_a_schema_is_shown(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any topic can be looked at; where there is no schema, it says so beside the bytes."""
    use(kafka, monkeypatch, create=False)
    other = unique("other")
    kafka.create_topics({other: 1})
    produce(kafka.bootstrap, other, SINGLE_OBJECT_MAGIC + b"12345678")
    (line,) = skureel("tail", other).lines()
    assert line["value"] == "base64:wwExMjM0NTY3OA=="
    assert "no schema for this topic" in line["undecodable"]


def test_only_committed_records_are_read(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Records of an aborted transaction are never shown, nor those of an open one; reading ends in front of it."""
    topic = use(kafka, monkeypatch)
    value = b"transactional"
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("tail")})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=value, key=b"aborted")
    producer.flush(30)
    producer.abort_transaction(30)
    skureel("publish", topic, jsonl(tmp_path, product("p-1")))
    producer.begin_transaction()
    producer.produce(topic, value=value, key=b"open")
    producer.flush(30)
    assert [line.get("product_id") for line in skureel("tail", topic).lines()] == ["p-1"]
    producer.commit_transaction(30)
    assert sorted(line["key"] for line in skureel("tail", topic, "--meta").lines()) == ["open", "p-1"]


def test_latest_and_follow(topic: str, tmp_path: Path) -> None:
    """--latest shows only what is written from then on, and waits for it; --follow begins at the beginning."""
    skureel("publish", topic, jsonl(tmp_path, product("before")))
    new, all_of_it = list[str](), list[str]()
    ready = threading.Barrier(3)

    def read(lines: list[str], *, latest: bool, limit: int) -> None:
        tail.run(
            load(), topic, limit=limit, follow=True, latest=latest, meta=False, write=lines.append, ready=ready.wait
        )

    threads = [
        threading.Thread(target=read, args=(new,), kwargs={"latest": True, "limit": 2}, daemon=True),
        threading.Thread(target=read, args=(all_of_it,), kwargs={"latest": False, "limit": 3}, daemon=True),
    ]
    for thread in threads:
        thread.start()
    ready.wait(60)
    skureel("publish", topic, jsonl(tmp_path, product("after-1"), product("after-2")))
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert {json.loads(line)["product_id"] for line in new} == {"after-1", "after-2"}
    assert {json.loads(line)["product_id"] for line in all_of_it} == {"before", "after-1", "after-2"}


def test_following_ends_when_it_is_told_to(topic: str) -> None:
    """A follower that is told to stop closes its client and ends, without a record."""
    stop = threading.Event()
    options = {"bootstrap.servers": bootstrap()}
    assert list(tail.records(options, topic, follow=True, latest=False, stop=stop.is_set, ready=stop.set)) == []


def test_missing_topics_are_made_or_named(kafka: KafkaAddress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Publishing makes a missing topic as `skureel run` would, unless that is forbidden; reading never makes one."""
    topic = use(kafka, monkeypatch, create=False)
    ran = skureel("tail", topic)
    assert (ran.code, f"{topic}: Broker: Unknown topic" in ran.err) == (3, True)
    monkeypatch.setenv("SKUREEL_KAFKA__CREATE_TOPICS", "false")
    ran = skureel("publish", topic, jsonl(tmp_path, product()))
    assert (ran.code, "has no such topic; create it, or set kafka.create_topics" in ran.err) == (3, True)
    monkeypatch.setenv("SKUREEL_KAFKA__CREATE_TOPICS", "true")
    monkeypatch.setenv("SKUREEL_KAFKA__REPLICATION", "3")
    ran = skureel("publish", topic, jsonl(tmp_path, product()))
    assert (ran.code, "cannot create topics" in ran.err) == (3, True)
    monkeypatch.setenv("SKUREEL_KAFKA__REPLICATION", "1")
    monkeypatch.setenv("SKUREEL_KAFKA__PARTITIONS", "3")
    assert skureel("publish", topic, jsonl(tmp_path, product())).code == 0
    assert len(kafka.admin().list_topics(timeout=10).topics[topic].partitions) == 3


def test_a_broker_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both commands give up in bounded time with exit code 3, the address and the reason."""
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", DEAD)
    monkeypatch.setattr(broker, "ANSWER_SECONDS", 1.0)
    for arguments in (("tail", TOPIC), ("publish", TOPIC, jsonl(tmp_path, product()))):
        start = time.monotonic()
        ran = skureel(*arguments)
        assert time.monotonic() - start < 20
        assert ran.code == 3
        assert f"Kafka at {DEAD} does not answer: " in ran.err
        assert "Connection refused" in ran.err
        assert ran.out == ""


def test_wrong_client_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An option that librdkafka does not know is a fault of the configuration, named without its value."""
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", DEAD)
    monkeypatch.setenv("SKUREEL_KAFKA__OPTIONS", '{"sasl.pasword": "hunter2"}')
    for arguments in (("tail", TOPIC), ("publish", TOPIC, jsonl(tmp_path, product()))):
        ran = skureel(*arguments)
        assert ran.code == 2
        assert 'kafka.options: No such configuration property: "sasl.pasword"' in ran.err
        assert "hunter2" not in ran.err


def test_a_registry_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A registry that is out is an outage, not a fault of the file; its password is not shown."""
    monkeypatch.setenv("SKUREEL_REGISTRY__URL", f"http://user:hunter2@{DEAD}")
    ran = skureel("publish", TOPIC, jsonl(tmp_path, product()))
    assert (ran.code, f"registry: http://{DEAD}: " in ran.err, "hunter2" in ran.err) == (3, True, False)
    with embedded(TOPIC) as running:
        produce(running.bootstrap, TOPIC, b"\x00\x00\x00\x00\x07abc")
        ran = skureel("tail", TOPIC)
    assert (ran.code, f"registry: http://{DEAD}: " in ran.err) == (3, True)


def test_a_broker_that_dies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broker lost in the middle ends both commands in bounded time, and says what was and was not taken."""
    lines = [publish.Line(number, json.dumps(product(f"p-{number}"))) for number in range(5)]
    outputs = publish.encode_lines(open_codec(load()), TOPIC, lines)
    with embedded(TOPIC) as running:
        assert skureel("publish", TOPIC, jsonl(tmp_path, product("p-1"))).code == 0
        options = {"bootstrap.servers": running.bootstrap}
        monkeypatch.setattr(tail, "STALL_SECONDS", 1.0)
        reading = tail.records(options, TOPIC, follow=False, latest=False, ready=running.close)
        with pytest.raises(tail.TailError, match=r"nothing came for 1 s: .*(refused|closed|Disconnected)"):
            list(reading)
    monkeypatch.setattr(publish, "DELIVERY_SECONDS", 1.0)
    with pytest.raises(publish.PublishError, match=r"5 records were not taken, 0 were: .*publish the file again"):
        publish.send(options, outputs)


def test_the_program(tmp_path: Path) -> None:
    """The installed program publishes and reads; a reader that has enough (`| head`) is no error."""
    with embedded(TOPIC):
        ran = program("publish", TOPIC, jsonl(tmp_path, *(product(f"p-{n}", tags=["x" * 1_000]) for n in range(500))))
        assert ran == Ran(0, "product-created: 500 published\n", "")
        reading = subprocess.Popen(
            [PROGRAM, "tail", TOPIC, "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert reading.stdout is not None
        assert reading.stderr is not None
        with reading:
            assert json.loads(reading.stdout.readline())["category"] == "home"
            reading.stdout.close()
            assert reading.wait(60) == 0
            assert reading.stderr.read() == ""
