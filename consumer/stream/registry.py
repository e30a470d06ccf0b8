"""The codec for a Confluent schema registry: schema ids and GUIDs looked up over HTTP, once each.

Says which of a registry's answers make a record poison (an unknown id) and which are an outage (all the rest).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from fastavro.schema import parse_schema

from consumer.stream.codec import (
    CONTENT_TYPE,
    GUID_MAGIC,
    ID_MAGIC,
    MAX_BYTES,
    SINGLE_OBJECT_MAGIC,
    VALUE_SCHEMA_ID,
    DecodeError,
    FramedCodec,
    frame_name,
)
from consumer.stream.schemas import Parsed, Schemas, TopicSchema
from consumer.stream.types import Headers, UnavailableError

T = TypeVar("T")

UNKNOWN_SCHEMA = 40403
"""The one error code that condemns a record: no schema has this id. From Confluent's API reference, as are the next."""
NOT_REGISTERED = frozenset({40401, 40402, 40403})
"""Error codes of a look-up by subject: no such subject, version, or schema under it."""
MAX_REFERENCES = 50
"""Schemas that one schema may draw in by reference."""
MAX_DEPTH = 64
"""Levels of JSON in a schema from a registry; the parser goes down by recursion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """Where the registry is and how to use it. A user name and password inside the URL work too."""

    url: str = field(repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auto_register: bool = False
    """Register our schemas when they are first written with: for development."""
    framing: Literal["prefix", "header"] = "prefix"
    """Where to write schema ids: before the value, or as a GUID in a header."""
    timeout: float = 5.0
    """Seconds for one request."""
    retries: int = 1
    """Further tries of a request that found no one or an overloaded server; then it is the caller's to wait."""

    @property
    def address(self) -> str:
        """The URL without user name and password: safe to print."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def client(self) -> SchemaRegistryClient:
        """A client of this registry. Raises ValueError when the URL is none."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"registry url {self.address!r}: want http://host:port or https://host")
        username = self.username or (unquote(parts.username) if parts.username else None)
        password = self.password if self.password is not None else unquote(parts.password or "")
        config: dict[str, Any] = {
            "url": self.address,
            "timeout": self.timeout,
            "max.retries": self.retries,
            "retries.wait.ms": 100,
            "retries.max.wait.ms": 1_000,
        }
        if username:
            config["basic.auth.user.info"] = f"{username}:{password}"
        return SchemaRegistryClient(config)


class RegistryCodec(FramedCodec):
    """Reads every framing; writes ids that the registry gave our schemas under the subject ``<topic>-value``.

    What was looked up once needs no registry again. Requests block for at most ``timeout * (retries + 1)`` seconds
    and a second or so between them.
    """

    def __init__(self, schemas: Schemas, options: RegistryOptions, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(schemas, max_bytes=max_bytes)
        self._options = options
        self._client = options.client()

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._client.close()

    def _written_with(self, frame: bytes) -> Parsed:
        if frame[:1] == SINGLE_OBJECT_MAGIC[:1]:
            return self._by_fingerprint(frame)
        if frame[:1] == ID_MAGIC:
            number = int.from_bytes(frame[1:])
            schema = self._ask(lambda: self._client.get_schema(number), frame)
        else:
            guid = str(UUID(bytes=frame[1:]))
            schema = self._ask(lambda: self._client.get_schema_by_guid(guid), frame)
        if not isinstance(schema.schema_str, str):
            self._client = self._options.client()  # the old one would remember the answer
            raise UnavailableError("registry", f"{self._options.address}: answered without a schema")
        if schema.schema_type not in {None, "AVRO"}:
            raise DecodeError("decode", f"schema {frame_name(frame)} is {schema.schema_type}, not AVRO")
        return self._parse(schema, frame)

    def _framing(self, schema: TopicSchema) -> tuple[bytes, Headers]:
        subject = f"{schema.topic}-value"
        ours = Schema(schema.text, "AVRO")
        if self._options.auto_register:
            self._ask(lambda: self._client.register_schema(subject, ours, normalize_schemas=True))
        try:
            found = self._ask(lambda: self._client.lookup_schema(subject, ours, normalize_schemas=True))
        except _NotRegisteredError:
            raise UnavailableError(
                "registry",
                f"{self._options.address} has not our schema {schema.name} under subject {subject}: "
                "register it, or set registry.auto_register where that is allowed",
            ) from None
        if self._options.framing == "header":
            if not found.guid:
                raise UnavailableError(
                    "registry", f"{self._options.address} gives no schema GUIDs: set registry.framing to prefix"
                )
            return b"", (CONTENT_TYPE, (VALUE_SCHEMA_ID, GUID_MAGIC + UUID(found.guid).bytes))
        if not isinstance(found.schema_id, int):
            raise UnavailableError("registry", f"{self._options.address}: answered without a schema id")
        return ID_MAGIC + found.schema_id.to_bytes(4), (CONTENT_TYPE,)

    def _ask(self, request: Callable[[], T], frame: bytes | None = None) -> T:
        """One request, its failures sorted into poison (an unknown id in a record's ``frame``) and outage."""
        try:
            return request()
        except SchemaRegistryError as error:
            if frame is not None and error.error_code == UNKNOWN_SCHEMA:
                raise DecodeError("decode", f"unknown schema {frame_name(frame)}: the registry has none") from None
            if frame is None and error.error_code in NOT_REGISTERED:
                raise _NotRegisteredError from None
            raise UnavailableError("registry", f"{self._options.address}: {_answer(error)}") from None
        except Exception as error:  # noqa: BLE001 - transport, TLS and JSON errors of three libraries: all an outage
            # Neither the cause nor its text is passed on whole: it may hold a request, and that its credentials.
            what = f"{type(error).__name__}: {str(error)[:200]}"
            raise UnavailableError("registry", f"{self._options.address}: {what}") from None

    def _parse(self, schema: Schema, frame: bytes) -> Parsed:
        try:
            text = _loads(schema.schema_str)
            named: dict[str, Any] = {}
            self._references(schema, named, frame)
            parsed = parse_schema(text, named, _write_hint=True)
        except (DecodeError, UnavailableError):
            raise
        except Exception as error:
            raise DecodeError("decode", f"schema {frame_name(frame)} is not valid Avro: {error}") from error
        if not isinstance(parsed, dict) or parsed.get("type") != "record":
            raise DecodeError("decode", f"schema {frame_name(frame)} is not a record")
        return parsed

    def _references(self, schema: Schema, named: dict[str, Any], frame: bytes, seen: set[str] | None = None) -> None:
        """Parse what ``schema`` refers to into ``named``, deepest first."""
        seen = set() if seen is None else seen
        for reference in schema.references or ():
            if str(reference.name) in seen:
                continue
            if len(seen) >= MAX_REFERENCES:
                raise DecodeError("decode", f"schema {frame_name(frame)} refers to more than {MAX_REFERENCES} others")
            seen.add(str(reference.name))
            found = self._ask(lambda r=reference: self._client.get_version(r.subject, r.version), frame)  # type: ignore[misc]
            self._references(found.schema, named, frame, seen)
            parse_schema(_loads(found.schema.schema_str), named)


class _NotRegisteredError(Exception):
    """The subject, or our schema under it, is not there."""


def _loads(text: str | None) -> Any:
    """JSON of bounded depth. Raises ValueError."""
    value = json.loads(text or "")
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, (list, dict)) for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError(f"more than {MAX_DEPTH} levels deep")


def _inside(value: list[Any] | dict[str, Any]) -> list[Any]:
    return value if isinstance(value, list) else list(value.values())


def _answer(error: SchemaRegistryError) -> str:
    """What the registry said, with what to do where that is known."""
    said = f"HTTP {error.http_status_code}, error {error.error_code}: {str(error.error_message)[:200]}"
    hint = {401: " (check registry.username and registry.password)", 403: " (this user may not)"}
    return said + hint.get(error.http_status_code, "")
