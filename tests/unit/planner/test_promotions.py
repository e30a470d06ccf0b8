"""Windows, phases, scopes and overlap of promotions: laws that hold for any of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Promo, Scope
from consumer.planner.promotions import SKEW, Phase, Running, due_at, phase_at, rank, since, touches, turned
from consumer.planner.tables import KEY_BYTES, member_key
from tests.unit.planner.samples import NOW, product, promo

HOUR = timedelta(hours=1)
INSTANT = timedelta(milliseconds=1)

names = st.sampled_from(["a", "b", "c", "a\0", "A", "长" * 300])
scopes = st.builds(
    Scope,
    all=st.booleans(),
    product_ids=st.lists(names, max_size=3).map(tuple),
    categories=st.lists(names, max_size=3).map(tuple),
    tags=st.lists(names, max_size=3).map(tuple),
)
edges = st.none() | st.integers(-5, 5).map(lambda hours: NOW + hours * HOUR)
instants = st.integers(-400, 400).map(lambda minutes: NOW + timedelta(minutes=minutes))


@st.composite
def promos(draw: st.DrawFn) -> Promo:
    """Any promo: windows that make sense, priorities that collide."""
    starts, ends = draw(edges), draw(edges)
    if starts and ends and ends <= starts:
        ends = None
    return promo(
        draw(st.sampled_from("PQRSTU")),
        scope=draw(scopes),
        priority=draw(st.integers(-1, 1)),
        occurred_at=draw(st.sampled_from([NOW, NOW + HOUR])),
        status=draw(st.sampled_from(["ACTIVE", "ACTIVE", "ENDED"])),
        starts_at=starts,
        ends_at=ends,
    )


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    """To the millisecond; without a start it is open since ever, without an end for ever."""
    item = promo(starts_at=NOW, ends_at=NOW + HOUR)
    assert [phase_at(item, NOW + offset) for offset in (-INSTANT, timedelta(), HOUR - INSTANT, HOUR)] == [
        Phase.WAITING,
        Phase.RUNNING,
        Phase.RUNNING,
        Phase.OVER,
    ]
    distant = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
    assert {phase_at(promo(), when) for when in distant} == {Phase.RUNNING}
    assert {phase_at(promo(status="ENDED", starts_at=NOW), when) for when in distant} == {Phase.OVER}


@given(promos(), instants, instants)
def test_phases_only_go_forward_with_the_clock(item: Promo, one: datetime, other: datetime) -> None:
    """Later is never an earlier phase, and from any phase a clock that goes on leads where the event says."""
    early, late = sorted((one, other))
    assert phase_at(item, early) <= phase_at(item, late)
    assert turned(item, phase_at(item, early), late) is phase_at(item, late)


@given(promos(), instants)
def test_the_clock_is_asked_again_exactly_when_it_matters(item: Promo, now: datetime) -> None:
    """A phase lasts until just before it is due, and began no later than its beginning says."""
    phase = phase_at(item, now)
    due, began = due_at(item, phase), since(item, phase)
    if due is not None and item.status == "ACTIVE":
        assert phase_at(item, due - INSTANT) is phase < phase_at(item, due)
    if began is not None:
        assert phase_at(item, began) is phase > phase_at(item, began - INSTANT)
        assert turned(item, phase, began - SKEW) is phase
        assert turned(item, phase, began - SKEW - INSTANT) < phase


@given(promos(), st.sampled_from(Phase), instants)
def test_a_turn_settles(item: Promo, phase: Phase, now: datetime) -> None:
    """Asked twice at the same instant, the clock changes nothing the second time: no start and stop in circles."""
    once = turned(item, phase, now)
    assert turned(item, once, now) is once


@given(st.lists(promos(), max_size=6, unique_by=lambda each: each.promo_id), st.data())
def test_the_one_shown_is_the_best_of_those_that_touch(running: list[Promo], data: st.DataObject) -> None:
    """However they are arranged: the highest priority, then the newest, among all whose scope names the product."""
    item = product(
        data.draw(st.sampled_from("abc")),
        category=data.draw(names),
        tags=tuple(data.draw(st.lists(names, max_size=3))),
    )
    best = max((each for each in running if touches(each.scope, item)), key=rank, default=None)
    assert Running(running).of(item) == best
    assert Running(reversed(running)).of(item) == best


@given(st.lists(promos(), min_size=1, max_size=6, unique_by=lambda each: each.promo_id))
def test_no_two_promos_are_equal(running: list[Promo]) -> None:
    """The order is total, so every planner shows the same."""
    ranked = sorted(running, key=rank)
    assert all(rank(a) < rank(b) for a, b in pairwise(ranked))


@given(promos(), promos())
def test_another_revision_takes_the_place_of_the_one_before(one: Promo, other: Promo) -> None:
    """A promo is there once, or not at all."""
    arranged = Running([one]).with_promo(other, runs=True).promos
    assert other in arranged
    assert len({each.promo_id for each in arranged}) == len(arranged)
    assert Running([one]).with_promo(one, runs=False).promos == ()


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), False),
        (Scope(all=True), True),
        (Scope(product_ids=("kettle-1",)), True),
        (Scope(product_ids=("kettle-2",)), False),
        (Scope(categories=("appliances",)), True),
        (Scope(categories=("Appliances",)), False),
        (Scope(tags=("old", "new")), True),
        (Scope(product_ids=("x",), categories=("y",), tags=("kitchen",)), True),
    ],
)
def test_a_scope_is_the_union_of_what_it_names(scope: Scope, expected: bool) -> None:
    """Ids, categories and tags, compared exactly; an empty scope is about nothing."""
    assert touches(scope, product()) is expected


@given(st.text(max_size=400), st.text(max_size=400))
def test_index_keys_are_short_and_tell_texts_apart(one: str, other: str) -> None:
    """Whatever their length; only the NUL, which no database keeps, is lost."""
    try:
        one.encode(), other.encode()
    except UnicodeEncodeError:
        return
    assert len(member_key(one).encode()) <= KEY_BYTES
    if one.replace("\0", "\ufffd") != other.replace("\0", "\ufffd"):
        assert member_key(one) != member_key(other)
