"""``skureel publish``: JSON lines in, validated and framed Avro records out. A bad line publishes nothing."""

from __future__ import annotations

import json as jsonlib
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.events import EventError, Product, utc_now
from consumer.settings import Settings
from consumer.stream import headers
from consumer.stream.codec import Codec, EncodeError, FramedCodec
from consumer.stream.jsonform import JsonError, from_json
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Output, UnavailableError
from consumer.wiring import NoBrokerError, bootstrap_of, client_options, open_codec

SOURCE = "/skureel/publish"
FLUSH_SECONDS = 60.0
MOST_FAULTS = 20
"""Faults shown; a wrong file would otherwise fill the terminal."""


class InvalidError(Exception):
    """Raised when the file or a line of it is not what the topic takes; the message names line and field."""


class PublishError(Exception):
    """Raised when the broker or the registry cannot take the records; the message says which."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it stands in the file."""

    number: int
    text: str


def _key_field(topic_schema: dict[str, Any]) -> str:
    """The field that is the record's key: promo_id for promotions, product_id for all else."""
    names = {field["name"] for field in topic_schema["fields"]}
    return "product_id" if "product_id" in names else "promo_id"


def encode_line(codec: Codec, schema: dict[str, Any], topic: str, line: Line) -> Output:
    """One line as a record. Raises InvalidError with the line and the field of every fault."""
    where = f"line {line.number}"
    try:
        value = jsonlib.loads(line.text)
    except ValueError as error:
        raise InvalidError(f"{where}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidError(f"{where}: a JSON object is wanted, not {type(value).__name__}")
    key_field = _key_field(schema)
    if value.get("tombstone") is True:
        key = value.get(key_field)
        if not isinstance(key, str) or not key or set(value) != {key_field, "tombstone"}:
            raise InvalidError(f'{where}: a tombstone is {{"{key_field}": "…", "tombstone": true}} and nothing else')
        extra = headers.outgoing((), ce_id=uuid.uuid4().hex, ce_type=f"skureel.{topic}", source=SOURCE, time=utc_now())
        return Output(topic, key.encode(), None, extra)
    try:
        datum = from_json(schema, value, topic)
        if topic == "product-created":
            Product.from_avro(datum)
        framed, framing = codec.encode(topic, datum)
    except (JsonError, EncodeError) as error:
        faults = "; ".join(str(fault).removeprefix(f"{topic}.") for fault in error.faults) or str(error)
        raise InvalidError(f"{where}: {faults}") from error
    except EventError as error:
        raise InvalidError(f"{where}: {error}") from error
    identity = str(datum.get("event_id") or datum.get("request_id") or uuid.uuid4().hex)
    time = datum.get("occurred_at") or utc_now()
    extra = headers.outgoing(framing, ce_id=identity, ce_type=f"skureel.{topic}", source=SOURCE, time=time)
    return Output(topic, str(datum[key_field]).encode(), framed, extra)


def encode_lines(codec: FramedCodec, topic: str, lines: Iterable[Line]) -> list[Output]:
    """Every line, or InvalidError with the faults of all lines (the first of many)."""
    try:
        schema = codec.schemas.of(topic).parsed
    except SchemaError as error:
        raise InvalidError(str(error)) from error
    outputs: list[Output] = []
    faults: list[str] = []
    for line in lines:
        try:
            outputs.append(encode_line(codec, schema, topic, line))
        except InvalidError as error:
            faults.append(str(error))
    if faults:
        more = [f"… and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise InvalidError("\n".join(["nothing was published:", *faults[:MOST_FAULTS], *more]))
    return outputs


def read_lines(file: Path) -> Iterator[Line]:
    """The non-empty lines of a file, or of standard input for ``-``. Raises InvalidError."""
    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8") as source:
            for number, text in enumerate(source, 1):
                if text.strip():
                    yield Line(number, text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{file}: {error}") from error


def send(options: dict[str, str], outputs: Iterable[Output], advance: Any = None) -> None:
    """Write records and wait until the broker has them all. Raises PublishError."""
    failures: list[str] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(str(error))
        elif advance is not None:
            advance()

    producer = Producer({**options, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20})
    try:
        for output in outputs:
            while True:
                try:
                    producer.produce(
                        output.topic,
                        key=output.key,
                        value=output.value,
                        headers=list(output.headers),
                        on_delivery=delivered,
                    )
                    break
                except BufferError:  # the local queue is full: let the broker catch up
                    producer.poll(0.5)
            producer.poll(0)
        left = producer.flush(FLUSH_SECONDS)
    except KafkaException as error:
        raise PublishError(str(error)) from error
    if left or failures:
        reason = failures[0] if failures else "the broker did not answer"
        raise PublishError(f"{left + len(failures)} records were not taken: {reason}")


def run(settings: Settings, topic: str, file: Path, *, check: bool, json: bool) -> None:
    """The command. Raises InvalidError, PublishError."""
    try:
        codec = open_codec(settings)
        outputs = encode_lines(codec, topic, read_lines(file))
        if not check:
            options = client_options(settings.kafka, bootstrap_of(settings.kafka))
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task(topic, total=len(outputs))
                send(options, outputs, lambda: progress.advance(task))
    except UnavailableError as error:
        raise PublishError(str(error)) from error
    except NoBrokerError as error:
        raise PublishError(str(error)) from error
    done = "valid" if check else "published"
    if json:
        print(jsonlib.dumps({"topic": topic, done: len(outputs)}))
    else:
        print(f"{topic}: {len(outputs)} {done}")
