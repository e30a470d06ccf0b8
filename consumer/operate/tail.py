"""``skureel tail``: a topic's committed records as JSON lines, dead letters included."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from consumer.operate.broker import ANSWER_SECONDS, BrokerError, Complaints, metadata, open_client
from consumer.operate.reading import record_of
from consumer.settings import Settings
from consumer.stream.codec import DecodeError, FramedCodec
from consumer.stream.jsonform import to_json
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Record, UnavailableError
from consumer.wiring import NoBrokerError, bootstrap_of, client_options, open_codec

DEAD_LETTERS = ".dlq"
STALL_SECONDS = 30.0
"""Without a record or a partition's end for so long, the broker is gone: only ``follow`` waits for it."""
POLL_SECONDS = 0.5


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
    """One record as a JSON object. What cannot be decoded shows as its bytes and the reason, never as an exception.

    Raises UnavailableError when the registry is out.
    """
    if meta:
        return {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": _text(record.key),
            "headers": [[name, _text(content)] for name, content in record.headers],
            "value": _value(codec, record),
        }
    if record.topic.endswith(DEAD_LETTERS):
        return {"headers": {name: _text(content) for name, content in record.headers}, "value": _text(record.value)}
    if record.value is None:
        return {"key": _text(record.key), "tombstone": True}
    return dict(_value(codec, record))


def _value(codec: FramedCodec, record: Record) -> Any:
    """The value alone: decoded, or as text where it is a dead letter's, which need not be Avro at all."""
    if record.value is None or record.topic.endswith(DEAD_LETTERS):
        return _text(record.value)
    try:
        decoded = codec.decode(record.topic, record.value, record.headers)
        return to_json(codec.schemas.of(record.topic).parsed, decoded)
    except (DecodeError, SchemaError) as error:
        return {"undecodable": str(error), "value": _text(record.value)}


def records(
    options: Mapping[str, Any],
    topic: str,
    *,
    follow: bool,
    latest: bool,
    stop: Callable[[], bool] = lambda: False,
    ready: Callable[[], object] = lambda: None,
) -> Generator[Record, None, None]:
    """Committed records from every partition, to the present end; with ``follow`` until ``stop`` says so.

    ``ready`` is called once it is settled where reading begins: later records will be seen. Raises TailError,
    BrokerError, SettingsError.
    """
    consumer, complaints = open_client(
        Consumer,
        {
            **options,
            "group.id": "skureel-tail",  # never joined: partitions are assigned by hand, nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        },
    )
    try:
        positions = _positions(consumer, complaints, str(options["bootstrap.servers"]), topic, latest=latest)
        consumer.assign(positions)
        ready()
        yield from _poll(consumer, complaints, topic, {p.partition for p in positions}, follow=follow, stop=stop)
    except KafkaException as error:
        raise TailError(f"{topic}: {complaints.why(error.args[0])}") from error
    finally:
        consumer.close()


def _positions(
    consumer: Consumer, complaints: Complaints, where: str, topic: str, *, latest: bool
) -> list[TopicPartition]:
    found = metadata(consumer, complaints, where, topic).topics[topic]
    if found.error is not None:
        raise TailError(f"{topic}: {found.error.str()}")
    positions = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions]
    if latest:  # asked now, not when the first fetch happens to go out: "from now on" begins here
        for position in positions:
            position.offset = consumer.get_watermark_offsets(position, timeout=ANSWER_SECONDS)[1]
    return positions


def _poll(
    consumer: Consumer,
    complaints: Complaints,
    topic: str,
    unfinished: set[int],
    *,
    follow: bool,
    stop: Callable[[], bool],
) -> Iterator[Record]:
    heard = time.monotonic()
    while (unfinished or follow) and not stop():
        message = consumer.poll(POLL_SECONDS)
        if message is None:
            if not follow and time.monotonic() - heard > STALL_SECONDS:
                raise TailError(f"{topic}: nothing came for {STALL_SECONDS:.0f} s: {complaints.why()}")
            continue
        heard = time.monotonic()
        error = message.error()
        if error is None:
            yield record_of(message)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name for it
            unfinished.discard(message.partition())
        elif not error.retriable():
            raise TailError(f"{topic}: {error.str()}")


def run(
    settings: Settings,
    topic: str,
    *,
    limit: int | None,
    follow: bool,
    latest: bool,
    meta: bool,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
    ready: Callable[[], object] = lambda: None,
) -> None:
    """The command. Raises TailError, SettingsError."""
    try:
        codec = open_codec(settings)
        options = client_options(settings.kafka, bootstrap_of(settings.kafka))
        source = records(options, topic, follow=follow, latest=latest, ready=ready)
        for count, record in enumerate(source, 1):
            write(json.dumps(show(codec, record, meta=meta), ensure_ascii=False))
            if count == limit:
                source.close()
                return
    except (UnavailableError, NoBrokerError, BrokerError) as error:
        raise TailError(str(error)) from error
