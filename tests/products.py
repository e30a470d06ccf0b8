"""Products for tests, as JSON events: many, small, each its own."""

from __future__ import annotations

from typing import Any

CATEGORIES = ("appliances", "apparel", "digital", "home", "beauty", "food", "sports", "toys", "luggage", "jewellery")


def product(number: int, *, revision: int = 1, **more: Any) -> dict[str, Any]:
    """The event of product ``number``; ``more`` replaces fields."""
    chinese = number % 2 == 0
    return {
        "event_id": f"event-{number}-{revision}",
        "occurred_at": "2026-01-02T03:04:05Z",
        "product_id": f"SKU-{number:05d}",
        "revision": revision,
        "name": f"不锈钢保温壶 {number} 号" if chinese else f"Steel kettle no. {number}",
        "category": CATEGORIES[number % len(CATEGORIES)],
        "locale": "zh-CN" if chinese else "en",
        "selling_points": ["24 小时保温", "一键开盖"] if chinese else ["Boils in 90 seconds", "Keeps warm"],
        **more,
    }
