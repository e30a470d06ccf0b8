"""The contracts, loaded from a folder of Avro schemas by topic: current ones and those of earlier releases.

Deals in JSON and parsed Avro only: it knows no framing, no registry and no event by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

Parsed = dict[str, Any]
"""A record schema as fastavro parses it: names are full, and ``__named_schemas`` holds every named type."""

HISTORY = "history"
"""Below the schema folder: one folder per release with that release's schemas."""

LOGICAL_TYPES = frozenset({"timestamp-millis", "decimal"})
"""What our own schemas may use. Writers' schemas may use any: what is unknown reads as its underlying type."""


class SchemaError(Exception):
    """Raised when a schema file is missing or wrong, or a topic has no schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSchema:
    """The schema that we write and read a topic with."""

    topic: str
    name: str
    """The file's name without its suffix; differs from the topic where topics were renamed by configuration."""
    text: str = field(repr=False)
    """Compact JSON, as a registry keeps it."""
    parsed: Parsed = field(repr=False)
    fingerprint: bytes
    """CRC-64-AVRO of the parsing canonical form, little-endian, 8 bytes: what single-object encoding carries."""


class Schemas:
    """Every schema that can be told without asking a registry. Build it with ``load``."""

    def __init__(self, current: Iterable[TopicSchema], earlier: Iterable[Parsed] = ()) -> None:
        self._current = {schema.topic: schema for schema in current}
        # Two topics may share a fingerprint (it leaves docs out): their encodings are the same, so either will do.
        self._writers = {crc64(parsed): parsed for parsed in earlier}
        self._writers |= {schema.fingerprint: schema.parsed for schema in self._current.values()}

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that have a schema, sorted."""
        return tuple(sorted(self._current))

    def of(self, topic: str) -> TopicSchema:
        """The topic's current schema. Raises SchemaError."""
        try:
            return self._current[topic]
        except KeyError:
            raise SchemaError(f"{topic}: no schema for this topic; there are {', '.join(self.topics)}") from None

    def writer(self, mark: bytes) -> Parsed | None:
        """The schema, of any release and topic, with this little-endian CRC-64-AVRO fingerprint."""
        return self._writers.get(mark)


def schema_folder() -> Path:
    """Where the contracts lie: inside an installed wheel, else the top level of the checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "_schemas"
    return installed if installed.is_dir() else here.parent / "schemas"


def load(folder: Path | None = None, topics: Mapping[str, str] | None = None) -> Schemas:
    """Every schema of ``folder`` (default: ``schema_folder()``) and of its history.

    ``topics`` names the schema file (without ``.avsc``) of each topic; by default every file is its own topic.
    Raises SchemaError naming the file.
    """
    folder = folder or schema_folder()
    files = {path.stem: path for path in sorted(folder.glob("*.avsc"))}
    if not files:
        raise SchemaError(f"{folder}: no .avsc files here; reinstall, or name the folder that has them")
    unknown = sorted(set((topics or {}).values()) - set(files))
    if unknown:
        raise SchemaError(f"{folder}: no {unknown[0]}.avsc; there are {', '.join(files)}")
    named = {name: name for name in files} if topics is None else dict(topics)
    current = [_topic_schema(topic, name, files[name]) for topic, name in named.items()]
    return Schemas(current, [_parse(path) for path in sorted((folder / HISTORY).glob("*/*.avsc"))])


def crc64(parsed: Parsed) -> bytes:
    """CRC-64-AVRO fingerprint of the parsing canonical form, little-endian."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO"))


def _topic_schema(topic: str, name: str, path: Path) -> TopicSchema:
    parsed = _parse(path)
    for part in _parts(parsed):
        logical = part.get("logicalType", "decimal") if isinstance(part, dict) else "decimal"
        if logical not in LOGICAL_TYPES:
            raise SchemaError(f"{path}: logical type {logical!r}; ours are {', '.join(sorted(LOGICAL_TYPES))}")
        if isinstance(part, list) and (len(part) != 2 or part.count("null") != 1):
            raise SchemaError(f"{path}: a union of {len(part)} types; ours are of null and one other")
    text = json.dumps(json.loads(path.read_bytes()), ensure_ascii=False, separators=(",", ":"))
    return TopicSchema(topic=topic, name=name, text=text, parsed=parsed, fingerprint=crc64(parsed))


def _parse(path: Path) -> Parsed:
    try:
        parsed = parse_schema(json.loads(path.read_bytes()))
    except Exception as error:
        raise SchemaError(f"{path}: not an Avro schema: {error}") from error
    if not isinstance(parsed, dict) or parsed["type"] != "record":
        raise SchemaError(f"{path}: a topic's schema must be a record")
    return parsed


def _parts(schema: Any) -> Iterator[Any]:
    """Every schema inside a schema, itself included; names stand for themselves."""
    yield schema
    if isinstance(schema, list):
        inside = schema
    elif isinstance(schema, dict):
        inside = [schema[key] for key in ("items", "values") if key in schema]
        inside += [field["type"] for field in schema.get("fields", ())]
    else:
        return
    for part in inside:
        yield from _parts(part)
