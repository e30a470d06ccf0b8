"""``skureel publish``: JSON lines in, validated and framed Avro records out; nothing goes out while a line is wrong."""

from __future__ import annotations

import json as jsonlib
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.events import EventError, Product, Promo, checked_id, utc_now
from consumer.operate.broker import BrokerError, metadata, open_client
from consumer.operate.wording import Wording, WordingError
from consumer.settings import Kafka, Settings, SettingsError
from consumer.stream import headers
from consumer.stream.codec import Codec, EncodeError, FramedCodec
from consumer.stream.errors import TopicsError
from consumer.stream.jsonform import JsonError, from_json
from consumer.stream.schemas import SchemaError, TopicSchema
from consumer.stream.topics import ensure_topics
from consumer.stream.types import Output, UnavailableError
from consumer.wiring import NoBrokerError, bootstrap_of, client_options, open_codec

SOURCE = "/skureel/publish"
RULES = {"product-created": Product.from_avro, "promo-changed": Promo.from_avro}
"""Schemas whose events have rules beyond them, and who knows those."""
DELIVERY_SECONDS = 60.0
"""How long the broker may take to acknowledge a record."""
MAX_RECORD = 1_000_000
"""Bytes of a record's key, value and headers: the client's limit, a little below the broker's."""
RECORD_OVERHEAD = 512
"""Bytes kept free for what Kafka adds."""
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


def encode_lines(codec: FramedCodec, topic: str, lines: Iterable[Line]) -> list[Output]:
    """The lines as records. Raises InvalidError with the faults of all lines (the first of many), UnavailableError."""
    try:
        schema = codec.schemas.of(topic)
    except SchemaError as error:
        raise InvalidError(str(error)) from error
    outputs: list[Output] = []
    faults: list[str] = []
    for line in lines:
        try:
            outputs.append(_record(codec, schema, line))
        except InvalidError as error:
            faults.append(f"line {line.number}: {error}")
    if faults:
        more = [f"… and {len(faults) - MOST_FAULTS} more lines"] if len(faults) > MOST_FAULTS else []
        raise InvalidError("\n".join(["nothing was published:", *faults[:MOST_FAULTS], *more]))
    return outputs


def _record(codec: Codec, schema: TopicSchema, line: Line) -> Output:
    """One line as a record. Raises InvalidError with every field that is wrong."""
    try:
        value = jsonlib.loads(line.text)
    except ValueError as error:
        raise InvalidError(f"not JSON: {error}") from error
    except RecursionError:
        raise InvalidError("too deeply nested") from None
    if not isinstance(value, dict):
        raise InvalidError(f"a JSON object is wanted, not {type(value).__name__}")
    try:
        output = _tombstone(schema, value) if value.get("tombstone") is True else _event(codec, schema, value)
    except (JsonError, EncodeError) as error:
        faults = "; ".join(str(fault).removeprefix(f"{schema.topic}.") for fault in error.faults) or str(error)
        raise InvalidError(faults) from error
    except EventError as error:
        raise InvalidError(str(error)) from error
    except RecursionError:
        raise InvalidError("too deeply nested") from None
    size = len(output.key or b"") + len(output.value or b"")
    size += sum(len(name) + len(content or b"") for name, content in output.headers)
    if size > MAX_RECORD - RECORD_OVERHEAD:
        raise InvalidError(f"{size} bytes as a record; at most {MAX_RECORD - RECORD_OVERHEAD} go through Kafka")
    return output


def _key_field(schema: TopicSchema) -> str:
    """The field that is the record's key: promo_id for promotions, product_id for all else."""
    names = {field["name"] for field in schema.parsed["fields"]}
    return "product_id" if "product_id" in names else "promo_id"


def _tombstone(schema: TopicSchema, value: Mapping[str, Any]) -> Output:
    field = _key_field(schema)
    key = value.get(field)
    if not isinstance(key, str) or set(value) != {field, "tombstone"}:
        raise InvalidError(f'a tombstone is {{"{field}": "…", "tombstone": true}} and nothing else')
    kind = f"skureel.{schema.name}"
    extra = headers.outgoing((), ce_id=uuid.uuid4().hex, ce_type=kind, source=SOURCE, time=utc_now())
    return Output(schema.topic, checked_id(field, key).encode(), None, extra)


def _event(codec: Codec, schema: TopicSchema, value: Mapping[str, Any]) -> Output:
    datum = from_json(schema.parsed, value, schema.topic)
    if schema.name in RULES:
        RULES[schema.name](datum)
    field = _key_field(schema)
    key = checked_id(field, str(datum[field]))
    framed, framing = codec.encode(schema.topic, datum)
    identity = str(datum.get("event_id") or datum.get("request_id") or uuid.uuid4().hex)
    time = datum.get("occurred_at") or utc_now()
    extra = headers.outgoing(framing, ce_id=identity, ce_type=f"skureel.{schema.name}", source=SOURCE, time=time)
    return Output(schema.topic, key.encode(), framed, extra)


def read_lines(file: Path) -> Iterator[Line]:
    """The non-empty lines of a UTF-8 file, or of standard input for ``-``. Raises InvalidError."""
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as source:
            for number, data in enumerate(source, 1):
                try:
                    # Editors on Windows put a byte order mark before the first line.
                    text = data.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    raise InvalidError(f"line {number}: not UTF-8 text: {error.reason} at byte {error.start}") from None
                if text.strip():
                    yield Line(number, text)
    except OSError as error:
        raise InvalidError(f"{file}: {error.strerror or error}") from error


def send(options: Mapping[str, Any], outputs: Iterable[Output], advance: Callable[[], Any] | None = None) -> int:
    """Write records and wait until the broker has them all; how many. Raises PublishError, SettingsError.

    ``advance`` is called once for each record that the broker acknowledged.
    """
    taken, failures = 0, list[str]()

    def delivered(error: KafkaError | None, _: Any) -> None:
        nonlocal taken
        if error is not None:
            failures.append(error.str())
            return
        taken += 1
        if advance is not None:
            advance()

    ours = {"enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20}
    patience = {"message.timeout.ms": int(DELIVERY_SECONDS * 1000)}
    producer, complaints = open_client(Producer, {**patience, **options, **ours})
    try:
        for output in outputs:
            _produce(producer, output, delivered)
        left = producer.flush(DELIVERY_SECONDS + 5)
    except KafkaException as error:
        producer.flush(DELIVERY_SECONDS + 5)
        raise PublishError(f"{error.args[0].str()}; {taken} records were published before it") from error
    if left or failures:
        reason = failures[0] if failures else complaints.why()
        raise PublishError(
            f"{left + len(failures)} records were not taken, {taken} were: {reason}; "
            "publish the file again: what arrives twice is skipped"
        )
    return taken


def _produce(producer: Producer, output: Output, delivered: Callable[[KafkaError | None, Any], None]) -> None:
    while True:
        try:
            producer.produce(
                output.topic, key=output.key, value=output.value, headers=list(output.headers), on_delivery=delivered
            )
        except BufferError:  # the local queue is full: let the broker catch up
            producer.poll(0.5)
        else:
            producer.poll(0)
            return


def _publish(settings: Settings, topic: str, outputs: list[Output]) -> None:
    """Send with a bar for people who watch."""
    where = bootstrap_of(settings.kafka)
    options = client_options(settings.kafka, where)
    _see_to(settings.kafka, where, options, topic)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(topic, total=len(outputs))
        send(options, outputs, lambda: progress.advance(task))


def _see_to(kafka: Kafka, where: str, options: dict[str, str], topic: str) -> None:
    """The topic is there, or made as `skureel run` makes it: not left to the broker's own idea of partitions."""
    client, complaints = open_client(AdminClient, options)
    if topic in metadata(client, complaints, where).topics:
        return
    if kafka.embedded or not kafka.create_topics:
        raise PublishError(f"{topic}: Kafka at {where} has no such topic; create it, or set kafka.create_topics")
    try:
        ensure_topics(where, [topic], partitions=kafka.partitions, replication=kafka.replication, client=options)
    except TopicsError as error:
        raise PublishError(str(error)) from error


def run(settings: Settings, topic: str, file: Path, *, check: bool, json: bool) -> None:
    """The command. Raises InvalidError, PublishError, SettingsError."""
    try:
        codec = open_codec(settings)
        outputs = encode_lines(codec, topic, read_lines(file))
        if not check and outputs:
            _publish(settings, topic, outputs)
    except (UnavailableError, NoBrokerError, BrokerError) as error:
        raise PublishError(str(error)) from error
    done = "valid" if check else "published"
    told: dict[str, Any] = {"topic": topic, done: len(outputs)}
    if check and (refused := _refused(settings, codec, topic, outputs)):
        told["refused"] = refused
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            "valid, but the planner would refuse the words:", *refused, sep="\n", markup=False
        )
    print(jsonlib.dumps(told, ensure_ascii=False) if json else f"{topic}: {len(outputs)} {done}")


def _refused(settings: Settings, codec: FramedCodec, topic: str, outputs: list[Output]) -> list[str]:
    """What the wording rules would say. Raises SettingsError where templates or rules are wrong."""
    name = codec.schemas.of(topic).name
    if name not in RULES:
        return []
    try:
        wording = Wording(settings)
    except WordingError as error:
        raise SettingsError(str(error)) from error
    return wording.refused(name, (codec.decode(topic, o.value, o.headers) for o in outputs if o.value is not None))
