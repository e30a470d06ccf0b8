"""Product and promo events as bytes the catalog keeps, to plan from again, and back.

JSON: it outlives schema versions.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from consumer.events import Product, Promo

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


_INSTANTS = ("occurred_at", "starts_at", "ends_at")


def dump_promo(value: dict[str, Any]) -> bytes:
    """A decoded ``promo-changed``, UTF-8."""
    instants = {name: value[name].isoformat() if value[name] else None for name in _INSTANTS}
    return _encode(value | instants).encode()


def load_promo(payload: bytes) -> Promo:
    """The promo of ``dump_promo``'s bytes. Raises EventError where today's rules are stricter than when it was kept."""
    value = json.loads(payload)
    for name in _INSTANTS:
        value[name] = datetime.fromisoformat(value[name]) if value[name] else None
    return Promo.from_avro(value)


def tags(values: tuple[str, ...]) -> str:
    """A product's tags as the JSON list that the catalog keeps."""
    return _encode(values)


def load_tags(kept: str) -> list[str]:
    """The inverse of ``tags``."""
    return list(json.loads(kept))
