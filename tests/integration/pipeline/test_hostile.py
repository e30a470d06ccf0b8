"""Malformed and hostile input on real services ends in an output, a dead letter with a reason, or a counted skip."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.jsonform import from_json
from tests.harness import Process, Reader, World, running, until
from tests.products import product

CODEC = SingleObjectCodec(schemas.load())
SCHEMA = CODEC.schemas.of("product-created").parsed

HOSTILE = {
    "template": "{{ 7*7 }} {% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %} ${7*7} <%= 1 %>",
    "traversal": "../../../../etc/passwd",
    "control": "line\r\nbreak\ttab\x1b[31mred\x07bell\x7f",
    "nul": "before\x00after",
    "bidi": "\u202egnp.elttek\u202c \u2066isolated\u2069 مرحبا שלום",
    "emoji": "👩‍👩‍👧‍👦 🫖 ☕️ 🇨🇳 e\u0301 ﷽",
    "sql": "'; DROP TABLE products; --",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;",
    "format": "%s %n {0} {name!r:>{width}} \\x00 \\u0000",
    "spaces": "\u00a0\u200b\u2003 \ufeff",
    "private": "\ue000\U0010fffd\ufffe\uffff",
}


def encoded(value: dict[str, Any]) -> bytes:
    """A product event as bytes, around our own command's validation."""
    return CODEC.encode("product-created", from_json(SCHEMA, value, "product-created"))[0]


@dataclass
class Line:
    """What is sent, and where it must end: 'ready', 'dead' (with a word of the reason) or 'skip'."""

    key: bytes | None
    value: bytes | None
    end: str
    reason: str = ""


def malformed() -> Iterator[Line]:
    """Records that are not what they should be."""
    good = encoded(product(1))
    yield Line(b"SKU-00001", good[:40], "dead", "truncated")
    yield Line(b"SKU-00001", good[:9], "dead", "truncated")
    yield Line(b"SKU-00001", b"\x07" + good[1:], "dead", "magic")
    yield Line(b"SKU-00001", b"", "dead", "empty")
    yield Line(b"SKU-00001", b"{}", "dead", "magic")
    yield Line(b"SKU-00001", b"\xc3\x01" + b"\xee" * 8 + good[10:], "dead", "unknown")
    yield Line(b"SKU-00001", b"\x00\x00\x00\x00\x2a" + good[10:], "dead", "registr")
    yield Line(b"SKU-00001", good + b"more", "dead", "")
    yield Line(None, encoded(product(2)), "dead", "key")
    yield Line(None, None, "dead", "key")
    yield Line(b"SKU-00099", encoded(product(3)), "dead", "key")
    yield Line(b"\xff\xfe", encoded(product(3)), "dead", "key")
    yield Line(b"never-seen", None, "skip")
    yield Line(b"SKU-00004", encoded(product(4, name="x" * 1_000_000)), "dead", "1000000 characters")
    yield Line(b"SKU-00005", encoded(product(5, name="   ")), "dead", "empty")
    yield Line(b"SKU-00006", encoded(product(6, revision=-1)), "dead", "negative")
    yield Line(b"SKU-00007", encoded(product(7, selling_points=["p"] * 100_000)), "dead", "entries")
    yield Line(b"SKU-00008", encoded(product(8)), "ready")
    yield Line(b"SKU-00008", encoded(product(8)), "skip")
    yield Line(b"SKU-00008", encoded(product(8, revision=0)), "skip")


def hostile() -> Iterator[Line]:
    """Every hostile text in every field; ids with control characters must be refused, all else may pass."""
    number = 1_000
    for text in HOSTILE.values():
        for field in ("name", "category", "locale", "brand", "colour"):
            number += 1
            fields: dict[str, Any] = {field: text}
            yield Line(f"SKU-{number:05d}".encode(), encoded(product(number, **fields)), "any")
        number += 1
        lists: dict[str, Any] = {"selling_points": [text, text], "tags": [text], "attributes": {text: text}}
        yield Line(f"SKU-{number:05d}".encode(), encoded(product(number, **lists)), "any")
        number += 1
        images: dict[str, Any] = {"images": [{"url": text}, {"url": f"store:{text}"}, {"url": f"https://{text}/"}]}
        yield Line(f"SKU-{number:05d}".encode(), encoded(product(number, **images)), "any")
        number += 1
        yield Line(text.encode(), encoded(product(number, product_id=text)), "any")


def counts(process: Process) -> tuple[float, float, float]:
    """Requests made, dead letters and skips of the planner so far."""
    return (
        process.metric("skureel_outputs_total", role="planner", topic=process.world.topic("clip_render")),
        process.metric("skureel_dead_letters_total", role="planner"),
        process.metric("skureel_skipped_records_total", role="planner"),
    )


@pytest.mark.timeout(600)
def test_fault_18_every_malformed_or_hostile_record_has_an_end_and_the_process_stays_up(
    world: Callable[..., World],
) -> None:
    """Counted from the outside: records in = requests + dead letters + skips, every request ends, keys stay inside."""
    here = world(engine="storyboard", size="320x240", seconds=0.5)  # how long a clip is matters to none of them
    lines = [*malformed(), *hostile()]
    with running(here) as process:
        process.wait_ready()
        dead = Reader(here.kafka.bootstrap, f"{here.topic('product_created')}.{here.name}-planner.dlq")
        producer = Producer({"bootstrap.servers": here.kafka.bootstrap, "message.max.bytes": 5_000_000})
        try:
            for line in lines:
                producer.produce(here.topic("product_created"), key=line.key, value=line.value, partition=0)
            assert producer.flush(60) == 0
            until(
                lambda: process.metric("skureel_records_total", topic=here.topic("product_created")) == len(lines),
                120,
                process.tail,
            )
            requests, letters, skips = counts(process)
            assert requests + letters + skips == len(lines)
            expected = [line for line in lines if line.end == "dead"]
            assert dead.wait(int(letters), 60) == letters
            check_letters(dead, expected)
            until(
                lambda: process.metric("skureel_records_total", topic=here.topic("clip_render")) == requests,
                240,
                process.tail,
            )
            assert process.get("/healthz")[0] == 200
            ready = [json.loads(text) for text in here.command("tail", here.topic("video_ready")).splitlines()]
            assert "SKU-00008" in {event["product_id"] for event in ready}
            rejected = here.command("tail", here.topic("video_rejected")).splitlines()
            again = process.metric("skureel_skipped_records_total", role="renderer", reason="duplicate")
            letters = process.metric("skureel_dead_letters_total", role="renderer")
            assert len(ready) + len(rejected) + letters + again == requests
            assert rejected == []
            assert letters == 0
        finally:
            dead.close()
        assert process.stop() == 0
    check_keys(here)


def check_letters(dead: Reader, expected: list[Line]) -> None:
    """Each malformed record is in the dead letters with its bytes, its key and the reason."""
    # A missing value cannot be told from an empty one in a dead letter's own value; the key tells the two apart.
    letters = {(message.key(), message.value()): message for message in dead.messages}
    for line in expected:
        message = letters[line.key, line.value]
        headers = dict(message.headers())
        assert line.reason.lower() in headers["__dlq.errors.message"].decode().lower(), headers
        assert headers["__dlq.errors.topic"]
        assert headers["__dlq.errors.offset"]


def check_keys(world: World) -> None:
    """Nothing lies outside the folders of the layout, whatever the ids were."""
    keys = [str(each.object_name) for each in world.s3.client().list_objects(world.bucket, recursive=True)]
    assert keys
    for key in keys:
        parts = key.split("/")
        assert parts[0] in {"base", "bodies", "clips", "products"}, key
        assert ".." not in parts
        assert all(part.isascii() and part.isprintable() and part for part in parts), key
