"""Projection from a writer's values to a reader's: what the properties over random schemas do not reach."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastavro import parse_schema

from consumer.stream.resolution import ResolutionError, TrailingBytesError, compile_reader
from tests.unit.stream_codec.samples import avro

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MILLIS_AT_NOON = 1_769_860_800_000


def record(kind: Any, **more: Any) -> dict[str, Any]:
    """A record of one field ``v``."""
    return {"type": "record", "name": "R", "fields": [{"name": "v", "type": kind, **more}]}


def named(name: str, field: str = "x") -> dict[str, Any]:
    """A small record type."""
    return {"type": "record", "name": name, "fields": [{"name": field, "type": "long", "default": 0}]}


def enum(name: str, *symbols: str, **more: Any) -> dict[str, Any]:
    """An enum type."""
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def read(writer: Any, reader: Any, datum: Any) -> Any:
    """The value of ``v`` as the reader means it."""
    parsed: list[Any] = [parse_schema(copy.deepcopy(record(kind))) for kind in (writer, reader)]
    return compile_reader(parsed[0], parsed[1])(avro(record(writer), {"v": datum}), 0)["v"]


@pytest.mark.parametrize(
    ("writer", "reader", "datum", "meant"),
    [
        ("long", MILLIS, MILLIS_AT_NOON, NOON),
        (MILLIS, "long", NOON, MILLIS_AT_NOON),
        ("int", MILLIS, 1_000, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (MILLIS, "double", NOON, float(MILLIS_AT_NOON)),
        ("bytes", DECIMAL, b"\x04\xd2", Decimal("12.34")),
        (DECIMAL, "bytes", Decimal("12.34"), b"\x04\xd2"),
        (DECIMAL, DECIMAL, Decimal("12.34"), Decimal("12.34")),
        ({"type": "long", "logicalType": "unheard-of"}, "long", 5, 5),
        ("long", ["null", MILLIS], MILLIS_AT_NOON, NOON),
        (["null", "long"], ["null", MILLIS], MILLIS_AT_NOON, NOON),
        (["null", "long"], ["null", MILLIS], None, None),
        (["null", MILLIS], ["long", "null"], NOON, MILLIS_AT_NOON),
        (["null", "string"], "string", "there", "there"),
        (["int", "string"], ["double", "bytes"], 3, 3.0),
        (["int", "string"], ["double", "bytes"], "three", b"three"),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "double"}, [1, 2], [1.0, 2.0]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "double"}, {"a": 1}, {"a": 1.0}),
        ([named("A"), named("B")], [named("B"), named("A")], ("B", {"x": 2}), {"x": 2}),
        ([named("A"), named("B")], [named("A", "y"), named("B")], ("A", {"x": 2}), {"y": 0}),
        (["null", named("A"), named("B"), "long"], ["null", named("A"), named("B"), "double"], 7, 7.0),
        (["null", named("A"), named("B")], ["null", named("A"), named("B", "y")], None, None),
        (enum("E", "A", "B"), enum("E", "A", default="A"), "B", "A"),
        (["null", enum("E", "A", "B"), named("N")], ["null", enum("E", "A", "B")], "B", "B"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 2}, b"ab", b"ab"),
        ("string", {"type": "string", "logicalType": "uuid"}, str(UUID(int=5)), UUID(int=5)),
    ],
)
def test_fault_17_values_read_as_the_reader_means_them(writer: Any, reader: Any, datum: Any, meant: Any) -> None:
    """Logical types, promotions and union branches, each where only one side has it."""
    value = read(writer, reader, datum)
    assert (value, type(value)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("branch", "datum"),
    [
        ({"type": "int", "logicalType": "date"}, date(2026, 1, 31)),
        ({"type": "int", "logicalType": "time-millis"}, time(12, 30)),
        ({"type": "long", "logicalType": "time-micros"}, time(12, 30)),
        (MICROS, NOON),
        ({"type": "string", "logicalType": "uuid"}, UUID(int=7)),
        (DECIMAL, Decimal("1.25")),
    ],
)
def test_branches_of_any_logical_type_are_told_apart(branch: Any, datum: Any) -> None:
    """A union's branch is found by the value's type, whatever the logical type."""
    assert read(["null", branch, "boolean"], ["null", "boolean", branch], datum) == datum
    assert read([branch, "double", named("A"), named("B")], [branch, "double", named("A")], datum) == datum


@pytest.mark.parametrize(
    ("writer", "reader", "datum", "said"),
    [
        (enum("E", "A", "B"), enum("E", "A"), "B", "v: 'B' is not one of A"),
        (["null", "long"], "long", None, "v: null cannot be read as long"),
        (["null", "long", "string"], ["null", "long"], "text", "v: string cannot be read as one of null, long"),
    ],
)
def test_a_value_that_the_reader_cannot_hold_is_refused_alone(writer: Any, reader: Any, datum: Any, said: str) -> None:
    """Where only some values cannot be read, the others can."""
    with pytest.raises(ResolutionError, match=said):
        read(writer, reader, datum)


@pytest.mark.parametrize(
    ("writer", "reader", "said"),
    [
        (MILLIS, MICROS, "v: timestamp-millis cannot be read as timestamp-micros"),
        (DECIMAL, DECIMAL | {"scale": 3}, "v: decimal scale 2; 3 wanted"),
        (DECIMAL, DECIMAL | {"precision": 8}, "v: decimal precision 9; 8 wanted"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "G", "size": 2}, "v: fixed F; G wanted"),
        ({"type": "fixed", "name": "F", "size": 2}, {"type": "fixed", "name": "F", "size": 4}, "v: 2 bytes; 4 wanted"),
        (["boolean", "bytes"], "long", "v: boolean cannot be read as long"),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, r"v\[\]: long cannot"),
        ([enum("E", "A"), "string"], ["bytes", enum("E", "A")], "two branches that read as str"),
    ],
)
def test_fault_17_a_schema_no_value_of_which_can_be_read_is_refused(writer: Any, reader: Any, said: str) -> None:
    """Before any value, with the path."""
    parsed: list[Any] = [parse_schema(copy.deepcopy(record(kind))) for kind in (writer, reader)]
    with pytest.raises(ResolutionError, match=said):
        compile_reader(parsed[0], parsed[1])


@pytest.mark.parametrize(
    ("kind", "default", "meant"),
    [
        (MILLIS, 0, datetime(1970, 1, 1, tzinfo=UTC)),
        (DECIMAL, "\u0004\u00d2", Decimal("12.34")),
        ("bytes", "\u00ff", b"\xff"),
        ("double", 1, 1.0),
        (["null", "long"], None, None),
        (["null", "long"], 5, 5),
        (["long", "null"], 5, 5),
        (enum("E", "A", "B"), "B", "B"),
        ({"type": "array", "items": "bytes"}, ["\u0001"], [b"\x01"]),
        ({"type": "map", "values": MILLIS}, {"a": 0}, {"a": datetime(1970, 1, 1, tzinfo=UTC)}),
        (named("A"), {}, {"x": 0}),
        (named("A"), {"x": 4}, {"x": 4}),
        ({"type": "fixed", "name": "F", "size": 1}, "\u00fe", b"\xfe"),
    ],
)
def test_defaults_become_values(kind: Any, default: Any, meant: Any) -> None:
    """A default is JSON in the schema and a value of the type in the record."""
    writer: Any = parse_schema({"type": "record", "name": "R", "fields": []})
    reader: Any = parse_schema(copy.deepcopy(record(kind, default=default)))
    value = compile_reader(writer, reader)(b"", 0)["v"]
    assert (value, type(value)) == (meant, type(meant))


@pytest.mark.parametrize("default", [True, "text", None, 1.5, []])
def test_a_default_that_does_not_fit_is_refused(default: Any) -> None:
    """Our own schema's mistake is a ValueError when it is compiled, not a wrong value later."""
    writer: Any = parse_schema({"type": "record", "name": "R", "fields": []})
    reader: Any = parse_schema(record("long", default=0))
    reader["fields"][0]["default"] = default
    with pytest.raises(ValueError, match="does not fit long"):
        compile_reader(writer, reader)


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_given_up_belongs_to_who_gave_it_up(order: int) -> None:
    """``a`` became ``b`` and ``b`` became ``c``: both values move, in whatever order the fields stand."""
    old: Any = {"type": "record", "name": "R", "fields": [{"name": name, "type": "long"} for name in "ab"]}
    fields = [{"name": "b", "aliases": ["a"], "type": "long"}, {"name": "c", "aliases": ["b"], "type": "long"}]
    new: Any = {"type": "record", "name": "R", "fields": fields[::order]}
    parsed: list[Any] = [parse_schema(copy.deepcopy(schema)) for schema in (old, new)]
    assert compile_reader(parsed[0], parsed[1])(avro(old, {"a": 1, "b": 2}), 0) == {"b": 1, "c": 2}
    assert compile_reader(parsed[1], parsed[1])(avro(new, {"b": 1, "c": 2}), 0) == {"b": 1, "c": 2}


def test_bytes_left_are_counted() -> None:
    """The error says how many."""
    parsed: Any = parse_schema(record("long"))
    other: Any = parse_schema(record("double"))
    for reader in (parsed, other):
        with pytest.raises(TrailingBytesError, match="3 bytes left"):
            compile_reader(parsed, reader)(b"\x02abc", 0)
