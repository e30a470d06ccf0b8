"""A planner killed between any two steps of a fan-out: every product ends on the clip of the newest state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.events import Creative, Scope, Tier
from consumer.planner import fanout
from consumer.planner.fanout import FanOutOptions
from consumer.planner.planner import PlannerHandler
from consumer.stream.types import Output, Partition
from tests.integration.planner.laws import check_promoted
from tests.integration.planner.world import TOPICS, World
from tests.unit.planner.samples import CARD, NOW, PHRASE, RIBBON, product, promo

HOUR = timedelta(hours=1)


def fill(world: World) -> None:
    """Products of each tier, a promo over all that gives way to one over some, and an end by the clock."""
    for n, tier in enumerate([Tier.HOT, Tier.STANDARD, Tier.LONG_TAIL]):
        world.put(product(f"p{n}", tier=tier, tags=("x",) if n else ()))
    world.promote(promo("all", creative=CARD, priority=1, ends_at=NOW + HOUR))
    world.promote(promo("some", scope=Scope(tags=("x",)), priority=2))
    world.promote(promo("some", 2, scope=Scope(product_ids=("p0", "p1")), priority=2, creative=PHRASE))
    world.retire("p2")


def live(world: World, size: int | None) -> None:
    """A planner's life from start to idle, with an hour passing in it."""
    world.now = lambda: NOW
    world.restart()
    world.run(size)
    world.now = lambda: NOW + 2 * HOUR
    world.run(size)


def step(world: World, size: int) -> int:
    """Every boundary on SQLite, in batches large and so with few steps; a sample of the others, which take longer."""
    return (1 if world.url.startswith("sqlite") else 7) * (1 if size > 10 else 5)


def recover(world: World) -> None:
    """The next life, an hour later."""
    world.now = lambda: NOW + 2 * HOUR
    world.run()


@pytest.mark.parametrize("size", [2, 100])
def test_a_crash_at_any_boundary_of_a_fan_out_loses_nothing(world: World, size: int) -> None:
    """Before and after every statement, at each commit, around each Kafka transaction, at any page, at the clock."""
    world.options = {"fan_out": FanOutOptions(page=2)}
    for fuse in count(1, step(world, size)):
        world.clear()
        fill(world)
        died = world.crash_at(fuse, lambda: live(world, size))
        recover(world)
        check_promoted(world)
        if not died:
            break
    assert fuse > 50


def test_a_planner_killed_again_and_again_gets_there(world: World) -> None:
    """Each life gets a little further, however short."""
    world.options = {"fan_out": FanOutOptions(page=1)}
    for n in range(12):
        world.put(product(f"p{n:02}"))
    world.run()
    world.promote(promo())
    lives = 0

    def life() -> None:
        world.restart()
        world.run()

    while world.crash_at(60, life):
        lives += 1
        assert lives < 100
    check_promoted(world)
    assert lives > 3


def test_a_page_is_published_by_whoever_gets_the_partition(world: World) -> None:
    """A page that was committed and never published belongs to one of its maker's partitions."""
    world.put(product("a"))
    world.run()
    world.promote(promo())
    assert world.planner is not None
    world.step()
    partition = Partition(TOPICS.promo_changed, 0)
    while not (lost := world.planner.background([partition])).outputs:  # type: ignore[union-attr]
        pass
    successor = world.start()
    assert list(successor.assigned([Partition(TOPICS.product_created, 0)]).outputs) == []
    found = successor.assigned([partition])
    assert [o.value for o in found.outputs] == [o.value for o in lost.outputs]  # type: ignore[union-attr]


def test_a_page_that_nobody_is_assigned_is_adopted(world: World) -> None:
    """Its maker lost the partition before and died after: a minute later another planner publishes it, once."""
    world.put(product("a"))
    world.run()
    world.promote(promo())
    assert world.planner is not None
    world.step()
    mine, theirs = [Partition(TOPICS.product_created, 0)], [Partition(TOPICS.promo_changed, 0)]
    while not (lost := world.planner.background(theirs)).outputs:  # type: ignore[union-attr]
        pass
    successor = world.start()
    assert rest(successor, mine) == []
    world.now = lambda: NOW + fanout.ORPHANED + timedelta(seconds=1)
    found = successor.background(mine)
    assert found is not None
    assert [o.value for o in found.outputs] == [o.value for o in lost.outputs]  # type: ignore[union-attr]
    assert found.committed is not None
    found.committed()
    world.now = lambda: NOW + 3 * fanout.ORPHANED
    assert rest(successor, mine) == []


def rest(planner: PlannerHandler, held: list[Partition]) -> list[Output]:
    """What a planner publishes until there is nothing left to do."""
    outputs: list[Output] = []
    while (handled := planner.background(held)) is not None:
        outputs += handled.outputs
    return outputs


def test_a_planner_without_partitions_works_no_page(world: World) -> None:
    """If it died nobody would notice."""
    world.put(product("a"))
    world.promote(promo())
    world.run()
    world.promote(promo(revision=2, creative=CARD))
    world.step()
    assert world.planner is not None
    assert world.planner.background([]) is None
    assert world.rows("SELECT pages FROM fan_outs WHERE state = 'PENDING'") == [(0,)]


SCOPES = st.sampled_from(
    [
        Scope(all=True),
        Scope(),
        Scope(product_ids=("a", "b", "zz")),
        Scope(categories=("home", "none")),
        Scope(tags=("x",)),
        Scope(product_ids=("c",), tags=("x", "y")),
    ]
)
CREATIVES = st.sampled_from([RIBBON, CARD, PHRASE, Creative()])
WINDOWS = st.sampled_from([None, -3, -1, 1, 3]).map(lambda hours: NOW + hours * HOUR if hours else None)
actions = st.one_of(
    st.tuples(
        st.just("put"),
        st.sampled_from("abc"),
        st.integers(0, 4),
        st.sampled_from(["home", "shoes"]),
        st.sampled_from([(), ("x",), ("x", "y")]),
        st.sampled_from(Tier),
    ),
    st.tuples(st.just("retire"), st.sampled_from("abc")),
    st.tuples(
        st.just("promote"),
        st.sampled_from("PQR"),
        st.integers(0, 4),
        st.sampled_from(["ACTIVE", "ACTIVE", "ENDED"]),
        SCOPES,
        CREATIVES,
        st.integers(0, 1),
        WINDOWS,
        WINDOWS,
    ),
    st.tuples(st.just("withdraw"), st.sampled_from("PQR")),
    st.tuples(st.just("run"), st.integers(1, 6)),
    st.tuples(st.just("crash"), st.integers(1, 60), st.integers(1, 4)),
    st.tuples(st.just("rewind"), st.integers(0, 5)),
    st.tuples(st.just("rebalance")),
    # Half past, so that no edge is within the minute in which a clock that goes back is doubted.
    st.tuples(st.just("clock"), st.integers(-4, 4)),
)


def act(world: World, action: tuple[object, ...]) -> None:
    """One step of a history."""
    match action:
        case ("put", str(product_id), int(revision), category, tags, tier):
            world.put(product(product_id, revision, category=category, tags=tags, tier=tier))
        case ("retire", str(product_id)):
            world.retire(product_id)
        case ("promote", str(promo_id), int(revision), status, scope, creative, priority, starts, ends):
            if starts and ends and ends <= starts:  # type: ignore[operator]
                starts = None
            values = {"status": status, "scope": scope, "creative": creative, "priority": priority}
            world.promote(promo(promo_id, revision, starts_at=starts, ends_at=ends, **values))
        case ("withdraw", str(promo_id)):
            world.append(None, promo_id.encode(), topic=TOPICS.promo_changed)
        case ("clock", int(hours)):
            then = NOW + (hours + 0.5) * HOUR
            world.now = lambda: then
        case _:
            _live(world, action)


def _live(world: World, action: tuple[object, ...]) -> None:
    match action:
        case ("run", int(limit)):
            world.run(limit)
        case ("crash", int(fuse), int(limit)):
            run: Callable[[], None] = lambda: world.run(limit)  # noqa: E731 - a name for its type
            world.crash_at(fuse, run)
        case ("rewind", int(back)):
            for place in world.committed:
                world.committed[place] = max(0, world.committed[place] - back)
        case _:
            if world.planner:
                world.assign()


@settings(suppress_health_check=list(HealthCheck), max_examples=60, deadline=None)
@given(st.lists(actions, max_size=25), st.booleans())
def test_any_history_ends_on_the_newest_state(world: World, history: list[tuple[object, ...]], on_demand: bool) -> None:
    """Whatever happens in whatever order, with crashes, redeliveries, rebalances and clocks that jump, every product
    ends on the clip that its newest revision and the promo it shows call for.
    """
    world.clear()
    world.options = {"fan_out": FanOutOptions(page=2), "on_demand": on_demand}
    world.now = lambda: NOW + HOUR / 2
    for action in history:
        act(world, action)
    world.run()
    check_promoted(world)
