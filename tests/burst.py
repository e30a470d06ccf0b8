"""A burst of overlapping promotions over many products, seen from the outside: what is published, what each product
should end on, and the play itself, in which the planner is killed again and again. Of any size.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from consumer.events import Product, Promo, VideoReady
from consumer.planner.catalog import Catalog
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import Planning, mode_of, recipe_of
from consumer.storage import layout
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.jsonform import from_json
from model.recipe import Encoding
from tests.engines import SPEC
from tests.harness import Process, Reader, World, running, until
from tests.products import product

LANES = ("clip_render", "clip_render_bulk", "clip_dress")
SIZE, SECONDS, FPS = "64x64", 1.0, 24
"""The smallest clip on which a ribbon's words can be read, and the shortest whose movement passes inspection."""
SETTINGS = {"SKUREEL_PLANNER__PAGE": "100", "SKUREEL_RENDERER__LOOK_AHEAD": "1000"}
SHORT_LIVED = 100
"""Pages of a fan-out over all products, for the planners that are killed: so many that it outlasts its planner."""
CREATIVES: tuple[dict[str, Any], ...] = (
    {"end_card": {"headline": {"en": "Sale {}"}}},
    {"ribbon": {"text": {"en": "{}% off"}}},
    {"prompt_phrases": {"en": "falling cherry blossoms"}},
)
"""A splice, a dress, a render; the number of the revision goes into the words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a play came to."""

    products: int
    revisions: int
    kills: int
    requests: int
    announced: int
    renders: int
    works: dict[str, int]
    """Clips announced, by the work that was needed."""
    skipped: dict[str, int]
    """Requests that the renderer skipped, by reason."""
    fan_outs: dict[str, int]
    """Fan-outs by how they ended."""
    seconds: dict[str, float]
    """Of the first clips, of the kills, and until the end state."""


@dataclass(frozen=True, kw_only=True)
class Burst:
    """The inputs, by numbers alone."""

    products: int
    revisions: int
    kills: int

    def goods(self, number: int) -> dict[str, Any]:
        """A product; every third has a tag, every fifth is hot."""
        tags = ["x"] if number % 3 == 0 else []
        return product(number) | {"tags": tags, "tier": "HOT" if number % 5 == 0 else "STANDARD"}

    def promotion(self, number: int) -> dict[str, Any]:
        """Revision ``number`` of one of three overlapping promotions: over all, over a tag, over a list that moves on
        with every revision. The last revision of all ends its promotion.
        """
        kind = number % 3
        listed = range(number, number + max(1, self.products // 4))
        scopes: list[dict[str, Any]] = [
            {"all": True},
            {"tags": ["x"]},
            {"product_ids": [self.goods(each % self.products)["product_id"] for each in listed]},
        ]
        return {
            "event_id": f"promo-{number}",
            "occurred_at": f"2026-01-01T00:{number:02}:00Z",
            "promo_id": f"promo-{kind}",
            "revision": number,
            "status": "ENDED" if number == self.revisions - 1 else "ACTIVE",
            "scope": scopes[kind],
            "priority": kind,
            "creative": json.loads(json.dumps(CREATIVES[kind]).replace("{}", str(number))),
        }

    def shows(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """The promotion that a product shows in the end: of the newest revisions, the one of the highest priority."""
        newest = {each["promo_id"]: each for each in map(self.promotion, range(self.revisions))}
        found = [each for each in newest.values() if each["status"] == "ACTIVE" and touches(each["scope"], item)]
        return max(found, key=lambda each: (each["priority"], each["occurred_at"]), default=None)

    def goal(self) -> dict[str, str]:
        """The digest of the clip that each product should end on, by the events alone."""
        known = schemas.load()
        parsed = {name: known.of(name).parsed for name in ("product-created", "promo-changed")}
        prompts, plan = Prompts.load(), planning()
        found = {}
        for number in range(self.products):
            event = self.goods(number)
            item = Product.from_avro(from_json(parsed["product-created"], event, "product"))
            shown = self.shows(event)
            promo = Promo.from_avro(from_json(parsed["promo-changed"], shown, "promo")) if shown else None
            found[item.product_id] = recipe_of(item, prompts.compose(item, mode_of(item, plan)), plan, promo).digest
        return found


def touches(scope: dict[str, Any], item: dict[str, Any]) -> bool:
    """Whether a promotion of this scope is about the product."""
    tagged = not set(scope.get("tags", ())).isdisjoint(item["tags"])
    return scope.get("all", False) or tagged or item["product_id"] in scope.get("product_ids", ())


def planning() -> Planning:
    """What the processes plan with."""
    width, height = map(int, SIZE.split("x"))
    return Planning(
        engine=SPEC,
        width=width,
        height=height,
        frames=round(SECONDS * FPS),
        fps=FPS,
        encoding=Encoding(crf=21, preset="veryfast"),
        label="AI生成",
    )


class Shown:
    """What each product shows, as a CMS keeps it: the highest revision. Reads on from where it stood."""

    def __init__(self, world: World, reader: Reader) -> None:
        self._codec = SingleObjectCodec(schemas.load(topics={world.topic("video_ready"): "video-ready"}))
        self._reader = reader
        self._best: dict[str, VideoReady] = {}
        self.said: Counter[tuple[str, int]] = Counter()
        """Announcements of each product and revision."""
        self.works: Counter[str] = Counter()

    def read(self) -> dict[str, str]:
        """Recipe digests by product."""
        for message in self._reader.messages[self.said.total() :]:
            event = VideoReady.from_avro(self._codec.decode(message.topic(), message.value(), message.headers() or ()))
            self.said[event.product_id, event.revision] += 1
            assert event.lineage is not None
            self.works[event.lineage.work.value] += 1
            best = self._best.get(event.product_id)
            if best is None or event.revision > best.revision:
                self._best[event.product_id] = event
        return {name: event.lineage.recipe_digest for name, event in self._best.items() if event.lineage}


class Play:
    """One run of a burst in a world of its own. ``run`` checks every law and gives the figures."""

    def __init__(self, world: World, burst: Burst, seconds: float) -> None:
        self._world, self._burst, self._limit = world, burst, seconds
        self._times: dict[str, float] = {}

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog.open(self._world.database_url, migrate=False)

    def run(self) -> Figures:
        """Products, the burst, the kills, the end state. ``seconds`` bounds each of the long waits."""
        world = self._world
        with running(world, "renderer") as renderer:
            renderer.wait_ready()
            ready = Reader(world.kafka.bootstrap, world.topic("video_ready"))
            lanes = [Reader(world.kafka.bootstrap, world.topic(name)) for name in LANES]
            self._first_clips(renderer, ready)
            assert renderer.metric("skureel_skipped_records_total") == 0
        try:
            # Nobody makes clips meanwhile, so that requests overtake each other.
            self._kill_planners()
            with running(world, "renderer") as renderer:
                renderer.wait_ready()
                return self._end_state(renderer, ready, lanes)
        finally:
            for reader in (ready, *lanes):
                reader.close()
            if "_catalog" in self.__dict__:
                self._catalog.close()

    def _first_clips(self, renderer: Process, ready: Reader) -> None:
        started = time.monotonic()
        count = self._burst.products
        with running(self._world, "planner") as planner:
            planner.wait_ready()
            self._world.publish("product_created", [self._burst.goods(number) for number in range(count)])

            def made() -> bool:
                assert renderer.metric("skureel_rejected_clips_total") == 0, renderer.tail()
                return ready.wait(0, 0) == count

            until(made, self._limit, renderer.tail)
            assert renderer.metric("skureel_dead_letters_total") == 0
            # The planner has to hear of them, or it would ask for everything anew.
            heard = self._world.topic("video_ready")
            until(lambda: planner.metric("skureel_records_total", topic=heard) == count, 60, planner.tail)
        self._times["first clips"] = time.monotonic() - started

    def _kill_planners(self) -> None:
        """Planners that live until they have worked a page or more, each killed within a fan-out. The first finds half
        of the burst; each one after it finds some more, which overtakes what is half done.
        """
        started = time.monotonic()
        burst = self._burst
        page = max(1, burst.products // SHORT_LIVED)
        left = [burst.promotion(number) for number in range(burst.revisions)]
        for kill in range(burst.kills):
            count = burst.revisions // 2 if kill == 0 else len(left) // (burst.kills - kill)
            self._world.publish("promo_changed", left[:count])
            del left[:count]
            planner = Process(self._world, "planner", SKUREEL_PLANNER__PAGE=str(page))
            try:
                planner.wait_ready()
                until(lambda: planner.metric("skureel_fan_out_products_total") > 0, 60, planner.tail)  # noqa: B023
            finally:
                planner.kill()
            pending = self._catalog.transaction(lambda ledger: ledger.book.pending())
            assert pending, f"planner {kill} had ended every fan-out before it was killed"
        assert not left
        self._times["kills"] = time.monotonic() - started

    def _end_state(self, renderer: Process, ready: Reader, lanes: list[Reader]) -> Figures:
        started = time.monotonic()
        world, shown, goal = self._world, Shown(self._world, ready), self._burst.goal()

        def asked() -> int:
            return sum(lane.wait(0, 0) for lane in lanes)

        def answered() -> int:
            shown.read()
            return shown.said.total() + round(renderer.metric("skureel_skipped_records_total", role="renderer"))

        with running(world, "planner") as planner:
            planner.wait_ready()
            until(lambda: shown.read() == goal, self._limit, lambda: planner.tail() + renderer.tail())
            # Every request ends as one announcement or as one counted skip.
            until(lambda: asked() == answered(), 60, lambda: f"{asked()} asked, {answered()} answered")
            assert planner.metric("skureel_dead_letters_total") == 0
        assert renderer.metric("skureel_dead_letters_total") == 0
        self._times["end state"] = time.monotonic() - started
        assert set(shown.said.values()) == {1}, "a revision was announced twice"
        self._check_store(goal)
        renders = world.renders()
        assert len(renders) == len(set(renders)), "a base was rendered twice"
        skipped = {
            reason: round(renderer.metric("skureel_skipped_records_total", role="renderer", reason=reason))
            for reason in ("superseded", "stale", "duplicate")
        }
        rows = self._catalog.transaction(lambda ledger: ledger.book.fan_outs(10_000))
        return Figures(
            products=self._burst.products,
            revisions=self._burst.revisions,
            kills=self._burst.kills,
            requests=asked(),
            announced=shown.said.total(),
            renders=len(renders),
            works=dict(shown.works),
            skipped=skipped,
            fan_outs=dict(Counter(row.state for row in rows)),
            seconds={name: round(seconds, 1) for name, seconds in self._times.items()},
        )

    def _check_store(self, goal: dict[str, str]) -> None:
        """Every product's alias names the clip that it should show, and the clip is there."""
        client, bucket = self._world.s3.client(), self._world.bucket
        there = {each.object_name for each in client.list_objects(bucket, prefix="clips/", recursive=True)}
        for product_id, digest in goal.items():
            assert layout.clip_key(digest) in there, f"{product_id}: no clip {digest}"
            reply = client.get_object(bucket, layout.alias_key(product_id, "default"))
            try:
                alias = json.loads(reply.read())
            finally:
                reply.close()
                reply.release_conn()
            assert alias["recipe"] == digest, f"{product_id}: the alias names another clip than {digest}"


def play(world: World, burst: Burst, seconds: float) -> Figures:
    """Run a burst, print what it came to, and give it."""
    figures = Play(world, burst, seconds).run()
    print(json.dumps(asdict(figures)))
    return figures
