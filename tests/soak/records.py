"""Items as the records that Kafka gets, each with its number in a header. Knows schemas, and no broker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from consumer.operate.publish import Line, encode_lines
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.jsonform import from_json
from tests.harness import EVENT_TOPICS
from tests.soak.poison import BY_NAME
from tests.soak.workload import PRODUCTS, Item

NUMBER = "soak-item"
"""The header that says which item a record is."""


@dataclass(frozen=True, kw_only=True)
class Wire:
    """A record as it is published. ``topic`` is the one of the settings' tree."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def dated(event: Mapping[str, Any], began: datetime) -> dict[str, Any]:
    """An event with its window as instants."""
    window = {name: event[name] for name in ("starts_at", "ends_at") if event.get(name) is not None}
    return {**event, **{name: (began + timedelta(seconds=each)).isoformat() for name, each in window.items()}}


class Encoder:
    """Encodes items of one run; ``began`` is its beginning."""

    def __init__(self, began: datetime) -> None:
        self._began = began
        self._codec = SingleObjectCodec(schemas.load(topics={name: name.replace("_", "-") for name in EVENT_TOPICS}))

    def all(self, items: Sequence[Item]) -> list[Wire]:
        """One record an item."""
        return [self._one(number, item) for number, item in enumerate(items)]

    def _one(self, number: int, item: Item) -> Wire:
        mark = ((NUMBER, str(number).encode()),)
        if item.poison:
            kind = BY_NAME[item.poison]
            key, value = kind.make(item.key, item.event or {}, lambda event: self._framed(kind.like, event))
            return Wire(topic=item.topic, key=key, value=value, headers=mark)
        field = "product_id" if item.topic == PRODUCTS else "promo_id"
        event = {field: item.key, "tombstone": True} if item.event is None else dated(item.event, self._began)
        (output,) = encode_lines(self._codec, item.topic, [Line(number, json.dumps(event, ensure_ascii=False))])
        known = tuple((name, value or b"") for name, value in output.headers)
        return Wire(topic=item.topic, key=output.key, value=output.value, headers=(*known, *mark))

    def _framed(self, topic: str, event: Mapping[str, Any]) -> bytes:
        """What the schema allows, whatever the rules beyond it say."""
        datum = from_json(self._codec.schemas.of(topic).parsed, dated(event, self._began), topic)
        return self._codec.encode(topic, datum)[0]


def beginning() -> datetime:
    """Now, in the resolution of events."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
