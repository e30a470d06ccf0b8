"""The sample catalog: product events written for skureel, and photos drawn for half of them. It knows no broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from consumer.events import Product
from consumer.operate.samples.draw import draw_photo
from consumer.stream.jsonform import from_json
from consumer.stream.schemas import load as load_schemas

__all__ = ["draw_photo", "load", "photos", "products", "schema"]

FILE = Path(__file__).parent / "products.jsonl"

STORE = "store:"
"""How a photo address in an event names an object of the skureel store."""


def load() -> list[dict[str, Any]]:
    """The product-created events as JSON values, as ``skureel publish`` takes them; always the same, in one order."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line]


@cache
def schema() -> Mapping[str, Any]:
    """The parsed schema the events follow."""
    return load_schemas().of("product-created").parsed


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
