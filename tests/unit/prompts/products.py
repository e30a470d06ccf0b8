"""Products to compose prompts for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from consumer.events import Product


def product(**fields: Any) -> Product:
    """A product with the given fields and plain ones for the rest."""
    plain: dict[str, Any] = {
        "event_id": "e-1",
        "occurred_at": datetime(2025, 5, 1, tzinfo=UTC),
        "product_id": "sku-1",
        "revision": 1,
        "name": "Glass Electric Kettle",
        "category": "appliances",
    }
    return Product(**(plain | fields))


CATEGORIES = (
    "general",
    "appliances",
    "apparel",
    "digital",
    "home",
    "beauty",
    "food",
    "sports",
    "toys",
    "luggage",
    "jewellery",
)
"""The built-in templates."""
