"""The planner's rules: what each record of a product means, given what is known."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.events import Product, Work
from consumer.planner.decisions import Change, Folded, fold, redelivered, work_of
from consumer.planner.ledger import Known
from consumer.planner.made import NOTHING_MADE, Made
from consumer.stream.types import Record
from model.recipe import Digests
from tests.unit.planner.samples import product


def record(offset: int, *, partition: int = 0, time: int | None = None) -> Record:
    """A record at a place in the log."""
    stamp = 1_000 + offset if time is None else time
    return Record("product-created", partition, offset, b"kettle-1", b"", (), stamp)


def update(revision: int, offset: int, **place: int) -> Change[Product]:
    """A record that describes the product."""
    return Change(product(revision=revision), b"", record(offset, **place))


def tombstone(offset: int, **place: int) -> Change[Product]:
    """A record that retires it."""
    return Change(None, b"", record(offset, **place))


def known(revision: int = 5, *, retired: bool = False, offset: int = 10, **plan: Any) -> Known:
    """What the catalog knows."""
    values = {"plan_revision": 1, "work": "RENDER", "base_digest": "b", "body_digest": "o", "recipe_digest": "c"}
    return Known(revision, retired, 0, offset, 1_000 + offset, batch="x", **(values | plan))  # type: ignore[arg-type]


def told(folded: Folded[Product]) -> tuple[int | None, tuple[str, ...]]:
    """Offset of the winner, and the reasons of the others."""
    return folded.winner.record.offset if folded.winner else None, folded.skipped


@pytest.mark.parametrize(
    ("before", "changes", "expected"),
    [
        pytest.param(None, [update(0, 1)], (1, ()), id="a new product, revision 0"),
        pytest.param(None, [update(1, 1), update(2, 2)], (2, ("superseded",)), id="newest of a batch"),
        pytest.param(None, [update(2, 1), update(1, 2)], (1, ("stale",)), id="older one later"),
        pytest.param(None, [update(1, 1), update(1, 2)], (1, ("duplicate",)), id="twice in a batch"),
        pytest.param(None, [tombstone(1)], (None, ("unknown",)), id="tombstone of a product never seen"),
        pytest.param(None, [update(1, 1), tombstone(2)], (2, ("superseded",)), id="created and retired"),
        pytest.param(known(), [update(5, 11)], (None, ("duplicate",)), id="equal revision"),
        pytest.param(known(), [update(4, 11)], (None, ("stale",)), id="older revision"),
        pytest.param(known(), [update(6, 11)], (11, ()), id="newer revision"),
        pytest.param(known(), [tombstone(11)], (11, ()), id="tombstone"),
        pytest.param(known(), [tombstone(9)], (None, ("duplicate",)), id="tombstone delivered again after an update"),
        pytest.param(known(), [tombstone(9, partition=1)], (9, ()), id="tombstone of another partition"),
        pytest.param(known(), [tombstone(9, time=9_999)], (9, ()), id="tombstone of a topic made anew"),
        pytest.param(known(retired=True), [tombstone(11)], (None, ("duplicate",)), id="retired twice"),
        pytest.param(known(retired=True), [update(5, 11)], (11, ()), id="created again with its old revision"),
        pytest.param(known(retired=True), [update(6, 11)], (11, ()), id="created again, newer"),
        pytest.param(known(retired=True), [update(4, 11)], (None, ("stale",)), id="a late duplicate after a tombstone"),
        pytest.param(known(retired=True), [update(5, 9)], (None, ("duplicate",)), id="delivered again, then retired"),
        pytest.param(
            known(), [tombstone(11), update(6, 12)], (12, ("superseded",)), id="retired and created in one batch"
        ),
        pytest.param(
            known(), [tombstone(11), update(5, 12)], (12, ("superseded",)), id="retired and created, same revision"
        ),
        pytest.param(
            known(retired=True, offset=11),
            [update(5, 10), tombstone(11), update(6, 12)],
            (12, ("duplicate", "duplicate")),
            id="a whole life delivered again",
        ),
    ],
)
def test_fold(
    before: Known | None, changes: list[Change[Product]], expected: tuple[int | None, tuple[str, ...]]
) -> None:
    """The last record that changes something decides; every other one is skipped with its reason."""
    folded = fold(before, changes)
    assert told(folded) == expected
    assert len(folded.skipped) + (folded.winner is not None) == len(changes)


def test_fold_keeps_the_last_description() -> None:
    """A tombstone after an update leaves the update as the last that is known of the product."""
    folded = fold(known(), [update(6, 11), tombstone(12)])
    assert folded.retired
    assert folded.revision == 6
    assert folded.latest is not None
    assert folded.latest.record.offset == 11


def test_redelivered_needs_partition_offset_and_time() -> None:
    """Offsets of another partition, later ones, and later times are no second delivery."""
    state = known(offset=10)
    assert redelivered(state, record(10))
    assert redelivered(state, record(3))
    assert not redelivered(state, record(11))
    assert not redelivered(state, record(3, partition=1))
    assert not redelivered(state, record(3, time=5_000))


MADE = Made(bases=frozenset({"b"}), body="o")


@pytest.mark.parametrize(
    ("before", "made", "wanted", "expected"),
    [
        pytest.param(None, NOTHING_MADE, Digests("b", "o", "c"), Work.RENDER, id="nothing known"),
        pytest.param(known(), MADE, Digests("b", "o", "c"), None, id="the same clip"),
        pytest.param(known(), NOTHING_MADE, Digests("b", "o", "c"), None, id="the same clip, on its way"),
        pytest.param(known(), MADE, Digests("x", "y", "z"), Work.RENDER, id="another scene"),
        pytest.param(known(), MADE, Digests("b", "y", "z"), Work.DRESS, id="other overlays"),
        pytest.param(known(), MADE, Digests("b", "o", "z"), Work.SPLICE, id="another end card"),
        pytest.param(known(), NOTHING_MADE, Digests("b", "y", "z"), Work.RENDER, id="other overlays, no base yet"),
        pytest.param(known(base_digest="p"), MADE, Digests("b", "q", "r"), Work.DRESS, id="back to an earlier scene"),
        pytest.param(known(), MADE, None, Work.RETIRE, id="no clip wanted"),
        pytest.param(None, NOTHING_MADE, None, None, id="no clip wanted, none planned"),
        pytest.param(known(work="RETIRE", recipe_digest=None), MADE, None, None, id="taken down already"),
        pytest.param(known(work="RETIRE"), NOTHING_MADE, Digests("b", "o", "c"), Work.RENDER, id="again, unmade"),
        pytest.param(known(work="RETIRE"), MADE, Digests("b", "n", "c"), Work.DRESS, id="again after a retirement"),
        pytest.param(known(work=None, plan_revision=0), NOTHING_MADE, Digests("b", "o", "c"), Work.RENDER, id="new"),
        pytest.param(known(work=None, plan_revision=0), MADE, None, None, id="known, never planned, retired"),
    ],
)
def test_work_of(before: Known | None, made: Made, wanted: Digests | None, expected: Work | None) -> None:
    """The least work that leads from what is known to be made to the wanted clip; what is only planned is no help."""
    assert work_of(before, wanted, made) is expected
