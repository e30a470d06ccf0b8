"""Data as JSON for people and tools, and back: unions without type wrapping, every fault with its path.

Timestamps are ISO 8601 texts (or milliseconds), decimals texts, bytes base64. Knows no framing, topic or event.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from consumer.stream.avrotypes import Names, Schema, default_maker, kind, logical, names_of, nullable, resolved
from consumer.stream.check import Fault, faults_of, shown
from consumer.stream.headers import rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""JSON has no words for these; Avro's floats have the values."""


class JsonError(ValueError):
    """Raised when JSON does not fit a schema; ``faults`` has every place."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def from_json(parsed: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
    """The datum that decoded JSON stands for, defaults filled in. Raises JsonError with every fault.

    Times are cut to milliseconds; everything else is taken exactly or refused, unknown fields included.
    """
    reading = _Reading(names_of(parsed))
    datum = reading.datum(parsed, value, path)
    # What could not be converted was reported by the conversion; the checker must not report its place again.
    reported = {fault.path for fault in reading.faults}
    faults = [*reading.faults, *(fault for fault in faults_of(parsed, datum, path) if fault.path not in reported)]
    if faults:
        raise JsonError(faults)
    return dict(datum)


def to_json(parsed: Mapping[str, Any], datum: Mapping[str, Any]) -> dict[str, Any]:
    """A datum as decoded (or valid for encoding) in JSON values; the inverse of ``from_json``."""
    return dict(_json(parsed, datum, names_of(parsed)))


@dataclass(slots=True)
class _Reading:
    """One conversion from JSON: what it found wrong so far."""

    names: Names
    faults: list[Fault] = field(default_factory=list)

    def datum(self, schema: Schema, value: Any, path: str) -> Any:
        schema = resolved(schema, self.names)
        what = kind(schema)
        if what == "union":
            return self._union(schema, value, path)
        if what == "record" and isinstance(value, dict):
            return self._record(schema, value, path)
        if what == "array" and isinstance(value, list):
            return [self.datum(schema["items"], item, f"{path}[{index}]") for index, item in enumerate(value)]
        if what == "map" and isinstance(value, dict):
            return {key: self.datum(schema["values"], item, f"{path}[{key}]") for key, item in value.items()}
        convert = _FROM_JSON.get(logical(schema) or what)
        if convert is None:
            return value  # texts, numbers, and what has the wrong shape: the checker has the words for it
        try:
            return convert(value)
        except _UnfitError as error:
            self.faults.append(Fault(path, str(error)))
            return None

    def _record(self, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        datum: dict[str, Any] = {}
        for f in schema["fields"]:
            name = f["name"]
            if name in value:
                datum[name] = self.datum(f["type"], value[name], f"{path}.{name}")
            elif "default" in f:
                datum[name] = default_maker(f["type"], f["default"], self.names)()
            else:
                self.faults.append(Fault(f"{path}.{name}", "missing"))
        known = {f["name"] for f in schema["fields"]}
        self.faults.extend(Fault(f"{path}.{name}", "no such field") for name in value if name not in known)
        return datum

    def _union(self, branches: list[Schema], value: Any, path: str) -> Any:
        if value is None:
            return None
        return self.datum(nullable(branches), value, path)


class _UnfitError(Exception):
    """Raised when one JSON value cannot stand for its type; the message has the words, the caller the path."""


def _time(value: Any) -> datetime:
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return EPOCH + timedelta(milliseconds=value)
        except OverflowError:
            raise _UnfitError(f"{shown(value)} milliseconds since 1970 is out of range") from None
    if not isinstance(value, str):
        raise _UnfitError(f"{shown(value)} is neither an ISO 8601 text nor milliseconds since 1970")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise _UnfitError(f"{shown(value)} is not an ISO 8601 time such as 2026-01-31T12:00:00Z") from None
    if time.tzinfo is None:
        raise _UnfitError(f"{shown(value)} has no time zone: add Z or +08:00")
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise _UnfitError(f"{shown(value)} is out of range") from None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, float):
        raise _UnfitError(f'{value!r} is not exact: write it as a text, "{value!r}"')
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _UnfitError(f"{shown(value)} is not a decimal text")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _UnfitError(f'{shown(value)} is not a decimal text such as "12.50"') from None
    # Zeros at the end are not digits to be kept: "12.50000" is a price in cents all the same.
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return number  # not a number: the checker has the words
    while exponent < 0 and digits[-1] == 0 and len(digits) > 1:
        digits, exponent = digits[:-1], exponent + 1
    return Decimal((sign, digits, exponent))


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _UnfitError(f"{shown(value)} is not a base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _UnfitError(f"{shown(value)} is not base64") from None


def _float(value: Any) -> Any:
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if isinstance(value, float) and not math.isfinite(value):
        raise _UnfitError(f"{value!r} is not JSON: write it as a text")
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise _UnfitError(f"{shown(value)} is out of range") from None
    return value


_FROM_JSON = {
    "long-timestamp-millis": _time,
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
    "bytes": _bytes,
    "fixed": _bytes,
    "float": _float,
    "double": _float,
}


def _json(schema: Schema, value: Any, names: Names) -> Any:
    schema = resolved(schema, names)
    what = kind(schema)
    if what == "union":
        return None if value is None else _json(nullable(schema), value, names)
    if what == "record":
        return {f["name"]: _json(f["type"], value[f["name"]], names) for f in schema["fields"]}
    if what == "array":
        return [_json(schema["items"], item, names) for item in value]
    if what == "map":
        return {key: _json(schema["values"], item, names) for key, item in value.items()}
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return next(name for name, number in NOT_FINITE.items() if repr(number) == repr(value))
    return value
