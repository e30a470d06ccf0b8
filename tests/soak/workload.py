"""What the soak publishes, drawn from a seed: products and promotions that come, change and go, and poison among them.

Pure: the same seed gives the same items. Instants are seconds from the beginning of the run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.products import CATEGORIES, product
from tests.soak.beat import bursts
from tests.soak.poison import KINDS, Poison

PRODUCTS, PROMOS, LANE = "product_created", "promo_changed", "clip_render"
TAGS = ("new", "gift", "sale", "travel")
QUIET = 0.85
"""The share of the run after which no window opens or closes any more."""
FAR = 1e9
"""Seconds from the beginning that no run sees."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One record to be published. ``event`` is JSON as ``skureel publish`` takes it, but for ``starts_at`` and
    ``ends_at`` in seconds from the beginning; None with ``poison`` empty is a tombstone.
    """

    at: float
    topic: str
    key: str
    event: dict[str, Any] | None = None
    poison: str = ""
    """The kind of poison, see ``poison``; empty for what the service must apply or skip."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is published."""

    seconds: float
    products: int
    promos: int

    @classmethod
    def of(cls, seconds: float, products_a_minute: float = 50.0) -> Scale:
        """So much that a small, busy machine keeps up."""
        minutes = seconds / 60
        return cls(seconds=seconds, products=max(12, round(products_a_minute * minutes)), promos=max(4, round(minutes)))


def workload(seed: int, scale: Scale) -> list[Item]:
    """The items in the order in which they are published."""
    chance, beats = random.Random(f"{seed}/workload"), bursts(seed, scale.seconds)
    found = [item for number in range(scale.products) for item in _life(number, beats, chance, scale)]
    found += [item for number in range(scale.promos) for item in _promotion(number, beats, chance, scale)]
    found.sort(key=lambda item: item.at)
    found = _with_times(found)
    spoiled = [_poison(found, chance, scale) for _ in range(max(2 * len(KINDS), len(found) // 12))]
    return sorted([*found, *spoiled], key=lambda item: item.at)


def _beginning(beats: Sequence[float], chance: random.Random, scale: Scale) -> float:
    """Mostly in a burst, so that requests wait and overtake each other."""
    if chance.random() < 0.85:
        return chance.choice(beats) + chance.uniform(0, 0.5)
    return chance.uniform(0, 0.8 * scale.seconds)


def _life(number: int, beats: Sequence[float], chance: random.Random, scale: Scale) -> Iterator[Item]:
    """One product: created, then changed, repeated, overtaken, retired, brought back, as chance has it."""
    at, revision = _beginning(beats, chance, scale), 1
    event = _goods(number, revision, chance)
    key = event["product_id"]
    history = [event]
    yield Item(at=at, topic=PRODUCTS, key=key, event=event)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 5))):
        # Often before the clip of the one before can be there.
        at = min(scale.seconds, at + chance.choice((0.0, 0.05, 0.5, 3.0, 20.0)) * chance.uniform(0.5, 1.5))
        turn = chance.choices(("change", "same", "again", "overtaken", "retired", "back"), (6, 2, 3, 3, 1, 1))[0]
        if turn == "retired":
            yield Item(at=at, topic=PRODUCTS, key=key)
        elif turn == "again":
            yield Item(at=at, topic=PRODUCTS, key=key, event=chance.choice(history[-2:]))
        elif turn == "back":  # what a shop does that takes a product down and up again
            yield Item(at=at, topic=PRODUCTS, key=key)
            yield Item(at=at + 0.01, topic=PRODUCTS, key=key, event=history[-1])
        else:
            revision += 2 if turn == "overtaken" else 1
            event = _goods(number, revision, chance) if turn != "same" else _only_dearer(history[-1], revision)
            history.append(event)
            yield Item(at=at, topic=PRODUCTS, key=key, event=event)
            if turn == "overtaken":
                late = _goods(number, revision - 1, chance)
                yield Item(at=at + chance.choice((0.01, 2.0)), topic=PRODUCTS, key=key, event=late)


def _goods(number: int, revision: int, chance: random.Random) -> dict[str, Any]:
    name = (
        f"不锈钢保温壶 {number} 号 {revision} 款" if number % 2 == 0 else f"Steel kettle no. {number}, make {revision}"
    )
    tags = chance.sample(TAGS, chance.choice((0, 1, 2)))
    tier = chance.choice(("HOT", "STANDARD", "LONG_TAIL"))
    return product(number, revision=revision, name=name, tags=tags, tier=tier)


def _only_dearer(event: dict[str, Any], revision: int) -> dict[str, Any]:
    """The same product at another price: a new revision, and the same clip."""
    price = {"amount": f"{10 + revision}.5", "currency": "EUR"}
    return {**event, "event_id": f"{event['event_id']}-{revision}", "revision": revision, "price": price}


def _promotion(number: int, beats: Sequence[float], chance: random.Random, scale: Scale) -> Iterator[Item]:
    """One promotion: begun, changed, repeated, overtaken, ended, by events and by the clock."""
    at, revision = _beginning(beats[: len(beats) // 2 + 1], chance, scale), 1
    kind = number % 3
    key = f"promo-{number}"
    event = _campaign(number, kind, revision, chance, scale, at)
    yield Item(at=at, topic=PROMOS, key=key, event=event)
    for _ in range(chance.choice((1, 2, 3, 4))):
        at = min(scale.seconds, at + chance.choice((0.1, 5.0, 25.0, 60.0)) * chance.uniform(0.5, 1.5))
        turn = chance.choices(("change", "again", "overtaken", "ended", "retired"), (5, 2, 2, 2, 1))[0]
        if turn == "retired":
            yield Item(at=at, topic=PROMOS, key=key)
        elif turn == "again":
            yield Item(at=at, topic=PROMOS, key=key, event=event)
        else:
            revision += 2 if turn == "overtaken" else 1
            event = _campaign(number, kind, revision, chance, scale, at)
            if turn == "ended":
                event = {**event, "status": "ENDED"}
            yield Item(at=at, topic=PROMOS, key=key, event=event)
            if turn == "overtaken":
                late = _campaign(number, kind, revision - 1, chance, scale, at)
                yield Item(at=at + 0.5, topic=PROMOS, key=key, event=late)


def _campaign(number: int, kind: int, revision: int, chance: random.Random, scale: Scale, at: float) -> dict[str, Any]:
    """A splice, a dress or a render; over a tag, a category, a list, or now and then everything."""
    words = f"{number}.{revision}"
    creatives: tuple[dict[str, Any], ...] = (
        {"end_card": {"headline": {"en": f"Sale {words}", "zh": f"特惠 {words}"}}},
        {"ribbon": {"text": {"en": f"Off {words}", "zh": f"减 {words}"}}},
        {"prompt_phrases": {"en": f"falling cherry blossoms, take {revision}"}},
    )
    listed = chance.sample(range(scale.products), max(1, scale.products // 6))
    scopes: tuple[dict[str, Any], ...] = (
        {"tags": [chance.choice(TAGS)]},
        {"categories": chance.sample(CATEGORIES, 2)},
        {"product_ids": [product(each)["product_id"] for each in listed]},
        {"all": True},
    )
    event: dict[str, Any] = {
        "event_id": f"campaign-{words}",
        "promo_id": f"promo-{number}",
        "revision": revision,
        "status": "ACTIVE",
        "scope": chance.choices(scopes, (4, 3, 3, 0 if kind == 2 else 1))[0],
        "priority": chance.choice((0, 0, 1, 2)),
        "creative": creatives[kind],
    }
    last = QUIET * scale.seconds
    if chance.random() < 0.3 and at < 0.6 * scale.seconds:
        event["starts_at"] = round(chance.uniform(at, last), 3)
    if chance.random() < 0.3 and at < 0.6 * scale.seconds:
        event["ends_at"] = round(chance.uniform(event.get("starts_at", at), last) + 0.5, 3)
    elif chance.random() < 0.2:
        event["ends_at"] = FAR
    return event


def _with_times(items: list[Item]) -> list[Item]:
    """Every promotion's event says when it occurred, each at another instant; a repeated one says the same again."""
    said: dict[str, str] = {}
    found = []
    for number, item in enumerate(items):
        if item.topic != PROMOS or item.event is None:
            found.append(item)
            continue
        minute, second = divmod(number, 60)
        hour, minute = divmod(minute, 60)
        occurred = said.setdefault(item.event["event_id"], f"2026-01-02T{hour:02}:{minute:02}:{second:02}Z")
        found.append(replace(item, event={**item.event, "occurred_at": occurred}))
    return found


def _poison(items: list[Item], chance: random.Random, scale: Scale) -> Item:
    """A record that cannot be worked, made of one that can, under the key of something that lives."""
    kind: Poison = chance.choice(KINDS)
    like = chance.choice([item for item in items if item.topic == kind.like and item.event is not None])
    return Item(
        at=round(chance.uniform(0, scale.seconds), 3),
        topic=kind.topic,
        key=like.key,
        event=like.event,
        poison=kind.name,
    )
