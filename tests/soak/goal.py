"""What must exist in the end, recomputed from the input alone: which clip each product shows, and which records were
poison. Of the service it uses only the planner's pure functions that turn a product and a promotion into a recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumer.events import Product, Promo
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import Planning, mode_of, recipe_of
from consumer.stream import schemas
from consumer.stream.jsonform import from_json
from model.recipe import Encoding
from model.storyboard.spec import SPEC
from tests.burst import touches
from tests.soak.records import dated
from tests.soak.workload import PRODUCTS, PROMOS, Item

SIZE, SECONDS, FPS = "160x120", 1.0, 24
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands for the beginning where a window's instants decide nothing any more."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The end of one product that the input knows."""

    revision: int
    """The newest of its own that counts."""
    digest: str | None
    """Of the clip's recipe; None for a retired product."""


def planning() -> Planning:
    """What the soak's processes plan with."""
    width, height = map(int, SIZE.split("x"))
    frames = round(SECONDS * FPS)
    encoding = Encoding(crf=21, preset="veryfast")
    return Planning(engine=SPEC, width=width, height=height, frames=frames, fps=FPS, encoding=encoding)


def standing(items: Iterable[Item]) -> tuple[dict[str, Any] | None, int]:
    """What the records of one product or promotion come to, in their order: its newest state (None: retired), and its
    revision, -1 when it never was.

    A revision that is not higher is skipped; after a tombstone the same may come again.
    """
    newest: dict[str, Any] | None = None
    revision = -1
    for item in items:
        if item.event is None:
            newest = None
        elif item.event["revision"] > revision or (newest is None and item.event["revision"] == revision):
            newest, revision = item.event, item.event["revision"]
    return newest, revision


def runs(event: dict[str, Any], seconds: float) -> bool:
    """Whether a promotion is shown so many seconds after the beginning."""
    starts, ends = event.get("starts_at"), event.get("ends_at")
    return event["status"] == "ACTIVE" and (starts is None or starts <= seconds) and (ends is None or ends > seconds)


def goal(items: Sequence[Item], seconds: float) -> dict[str, Wanted]:
    """Where each product must end that ever was, so many seconds after the beginning."""
    healthy = [item for item in items if not item.poison]
    promos = [event for event, _ in _by_key(healthy, PROMOS).values() if event is not None and runs(event, seconds)]
    known = schemas.load()
    of_product, of_promo = (known.of(name).parsed for name in ("product-created", "promo-changed"))
    prompts, plan = Prompts.load(), planning()
    found: dict[str, Wanted] = {}
    for key, (event, revision) in _by_key(healthy, PRODUCTS).items():
        if revision < 0:
            continue  # a tombstone of what never was
        if event is None:
            found[key] = Wanted(revision=revision, digest=None)
            continue
        product = Product.from_avro(from_json(of_product, event, "product"))
        shown = _shown(promos, event)
        promo = Promo.from_avro(from_json(of_promo, dated(shown, EPOCH), "promo")) if shown else None
        recipe = recipe_of(product, prompts.compose(product, mode_of(product, plan)), plan, promo)
        found[key] = Wanted(revision=revision, digest=recipe.digest)
    return found


def _by_key(items: Iterable[Item], topic: str) -> dict[str, tuple[dict[str, Any] | None, int]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        if item.topic == topic:
            groups.setdefault(item.key, []).append(item)
    return {key: standing(group) for key, group in groups.items()}


def _shown(promos: Iterable[dict[str, Any]], product: dict[str, Any]) -> dict[str, Any] | None:
    """The one that a product shows: the highest priority, then the newest, then the greater id."""
    found = [each for each in promos if touches(each["scope"], product) or _in_category(each["scope"], product)]
    return max(found, key=lambda each: (each["priority"], each["occurred_at"], each["promo_id"]), default=None)


def _in_category(scope: dict[str, Any], product: dict[str, Any]) -> bool:
    return product["category"] in scope.get("categories", ())
