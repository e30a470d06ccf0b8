"""A record's bytes to the clip request in it, its key checked. Knows no job and no lane."""

from __future__ import annotations

from consumer.events import ClipRequest, EventError
from consumer.stream import headers
from consumer.stream.codec import Codec
from consumer.stream.types import Record


def read_request(codec: Codec, record: Record) -> tuple[ClipRequest, headers.Trace | None]:
    """The request and the trace it is part of. Raises DecodeError, EventError, UnavailableError."""
    if record.value is None:
        raise EventError("value", "is null; clip requests are never tombstones")
    request = ClipRequest.from_avro(codec.decode(record.topic, record.value, record.headers))
    if record.key != request.product_id.encode():
        raise EventError("key", "differs from product_id")
    return request, headers.incoming(record.headers).trace
