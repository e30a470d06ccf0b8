"""Reading one schema's bytes as another schema's values: safety of a writer's schema, and Avro's resolution rules.

A value is read strictly with the writer's schema, then projected by steps compiled once per pair of schemas. fastavro's
own resolution is not used: it skips unwanted fields without noticing that the bytes end, and hands out the same default
list to every record. Knows no framing and no topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

from fastavro import schemaless_reader
from fastavro.read import LOGICAL_READERS
from fastavro.write import LOGICAL_WRITERS

from consumer.stream.avrotypes import Names, Schema, default_maker, kind, label, logical, names_of, resolved

Step = Callable[[Any], Any]
"""Turns a value the writer meant into the reader's; may change it in place."""
Reader = Callable[[bytes, int], dict[str, Any]]
"""Reads the datum that begins at an offset and ends with the bytes."""

MAX_NODES = 5_000
"""Types reachable in one schema, names expanded: bounds the work that no bytes pay for. Ours have about 100."""


class ResolutionError(ValueError):
    """Raised when bytes of one schema cannot be read as another. ``path`` names the field, empty for the whole."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class TrailingBytesError(ValueError):
    """Raised when bytes are left after the datum: it was written with another schema, or damaged."""


def compile_reader(writer: dict[str, Any], reader: dict[str, Any]) -> Reader:
    """A function that reads what ``writer`` wrote as ``reader`` means it (both parsed records).

    Raises ResolutionError when no value can be read, or the writer's schema is one that a few bytes could make
    unbounded work of. The function raises whatever fastavro does, ResolutionError, or TrailingBytesError.
    """
    check_bounded(writer)
    step = _Projection(names_of(writer), names_of(reader)).of(writer, reader, "")
    if step is None:

        def read(value: bytes, start: int) -> Any:
            source = BytesIO(value)
            source.seek(start)
            datum = schemaless_reader(source, writer, None)
            if source.tell() != len(value):
                raise TrailingBytesError(f"{len(value) - source.tell()} bytes left after the value")
            return datum

        return read

    def read_and_project(value: bytes, start: int) -> Any:
        source = BytesIO(value)
        source.seek(start)
        datum = schemaless_reader(
            source, writer, None, return_named_type=True, return_named_type_override=True
        )  # so that unions of several named types tell which one it is
        if source.tell() != len(value):
            raise TrailingBytesError(f"{len(value) - source.tell()} bytes left after the value")
        return step(datum)

    return read_and_project


def check_bounded(parsed: Mapping[str, Any]) -> None:
    """Refuse schemas with which few bytes mean much work: recursive ones (fastavro overruns the C stack), lists of
    items without bytes, and ones that unfold without end. Raises ResolutionError.
    """
    _Weights(names_of(parsed)).smallest(parsed, "", ())


class _Weights:
    """Walks a schema with names expanded."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._nodes = 0

    def smallest(self, schema: Schema, path: str, above: tuple[str, ...]) -> int:
        """The fewest bytes a value can have."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ResolutionError(path, f"the writer's schema unfolds to more than {MAX_NODES} types")
        schema = resolved(schema, self._names)
        what = kind(schema)
        if what == "union":
            return 1 + min(self.smallest(branch, path, above) for branch in schema)
        if what in {"record", "error"}:
            if schema["name"] in above:
                raise ResolutionError(path, f"the writer's schema is recursive ({label(schema)}): not supported")
            inside = (*above, schema["name"])
            return sum(self.smallest(f["type"], _below(path, f["name"]), inside) for f in schema["fields"])
        if what in {"array", "map"}:
            item = self.smallest(schema["items" if what == "array" else "values"], path, above)
            if what == "array" and item == 0:
                raise ResolutionError(path, "the writer's schema has a list of items without bytes: not supported")
            return 1
        return int(schema["size"]) if what == "fixed" else _SMALLEST[what]


_SMALLEST = {"null": 0, "float": 4, "double": 8, "boolean": 1, "int": 1, "long": 1, "bytes": 1, "string": 1, "enum": 1}

_PROMOTIONS: dict[tuple[str, str], Step | None] = {
    ("int", "long"): None,
    ("int", "float"): float,
    ("int", "double"): float,
    ("long", "float"): float,
    ("long", "double"): float,
    ("float", "double"): None,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): bytes.decode,
}
"""Avro's promotions, from the specification's chapter on schema resolution. None: Python's value is the same."""

_UNION_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float,),
    "double": (float,),
    "bytes": (bytes, Decimal),
    "fixed": (bytes, Decimal),
    "string": (str, UUID),
    "enum": (str,),
    "array": (list,),
    "map": (dict,),
    "record": (dict,),
    "error": (dict,),
}
"""What a branch's value looks like in Python, logical types of ``int`` and ``long`` apart."""


@dataclass(frozen=True, slots=True)
class _Projection:
    """Compiles steps from one schema to another. A step of None means: nothing to do."""

    writer: Names
    reader: Names

    def of(self, writer: Schema, reader: Schema, path: str) -> Step | None:
        """The step, or ResolutionError where no value of the writer can be read."""
        writer, reader = resolved(writer, self.writer), resolved(reader, self.reader)
        if isinstance(writer, list):
            return self._from_union(writer, reader, path)
        if isinstance(reader, list):
            return self._into_union(writer, reader, path)
        mine, wanted = kind(writer), kind(reader)
        if mine == wanted:
            if mine in {"record", "error"}:
                return self._record(writer, reader, path)
            if mine == "array":
                return _each_item(self.of(writer["items"], reader["items"], f"{path}[]"))
            if mine == "map":
                return _each_value(self.of(writer["values"], reader["values"], f"{path}[]"))
            if mine == "enum":
                return _enum(writer, reader, path)
            if mine == "fixed":
                _same_name(writer, reader, path)
                if writer["size"] != reader["size"]:
                    raise ResolutionError(path, f"{writer['size']} bytes; {reader['size']} wanted")
        elif (mine, wanted) not in _PROMOTIONS:
            raise ResolutionError(path, f"{label(writer)} cannot be read as {label(reader)}")
        return _logical_step(writer, reader, _PROMOTIONS.get((mine, wanted)), path)

    def _record(self, writer: Schema, reader: Schema, path: str) -> Step | None:
        _same_name(writer, reader, path)
        theirs = {field["name"]: field for field in writer["fields"]}
        # A name that another field of the reader's gave up belongs to that field, unless the writer knows its new name.
        former = {
            alias: field["name"]
            for field in reader["fields"]
            for alias in field.get("aliases", ())
            if field["name"] not in theirs
        }
        renamed: list[tuple[str, str]] = []
        changed: list[tuple[str, Step]] = []
        missing: list[tuple[str, Callable[[], Any]]] = []
        for field in reader["fields"]:
            name = field["name"]
            source = next(
                (n for n in (name, *field.get("aliases", ())) if n in theirs and former.get(n, name) == name), None
            )
            if source is None:
                missing.append((name, self._default(field, _below(path, name))))
                continue
            step = self.of(theirs.pop(source)["type"], field["type"], _below(path, name))
            if source != name:
                renamed.append((source, name))
            if step is not None:
                changed.append((name, step))
        return _record_step(tuple(theirs), renamed, changed, missing)

    def _default(self, field: Mapping[str, Any], path: str) -> Callable[[], Any]:
        if "default" not in field:
            raise ResolutionError(path, "missing in the writer's schema, and has no default")
        return default_maker(field["type"], field["default"], self.reader)

    def _into_union(self, writer: Schema, reader: list[Schema], path: str) -> Step | None:
        exact = [branch for branch in reader if kind(resolved(branch, self.reader)) == kind(writer)]
        for branch in (*exact, *reader):
            try:
                return self.of(writer, branch, path)
            except ResolutionError:
                continue
        raise ResolutionError(path, f"{label(writer)} cannot be read as {label(reader)}")

    def _from_union(self, writer: list[Schema], reader: Schema, path: str) -> Step | None:
        branches = [resolved(branch, self.writer) for branch in writer]
        steps: list[Step | None] = []
        failures: list[ResolutionError] = []
        for branch in branches:
            try:
                steps.append(self.of(branch, reader, path))
            except ResolutionError as error:
                steps.append(_refuse(error))
                failures.append(error)
        if len(failures) == len(branches):
            raise failures[0]
        return _union_step(branches, steps, path)


def _record_step(
    dropped: tuple[str, ...],
    renamed: list[tuple[str, str]],
    changed: list[tuple[str, Step]],
    missing: list[tuple[str, Callable[[], Any]]],
) -> Step | None:
    if not (dropped or renamed or changed or missing):
        return None

    def step(record: dict[str, Any]) -> dict[str, Any]:
        for name in dropped:
            del record[name]
        if renamed:  # all out before any goes in: names may be swapped
            record.update([(new, record.pop(old)) for old, new in renamed])
        for name, change in changed:
            record[name] = change(record[name])
        for name, make in missing:
            record[name] = make()
        return record

    return step


def _each_item(step: Step | None) -> Step | None:
    return None if step is None else lambda items: [step(item) for item in items]


def _each_value(step: Step | None) -> Step | None:
    return None if step is None else lambda items: {key: step(item) for key, item in items.items()}


def _refuse(error: ResolutionError) -> Step:
    def step(_value: Any) -> Any:
        raise ResolutionError(error.path, str(error).removeprefix(f"{error.path}: "))

    return step


def _enum(writer: Schema, reader: Schema, path: str) -> Step | None:
    _same_name(writer, reader, path)
    known = frozenset(reader["symbols"])
    if known.issuperset(writer["symbols"]):
        return None
    default = reader.get("default")

    def step(symbol: str) -> str:
        if symbol in known:
            return symbol
        if default is None:
            raise ResolutionError(path, f"{symbol!r} is not one of {', '.join(reader['symbols'])}")
        return str(default)

    return step


def _union_step(branches: list[Schema], steps: list[Step | None], path: str) -> Step | None:
    named = [kind(branch) in {"record", "error", "enum", "fixed"} for branch in branches]
    if sum(named) <= 1 and all(step is None for step in steps):
        return None
    if sum(named) <= 1:
        return _by_type([(_python_types(b), s) for b, s in zip(branches, steps, strict=True)], path)
    by_name = {b["name"]: s for b, s, is_named in zip(branches, steps, named, strict=True) if is_named}
    plain = [(_python_types(b), s) for b, s, is_named in zip(branches, steps, named, strict=True) if not is_named]
    unnamed = _by_type(plain, path)

    def step(value: Any) -> Any:
        if isinstance(value, tuple):  # (full name, value): fastavro's mark of the branch
            name, value = value
            change = by_name[name]
            return value if change is None else change(value)
        return unnamed(value)

    return step


def _by_type(choices: list[tuple[tuple[type, ...], Step | None]], path: str) -> Step:
    table: dict[type, Step | None] = {}
    for types, step in choices:
        for kind_of in types:
            if kind_of in table and table[kind_of] is not step:
                raise ResolutionError(path, f"the writer's union has two branches that read as {kind_of.__name__}")
            table[kind_of] = step

    def choose(value: Any) -> Any:
        step = table[type(value)]
        return value if step is None else step(value)

    return choose


def _python_types(branch: Schema) -> tuple[type, ...]:
    as_logical = logical(branch)
    if as_logical is None:
        return tuple(t for t in _UNION_TYPES[kind(branch)] if t not in {Decimal, UUID})
    return _LOGICAL_TYPES.get(as_logical.split("-", 1)[1].removeprefix("local-"), _UNION_TYPES[kind(branch)])


_LOGICAL_TYPES: dict[str, tuple[type, ...]] = {
    "date": (date,),
    "time-millis": (time,),
    "time-micros": (time,),
    "timestamp-millis": (datetime,),
    "timestamp-micros": (datetime,),
    "decimal": (Decimal,),
    "uuid": (UUID,),
}


def _logical_step(writer: Schema, reader: Schema, promotion: Step | None, path: str) -> Step | None:
    """Values carry the writer's logical type; the reader's is what is wanted."""
    mine, wanted = logical(writer), logical(reader)
    if mine == wanted:
        if mine is not None and mine.endswith("-decimal"):
            _same_decimal(writer, reader, path)
        return promotion
    if mine is not None and wanted is not None:
        raise ResolutionError(path, f"{label(writer)} cannot be read as {label(reader)}")
    steps: list[Step] = []
    if mine is not None:
        plain = LOGICAL_WRITERS[mine]
        steps.append(lambda value: plain(value, writer))
    if promotion is not None:
        steps.append(promotion)
    if wanted is not None:
        typed = LOGICAL_READERS[wanted]
        steps.append(lambda value: typed(value, reader, None))
    return steps[0] if len(steps) == 1 else lambda value: steps[1](steps[0](value))


def _same_decimal(writer: Schema, reader: Schema, path: str) -> None:
    for key in ("scale", "precision"):
        if writer.get(key, 0) != reader.get(key, 0):
            raise ResolutionError(path, f"decimal {key} {writer.get(key, 0)}; {reader.get(key, 0)} wanted")


def _same_name(writer: Schema, reader: Schema, path: str) -> None:
    """Named types match by unqualified name, or by an alias of the reader's (specification, schema resolution)."""
    name = label(writer)
    if name != label(reader) and not {name, writer["name"]} & {*reader.get("aliases", ())}:
        raise ResolutionError(path, f"{kind(writer)} {name}; {label(reader)} wanted")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
