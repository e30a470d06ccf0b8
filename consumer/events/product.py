"""``product-created``: a product as the catalog knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from consumer.events.common import Avro, EventError, checked_id, checked_items, checked_text


class Tier(StrEnum):
    """How soon a clip is worth its cost."""

    HOT = "HOT"
    STANDARD = "STANDARD"
    LONG_TAIL = "LONG_TAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture of a product."""

    url: str
    role: str = "MAIN"
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An exact price."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the catalog knows it (``product-created``)."""

    event_id: str
    occurred_at: datetime
    product_id: str
    revision: int
    name: str
    category: str
    locale: str = "en"
    brand: str | None = None
    colour: str | None = None
    selling_points: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    price: Price | None = None
    tier: Tier = Tier.STANDARD

    @classmethod
    def from_avro(cls, record: Avro) -> Product:
        """Raises EventError naming the field that breaks a rule."""
        price = record["price"]
        attributes = checked_items("attributes", record["attributes"])
        checked_items("attributes", attributes.values())
        if record["revision"] < 0:
            raise EventError("revision", f"{record['revision']} is negative")
        if not record["name"].strip():
            raise EventError("name", "is empty")
        images = checked_items("images", record["images"])
        return cls(
            event_id=checked_id("event_id", record["event_id"]),
            occurred_at=record["occurred_at"],
            product_id=checked_id("product_id", record["product_id"]),
            revision=record["revision"],
            name=checked_text("name", record["name"]),
            category=checked_text("category", record["category"]),
            locale=checked_text("locale", record["locale"]),
            brand=checked_text("brand", record["brand"] or "") or None,
            colour=checked_text("colour", record["colour"] or "") or None,
            selling_points=tuple(checked_items("selling_points", record["selling_points"])),
            attributes=attributes,
            tags=tuple(checked_items("tags", record["tags"])),
            images=tuple(
                Image(url=checked_text("images.url", i["url"]), role=i["role"], sha256=i["sha256"]) for i in images
            ),
            price=Price(amount=price["amount"], currency=price["currency"]) if price else None,
            tier=Tier(record["tier"]),
        )

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {
            "event_id": self.event_id,
            "occurred_at": self.occurred_at,
            "product_id": self.product_id,
            "revision": self.revision,
            "name": self.name,
            "category": self.category,
            "locale": self.locale,
            "brand": self.brand,
            "colour": self.colour,
            "selling_points": list(self.selling_points),
            "attributes": dict(self.attributes),
            "tags": list(self.tags),
            "images": [{"url": i.url, "role": i.role, "sha256": i.sha256} for i in self.images],
            "price": {"amount": self.price.amount, "currency": self.price.currency} if self.price else None,
            "tier": self.tier.value,
        }
