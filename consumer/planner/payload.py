"""A product event as bytes the catalog keeps, to plan from again, and back. JSON: it outlives schema versions."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from consumer.events import Product

# One encoder for all: json.dumps would build a new one a call.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def dump(value: dict[str, Any]) -> bytes:
    """A decoded ``product-created``, UTF-8. A NUL inside a text is escaped, as JSON has it."""
    price = value["price"]
    plain = value | {"occurred_at": value["occurred_at"].isoformat()}
    if price:
        plain["price"] = price | {"amount": str(price["amount"])}
    return _encode(plain).encode()


def load(payload: bytes) -> Product:
    """The product of ``dump``'s bytes. Raises EventError where today's rules are stricter than when it was kept."""
    value = json.loads(payload)
    value["occurred_at"] = datetime.fromisoformat(value["occurred_at"])
    if value["price"]:
        value["price"]["amount"] = Decimal(value["price"]["amount"])
    return Product.from_avro(value)


def tags(values: tuple[str, ...]) -> str:
    """A product's tags as the JSON list that the catalog keeps."""
    return _encode(values)
