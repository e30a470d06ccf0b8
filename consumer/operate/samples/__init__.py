"""The sample catalog: events of products and promotions written for skureel, and photos drawn. It knows no broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from consumer.events import Product, Promo
from consumer.operate.samples.draw import draw_photo
from consumer.stream.jsonform import from_json
from consumer.stream.schemas import load as load_schemas

__all__ = ["draw_photo", "load", "load_promos", "photos", "products", "promos", "schema"]

FILE = Path(__file__).parent / "products.jsonl"
PROMOS = Path(__file__).parent / "promos.jsonl"

STORE = "store:"
"""How a photo address in an event names an object of the skureel store."""


def load() -> list[dict[str, Any]]:
    """The product-created events as JSON values, as ``skureel publish`` takes them; always the same, in one order."""
    return _lines(FILE)


def load_promos() -> list[dict[str, Any]]:
    """The promo-changed events as JSON values: a ribbon over one category, then an end card over all products."""
    return _lines(PROMOS)


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


@cache
def schema(name: str = "product-created") -> Mapping[str, Any]:
    """The parsed schema the events follow."""
    return load_schemas().of(name).parsed


def promos() -> list[Promo]:
    """The promotions as typed values."""
    return [Promo.from_avro(from_json(schema("promo-changed"), event, "promo-changed")) for event in load_promos()]


def products() -> list[Product]:
    """The events as typed values."""
    return [Product.from_avro(from_json(schema(), event, "product-created")) for event in load()]


def photos(there: Callable[[str], bool] = lambda _: False) -> Iterator[tuple[str, bytes]]:
    """Store key and PNG of each photo the events speak of, drawn as it is asked for (a fraction of a second each).

    Those whose key is ``there`` already are passed over.
    """
    for product in products():
        for image in product.images:
            key = image.url.removeprefix(STORE)
            if not there(key):
                yield key, draw_photo(product)
