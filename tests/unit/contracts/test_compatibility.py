"""The compatibility checker agrees with libraries that resolve, and no schema here breaks an earlier release."""

from __future__ import annotations

import copy
import io
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import avro.errors
import avro.io
import avro.schema
import pytest
from fastavro import parse_schema, schemaless_reader
from fastavro.read import SchemaResolutionError
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from consumer.stream.resolution import ResolutionError, compile_reader
from consumer.stream.schemas import HISTORY, schema_folder
from tests.unit.contracts.avro_strategies import changed, data, record_schemas
from tests.unit.contracts.compatibility import full_incompatibilities, incompatibilities
from tests.unit.stream_codec.samples import avro as written

FOLDER = schema_folder()
RELEASES = sorted(path for path in (FOLDER / HISTORY).glob("*/*.avsc"))


def parsed(schema: Any) -> Any:
    """Parsed by fastavro."""
    return parse_schema(copy.deepcopy(schema))


def has_alias(schema: Any) -> bool:
    """Whether a field was renamed: fastavro and Apache's library differ about aliases of nested fields."""
    return '"aliases"' in json.dumps(schema)


@st.composite
def pairs(draw: Any) -> tuple[Any, Any, Any]:
    """A writer's schema, a reader's, and a datum of the writer's."""
    base = draw(record_schemas())
    writer, reader = draw(changed(base)), draw(changed(base))
    return writer, reader, draw(data(writer))


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_what_the_checker_allows_fastavro_reads(pair: tuple[Any, Any, Any]) -> None:
    """Where the checker has no objection, fastavro resolves every datum, and we read the same value."""
    writer, reader, datum = pair
    assume(not incompatibilities(writer, reader))
    body = written(writer, datum)
    ours = compile_reader(parsed(writer), parsed(reader))(body, 0)
    theirs = schemaless_reader(io.BytesIO(body), parsed(writer), parsed(reader))
    assert ours == theirs


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_what_fastavro_refuses_the_checker_forbids(pair: tuple[Any, Any, Any]) -> None:
    """Where fastavro cannot resolve a datum, the checker objects and we refuse that datum too."""
    writer, reader, datum = pair
    body = written(writer, datum)
    try:
        schemaless_reader(io.BytesIO(body), parsed(writer), parsed(reader))
    except SchemaResolutionError:
        assert incompatibilities(writer, reader)
        with pytest.raises(ResolutionError):
            compile_reader(parsed(writer), parsed(reader))(body, 0)


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_what_we_read_apaches_library_reads_alike(pair: tuple[Any, Any, Any]) -> None:
    """A second opinion: Apache Avro's own resolution of compatible schemas without renamed fields."""
    writer, reader, datum = pair
    assume(not has_alias([writer, reader]) and not incompatibilities(writer, reader))
    body = written(writer, datum)
    try:
        their_reader = avro.io.DatumReader(avro.schema.parse(json.dumps(writer)), avro.schema.parse(json.dumps(reader)))
        theirs = their_reader.read(avro.io.BinaryDecoder(io.BytesIO(body)))
    except (avro.errors.SchemaResolutionException, avro.errors.AvroException):
        reject()  # it resolves less than the specification: enum defaults, promotions in unions
    assert compile_reader(parsed(writer), parsed(reader))(body, 0) == theirs


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_a_schema_we_refuse_outright_is_forbidden(pair: tuple[Any, Any, Any]) -> None:
    """We never refuse all data of a schema that the checker allows."""
    writer, reader, _datum = pair
    try:
        compile_reader(parsed(writer), parsed(reader))
    except ResolutionError:
        assert incompatibilities(writer, reader)


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A record schema."""
    return {"type": "record", "name": "R", "fields": list(fields)} | more


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    """A field of an enum."""
    return {"name": "e", "type": {"type": "enum", "name": "E", "symbols": list(symbols)} | more}


MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
FINE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4}
COARSE = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
A = {"name": "a", "type": "long"}


@pytest.mark.parametrize(
    ("writer", "reader", "reason"),
    [
        (record(), record(A), ".a: missing, and no default"),
        (record({"name": "a", "type": "long"}), record({"name": "a", "type": "int"}), ".a: long is not int"),
        (record(A), record(A, name="S"), ": R is not S"),
        (record(enum("X", "Y")), record(enum("X")), ".e: no symbol Y and no default"),
        (record({"name": "a", "type": ["null", "long"]}), record(A), ".a: null is not long"),
        (record(A), record({"name": "a", "type": ["null", "string"]}), ".a: no branch of the union takes long"),
        (
            record({"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}}),
            record({"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}}),
            ".f: 2 bytes are not 3",
        ),
        (record({"name": "t", "type": MICROS}), record({"name": "t", "type": MILLIS}), "timestamp-micros"),
        (record({"name": "d", "type": FINE}), record({"name": "d", "type": COARSE}), "decimal"),
        (
            record({"name": "l", "type": {"type": "array", "items": "string"}}),
            record({"name": "l", "type": {"type": "array", "items": "int"}}),
            ".l[]: string is not int",
        ),
        (
            record({"name": "m", "type": {"type": "map", "values": "boolean"}}),
            record({"name": "m", "type": {"type": "map", "values": "long"}}),
            ".m[]: boolean is not long",
        ),
    ],
)
def test_what_cannot_be_read_is_named(writer: Any, reader: Any, reason: str) -> None:
    """Each rule of resolution, broken: the checker says where, and the codec's resolution refuses as well."""
    reasons = incompatibilities(writer, reader)
    assert any(reason in found for found in reasons), reasons
    if reason not in {".e: no symbol Y and no default", ".a: null is not long"}:  # those depend on the datum
        with pytest.raises(ResolutionError):
            compile_reader(parsed(writer), parsed(reader))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (record(), record(A | {"default": 1})),
        (record(enum("X", default="X")), record(enum("X", "Y", default="X"))),
        (record({"name": "a", "type": "string"}), record({"name": "a", "type": "bytes"})),
        (record(A), record(A | {"doc": "said better"}, doc="and here")),
    ],
)
def test_what_both_ways_allow_is_allowed(one: Any, other: Any) -> None:
    """The changes that are safe both ways."""
    assert full_incompatibilities(one, other) == []


def test_both_ways_are_checked() -> None:
    """A change that only new readers, or only old ones, can bear is not full compatibility."""
    assert full_incompatibilities(record(), record(A))[0].startswith("forward")
    assert full_incompatibilities(record(A), record())[0].startswith("backward")


def test_the_history_has_this_release() -> None:
    """Every topic's schema is frozen under the version that this checkout builds."""
    frozen = {path.name for path in RELEASES if path.parent.name == version("skureel")}
    assert frozen >= {path.name for path in FOLDER.glob("*.avsc")}


@pytest.mark.parametrize("earlier", RELEASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_release_is_fully_compatible(earlier: Path) -> None:
    """FULL_TRANSITIVE: the current schema and each earlier one read each other's data; no topic was removed."""
    current = FOLDER / earlier.name
    assert current.exists(), f"{earlier.name} was published and has no current schema"
    assert full_incompatibilities(json.loads(earlier.read_bytes()), json.loads(current.read_bytes())) == []
