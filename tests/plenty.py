"""Many products through the whole service, looked at from outside by foreign means: the play itself, of any size."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import avro.io
import avro.schema
import pytest

from consumer.stream.schemas import schema_folder
from tests.harness import Process, Reader, World, running, until
from tests.products import product
from tests.services.addresses import S3Address

WIDTH, HEIGHT, FPS = 320, 240, 24
SINGLE_OBJECT_HEADER = 10
"""Bytes: C3 01 and the schema's fingerprint."""


def decode(topic_schema: str, value: bytes) -> dict[str, Any]:
    """One announcement through Apache's own Avro library, which shares no code with ours."""
    schema = avro.schema.parse((schema_folder() / f"{topic_schema}.avsc").read_text())
    assert value[:2] == b"\xc3\x01"
    reader = avro.io.DatumReader(schema)
    decoded: Any = reader.read(avro.io.BinaryDecoder(io.BytesIO(value[SINGLE_OBJECT_HEADER:])))
    return dict(decoded)


def check_object(s3: S3Address, bucket: str, event: dict[str, Any], seconds: float) -> None:
    """The event's clip is in the store, is what the event says, and plays from start to end."""
    clip = event["clip"]
    reply = s3.client().get_object(bucket, clip["key"])
    try:
        data = reply.read()
    finally:
        reply.close()
        reply.release_conn()
    assert hashlib.sha256(data).hexdigest() == clip["sha256"]
    with av.open(io.BytesIO(data), mode="r") as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        assert (stream.codec_context.width, stream.codec_context.height) == (WIDTH, HEIGHT)
        assert frames == round(seconds * FPS)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(seconds, abs=0.001)


def finished(process: Process, planned: int) -> bool:
    """True when the planner has read so many products and every request it made has ended."""
    world = process.world
    read = process.metric("skureel_records_total", role="planner", topic=world.topic("product_created"))
    asked = process.metric("skureel_outputs_total", role="planner", topic=world.topic("clip_render"))
    ended = process.metric("skureel_records_total", role="renderer", topic=world.topic("clip_render"))
    return read >= planned and ended >= asked


def settings(seconds: float) -> dict[str, Any]:
    """What a world needs whose clips are checked here."""
    return {"engine": "storyboard", "size": f"{WIDTH}x{HEIGHT}", "seconds": seconds}


def play(here: World, count: int, seconds: float) -> None:
    """So many products in, and the same set once more; all that must hold of what comes out.

    Args:
        here: a world with ``settings``.
        count: of products.
        seconds: how long the first set may take.
    """
    products = [product(number) for number in range(count)]
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        try:
            here.publish("product_created", products)
            assert reader.wait(count, seconds) == count, process.tail()
            events = [decode("video-ready", message.value()) for message in reader.messages]
            assert {event["product_id"] for event in events} == {value["product_id"] for value in products}
            assert all(
                message.key().decode() == event["product_id"]
                for message, event in zip(reader.messages, events, strict=True)
            )
            assert {event["revision"] for event in events} == {1}
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda event: check_object(here.s3, here.bucket, event, here.seconds), events))
            rendered = process.metric("skureel_renders_total")
            here.publish("product_created", products)
            until(lambda: finished(process, 2 * count), 120, process.tail)
            assert reader.wait(count + 1, 3) == count
            assert process.metric("skureel_renders_total") == rendered
            assert process.metric("skureel_dead_letters_total") == 0
        finally:
            reader.close()
    tailed = here.command("tail", here.topic("video_ready"))
    assert len({json.loads(line)["event_id"] for line in tailed.splitlines()}) == count
