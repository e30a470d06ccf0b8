"""Values and schemas that the codec's tests share."""

from __future__ import annotations

import copy
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastavro import parse_schema, schemaless_writer

from consumer.stream.schemas import schema_folder

TOPIC = "product-created"

PRODUCT: dict[str, Any] = {
    "event_id": "event-1",
    "occurred_at": datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC),
    "product_id": "kettle-1",
    "revision": 3,
    "name": "Kettle 电水壶",
    "category": "appliances",
    "locale": "en",
    "brand": "Acme",
    "colour": None,
    "selling_points": ["boils in 90 s", "quiet"],
    "attributes": {"material": "steel", "capacity": "1.5 l"},
    "tags": ["kitchen"],
    "images": [{"url": "https://images.example/kettle.png", "role": "MAIN", "sha256": None}],
    "price": {"amount": Decimal("12.5000"), "currency": "EUR"},
    "tier": "HOT",
}


def product() -> dict[str, Any]:
    """A product that the test may change."""
    return copy.deepcopy(PRODUCT)


def product_schema() -> dict[str, Any]:
    """The schema of products as JSON, to be changed."""
    schema: dict[str, Any] = json.loads((schema_folder() / f"{TOPIC}.avsc").read_bytes())
    return schema


def field_of(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A field of a record schema."""
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


def without(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """The schema with some fields taken out."""
    return schema | {"fields": [field for field in schema["fields"] if field["name"] not in names]}


def avro(schema: Any, datum: Any) -> bytes:
    """Bare Avro, as another program's writer makes it."""
    target = io.BytesIO()
    schemaless_writer(target, parse_schema(copy.deepcopy(schema)), datum)
    return target.getvalue()


def zigzag(number: int) -> bytes:
    """An Avro int or long."""
    number = (number << 1) ^ (number >> 63)
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
