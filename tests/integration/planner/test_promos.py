"""Promos on both databases: what each kind of record, each scope and each turn of the clock leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.events import Cause, Creative, Product, Promo, RibbonCreative, Scope, Tier, VideoReady, Work
from consumer.observe.metrics import FAN_OUT_PRODUCTS, FAN_OUTS, HELD_PLANS, PROMOS, SKIPS
from consumer.planner.fanout import FanOutOptions
from consumer.stream.deadletter import read_dead_letter
from consumer.stream.types import Record
from tests.integration.planner.laws import check_promoted
from tests.integration.planner.test_planner import LINEAGE, announce, ready
from tests.integration.planner.world import GROUP, TOPICS, World
from tests.unit.planner.samples import CARD, NOW, PHRASE, RIBBON, planning, product, promo

HOUR = timedelta(hours=1)


def made(world: World) -> None:
    """Announce the newest request of every product, as a renderer would once it is done."""
    newest = {request.product_id: request for request in world.requests()}
    for request in newest.values():
        if request.recipe is None:
            event: VideoReady = ready(request.revision, product_id=request.product_id, status="RETIRED", clip=None)
            event = replace(event, lineage=None)
        else:
            lineage = replace(LINEAGE, recipe_digest=request.recipe.digest, base_digest=request.recipe.base_digest)
            event = ready(request.revision, product_id=request.product_id, lineage=lineage)
        announce(world, event, request.product_id.encode())
    world.run()


def fill(world: World, *items: Product) -> None:
    """Products whose clips are made."""
    for item in items:
        world.put(item)
    world.run()
    made(world)


def asked(world: World, since: int) -> list[tuple[str, str, Work]]:
    """Topic, product and work of the requests after the first ``since``, by product."""
    outputs = world.published[since:]
    return sorted(
        (output.topic, request.product_id, request.work)
        for output, request in zip(outputs, world.requests(outputs), strict=True)
    )


def fan_outs(world: World) -> list[tuple[Any, ...]]:
    """Promo, revision, state and products visited of each fan-out, in order."""
    return world.rows("SELECT promo_id, revision, state, visited FROM fan_outs ORDER BY id")


def test_a_promo_reaches_the_products_of_its_scope_and_no_others(world: World) -> None:
    """By id, category and tag; ids that nobody knows match nothing."""
    fill(
        world,
        product("a", category="home", tags=()),
        product("b", category="shoes", tags=("new",)),
        product("c", category="shoes", tags=()),
        product("d", category="toys", tags=("NEW", "old")),
    )
    since = len(world.published)
    scope = Scope(product_ids=("c", "nobody", "c"), categories=("home", "Shoes"), tags=("new", "none"))
    world.promote(promo(scope=scope))
    world.run()
    assert asked(world, since) == [(TOPICS.clip_dress, name, Work.DRESS) for name in "abc"]
    assert fan_outs(world) == [("spring", 1, "DONE", 3)]
    check_promoted(world)


@pytest.mark.parametrize(
    ("creative", "topic", "work"),
    [
        pytest.param(CARD, TOPICS.clip_dress, Work.SPLICE, id="an end card is spliced"),
        pytest.param(RIBBON, TOPICS.clip_dress, Work.DRESS, id="a ribbon is dressed"),
        pytest.param(PHRASE, TOPICS.clip_render_bulk, Work.RENDER, id="a phrase is rendered, in bulk"),
        pytest.param(replace(CARD, style="watercolour"), TOPICS.clip_render_bulk, Work.RENDER, id="so is a style"),
    ],
)
def test_a_promo_costs_only_what_it_touches(world: World, creative: Creative, topic: str, work: Work) -> None:
    """The lane and the work follow from the layers that change; an ended promo asks for what is made already."""
    fill(world, product("a"))
    before = world.requests()[-1].recipe
    world.promote(promo(creative=creative))
    world.run()
    assert asked(world, 1) == [(topic, "a", work)]
    (request,) = world.requests()[1:]
    assert request.cause == Cause(event_id="event-spring-1", product_revision=1, promo_id="spring", promo_revision=1)
    made(world)
    world.promote(promo(revision=2, status="ENDED"))
    world.run()
    (again,) = world.requests()[2:]
    assert again.recipe == before
    assert world.published[-1].topic == TOPICS.clip_dress
    assert again.work is (Work.SPLICE if work is Work.SPLICE else Work.DRESS)
    assert again.cause == Cause(event_id="event-spring-2", product_revision=1)
    check_promoted(world)


def test_what_is_not_made_yet_is_rendered(world: World) -> None:
    """Without an announcement nothing is known to exist, and a dresser would wait for it in vain."""
    world.put(product("a"))
    world.run()
    world.promote(promo())
    world.run()
    assert asked(world, 1) == [(TOPICS.clip_render_bulk, "a", Work.RENDER)]


def test_a_product_created_while_a_promo_runs_includes_it(world: World) -> None:
    """In the same batch as the promo, and later; its request is interactive, and names both."""
    world.promote(promo(scope=Scope(categories=("shoes",))))
    world.put(product("a", category="shoes"))
    world.put(product("b", category="home"))
    world.run()
    world.put(product("c", category="shoes"))
    world.run()
    by_id = {request.product_id: request for request in world.requests()}
    assert {output.topic for output in world.published} == {TOPICS.clip_render}
    assert [by_id[name].cause.promo_id for name in "abc"] == ["spring", None, "spring"]
    assert by_id["a"].cause.event_id == "event-a-1"
    ribbons = [by_id[name].recipe.dressing.overlays.ribbon for name in "abc"]  # type: ignore[union-attr]
    assert [ribbon.text if ribbon else None for ribbon in ribbons] == ["20% off", None, "20% off"]
    check_promoted(world)


def test_the_scope_is_left_by_products_and_by_promos(world: World) -> None:
    """A product that loses its tag loses the promo; a promo that narrows its scope gives the others back."""
    fill(world, product("a", tags=("x",)), product("b", tags=("x",), category="home"))
    world.promote(promo(scope=Scope(tags=("x",))))
    world.run()
    world.put(product("a", 2, tags=()))
    world.run()
    check_promoted(world)
    world.promote(promo(revision=2, scope=Scope(categories=("elsewhere",))))
    world.run()
    check_promoted(world)
    newest = {request.product_id: request for request in world.requests()}
    assert all(each.recipe and each.recipe.dressing.overlays.ribbon is None for each in newest.values())
    assert world.rows("SELECT * FROM product_tags ORDER BY product_id") == [("x", 0, "b")]


def test_the_highest_priority_shows_then_the_newest(world: World) -> None:
    """Promos never mix; when the one that shows ends, the next one does."""
    fill(world, product("a"))
    later = NOW + HOUR
    for each in (
        promo("low", priority=1, creative=CARD),
        promo("high", priority=5, occurred_at=NOW - HOUR),
        promo("older", priority=5, occurred_at=NOW - 2 * HOUR, creative=PHRASE),
        promo("last", priority=0, occurred_at=later),
    ):
        world.promote(each)
    world.run()

    def shows() -> str | None:
        check_promoted(world)
        return world.requests()[-1].cause.promo_id

    seen = [shows()]
    for name in ("high", "older", "low", "last"):
        world.promote(promo(name, 2, status="ENDED", occurred_at=later))
        world.run()
        seen.append(shows())
    assert seen == ["high", "older", "low", "last", None]


def test_older_and_equal_revisions_of_a_promo_are_counted_skips(world: World) -> None:
    """A promo published a hundred times is one fan-out."""
    fill(world, product("a"))
    for revision in (3, 2, *[3] * 99):
        world.promote(promo(revision=revision))
    world.run()
    assert fan_outs(world) == [("spring", 3, "DONE", 1)]
    assert world.metrics.value(SKIPS, role="planner", reason="duplicate") == 99
    assert world.metrics.value(SKIPS, role="planner", reason="stale") == 1
    world.promote(promo(revision=2))
    world.promote(promo(revision=3))
    world.run()
    assert len(fan_outs(world)) == 1


def test_a_newer_revision_cuts_a_fan_out_short(world: World) -> None:
    """What the first had reached is taken back where the second does not apply, and nothing is worked twice."""
    world.options = {"fan_out": FanOutOptions(page=2)}
    fill(world, *(product(f"p{n}") for n in range(6)))
    world.promote(promo())
    assert world.step()
    while not world.rows("SELECT * FROM fan_out_pages WHERE state = 'DONE'"):
        assert world.piece()
    world.promote(promo(revision=2, scope=Scope(product_ids=("p0", "p5")), creative=CARD))
    world.run()
    assert fan_outs(world) == [("spring", 1, "SUPERSEDED", 2), ("spring", 2, "DONE", 6)]
    check_promoted(world)
    assert len(world.requests()) == 6 + 2 + 3, "two ribbons; one card over a ribbon, one new, one ribbon taken off"


def test_tombstoned_products_are_never_touched(world: World) -> None:
    """By no scope that names them; back again, they show the promo."""
    fill(world, product("a", tags=("x",)), product("b"))
    world.retire("a")
    world.run()
    since = len(world.published)
    world.promote(promo(scope=Scope(product_ids=("a",), tags=("x",), categories=("appliances",))))
    world.run()
    assert [name for _, name, _ in asked(world, since)] == ["b"]
    assert fan_outs(world) == [("spring", 1, "DONE", 1)]
    world.put(product("a", 2, tags=("x",)))
    world.run()
    assert world.requests()[-1].cause.promo_id == "spring"
    check_promoted(world)


def test_a_promo_over_nothing_ends_at_once(world: World) -> None:
    """Zero products, unknown names, an empty scope, an empty creative: a fan-out without requests, or none at all."""
    fill(world, product("a"))
    since = len(world.published)
    world.promote(promo("unknown", scope=Scope(product_ids=("x",), categories=("y",), tags=("z",))))
    world.promote(promo("none", scope=Scope()))
    world.promote(promo("blank", creative=Creative()))
    world.run()
    assert world.published[since:] == []
    assert [(row[0], row[2]) for row in fan_outs(world)] == [("blank", "DONE"), ("unknown", "DONE")]
    check_promoted(world)


def test_a_promos_tombstone_ends_it(world: World) -> None:
    """As ENDED does; it may come again with its old revision, and what is unknown is a counted skip."""
    fill(world, product("a"))
    world.promote(promo())
    world.run()
    world.append(None, b"spring", topic=TOPICS.promo_changed)
    world.append(None, b"never", topic=TOPICS.promo_changed)
    world.run()
    assert world.requests()[-1].cause.promo_id is None
    assert world.metrics.value(SKIPS, role="planner", reason="unknown") == 1
    check_promoted(world)
    world.promote(promo())
    world.run()
    assert world.requests()[-1].cause.promo_id == "spring"
    check_promoted(world)


@pytest.mark.parametrize(
    ("key", "item", "message"),
    [
        (None, promo(), "key: missing: records are keyed by promo_id"),
        (b"other", promo(), "key: 'other' is not the promo_id 'spring'"),
        (b"spring", promo(revision=-1), "revision: -1 is negative"),
        (b"spring", promo(starts_at=NOW, ends_at=NOW), "ends_at:"),
        (b"\xff", None, "key: not UTF-8"),
        (b"", None, "key: 0 characters"),
    ],
)
def test_a_broken_promo_is_dead_lettered_with_the_field(
    world: World, key: bytes | None, item: Promo | None, message: str
) -> None:
    """What cannot be read changes nothing and says why."""
    fill(world, product("a"))
    value = world.codec.encode(TOPICS.promo_changed, item.to_avro())[0] if item else None
    world.append(value, key, topic=TOPICS.promo_changed)
    world.append(b"\xc3\x01nonsense", b"spring", topic=TOPICS.promo_changed)
    world.run()
    letters = [read_dead_letter(Record(o.topic, 0, 0, o.key, o.value, o.headers, 0)) for o in world.dead_letters()]
    assert [letter.stage for letter in letters] == ["validate", "decode"]
    assert letters[0].message.startswith(message)
    assert {output.topic for output in world.dead_letters()} == {f"{TOPICS.promo_changed}.{GROUP}.dlq"}
    assert fan_outs(world) == []


def test_a_promo_that_cannot_be_drawn_is_dead_lettered_once_and_no_clip_is_asked_for(world: World) -> None:
    """Before any product is looked at, with field, locale and reason; the revision before it goes on."""
    fill(world, *(product(f"p{n}") for n in range(3)))
    world.promote(promo())
    world.run()
    since = len(world.published)
    world.promote(promo(revision=2, creative=Creative(ribbon=RibbonCreative(text={"en": "Sale", "zh-CN": "满" * 300}))))
    world.run()
    (output,) = world.published[since:]
    letter = read_dead_letter(Record(output.topic, 0, 0, output.key, output.value, output.headers, 0))
    assert letter.stage == "validate"
    assert letter.message.startswith("creative.ribbon.text[zh-CN]: ")
    assert "does not fit" in letter.message
    assert fan_outs(world) == [("spring", 1, "DONE", 3)]
    world.promote(promo(revision=3, status="ENDED", creative=Creative(ribbon=RibbonCreative(text={"en": "满" * 300}))))
    world.run()
    assert [name for _, name, _ in asked(world, since + 1)] == ["p0", "p1", "p2"]
    newest = {request.product_id: request for request in world.requests()}
    assert all(each.recipe and each.recipe.dressing.overlays.ribbon is None for each in newest.values())


# The clock.


def at(world: World, when: Any) -> None:
    """Let it be then, and let the planner see it."""
    world.now = lambda: when
    world.run()


def test_a_window_opens_and_closes_by_the_clock(world: World) -> None:
    """The start is inside the window, the end is not; a fan-out for each, without an event."""
    fill(world, product("a"))
    world.promote(promo(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR))
    instant = timedelta(seconds=1)
    seen = []
    for when in (NOW, NOW + HOUR - instant, NOW + HOUR, NOW + 2 * HOUR - instant, NOW + 2 * HOUR):
        at(world, when)
        check_promoted(world)
        seen.append(len(world.requests()))
    assert seen == [1, 1, 2, 2, 3]
    assert [request.cause.promo_id for request in world.requests()] == [None, "spring", None]
    assert world.rows("SELECT reason, state FROM fan_outs ORDER BY id") == [("STARTED", "DONE"), ("STOPPED", "DONE")]
    assert [world.metrics.value(PROMOS, phase=phase) for phase in ("WAITING", "RUNNING", "OVER")] == [1, 1, 1]


def test_a_product_of_the_future_promo_is_reached_when_it_starts(world: World) -> None:
    """Created before the window, between its start and the planner's notice of it, and inside it."""
    world.promote(promo(starts_at=NOW + HOUR))
    world.put(product("a"))
    world.run()
    world.now = lambda: NOW + HOUR
    world.put(product("b"))
    world.run()
    world.put(product("c"))
    world.run()
    check_promoted(world)


def test_a_clock_that_jumps_over_a_window_shows_nothing_of_it(world: World) -> None:
    """Neither a window that passed while the planner slept, nor one that had passed when its event came."""
    fill(world, product("a"))
    world.promote(promo(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR))
    world.promote(promo("late", starts_at=NOW - 2 * HOUR, ends_at=NOW - HOUR))
    world.run()
    at(world, NOW + 5 * HOUR)
    assert len(world.requests()) == 1
    assert fan_outs(world) == []
    assert world.rows("SELECT phase FROM promos") == [("OVER",), ("OVER",)]


def test_a_clock_set_back_a_little_changes_nothing_and_far_is_believed(world: World) -> None:
    """What began stays begun within a minute's doubt; beyond it the promo waits again, and an ended one runs again."""
    fill(world, product("a"))
    world.promote(promo(starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR))
    world.run()
    minute = timedelta(minutes=1)
    phases = []
    for when in (HOUR, HOUR - minute, HOUR - 2 * minute, HOUR, 2 * HOUR, 2 * HOUR - minute, HOUR + minute, timedelta()):
        at(world, NOW + when)
        phases.append(world.rows("SELECT phase FROM promos")[0][0])
    assert phases == ["RUNNING", "RUNNING", "WAITING", "RUNNING", "OVER", "OVER", "RUNNING", "WAITING"]
    check_promoted(world)


def test_instants_are_compared_whatever_their_zone(world: World) -> None:
    """Events carry instants; where they were written does not matter."""
    from datetime import timezone  # noqa: PLC0415 - for this test alone

    fill(world, product("a"))
    shanghai = timezone(timedelta(hours=8))
    world.promote(promo(starts_at=(NOW + HOUR).astimezone(shanghai)))
    world.run()
    assert len(world.requests()) == 1
    at(world, NOW + HOUR)
    assert len(world.requests()) == 2


# Tiers and pages.


def test_hot_products_come_first(world: World) -> None:
    """Tier by tier, whatever the scope they are found by; each is planned once."""
    world.options = {"fan_out": FanOutOptions(page=1)}
    tiers = {"a": Tier.LONG_TAIL, "b": Tier.STANDARD, "c": Tier.HOT, "d": Tier.LONG_TAIL, "e": Tier.HOT}
    fill(world, *(product(name, tier=tier, tags=("x",)) for name, tier in tiers.items()))
    since = len(world.published)
    world.promote(promo(scope=Scope(product_ids=("a", "b", "e"), categories=("appliances",), tags=("x",))))
    world.run()
    order = [request.product_id for request in world.requests(world.published[since:])]
    assert order == ["e", "c", "b", "a", "d"]
    assert world.rows("SELECT total, visited FROM fan_outs") == [(13, 13)]
    assert world.metrics.value(FAN_OUT_PRODUCTS, result="DRESS") == 5
    assert world.metrics.value(FAN_OUT_PRODUCTS, result="UNCHANGED") == 8


def test_the_long_tail_waits_until_it_is_asked_for(world: World) -> None:
    """On demand its plans are kept without a request; a tombstone, a hotter tier and the other policy end the wait."""
    world.options = {"on_demand": True}
    world.put(product("tail", tier=Tier.LONG_TAIL))
    world.put(product("hot", tier=Tier.HOT))
    world.put(product("gone", tier=Tier.LONG_TAIL))
    world.run()
    assert [request.product_id for request in world.requests()] == ["hot"]
    world.promote(promo())
    world.run()
    assert world.rows("SELECT product_id, revision, held FROM plans WHERE product_id = 'tail'") == [("tail", 2, True)]
    assert {request.product_id for request in world.requests()} == {"hot"}
    assert world.metrics.value(HELD_PLANS) == 4
    check_promoted(world)
    world.retire("gone")
    world.put(product("tail", 2, tier=Tier.STANDARD))
    world.run()
    newest = {request.product_id: request for request in world.requests()}
    assert (newest["gone"].work, newest["tail"].revision, newest["tail"].work) == (Work.RETIRE, 2, Work.RENDER)
    check_promoted(world)


def test_held_plans_are_released_when_the_policy_changes(world: World) -> None:
    """By the next event of the product, or by the next fan-out that meets it."""
    world.options = {"on_demand": True}
    for name in ("a", "b"):
        world.put(product(name, tier=Tier.LONG_TAIL))
    world.run()
    assert world.requests() == []
    world.options = {}
    world.restart()
    world.put(product("a", 2, tier=Tier.LONG_TAIL))
    world.run()
    assert [(r.product_id, r.revision) for r in world.requests()] == [("a", 1)]
    world.promote(promo(creative=Creative()))
    world.run()
    assert sorted((r.product_id, r.revision) for r in world.requests()) == [("a", 1), ("b", 1)]
    check_promoted(world)


def test_a_product_that_cannot_be_planned_keeps_its_clip(world: World) -> None:
    """It is counted and the page goes on: an engine without words, a product whose photos are gone."""
    fill(world, product("a"), product("b", images=()))
    world.plan = planning(engine=replace(planning().engine, texts=False))
    world.restart()
    world.promote(promo())
    world.run()
    assert world.rows("SELECT visited, failed FROM fan_outs") == [(2, 1)]
    assert world.metrics.value(FAN_OUT_PRODUCTS, result="FAILED") == 1


def test_many_unknown_names_do_not_make_a_page_long(world: World) -> None:
    """A page looks at so many strands and no more; the fan-out ends all the same."""
    fill(world, product("a", category="c999"))
    since = len(world.published)
    world.promote(promo(scope=Scope(categories=tuple(f"c{n}" for n in range(1_000)))))
    world.run()
    assert len(world.published) == since + 1
    check_promoted(world)


def test_texts_too_long_for_an_index_are_categories_and_tags_too(world: World) -> None:
    """A category of two thousand characters is found by its digest; NULs are replaced on both sides."""
    long, zero = "长" * 2_000, "a\0b"
    fill(world, product("a", category=long), product("b", tags=(long,)), product("c", category=zero))
    since = len(world.published)
    world.promote(promo(scope=Scope(categories=(long, zero), tags=(long,))))
    world.run()
    assert [name for _, name, _ in asked(world, since)] == ["a", "b", "c"]


def test_progress_can_be_watched(world: World) -> None:
    """The gauges say what is left, of all planners' fan-outs, a second late at most."""
    world.options = {"fan_out": FanOutOptions(page=2)}
    fill(world, *(product(f"p{n}") for n in range(5)))
    world.promote(promo())
    world.step()
    world.now = lambda: NOW + timedelta(seconds=2)
    world.piece()
    assert world.metrics.value(FAN_OUTS) == 1
    world.run()
    world.now = lambda: NOW + timedelta(seconds=4)
    world.run()
    assert world.metrics.value(FAN_OUTS) == 0
