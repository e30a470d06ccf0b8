"""Publishing, as far as no broker is needed: every wrong line is named with its fields, and nothing goes out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consumer.operate.publish import MOST_FAULTS, InvalidError, Line, encode_lines, read_lines
from consumer.settings import Settings, Topics
from consumer.stream.headers import incoming
from consumer.stream.schemas import load
from consumer.wiring import open_codec
from tests.commands import jsonl, product, skureel

TOPIC = "product-created"
PROMO = {
    "event_id": "e-1",
    "occurred_at": "2026-01-31T12:00:00Z",
    "promo_id": "sale",
    "revision": 1,
    "status": "ACTIVE",
    "scope": {"all": True},
    "creative": {},
}


def without(name: str) -> dict[str, Any]:
    """A product that lacks a field."""
    return {key: value for key, value in product().items() if key != name}


def told(*lines: Any, topic: str = TOPIC) -> str:
    """What is said about lines of which one is wrong."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    with pytest.raises(InvalidError) as caught:
        encode_lines(open_codec(Settings()), topic, [Line(number, text) for number, text in enumerate(texts, 1)])
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{not json", "not JSON: Expecting property name"),
        ('{"a": 1} {"b": 2}', "not JSON: Extra data"),
        ("[]", "a JSON object is wanted, not list"),
        ("3", "a JSON object is wanted, not int"),
        ("null", "a JSON object is wanted, not NoneType"),
        pytest.param("[" * 100_000, "too deeply nested", id="deep"),
        pytest.param('{"event_id": ' + "[" * 800 + "]" * 800 + "}", "event_id: ", id="deep inside"),
        pytest.param('{"revision": ' + "9" * 5_000 + "}", "not JSON: ", id="long number"),
        (product(revision="1"), "revision: '1' is not a whole number"),
        (product(revision=True), "revision: True is not a whole number"),
        (product(revision=2**63), "does not fit 64 bits"),
        (product(revision=-1), "revision: -1 is negative"),
        (product(name=None), "name: None is not a text"),
        (product(name=""), "name: is empty"),
        (product(name="x" * 1_000_000), "name: 1000000 characters; at most 2000 allowed"),
        (product(colour_name="red"), "colour_name: no such field"),
        (without("category"), "category: missing"),
        (product(tier="WARM"), "tier: 'WARM' is not one of HOT, STANDARD, LONG_TAIL"),
        (product(images=[{"url": "store:a"}, {"role": "MAIN"}]), "images[1].url: missing"),
        (product(attributes={"material": 3}), "attributes[material]: 3 is not a text"),
        (product(tags="red"), "tags: 'red' is not a list"),
        (product(price={"amount": 12.5, "currency": "EUR"}), "price.amount: 12.5 is not exact: write it as a text"),
        (product(price={"amount": "12,50", "currency": "EUR"}), "price.amount: '12,50' is not a decimal text"),
        (product(price={"amount": "0.00001", "currency": "EUR"}), "price.amount: "),
        (product(price={"amount": "NaN", "currency": "EUR"}), "price.amount: "),
        (product(occurred_at="yesterday"), "occurred_at: 'yesterday' is not an ISO 8601 time"),
        (product(occurred_at="2026-01-31T12:00:00"), "has no time zone"),
        (product(occurred_at=10**18), "out of range"),
        (product("p\n1", event_id="e"), "product_id: 'p\\n1' has control characters"),
        (product("", event_id="e"), "product_id: 0 characters; 1…256 allowed"),
        (product(event_id="x" * 257), "event_id: 257 characters; 1…256 allowed"),
        ('{"product_id": "\\ud800", "tombstone": true}', "product_id: "),
        ({"product_id": "", "tombstone": True}, "product_id: 0 characters"),
        (
            {"product_id": 7, "tombstone": True},
            'a tombstone is {"product_id": "…", "tombstone": true} and nothing else',
        ),
        ({"tombstone": True}, "a tombstone is"),
        ({**product(), "tombstone": True}, "a tombstone is"),
        ({"product_id": "p-1", "tombstone": False}, "tombstone: no such field"),
        ({"product_id": "p-1", "tombstone": "true"}, "tombstone: no such field"),
    ],
)
def test_wrong_lines_are_named(line: Any, fault: str) -> None:
    """A wrong line is said with its number and field, and what is wanted there."""
    said = told(product(), line)
    assert said.startswith("nothing was published:\nline 2: ")
    assert fault in said
    assert len(said) < 1_000


def test_every_field_of_a_line_is_named() -> None:
    """A line with several faults is mended in one go."""
    said = told({"product_id": 5, "nope": 1, "tier": "WARM"})
    for fault in ("event_id: missing", "product_id: 5 is not a text", "nope: no such field", "tier: 'WARM'"):
        assert fault in said


def test_many_faults_are_capped() -> None:
    """A file of the wrong kind does not fill the terminal."""
    said = told(*["x"] * (MOST_FAULTS + 5)).splitlines()
    assert len(said) == MOST_FAULTS + 2
    assert said[-1] == "… and 5 more lines"
    assert told(*["x"] * MOST_FAULTS).count("\n") == MOST_FAULTS


def test_records_too_large_for_kafka_are_refused() -> None:
    """What the client would refuse in the middle of publishing is a wrong line before it."""
    scope = {"all": False, "product_ids": ["p" * 250 + str(n) for n in range(4_500)], "categories": [], "tags": []}
    said = told({**PROMO, "scope": scope}, topic="promo-changed")
    assert "bytes as a record; at most 999488 go through Kafka" in said


def test_promotions_that_break_a_rule_are_refused() -> None:
    """What the planner would dead-letter is a wrong line before it, named by its field."""
    creative = {"prompt_phrases": {"en": "x" * 2_001}}
    assert "creative.prompt_phrases" in told({**PROMO, "creative": creative}, topic="promo-changed")
    window = {"starts_at": "2026-05-01T00:00:00Z", "ends_at": "2026-05-01T00:00:00Z"}
    assert "ends_at" in told({**PROMO, **window}, topic="promo-changed")


def test_unknown_topics_are_refused() -> None:
    """A topic without a schema is named, with those there are."""
    assert "nope: no schema for this topic; there are clip-dress," in told(product(), topic="nope")


def test_records() -> None:
    """A line becomes a record with its key, its framing and CloudEvents headers that say what it is."""
    codec = open_codec(Settings())
    (output,) = encode_lines(codec, TOPIC, [Line(1, json.dumps(product(price={"amount": "12.50", "currency": "EUR"})))])
    assert (output.topic, output.key) == (TOPIC, b"p-1")
    assert output.value is not None
    decoded = codec.decode(TOPIC, output.value, output.headers)
    assert decoded["name"] == "保温杯 Flask"
    assert decoded["tier"] == "STANDARD"
    assert str(decoded["price"]["amount"]) == "12.5000"
    said = incoming(output.headers)
    assert (said.id, said.type, said.source) == ("e-p-1", "skureel.product-created", "/skureel/publish")
    assert said.time == datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
    assert said.trace is not None


def test_tombstones() -> None:
    """A tombstone is a record of its key and no value, of the field that keys its topic."""
    codec = open_codec(Settings())
    (output,) = encode_lines(codec, TOPIC, [Line(1, '{"product_id": "保-1", "tombstone": true}')])
    assert (output.key, output.value) == ("保-1".encode(), None)
    assert incoming(output.headers).type == "skureel.product-created"
    (output,) = encode_lines(codec, "promo-changed", [Line(1, '{"promo_id": "sale", "tombstone": true}')])
    assert (output.key, output.value) == (b"sale", None)


def test_promotions_and_renamed_topics() -> None:
    """Promotions are keyed by promo_id; a renamed topic keeps its schema, its rules and its event type."""
    codec = open_codec(Settings(topics=Topics(product_created="shop.products")))
    (output,) = encode_lines(codec, "promo-changed", [Line(1, json.dumps(PROMO))])
    assert output.key == b"sale"
    (output,) = encode_lines(codec, "shop.products", [Line(1, json.dumps(product()))])
    assert output.topic == "shop.products"
    assert incoming(output.headers).type == "skureel.product-created"
    with pytest.raises(InvalidError, match="name: is empty"):
        encode_lines(codec, "shop.products", [Line(1, json.dumps(product(name=" ")))])


@pytest.mark.parametrize("topic", load().topics)
def test_every_topic_takes_its_own_tombstone(topic: str) -> None:
    """Each topic's key field is known, so that any topic can be published to."""
    codec = open_codec(Settings())
    if topic in codec.schemas.topics:
        field = "promo_id" if topic == "promo-changed" else "product_id"
        (output,) = encode_lines(codec, topic, [Line(1, json.dumps({field: "k", "tombstone": True}))])
        assert output.key == b"k"


def test_lines_of_a_file(tmp_path: Path) -> None:
    """Empty lines are passed over and counted; a byte order mark and Windows line ends do not matter."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n   \n{"b": "\xe4\xbf\x9d"}')
    assert [(line.number, json.loads(line.text)) for line in read_lines(file)] == [(1, {"a": 1}), (4, {"b": "保"})]
    file.write_bytes(b"{}\n\n\xff\n")
    with pytest.raises(InvalidError, match="line 3: not UTF-8 text: invalid start byte at byte 0"):
        list(read_lines(file))


def test_check(tmp_path: Path) -> None:
    """--check validates and needs no broker; it says how many lines are valid, to people and to machines."""
    file = jsonl(tmp_path, product("a"), product("b"), {"product_id": "c", "tombstone": True})
    ran = skureel("publish", TOPIC, file, "--check")
    assert (ran.code, ran.out, ran.err) == (0, "product-created: 3 valid\n", "")
    assert skureel("publish", TOPIC, file, "--check", "--json").json() == {"topic": TOPIC, "valid": 3}
    ran = skureel("publish", TOPIC, jsonl(tmp_path, product(), "{"), "--check")
    assert ran.code == 2
    assert ran.out == ""
    assert "skureel: nothing was published:\nline 2: not JSON" in ran.err


def test_standard_input() -> None:
    """A dash reads standard input, as UTF-8 whatever the locale says."""
    text = json.dumps(product(), ensure_ascii=False).encode()
    assert skureel("publish", TOPIC, "-", "--check", stdin=text).out == "product-created: 1 valid\n"
    ran = skureel("publish", TOPIC, "-", "--check", stdin=b"\xff\n")
    assert (ran.code, "line 1: not UTF-8" in ran.err) == (2, True)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A missing file or a folder is wrong usage, said with its name."""
    ran = skureel("publish", TOPIC, tmp_path / "absent.jsonl")
    assert (ran.code, "absent.jsonl: No such file or directory" in ran.err) == (2, True)
    ran = skureel("publish", TOPIC, tmp_path)
    assert (ran.code, "Is a directory" in ran.err) == (2, True)


def test_an_empty_file_publishes_nothing(tmp_path: Path) -> None:
    """Nothing to publish is no error, and needs no broker."""
    ran = skureel("publish", TOPIC, jsonl(tmp_path))
    assert (ran.code, ran.out) == (0, "product-created: 0 published\n")


def test_without_a_service_there_is_no_embedded_broker(tmp_path: Path) -> None:
    """With the embedded broker and no service in this folder, it is said how to get one."""
    ran = skureel("publish", TOPIC, jsonl(tmp_path, product()))
    assert (ran.code, "start `skureel run` here first" in ran.err) == (3, True)
    ran = skureel("tail", TOPIC)
    assert (ran.code, "start `skureel run` here first" in ran.err) == (3, True)
