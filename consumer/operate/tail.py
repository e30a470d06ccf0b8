"""``skureel tail``: a topic's committed records as JSON lines, dead letters included."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from consumer.settings import Settings
from consumer.stream.codec import DecodeError, FramedCodec
from consumer.stream.jsonform import to_json
from consumer.stream.types import Record, UnavailableError
from consumer.wiring import NoBrokerError, bootstrap_of, client_options, open_codec

DEAD_LETTERS = ".dlq"
METADATA_SECONDS = 10.0


class TailError(Exception):
    """Raised when the topic cannot be read; the message says why."""


def _text(data: bytes | None) -> str | None:
    """Bytes for a JSON line: as text where they are text, else base64 with a mark."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()


def show(codec: FramedCodec, record: Record, *, meta: bool) -> dict[str, Any]:
    """One record as a JSON object. What cannot be decoded shows as its bytes and the reason, never as an exception."""
    dead = record.topic.endswith(DEAD_LETTERS)
    value: Any = None
    if dead:
        value = {"headers": {name: _text(content) for name, content in record.headers}, "value": _text(record.value)}
    elif record.value is not None:
        try:
            decoded = codec.decode(record.topic, record.value, record.headers)
            value = to_json(codec.schemas.of(record.topic).parsed, decoded)
        except DecodeError as error:
            value = {"undecodable": str(error), "value": _text(record.value)}
    elif not meta:
        value = {"key": _text(record.key), "tombstone": True}
    if not meta:
        return dict(value)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "headers": [[name, _text(content)] for name, content in record.headers],
        "value": value,
    }


def records(options: dict[str, str], topic: str, *, follow: bool, latest: bool) -> Iterator[Record]:
    """Committed records from every partition, to the present end, or for ever. Raises TailError."""
    consumer = Consumer(
        {
            **options,
            "group.id": "skureel-tail",  # never joined: partitions are assigned by hand, nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic]
        if found.error is not None:
            raise TailError(f"{topic}: {found.error.str()}")
        start = OFFSET_END if latest else OFFSET_BEGINNING
        consumer.assign([TopicPartition(topic, number, start) for number in found.partitions])
        unfinished = set(found.partitions)
        while unfinished or follow:
            message = consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is None:
                yield _record(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
                unfinished.discard(message.partition())
            elif not error.retriable():
                raise TailError(f"{topic}: {error.str()}")
    except KafkaException as error:
        raise TailError(f"{topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers() or (),
        message.timestamp()[1],
    )


def run(
    settings: Settings,
    topic: str,
    *,
    limit: int | None,
    follow: bool,
    latest: bool,
    meta: bool,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """The command. Raises TailError."""
    if limit == 0:
        return
    try:
        codec = open_codec(settings)
        options = client_options(settings.kafka, bootstrap_of(settings.kafka))
        for count, record in enumerate(records(options, topic, follow=follow, latest=latest), 1):
            write(json.dumps(show(codec, record, meta=meta), ensure_ascii=False))
            if count == limit:
                return
    except (UnavailableError, NoBrokerError) as error:
        raise TailError(str(error)) from error
