"""Hypothesis strategies: Avro schemas, how a team might change them, and data of them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

DEFAULTS: dict[str, Any] = {"int": 1, "long": 2, "float": 0.5, "double": 1.5, "string": "d", "boolean": True}
PRIMITIVES = ["int", "long", "float", "double", "string", "bytes", "boolean"]
SYMBOLS = ["A", "B", "C", "D"]
FIELDS = ["a", "b", "c", "d", "e"]

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def record_schemas(draw: Draw) -> dict[str, Any]:
    """A record of primitives, lists, maps, enums, nullable types and records, two levels deep."""
    return _record(draw, 2, map(str, itertools.count()))


def _record(draw: Draw, depth: int, numbers: Any) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
    fields = [_field(draw, name, depth, numbers) for name in names]
    return {"type": "record", "name": f"R{next(numbers)}", "fields": fields}


def _field(draw: Draw, name: str, depth: int, numbers: Any) -> dict[str, Any]:
    kind = _type(draw, depth, numbers)
    field: dict[str, Any] = {"name": name, "type": kind}
    if isinstance(kind, list):
        field["default"] = None
    elif isinstance(kind, str) and kind in DEFAULTS and draw(st.booleans()):
        field["default"] = DEFAULTS[kind]
    elif isinstance(kind, dict) and kind["type"] in {"array", "map"} and draw(st.booleans()):
        field["default"] = [] if kind["type"] == "array" else {}
    return field


def _type(draw: Draw, depth: int, numbers: Any) -> Any:
    shape = draw(st.sampled_from(["primitive"] * 3 + (["array", "map", "record", "nullable", "enum"] if depth else [])))
    if shape == "array":
        return {"type": "array", "items": _type(draw, depth - 1, numbers)}
    if shape == "map":
        return {"type": "map", "values": _type(draw, depth - 1, numbers)}
    if shape == "record":
        return _record(draw, depth - 1, numbers)
    if shape == "enum":
        symbols = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=3, unique=True))
        enum = {"type": "enum", "name": f"E{next(numbers)}", "symbols": symbols}
        return enum | ({"default": symbols[0]} if draw(st.booleans()) else {})
    if shape == "nullable":
        inner = _type(draw, depth - 1, numbers)
        return inner if isinstance(inner, list) else ["null", inner]
    return draw(st.sampled_from(PRIMITIVES))


@st.composite
def changed(draw: Draw, schema: dict[str, Any]) -> dict[str, Any]:
    """A later version of a schema, compatible or not."""
    later = copy.deepcopy(schema)
    for _ in range(draw(st.integers(0, 3))):
        _change(draw, draw(st.sampled_from(list(_records(later)))))
    return later


def _records(schema: Any) -> Any:
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema
            for field in schema["fields"]:
                yield from _records(field["type"])
        for key in ("items", "values"):
            yield from _records(schema.get(key))


def _change(draw: Draw, record: dict[str, Any]) -> None:
    """One change in place."""
    fields = record["fields"]
    what = draw(st.sampled_from(["drop", "add", "retype", "nullable", "symbols", "reorder", "rename"]))
    field = draw(st.sampled_from(fields)) if fields else None
    if what == "drop" and len(fields) > 1:  # a list of records without fields is refused for its own reason
        fields.remove(field)
    elif what == "add":
        kind = draw(st.sampled_from(sorted(DEFAULTS)))
        name = draw(st.sampled_from(["x", "y"]))
        if all(f["name"] != name for f in fields):
            fields.append({"name": name, "type": kind} | ({"default": DEFAULTS[kind]} if draw(st.booleans()) else {}))
    elif what == "retype" and field:
        field["type"] = draw(st.sampled_from(PRIMITIVES))
        field.pop("default", None)
    elif what == "nullable" and field and not isinstance(field["type"], list):
        field["type"], field["default"] = ["null", field["type"]], None
    elif what == "symbols" and field and isinstance(field["type"], dict) and field["type"]["type"] == "enum":
        symbols = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=4, unique=True))
        field["type"]["symbols"] = symbols
        field["type"].pop("default", None)
        if draw(st.booleans()):
            field["type"]["default"] = symbols[0]
    elif what == "reorder":
        fields.reverse()
    elif what == "rename" and field and not field["name"].endswith("_2"):
        # A new name of its own: fastavro (1.13) fails where a writer has both a field and another's former name.
        field["aliases"], field["name"] = [field["name"]], f"{field['name']}_2"


def data(schema: Any) -> st.SearchStrategy[Any]:
    """Data of a schema."""
    if isinstance(schema, list):
        return st.one_of(*(data(branch) for branch in schema))
    if isinstance(schema, str):
        return _LEAVES[schema]
    kind = schema["type"]
    if kind == "record":
        return st.fixed_dictionaries({field["name"]: data(field["type"]) for field in schema["fields"]})
    if kind == "array":
        return st.lists(data(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=3), data(schema["values"]), max_size=3)
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    return data(kind)


_LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
    "bytes": st.text(max_size=5).map(str.encode),
}
"""Bytes are UTF-8, so that their promotion to a string succeeds: where it cannot, the data is at fault."""
