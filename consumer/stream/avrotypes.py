"""Small questions about parsed Avro schemas: what type is this, what is it called, what does a default stand for.

Knows no datum, no framing and no topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastavro.read import LOGICAL_READERS

Schema = Any
"""A parsed schema: a name, a dict, or a list of union branches."""
Names = Mapping[str, Any]
"""Named types of one schema by full name."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "error", "enum", "fixed"})


def names_of(parsed: Mapping[str, Any]) -> Names:
    """The named types of a parsed schema."""
    names: Names = parsed["__named_schemas"]
    return names


def resolved(schema: Schema, names: Names) -> Schema:
    """The schema itself where ``schema`` is the name of one."""
    while isinstance(schema, str) and schema not in PRIMITIVES:
        schema = names[schema]
    return schema


def kind(schema: Schema) -> str:
    """``union``, or the type's own word: ``record``, ``string``, … (``schema`` is resolved)."""
    if isinstance(schema, list):
        return "union"
    if isinstance(schema, str):
        return schema
    inner = schema["type"]
    return inner if isinstance(inner, str) else kind(inner)


def logical(schema: Schema) -> str | None:
    """The logical type that the schema names and fastavro applies, as ``<type>-<logical type>``; else None."""
    if not isinstance(schema, dict) or "logicalType" not in schema:
        return None
    name = f"{kind(schema)}-{schema['logicalType']}"
    return name if name in LOGICAL_READERS else None


def nullable(branches: list[Schema]) -> Schema:
    """What a union of null and one other type may hold: the only unions our own schemas have."""
    return next(branch for branch in branches if branch != "null")


def label(schema: Schema) -> str:
    """What to call the type in a message."""
    if isinstance(schema, list):
        return f"one of {', '.join(label(branch) for branch in schema)}"
    if isinstance(schema, dict):
        name = schema.get("name") or schema.get("logicalType") or kind(schema)
        return str(name).rsplit(".", 1)[-1]
    return str(schema).rsplit(".", 1)[-1]


def default_maker(schema: Schema, value: Any, names: Names) -> Callable[[], Any]:
    """A function that gives the datum a field default (as JSON) stands for: a new one each time, where it can change.

    Raises ValueError when the default does not fit the schema.
    """
    sample = _default(schema, value, names)
    if isinstance(sample, (list, dict)):
        return lambda: _default(schema, value, names)
    return lambda: sample


def _default(schema: Schema, value: Any, names: Names) -> Any:
    schema = resolved(schema, names)
    what = kind(schema)
    if what == "union":
        return _default_branch(schema, value, names)
    if what in {"record", "error"} and isinstance(value, dict):
        return {f["name"]: _default(f["type"], value.get(f["name"], f.get("default")), names) for f in schema["fields"]}
    if what == "array" and isinstance(value, list):
        return [_default(schema["items"], item, names) for item in value]
    if what == "map" and isinstance(value, dict):
        return {key: _default(schema["values"], item, names) for key, item in value.items()}
    if what in {"bytes", "fixed"} and isinstance(value, str):
        value = value.encode("latin-1")  # the specification: code points 0-255 stand for bytes
    if not isinstance(value, _PYTHON_TYPES.get(what, ())) or (isinstance(value, bool) and what != "boolean"):
        raise ValueError(f"default {value!r} does not fit {label(schema)}")
    as_logical = logical(schema)
    if as_logical:
        return LOGICAL_READERS[as_logical](value, schema, None)
    return float(value) if isinstance(value, int) and what in {"float", "double"} else value


def _default_branch(branches: list[Schema], value: Any, names: Names) -> Any:
    # The specification once wanted a default of the first branch, and now takes any: the first that fits.
    for branch in branches:
        try:
            return _default(branch, value, names)
        except ValueError:
            continue
    raise ValueError(f"default {value!r} fits {label(branches)} nowhere")


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "bytes": (bytes,),
    "fixed": (bytes,),
    "string": (str,),
    "enum": (str,),
}
