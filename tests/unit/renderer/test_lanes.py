"""Laws of the lanes, in counts of turns: the share is kept, interactive work comes first, nothing is lost."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.renderer.lanes import Lane, LaneQueue

SHARES = st.one_of(st.sampled_from([0.0, 0.1, 0.29, 0.5, 0.7, 1.0]), st.floats(0, 1))


def fill(queue: LaneQueue[tuple[Lane, int]], lane: Lane, count: int) -> None:
    """Put so many numbered items into a lane."""
    for number in range(count):
        queue.put((lane, number), lane)


def taken(queue: LaneQueue[tuple[Lane, int]], count: int) -> list[tuple[Lane, int]]:
    """The next items."""
    items = [queue.take(0) for _ in range(count)]
    assert None not in items
    return [item for item in items if item is not None]


@given(SHARES, st.integers(1, 200))
def test_of_n_turns_bulk_work_that_waited_longest_gets_its_share(share: float, turns: int) -> None:
    """However long interactive work keeps coming: the share rounded down or up, for any share and any number."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(share)
    fill(queue, Lane.BULK, turns + 1)
    fill(queue, Lane.INTERACTIVE, turns + 1)
    found = sum(lane is Lane.BULK for lane, _ in taken(queue, turns))
    assert math.floor(turns * share - 1e-6) <= found <= math.ceil(turns * share + 1e-6)


def test_a_tenth_of_a_thousand_turns_is_a_hundred_spread_evenly() -> None:
    """One in ten, in every ten."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(0.1)
    fill(queue, Lane.BULK, 2000)
    fill(queue, Lane.INTERACTIVE, 2000)
    lanes = [lane for lane, _ in taken(queue, 1000)]
    assert all(lanes[at : at + 10].count(Lane.BULK) == 1 for at in range(0, 1000, 10))


def test_interactive_work_that_comes_later_goes_first() -> None:
    """A new product overtakes a promotion's backlog."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(0.1)
    fill(queue, Lane.BULK, 5)
    fill(queue, Lane.INTERACTIVE, 2)
    assert [lane for lane, _ in taken(queue, 3)] == [Lane.INTERACTIVE, Lane.INTERACTIVE, Lane.BULK]


def test_bulk_work_that_came_later_takes_no_turn_of_interactive_work() -> None:
    """The share is for what has waited: a promotion that starts now does not overtake who was there before it."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(0.5)
    fill(queue, Lane.INTERACTIVE, 10)
    fill(queue, Lane.BULK, 10)
    assert {lane for lane, _ in taken(queue, 10)} == {Lane.INTERACTIVE}


def test_at_no_share_bulk_work_waits_and_goes_on_when_nothing_else_does() -> None:
    """Zero means: never while interactive work waits."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(0.0)
    fill(queue, Lane.BULK, 3)
    fill(queue, Lane.INTERACTIVE, 100)
    assert {lane for lane, _ in taken(queue, 100)} == {Lane.INTERACTIVE}
    assert {lane for lane, _ in taken(queue, 3)} == {Lane.BULK}


@given(st.lists(st.sampled_from(list(Lane)), max_size=60))
def test_at_a_share_of_one_arrival_alone_decides(arrivals: list[Lane]) -> None:
    """One means: no priority."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(1.0)
    items = [(lane, number) for number, lane in enumerate(arrivals)]
    for item in items:
        queue.put(item, item[0])
    assert taken(queue, len(items)) == items


@given(SHARES, st.lists(st.one_of(st.sampled_from(list(Lane)), st.none()), max_size=80))
def test_every_item_comes_out_once_and_in_order_within_its_lane(share: float, moves: list[Lane | None]) -> None:
    """Whatever is put and taken when."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(share)
    put: list[tuple[Lane, int]] = []
    out: list[tuple[Lane, int]] = []
    for move in moves:
        if move is not None:
            put.append((move, len(put)))
            queue.put(put[-1], move)
        elif (item := queue.take(0)) is not None:
            out.append(item)
    assert len(queue) == len(put) - len(out)
    out += taken(queue, len(queue))
    for lane in Lane:
        assert [item for item in out if item[0] is lane] == [item for item in put if item[0] is lane]


def test_work_that_somebody_waits_for_leaves_the_bulk_lane() -> None:
    """It comes after the interactive work that was there, and before all other bulk work."""
    queue: LaneQueue[tuple[Lane, int]] = LaneQueue(0.0)
    fill(queue, Lane.BULK, 3)
    fill(queue, Lane.INTERACTIVE, 1)
    queue.hasten(lambda item: item == (Lane.BULK, 1))
    order = [(Lane.INTERACTIVE, 0), (Lane.BULK, 1), (Lane.BULK, 0), (Lane.BULK, 2)]
    assert taken(queue, 4) == order


def test_whoever_waits_is_woken_and_told_when_nothing_comes() -> None:
    """An item that comes ends the wait; so does the time, with nothing."""
    queue: LaneQueue[int] = LaneQueue(0.1)
    assert queue.take(0.01) is None
    found: list[int | None] = []
    waiting = threading.Thread(target=lambda: found.append(queue.take(30)))
    waiting.start()
    queue.put(7, Lane.BULK)
    waiting.join(30)
    assert found == [7]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_between_nothing_and_all(share: float) -> None:
    """Anything else is a mistake."""
    with pytest.raises(ValueError, match="share"):
        LaneQueue(share)
