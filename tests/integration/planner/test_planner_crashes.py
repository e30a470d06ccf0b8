"""A planner killed between any two of its steps loses no request."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.stream.types import Partition
from tests.integration.planner.laws import check
from tests.integration.planner.world import TOPICS, World
from tests.unit.planner.samples import product


def fill(world: World) -> None:
    """A short log with everything that can happen to a product."""
    world.put(product("a", 1))
    world.put(product("b", 1), partition=1)
    world.put(product("a", 2, name="Teapot"))
    world.retire("b", partition=1)
    world.put(product("c", 1))
    world.put(product("b", 2), partition=1)
    world.put(product("a", 3, name="Teapot"))
    world.put(product("a", 2, name="Late"))


def live(world: World, size: int | None) -> None:
    """A planner's life from start to idle."""
    world.restart()
    world.run(size)


def step(world: World) -> int:
    """Every boundary on SQLite; every third on PostgreSQL, where the same statements take longer to try."""
    return 1 if world.url.startswith("sqlite") else 3


@pytest.mark.parametrize("size", [3, 100])
def test_a_crash_at_any_boundary_loses_no_request(world: World, size: int) -> None:
    """Before and after every statement, at the commit, before and after the Kafka transaction, in the idle duties:
    after a restart every plan's request is published, with its own number and id.
    """
    for fuse in count(1, step(world)):
        world.clear()
        fill(world)
        died = world.crash_at(fuse, lambda: live(world, size))
        world.run(size)
        check(world)
        if not died:
            break
    assert fuse > 20


def test_a_crash_while_recovering_loses_no_request(world: World) -> None:
    """The recovery is as safe as what it recovers."""
    for fuse in count(1, step(world)):
        world.clear()
        fill(world)
        planner = world.restart()
        planner.handle(world.waiting())  # committed in the database, never published
        world.stop()
        died = world.crash_at(fuse, lambda: live(world, None))
        world.run()
        check(world)
        if not died:
            break
    assert fuse > 5


def test_recovered_requests_are_the_same_bytes(world: World) -> None:
    """The same number, id, headers and value: the renderer knows the request, and any reader can tell."""
    world.put(product("a"))
    world.put(product("b"))
    first = world.restart().handle(world.waiting())
    planner = world.start()
    recovered = planner.assigned([Partition(TOPICS.product_created, 0)])
    assert sorted((o.key, o.value, list(o.headers)) for o in recovered.outputs) == sorted(
        (o.key, o.value, list(o.headers)) for o in first.outputs
    )
    assert recovered.committed is not None
    recovered.committed()
    planner.idle()
    again = world.start().assigned([Partition(TOPICS.product_created, 0)])
    assert list(again.outputs) == []


def test_only_assigned_partitions_are_recovered(world: World) -> None:
    """What came from another planner's partitions is that planner's."""
    world.put(product("a"), partition=0)
    world.put(product("b"), partition=1)
    planner = world.restart()
    planner.handle([world.log[TOPICS.product_created, 0][0]])
    planner.handle([world.log[TOPICS.product_created, 1][0]])
    planner = world.start()
    assert list(planner.assigned([]).outputs) == []
    assert [o.key for o in planner.assigned([Partition(TOPICS.product_created, 1)]).outputs] == [b"b"]
    assert list(planner.assigned([Partition(TOPICS.video_ready, 0)]).outputs) == []


def test_partitions_that_left_and_came_back_are_recovered_by_the_same_planner(world: World) -> None:
    """What was settled under an old assignment is dropped by the loop, so it is published again."""
    world.put(product("a"))
    planner = world.restart()
    dropped = planner.handle(world.waiting())
    world.assign()
    assert [o.value for o in world.published] == [o.value for o in dropped.outputs]
    world.run()
    check(world)


def test_an_aborted_batch_is_published_when_its_records_come_again(world: World) -> None:
    """Even without a new assignment, and even from a planner that committed to the database after it lost the
    partition: the records come again, and with them the request.
    """
    world.put(product("a"))
    world.put(product("b"))
    planner = world.restart()
    planner.handle(world.waiting())
    world.put(product("a", 2))
    world.run()
    assert sorted(r.product_id for r in world.requests()) == ["a", "b"]
    check(world)
    before = len(world.published)
    world.committed.clear()
    world.run()
    assert len(world.published) == before


actions = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(0, 4), st.sampled_from(["Kettle", "Teapot", "Jug"])),
    st.tuples(st.just("retire"), st.sampled_from("abc")),
    st.tuples(st.just("run"), st.integers(1, 6)),
    st.tuples(st.just("crash"), st.integers(1, 25), st.integers(1, 4)),
    st.tuples(st.just("rewind"), st.integers(0, 5)),
    st.tuples(st.just("rebalance")),
)


def act(world: World, action: tuple[object, ...], size: int | None) -> None:
    """One step of a history."""
    match action:
        case ("put", str(product_id), int(revision), str(name)):
            world.put(product(product_id, revision, name=name))
        case ("retire", str(product_id)):
            world.retire(product_id)
        case ("run", int(limit)):
            world.run(size or limit)
        case ("crash", int(fuse), int(limit)):
            world.crash_at(fuse, lambda: world.run(size or limit))
        case ("rewind", int(back)):
            for place in world.committed:
                world.committed[place] = max(0, world.committed[place] - back)
        case _:
            if world.planner:
                world.assign()


@settings(suppress_health_check=list(HealthCheck), max_examples=40, deadline=None)
@given(st.lists(actions, max_size=25))
def test_any_history_in_batches_of_any_size(world: World, history: list[tuple[object, ...]]) -> None:
    """After any sequence, with duplicates, reorders, crashes and rebalances, the plan of each product is the recipe
    of its newest revision and its request was published.
    """
    world.clear()
    for action in history:
        act(world, action, None)
    world.run()
    check(world)


@settings(suppress_health_check=list(HealthCheck), max_examples=30, deadline=None)
@given(st.lists(actions, max_size=20))
def test_any_history_record_by_record(world: World, history: list[tuple[object, ...]]) -> None:
    """Taken one at a time, each distinct change of a recipe raises the plan number by exactly one."""
    world.clear()
    for action in history:
        act(world, action, 1)
    world.run(1)
    check(world, one_by_one=True)
