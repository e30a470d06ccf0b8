"""Promotions on real services, seen from the outside: a burst of them, a planner killed again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from consumer.events import Product, Promo, VideoReady
from consumer.planner.promotions import Running
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import Planning, mode_of, recipe_of
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.jsonform import from_json
from model.recipe import Encoding
from tests.engines import SPEC
from tests.harness import Process, Reader, World, running, until
from tests.products import product

Make = Callable[..., World]
PRODUCTS = 150
REVISIONS = 12
KILLS = 5
START = datetime(2026, 1, 1, tzinfo=UTC)


def goods(number: int) -> dict[str, Any]:
    """A product; every third has a tag, every fifth is hot."""
    tags = ["x"] if number % 3 == 0 else []
    return product(number) | {"tags": tags, "tier": "HOT" if number % 5 == 0 else "STANDARD"}


def promotion(number: int) -> dict[str, Any]:
    """Revision ``number`` of one of three overlapping promotions: over all, over a tag, over a list."""
    scopes: list[dict[str, Any]] = [
        {"all": True},
        {"tags": ["x"]},
        {"product_ids": [goods(n)["product_id"] for n in range(number, number + 40)]},
    ]
    creatives: list[dict[str, Any]] = [
        {"end_card": {"headline": {"en": f"Sale {number}"}}},
        {"ribbon": {"text": {"en": f"{number}% off"}}},
        {"prompt_phrases": {"en": "falling cherry blossoms"}},
    ]
    kind = number % 3
    return {
        "event_id": f"promo-{number}",
        "occurred_at": f"2026-01-01T00:{number:02}:00Z",
        "promo_id": f"promo-{kind}",
        "revision": number,
        "status": "ENDED" if number >= REVISIONS - 1 else "ACTIVE",
        "scope": scopes[kind],
        "priority": kind,
        "creative": creatives[kind],
    }


def planning(world: World) -> Planning:
    """What the world's processes plan with."""
    width, height = map(int, world.size.split("x"))
    return Planning(
        engine=SPEC,
        width=width,
        height=height,
        frames=round(world.seconds * 24),
        fps=24,
        encoding=Encoding(crf=21, preset="veryfast"),
        label="AI生成",
    )


def wanted(world: World) -> dict[str, str]:
    """The clip that each product should end on, by the events alone."""
    known = schemas.load()
    parsed = {name: known.of(name).parsed for name in ("product-created", "promo-changed")}
    newest: dict[str, Promo] = {}
    for number in range(REVISIONS):
        promo = Promo.from_avro(from_json(parsed["promo-changed"], promotion(number), "promo"))
        newest[promo.promo_id] = promo
    running_now = Running(promo for promo in newest.values() if promo.status == "ACTIVE")
    prompts, plan = Prompts.load(), planning(world)
    found = {}
    for number in range(PRODUCTS):
        item = Product.from_avro(from_json(parsed["product-created"], goods(number), "product"))
        words = prompts.compose(item, mode_of(item, plan))
        found[item.product_id] = recipe_of(item, words, plan, running_now.of(item)).digest
    return found


def shown(world: World, reader: Reader) -> dict[str, str]:
    """The clip that each product shows, as a CMS keeps it: the highest revision."""
    codec = SingleObjectCodec(schemas.load(topics={world.topic("video_ready"): "video-ready"}))
    best: dict[str, VideoReady] = {}
    for message in list(reader.messages):
        event = VideoReady.from_avro(codec.decode(message.topic(), message.value(), message.headers() or ()))
        if event.product_id not in best or event.revision > best[event.product_id].revision:
            best[event.product_id] = event
    return {name: event.lineage.recipe_digest for name, event in best.items() if event.lineage}


def test_every_product_ends_on_the_newest_state_whatever_is_killed(world: Make) -> None:
    """Products and a burst of overlapping promotions; the planner is killed in the middle of fan-outs. In the end each
    product shows what the events call for, no base was rendered twice, and nothing was dead-lettered.
    """
    here = world(extra={"SKUREEL_PLANNER__PAGE": "10"})
    with running(here, "renderer") as renderer:
        renderer.wait_ready()
        with running(here, "planner") as first:
            first.wait_ready()
            reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
            here.publish("product_created", [goods(number) for number in range(PRODUCTS)])
            assert reader.wait(PRODUCTS, 120) == PRODUCTS, renderer.tail()
        here.publish("promo_changed", [promotion(number) for number in range(REVISIONS)])
        for _ in range(KILLS):
            killed = Process(here, "planner")
            killed.wait_ready()
            until(lambda: killed.metric("skureel_fan_out_products_total") > 0 or done(killed), 60, killed.tail)  # noqa: B023
            killed.kill()
        goal = wanted(here)
        with running(here, "planner") as last:
            last.wait_ready()
            until(lambda: shown(here, reader) == goal, 180, lambda: last.tail() + renderer.tail())
            assert last.metric("skureel_dead_letters_total") == 0
        assert renderer.metric("skureel_dead_letters_total") == 0
        reader.close()
    renders = here.renders()
    assert len(renders) == len(set(renders))


def done(process: Process) -> bool:
    """Whether a planner has nothing left to do: the burst is spread already."""
    return process.metric("skureel_fan_outs_pending") == 0 and process.metric("skureel_in_flight_records") == 0
