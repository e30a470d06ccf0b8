"""Avro's schema resolution rules as a question: can a reader with one schema read all data of another?

Written from the specification (1.12, Schema Resolution) over the schemas' JSON, apart from the codec that it helps to
check. FULL_TRANSITIVE means: yes, both ways, between the current schema and every earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PROMOTIONS = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}
NAMED = {"record", "enum", "fixed"}
PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}


def incompatibilities(writer: Any, reader: Any) -> list[str]:
    """Why some data written with ``writer`` cannot be read with ``reader``; empty when all can."""
    return list(_compare(writer, reader, _named(writer), _named(reader), ""))


def full_incompatibilities(one: Any, other: Any) -> list[str]:
    """Why data of either schema cannot be read with the other."""
    forth = [f"forward: {reason}" for reason in incompatibilities(one, other)]
    return forth + [f"backward: {reason}" for reason in incompatibilities(other, one)]


def _named(schema: Any) -> dict[str, Any]:
    """Every named type of a schema by unqualified name: enough for schemas of one namespace."""
    found: dict[str, Any] = {}
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack.extend(part)
        elif isinstance(part, dict):
            if part.get("type") in NAMED:
                found[_short(part["name"])] = part
            stack.extend(field["type"] for field in part.get("fields", ()))
            stack.extend(part[key] for key in ("items", "values") if key in part)
            stack.extend([part["type"]] if isinstance(part["type"], (dict, list)) else [])
    return found


def _short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _whole(schema: Any, names: dict[str, Any]) -> Any:
    """Names and wrappers looked through."""
    if isinstance(schema, str):
        return {"type": schema} if schema in PRIMITIVES else names[_short(schema)]
    if isinstance(schema, dict) and isinstance(schema["type"], (dict, list)):
        return _whole(schema["type"], names)
    return schema


def _compare(writer: Any, reader: Any, w: dict[str, Any], r: dict[str, Any], path: str) -> Iterator[str]:
    writer, reader = _whole(writer, w), _whole(reader, r)
    if isinstance(writer, list):
        for branch in writer:
            yield from _compare(branch, reader, w, r, path)
        return
    if isinstance(reader, list):
        if not any(not list(_compare(writer, branch, w, r, path)) for branch in reader):
            yield f"{path}: no branch of the union takes {writer['type']}"
        return
    mine, wanted = writer["type"], reader["type"]
    if mine != wanted:
        if (mine, wanted) not in PROMOTIONS:
            yield f"{path}: {mine} is not {wanted}"
        return
    if mine in NAMED and not _same_name(writer, reader):
        yield f"{path}: {writer['name']} is not {reader['name']}"
        return
    if mine == "record":
        yield from _compare_fields(writer, reader, w, r, path)
    elif mine in {"array", "map"}:
        inner = "items" if mine == "array" else "values"
        yield from _compare(writer[inner], reader[inner], w, r, f"{path}[]")
    elif mine == "enum":
        yield from _compare_symbols(writer, reader, path)
    elif mine == "fixed" and writer["size"] != reader["size"]:
        yield f"{path}: {writer['size']} bytes are not {reader['size']}"
    yield from _compare_logical(writer, reader, path)


def _compare_fields(writer: Any, reader: Any, w: dict[str, Any], r: dict[str, Any], path: str) -> Iterator[str]:
    theirs = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        names = [field["name"], *field.get("aliases", ())]
        match = next((theirs[name] for name in names if name in theirs), None)
        below = f"{path}.{field['name']}"
        if match is not None:
            yield from _compare(match["type"], field["type"], w, r, below)
        elif "default" not in field:
            yield f"{below}: missing, and no default"


def _compare_symbols(writer: Any, reader: Any, path: str) -> Iterator[str]:
    unknown = sorted(set(writer["symbols"]) - set(reader["symbols"]))
    if unknown and "default" not in reader:
        yield f"{path}: no symbol {', '.join(unknown)} and no default"


def _compare_logical(writer: Any, reader: Any, path: str) -> Iterator[str]:
    """Stricter than the specification, which reads another logical type as its bare type: the meaning would change."""
    keys = ("logicalType", "scale", "precision")
    mine, wanted = ([schema.get(key) for key in keys] for schema in (writer, reader))
    if mine != wanted and "logicalType" in writer and "logicalType" in reader:
        yield f"{path}: {mine} is not {wanted}"


def _same_name(writer: Any, reader: Any) -> bool:
    aliases = {_short(alias) for alias in reader.get("aliases", ())}
    return _short(writer["name"]) in {_short(reader["name"]), *aliases}
