"""Laws of the promotion as a typed value: what a schema cannot say is refused with the field's name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.events import EventError, Promo

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def record(**more: Any) -> dict[str, Any]:
    """A promotion as decoded; ``more`` replaces fields."""
    return {
        "event_id": "e",
        "occurred_at": NOW,
        "promo_id": "spring",
        "revision": 1,
        "status": "ACTIVE",
        "scope": {"all": True, "product_ids": [], "categories": [], "tags": []},
        "priority": 0,
        "starts_at": None,
        "ends_at": None,
        "creative": {
            "prompt_phrases": {},
            "style": None,
            "ribbon": {"text": {"en": "Sale"}, "colour": "#C8102E", "position": "TOP"},
            "end_card": {"headline": {"en": "Sale"}, "subline": {}, "colour": "#C8102E"},
        },
    } | more


def test_a_promotion_comes_back_as_it_went() -> None:
    """to_avro is the inverse of from_avro."""
    assert Promo.from_avro(record()).to_avro() == record()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "UNKNOWN"}, "status"),
        ({"revision": -1}, "revision"),
        ({"promo_id": ""}, "promo_id"),
        ({"promo_id": "a\nb"}, "promo_id"),
        ({"event_id": "x" * 1000}, "event_id"),
        ({"starts_at": NOW, "ends_at": NOW}, "ends_at"),
        ({"starts_at": NOW, "ends_at": NOW - timedelta(1)}, "ends_at"),
        ({"scope": {"all": False, "product_ids": ["p"] * 10_001, "categories": [], "tags": []}}, "scope.product_ids"),
        ({"scope": {"all": False, "product_ids": [], "categories": ["c" * 3000], "tags": []}}, "scope.categories"),
    ],
)
def test_a_promotion_that_breaks_a_rule_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    """The error names the field, so that a dead letter can be mended."""
    with pytest.raises(EventError) as caught:
        Promo.from_avro(record(**change))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("creative", "field"),
    [
        ({"ribbon": {"text": {}, "colour": "red", "position": "TOP"}}, "creative.ribbon.colour"),
        ({"ribbon": {"text": {"en": "x" * 3000}, "colour": "#C8102E", "position": "TOP"}}, "creative.ribbon.text"),
        ({"end_card": {"headline": {}, "subline": {}, "colour": "#12345"}}, "creative.end_card.colour"),
        ({"prompt_phrases": {str(n): "x" for n in range(300)}}, "creative.prompt_phrases"),
        ({"style": "x" * 3000}, "creative.style"),
    ],
)
def test_a_creative_that_breaks_a_rule_is_refused_by_field(creative: dict[str, Any], field: str) -> None:
    """Colours must be colours, and texts bounded: they will be drawn."""
    with pytest.raises(EventError) as caught:
        Promo.from_avro(record(creative={**record()["creative"], **creative}))
    assert caught.value.field == field
