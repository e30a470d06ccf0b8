"""The yardstick: the shortest honest loop of confluent-kafka and fastavro that does the same work exactly once.

It uses nothing of skureel's stream but the client configuration, the schemas and, where asked for, the
function that makes headers.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer
from fastavro import schemaless_reader, schemaless_writer

from consumer.stream import schemas
from consumer.stream.headers import outgoing
from consumer.stream.writer import CLIENT_LOG
from tests.bench.figures import Round
from tests.bench.request import request_of
from tests.bench.task import CE_SOURCE, CE_TYPE, Marks, Task

MAGIC = b"\xc3\x01"
CONTENT_TYPE = ("content-type", b"application/avro")


def run(task: Task, *, each: Callable[[int], None] = lambda _: None) -> Round:
    """Consume everything, a batch a transaction; ``each`` is told how many are done. Raises KafkaException."""
    options = task.options()
    consumer = Consumer({**options.consumer(), "auto.offset.reset": "earliest", "logger": CLIENT_LOG})
    producer = Producer({**options.producer(), "logger": CLIENT_LOG})
    producer.init_transactions()
    consumer.subscribe([task.source])
    marks, transactions, done = Marks(), 0, 0
    try:
        while done < task.records:
            messages = consumer.consume(task.batch, 0.1)
            if messages:
                _transaction(task, consumer, producer, messages)
                transactions += 1
                done = marks.add(len(messages))
                each(done)
    finally:
        consumer.close()
    return marks.round(task.warm_up, transactions)


def _transaction(task: Task, consumer: Consumer, producer: Producer, messages: list[Message]) -> None:
    """Decode, build, encode, produce; outputs and offsets commit together."""
    known = schemas_of()
    read, write = known.of("product-created"), known.of("clip-render")
    came_with, goes_with = MAGIC + read.fingerprint, MAGIC + write.fingerprint
    producer.begin_transaction()
    for message in messages:
        if message.error() is not None:
            raise KafkaException(message.error())
        value: Any = message.value()
        if value[:10] != came_with:
            raise ValueError(f"{message.topic()}[{message.partition()}]@{message.offset()}: another schema")
        product: Any = schemaless_reader(BytesIO(value[10:]), read.parsed, None)
        request = request_of(product)
        target = BytesIO()
        target.write(goes_with)
        schemaless_writer(target, write.parsed, request)
        headers: Any = None
        if task.headers:
            headers = outgoing(
                (CONTENT_TYPE,),
                ce_id=request["request_id"],
                ce_type=CE_TYPE,
                source=CE_SOURCE,
                time=request["requested_at"],
            )
        producer.produce(task.target, target.getvalue(), message.key(), headers=headers)
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata())
    producer.commit_transaction()


_loaded: list[schemas.Schemas] = []


def schemas_of() -> schemas.Schemas:
    """The contracts, read once."""
    if not _loaded:
        _loaded.append(schemas.load())
    return _loaded[0]
