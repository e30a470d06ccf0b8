"""What every event shares: bounds on ids and texts, causes, kinds of work, and the clock. Knows no single event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Avro = dict[str, Any]
"""One Avro record as fastavro reads it."""

MAX_ID = 256
MAX_TEXT = 2_000
MAX_ITEMS = 200
"""Limits on ids and texts (characters) and on lists and maps (entries): far above real catalogs, far below abuse."""


class EventError(ValueError):
    """Raised when a decoded event breaks a rule its schema cannot express. ``field`` names where."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}")
        self.field = field_name


class Work(StrEnum):
    """The least work a request needs, or the work done for an announcement."""

    RENDER = "RENDER"
    DRESS = "DRESS"
    SPLICE = "SPLICE"
    RETIRE = "RETIRE"
    NONE = "NONE"


def checked_id(name: str, value: str) -> str:
    """``value`` if it can be an id: not empty, bounded, no control characters. Raises EventError."""
    if not value or len(value) > MAX_ID:
        raise EventError(name, f"{len(value)} characters; 1…{MAX_ID} allowed")
    if not value.isprintable():
        raise EventError(name, f"{value[:40]!r} has control characters")
    return value


def checked_text(name: str, value: str) -> str:
    """``value`` if it is bounded. Raises EventError."""
    if len(value) > MAX_TEXT:
        raise EventError(name, f"{len(value)} characters; at most {MAX_TEXT} allowed")
    return value


def checked_items(name: str, values: Any) -> Any:
    """A list or map of texts if it and each entry are bounded. Raises EventError."""
    if len(values) > MAX_ITEMS:
        raise EventError(name, f"{len(values)} entries; at most {MAX_ITEMS} allowed")
    for value in values:
        if len(value) > MAX_TEXT:
            raise EventError(name, f"an entry has {len(value)} characters; at most {MAX_TEXT} allowed")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What led to a request or an announcement."""

    event_id: str
    product_revision: int
    promo_id: str | None = None
    promo_revision: int | None = None

    @classmethod
    def from_avro(cls, record: Avro) -> Cause:
        """The typed value of a decoded record."""
        return cls(**record)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {
            "event_id": self.event_id,
            "product_revision": self.product_revision,
            "promo_id": self.promo_id,
            "promo_revision": self.promo_revision,
        }


def flat(value: Any) -> Avro:
    """A flat dataclass as a dict, without the deep copies of ``asdict``."""
    return {name: getattr(value, name) for name in value.__slots__}


def utc_now() -> datetime:
    """Now, UTC, in whole milliseconds: what an Avro timestamp-millis keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
