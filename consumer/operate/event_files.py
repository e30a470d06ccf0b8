"""Events in a file as typed values: JSON lines as for ``publish``, or one JSON object. Knows no command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from consumer.events import EventError
from consumer.operate.publish import InvalidError, Line, read_lines
from consumer.settings import Settings
from consumer.stream.jsonform import JsonError, from_json
from consumer.wiring import open_codec

T = TypeVar("T")


def read_events(settings: Settings, topic: str, file: Path, of: Callable[[dict[str, Any]], T], what: str) -> list[T]:
    """The events of ``topic`` in a file or in standard input (``-``); ``of`` types a decoded one, ``what`` names it.

    Lines that retire something (``"tombstone": true``) are left out. Raises InvalidError naming the line.
    """
    parsed = open_codec(settings).schemas.of(topic).parsed
    lines = list(read_lines(file))
    whole = "\n".join(line.text for line in lines)
    if whole.lstrip().startswith("{") and len(lines) > 1 and _is_object(whole):
        lines = [Line(1, whole)]
    if not lines:
        raise InvalidError(f"{file}: no {what} in it")
    events = [_event(parsed, line, of, topic) for line in lines]
    return [event for event in events if event is not None]


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _event(parsed: Mapping[str, Any], line: Line, of: Callable[[dict[str, Any]], T], topic: str) -> T | None:
    try:
        value = json.loads(line.text)
        if not isinstance(value, dict):
            raise InvalidError(f"line {line.number}: a JSON object is wanted")
        if value.get("tombstone") is True:
            return None
        return of(from_json(parsed, value, topic))
    except JsonError as error:
        raise InvalidError(f"line {line.number}: {'; '.join(map(str, error.faults))}") from error
    except (EventError, ValueError, RecursionError) as error:
        raise InvalidError(f"line {line.number}: {error}") from error
