"""What is wrong with a datum, field by field, against a schema: the words behind an encoder's refusal.

Knows no framing, no topic and no event; slower than encoding, so it runs on foreign input and after a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from consumer.stream.avrotypes import Names, Schema, kind, label, logical, names_of, nullable, resolved

INT_BITS = {"int": 31, "long": 63}
SHOWN = 60
"""Characters of a wrong value that a message shows."""


class Fault(NamedTuple):
    """One thing wrong, and where: ``product-created.images[2].url``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def faults_of(parsed: Mapping[str, Any], datum: Any, path: str) -> list[Fault]:
    """Everything wrong with a datum (Python values: datetime, Decimal, bytes) under a parsed record schema."""
    return list(_faults(parsed, datum, path, names_of(parsed)))


def shown(value: Any) -> str:
    """A value for a message: bounded, whatever it is."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def decimal_fault(value: Decimal, schema: Mapping[str, Any]) -> str | None:
    """What keeps a decimal from being written exactly: too many digits before or after the point."""
    if not value.is_finite():
        return f"{value} is not a number that can be written"
    scale, precision = int(schema.get("scale", 0)), int(schema["precision"])
    _sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # only the special values just refused
        return f"{value} has no exponent"
    if -exponent > scale:
        return f"{shown(str(value))} has more than {scale} digits after the point"
    if any(digits) and len(digits) + exponent + scale > precision:
        return f"{shown(str(value))} has more than {precision - scale} digits before the point"
    return None


def text_fault(value: str) -> str | None:
    """What keeps a text from being UTF-8: a lone surrogate."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"{shown(value)} has a lone surrogate: not valid Unicode text"
    return None


def _faults(schema: Schema, value: Any, path: str, names: Names) -> Iterator[Fault]:
    schema = resolved(schema, names)
    what = kind(schema)
    if what == "union":
        yield from _union(schema, value, path, names)
    elif what == "record":
        yield from _record(schema, value, path, names)
    elif what == "array":
        if not isinstance(value, (list, tuple)):
            yield Fault(path, f"{shown(value)} is not a list")
            return
        for index, item in enumerate(value):
            yield from _faults(schema["items"], item, f"{path}[{index}]", names)
    elif what == "map":
        yield from _map(schema, value, path, names)
    else:
        message = _LEAVES[logical(schema) or what](value, schema)
        if message:
            yield Fault(path, message)


def _union(branches: list[Schema], value: Any, path: str, names: Names) -> Iterator[Fault]:
    if value is None:
        return
    yield from _faults(nullable(branches), value, path, names)


def _record(schema: Schema, value: Any, path: str, names: Names) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(path, f"{shown(value)} is not a {label(schema)}")
        return
    for field in schema["fields"]:
        name = field["name"]
        if name in value:
            yield from _faults(field["type"], value[name], f"{path}.{name}", names)
        elif "default" not in field:
            yield Fault(f"{path}.{name}", "missing")
    known = {field["name"] for field in schema["fields"]}
    for name in value:
        if name not in known:
            yield Fault(f"{path}.{name}", "no such field")


def _map(schema: Schema, value: Any, path: str, names: Names) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(path, f"{shown(value)} is not a map")
        return
    for key, item in value.items():
        message = _string(key, schema)
        if message:
            yield Fault(path, f"key {message}")
        yield from _faults(schema["values"], item, f"{path}[{key}]", names)


def _null(value: Any, _schema: Schema) -> str | None:
    return None if value is None else f"{shown(value)} is not null"


def _boolean(value: Any, _schema: Schema) -> str | None:
    return None if isinstance(value, bool) else f"{shown(value)} is not true or false"


def _whole(value: Any, schema: Schema) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{shown(value)} is not a whole number"
    bits = INT_BITS[kind(schema)]
    return None if -(1 << bits) <= value < 1 << bits else f"{shown(value)} does not fit {bits + 1} bits"


def _number(value: Any, _schema: Schema) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{shown(value)} is not a number"
    return None


def _bytes(value: Any, _schema: Schema) -> str | None:
    return None if isinstance(value, (bytes, bytearray)) else f"{shown(value)} is not bytes"


def _fixed(value: Any, schema: Schema) -> str | None:
    message = _bytes(value, schema)
    return message or (None if len(value) == schema["size"] else f"{len(value)} bytes; {schema['size']} wanted")


def _string(value: Any, _schema: Schema) -> str | None:
    return text_fault(value) if isinstance(value, str) else f"{shown(value)} is not a text"


def _enum(value: Any, schema: Schema) -> str | None:
    return None if value in schema["symbols"] else f"{shown(value)} is not one of {', '.join(schema['symbols'])}"


def _timestamp(value: Any, schema: Schema) -> str | None:
    if not isinstance(value, datetime):
        return _whole(value, schema) and f"{shown(value)} is not a time"
    return None if value.tzinfo else f"{shown(value)} has no time zone"


def _decimal(value: Any, schema: Schema) -> str | None:
    return decimal_fault(value, schema) if isinstance(value, Decimal) else f"{shown(value)} is not a Decimal"


_LEAVES: dict[str, Callable[[Any, Schema], str | None]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _whole,
    "long": _whole,
    "float": _number,
    "double": _number,
    "bytes": _bytes,
    "fixed": _fixed,
    "string": _string,
    "enum": _enum,
    "long-timestamp-millis": _timestamp,
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
}
