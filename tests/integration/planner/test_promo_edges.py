"""What is asked least and goes wrong most: empty catalogs, products that go or come meanwhile, windows that overlap."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from consumer.events import Creative, Promo, RibbonCreative, Scope, Work
from consumer.planner.fanout import FanOutOptions
from consumer.stream import schemas
from consumer.stream.jsonform import from_json
from tests.integration.planner.laws import check_promoted
from tests.integration.planner.test_promos import asked, at, fan_outs, fill
from tests.integration.planner.world import TOPICS, World
from tests.unit.planner.samples import CARD, NOW, PHRASE, RIBBON, product, promo

HOUR = timedelta(hours=1)


def shows(world: World, product_id: str) -> str | None:
    """The promo that the newest request of a product carries."""
    return [each for each in world.requests() if each.product_id == product_id][-1].cause.promo_id


def test_a_promo_over_an_empty_catalog_ends_and_waits_for_products(world: World) -> None:
    """Its fan-out meets nothing; the first product that comes shows it."""
    world.promote(promo())
    world.run()
    assert fan_outs(world) == [("spring", 1, "DONE", 0)]
    assert world.rows("SELECT total FROM fan_outs") == [(0,)]
    assert world.published == []
    world.put(product("first"))
    world.run()
    assert shows(world, "first") == "spring"
    check_promoted(world)


def test_an_id_that_nobody_knows_yet_shows_the_promo_once_it_comes(world: World) -> None:
    """The scope is kept as it was written, not as it was met."""
    fill(world, product("here"))
    world.promote(promo(scope=Scope(product_ids=("here", "later", "never"))))
    world.run()
    assert fan_outs(world) == [("spring", 1, "DONE", 1)]
    world.put(product("later"))
    world.put(product("other"))
    world.run()
    assert (shows(world, "later"), shows(world, "other")) == ("spring", None)
    check_promoted(world)


def test_a_product_deleted_between_two_steps_of_a_fan_out_stays_deleted(world: World) -> None:
    """Its page was cut before and is worked after: no clip is asked for, and the others' are."""
    world.options = {"fan_out": FanOutOptions(page=2)}
    fill(world, *(product(f"p{n}") for n in range(6)))
    since = len(world.published)
    world.promote(promo())
    assert world.step()
    while not world.rows("SELECT * FROM fan_out_pages WHERE state = 'DONE'"):
        assert world.piece()
    assert world.rows("SELECT * FROM fan_out_pages WHERE state = 'OPEN'"), "the page of p3 is cut and not worked"
    world.retire("p3")
    world.run()
    assert [work for _, name, work in asked(world, since) if name == "p3"] == [Work.RETIRE]
    assert [name for _, name, work in asked(world, since) if work is Work.DRESS] == ["p0", "p1", "p2", "p4", "p5"]
    check_promoted(world)


def test_windows_that_overlap_hand_over_by_priority_at_their_edges(world: World) -> None:
    """low is always there, high for an hour inside it, and of two equal ones the newer: by the clock alone."""
    fill(world, product("a"))
    for each in (
        promo("low", priority=1, creative=CARD),
        promo("high", priority=5, starts_at=NOW + HOUR, ends_at=NOW + 3 * HOUR),
        promo(
            "newer",
            priority=5,
            creative=Creative(ribbon=RibbonCreative(text={"en": "Half price"})),
            occurred_at=NOW + timedelta(seconds=1),
            starts_at=NOW + 2 * HOUR,
            ends_at=NOW + 4 * HOUR,
        ),
        promo("beneath", priority=0, creative=PHRASE, starts_at=NOW + HOUR),
    ):
        world.promote(each)
    seen = []
    for half_hours in range(10):
        at(world, NOW + half_hours * HOUR / 2)
        check_promoted(world)
        seen.append(shows(world, "a"))
    assert seen == ["low"] * 2 + ["high"] * 2 + ["newer"] * 4 + ["low"] * 2


def test_an_end_and_a_start_at_the_same_instant_leave_no_gap(world: World) -> None:
    """A window excludes its end and the next includes its start: at the instant itself the second one shows."""
    fill(world, product("a"))
    world.promote(promo("day", ends_at=NOW + HOUR))
    world.promote(promo("night", starts_at=NOW + HOUR, creative=CARD))
    seen = []
    for when in (NOW, NOW + HOUR - timedelta(seconds=1), NOW + HOUR):
        at(world, when)
        check_promoted(world)
        seen.append(shows(world, "a"))
    assert seen == ["day", "day", "night"]


@pytest.mark.parametrize(
    ("written", "opens"),
    [
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-25T08:30:00+08:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T00:30:00Z", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_window_written_in_any_zone_opens_at_its_instant(world: World, written: str, opens: datetime) -> None:
    """Half past two comes twice in Berlin that night: the offset tells which, and nothing else is asked."""
    world.now = lambda: opens - 2 * HOUR
    fill(world, product("a"))
    parsed = schemas.load().of(TOPICS.promo_changed).parsed
    event = promo().to_avro() | {"occurred_at": NOW.isoformat(), "starts_at": written}
    item = Promo.from_avro(from_json(parsed, json.loads(json.dumps(event)), "promo"))
    assert item.starts_at == opens
    world.promote(item)
    at(world, (opens - timedelta(seconds=1)).astimezone(ZoneInfo("Europe/Berlin")))
    assert shows(world, "a") is None
    at(world, opens.astimezone(ZoneInfo("Asia/Shanghai")))
    assert shows(world, "a") == "spring"
    check_promoted(world)


def test_a_clock_that_jumps_into_a_window_and_on_shows_each_state_once(world: World) -> None:
    """A planner that slept through a start begins it late; one that slept through an end ends it late; never twice."""
    fill(world, product("a"))
    world.promote(promo(creative=RIBBON, starts_at=NOW + HOUR, ends_at=NOW + 9 * HOUR))
    world.run()
    for when in (NOW + 5 * HOUR, NOW + 5 * HOUR, NOW + 100 * HOUR, NOW + 100 * HOUR):
        at(world, when)
        check_promoted(world)
    assert world.rows("SELECT reason, state FROM fan_outs ORDER BY id") == [("STARTED", "DONE"), ("STOPPED", "DONE")]
    assert len(world.requests()) == 3
