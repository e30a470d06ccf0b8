"""Bytes to values and back: every framing of schema ids, with the error that tells poison from an outage.

Deals in dicts: it knows no event by name and no broker. ``SingleObjectCodec`` needs no registry; ``registry.py`` has
the codec that does. Both pass one contract suite.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any, Protocol

from fastavro import schemaless_writer

from consumer.stream.check import Fault, faults_of
from consumer.stream.resolution import Reader, ResolutionError, TrailingBytesError, compile_reader
from consumer.stream.schemas import Parsed, Schemas, TopicSchema
from consumer.stream.types import Headers

VALUE_SCHEMA_ID = "__value_schema_id"
"""Header that carries a value's schema id, as Confluent's serializers name it."""
CONTENT_TYPE = ("content-type", b"application/avro")

ID_MAGIC, GUID_MAGIC, SINGLE_OBJECT_MAGIC = b"\x00", b"\x01", b"\xc3\x01"
FRAME_SIZES = {b"\x00": 5, b"\x01": 17, b"\xc3": 10}
"""Bytes of a frame by its first byte: registry id (4 bytes, big-endian), registry GUID (16), Avro single-object
encoding (second byte 01, then the fingerprint, 8 bytes, little-endian)."""

MAX_BYTES = 2 * 1024 * 1024
"""Bytes of a value: twice Kafka's own default limit. A value can take up to about 80 times its size in memory."""
LONGEST_MESSAGE = 500
"""Characters of a refusal."""
REFUSAL_SECONDS = 30.0
MAX_REFUSALS = 1_000
"""How long, and for how many frames, a refusal is remembered: a flood of poison must not become a flood of look-ups,
and a schema registered a moment later must be found."""


class DecodeError(ValueError):
    """Raised when a record can never be read: it is poison, whoever tries. ``stage`` says what was being done."""

    def __init__(self, stage: str, message: str) -> None:
        # What is wrong may quote what is hostile.
        super().__init__(message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…")
        self.stage = stage


class EncodeError(ValueError):
    """Raised when a value does not fit its topic's schema. ``faults`` has each field that does not."""

    def __init__(self, topic: str, faults: list[Fault], message: str = "") -> None:
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        super().__init__("; ".join(map(str, faults[:3])) + more if faults else f"{topic}: {message}")
        self.topic = topic
        self.faults = faults


class Codec(Protocol):
    """Values of topics. Thread-safe; may block on a registry the first time it meets a schema, never again."""

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> dict[str, Any]:
        """The value as the topic's current schema means it (timestamps: aware datetime; decimals: Decimal).

        Raises DecodeError when the record is poison, UnavailableError when a registry is out: try the same record
        again. Tombstones (no value) are the caller's. The dict is the caller's to change.
        """
        ...

    def encode(self, topic: str, value: Mapping[str, Any]) -> tuple[bytes, Headers]:
        """Framed bytes, and the headers that go with them (content type; the schema id where headers carry it).

        Fields with a default may be missing. Raises EncodeError naming the field, or UnavailableError.
        """
        ...

    def prepare(self, topics: Iterable[str]) -> None:
        """Look up (or register) what encoding these topics needs, so that it fails at start and not later.

        Raises UnavailableError.
        """
        ...


class FramedCodec(ABC):
    """What both codecs share: finding the frame, remembering readers and writers, and naming errors."""

    def __init__(self, schemas: Schemas, *, max_bytes: int = MAX_BYTES) -> None:
        self.schemas = schemas
        self._max_bytes = max_bytes
        self._readers: dict[tuple[str, bytes], Reader] = {}
        self._writers: dict[str, Callable[[Mapping[str, Any]], tuple[bytes, Headers]]] = {}
        self._refusals: dict[tuple[str, bytes], tuple[float, str]] = {}

    @abstractmethod
    def _written_with(self, frame: bytes) -> Parsed:
        """The schema a well-formed frame stands for. Raises DecodeError or UnavailableError."""

    @abstractmethod
    def _framing(self, schema: TopicSchema) -> tuple[bytes, Headers]:
        """What goes before the value, and the headers, when writing. Raises UnavailableError."""

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> dict[str, Any]:
        """See ``Codec``."""
        # A fingerprint that is known says all; only the shorter marks of a registry could be a value's own first bytes,
        # so for them the headers are searched first, as Confluent's deserializers do.
        start = 10
        read = self._readers.get((topic, value[:10]))
        if read is None:
            frame = None
            for name, content in headers:
                if name == VALUE_SCHEMA_ID:  # the first one counts, and says nothing when it is null
                    frame = content
                    break
            start = FRAME_SIZES.get(value[:1], 0) if frame is None else 0
            read = self._readers.get((topic, value[:start] if frame is None else frame)) or self._reader(
                topic, value_frame(value) if frame is None else header_frame(frame)
            )
        if len(value) > self._max_bytes:
            raise DecodeError("decode", f"value of {len(value)} bytes; at most {self._max_bytes} are read")
        try:
            return read(value, start)
        except MemoryError:
            raise  # this machine's trouble, not the record's
        except Exception as error:
            raise DecodeError("decode", _reason(error, len(value))) from error

    def encode(self, topic: str, value: Mapping[str, Any]) -> tuple[bytes, Headers]:
        """See ``Codec``."""
        write = self._writers.get(topic)
        if write is None:
            write = self._writers[topic] = self._writer(topic)
        return write(value)

    def prepare(self, topics: Iterable[str]) -> None:
        """See ``Codec``."""
        for topic in topics:
            if topic not in self._writers:
                self._writers[topic] = self._writer(topic)

    def _reader(self, topic: str, frame: bytes) -> Reader:
        schema = self.schemas.of(topic)
        key = (topic, frame)
        until, message = self._refusals.get(key, (0.0, ""))
        if until > time.monotonic():
            raise DecodeError("decode", message)
        try:
            read = self._readers[key] = _compiled(self._written_with(frame), schema)
        except DecodeError as error:
            if len(self._refusals) >= MAX_REFUSALS:
                self._refusals.clear()
            self._refusals[key] = (time.monotonic() + REFUSAL_SECONDS, str(error))
            raise
        return read

    def _writer(self, topic: str) -> Callable[[Mapping[str, Any]], tuple[bytes, Headers]]:
        schema = self.schemas.of(topic)
        prefix, headers = self._framing(schema)
        parsed = schema.parsed

        def write(value: Mapping[str, Any]) -> tuple[bytes, Headers]:
            target = BytesIO()
            target.write(prefix)
            try:
                schemaless_writer(target, parsed, value, strict_allow_default=True)
            except Exception as error:
                raise EncodeError(topic, faults_of(parsed, value, topic), str(error)) from error
            return target.getvalue(), headers

        return write

    def _by_fingerprint(self, frame: bytes) -> Parsed:
        parsed = self.schemas.writer(frame[2:])
        if parsed is None:
            raise DecodeError("decode", f"unknown schema fingerprint {frame[2:].hex()} (CRC-64-AVRO, little-endian)")
        return parsed


class SingleObjectCodec(FramedCodec):
    """Avro single-object encoding, for where there is no registry: schemas of this and earlier releases are known."""

    def _written_with(self, frame: bytes) -> Parsed:
        if frame[:1] != SINGLE_OBJECT_MAGIC[:1]:
            raise DecodeError("decode", f"the schema is {frame_name(frame)} of a registry, and none is configured")
        return self._by_fingerprint(frame)

    def _framing(self, schema: TopicSchema) -> tuple[bytes, Headers]:
        return SINGLE_OBJECT_MAGIC + schema.fingerprint, (CONTENT_TYPE,)


def _compiled(writer: Parsed, schema: TopicSchema) -> Reader:
    try:
        return compile_reader(writer, schema.parsed)
    except ResolutionError as error:
        raise DecodeError("decode", f"schema incompatible: {error}") from error
    except (KeyError, TypeError, ValueError) as error:  # a schema that the parser let pass, and is none
        raise DecodeError("decode", f"the writer's schema is not valid Avro: {error!r}") from error


def value_frame(value: bytes) -> bytes:
    """The frame a value begins with. Raises DecodeError where it is none, or not all there."""
    if not value:
        raise DecodeError("decode", "the value is empty")
    size = FRAME_SIZES.get(value[:1], 0)
    if not size or (value[:1] == SINGLE_OBJECT_MAGIC[:1] and value[1:2] not in {b"", SINGLE_OBJECT_MAGIC[1:]}):
        raise DecodeError("decode", f"wrong magic byte: it begins with 0x{value[:2].hex()}, not 00, 01 or C3 01")
    if len(value) < size:
        raise DecodeError("decode", f"truncated: {len(value)} bytes, too few for a schema id")
    return value[:size]


def header_frame(content: Any) -> bytes:
    """The frame that a header carries: an id or a GUID, with its magic byte. Raises DecodeError."""
    if (
        isinstance(content, bytes)
        and content[:1] in {ID_MAGIC, GUID_MAGIC}
        and len(content) == FRAME_SIZES[content[:1]]
    ):
        return content
    raise DecodeError("decode", f"header {VALUE_SCHEMA_ID}: {content[:20]!r} is no schema id")


def frame_name(frame: bytes) -> str:
    """A checked frame for a message."""
    if frame[:1] == ID_MAGIC:
        return f"id {int.from_bytes(frame[1:])}"
    return f"GUID {frame[1:].hex()}" if frame[:1] == GUID_MAGIC else f"fingerprint {frame[2:].hex()}"


def _reason(error: Exception, size: int) -> str:
    """What is wrong, in words, for an exception of fastavro, which are many and often silent."""
    if isinstance(error, (ResolutionError, TrailingBytesError)):
        return str(error)
    if isinstance(error, (EOFError, IndexError)):
        return f"truncated or damaged: the {size} bytes end inside the value, or name a choice that is not there"
    if isinstance(error, UnicodeDecodeError):
        return f"a text is not valid UTF-8: {error.reason} at byte {error.start} of it"
    return f"damaged: {type(error).__name__}: {error}"
