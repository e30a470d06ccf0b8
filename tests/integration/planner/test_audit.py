"""The audit log: every labelled clip that was announced can be traced by its ProduceID, for as long as is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from consumer.events import VideoReady
from consumer.planner import planner as module
from consumer.planner.audit import Place, ProducedRow, Wanted
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.planner import PRUNE_EVERY
from tests.integration.planner.test_planner import LINEAGE, announce, ready
from tests.integration.planner.world import World
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.planner.samples import NOW


def row(number: int, **changes: Any) -> ProducedRow:
    """A row of the log."""
    plain = ProducedRow(
        product_id=f"p{number % 7}", variant="default", revision=number, produce_id=f"skureel-{number}",
        producer=PRODUCER, clip_id=f"clip-{number}", clip_key=f"clips/{number}.mp4", sha256="s", labels='["visible"]',
        engine="wan", engine_revision="1", recipe_digest="r", base_digest="b", work="RENDER", cause="e",
        announced_at=number // 3,
    )  # fmt: skip
    return plain._replace(**changes)


def labelled(revision: int, produce_id: str | None = "skureel-clip", **changes: Any) -> VideoReady:
    """An announcement of a clip that carries a ProduceID."""
    event = ready(revision, labels=("visible", "aigc"), lineage=replace(LINEAGE, generative=True), **changes)
    assert event.clip is not None
    return replace(event, clip=replace(event.clip, produce_id=produce_id, producer=PRODUCER if produce_id else None))


def _page(ledger: Ledger, *, wanted: Wanted, after: Place | None, limit: int) -> list[ProducedRow]:
    return ledger.audit.page(wanted, after, limit)


def kept(world: World) -> list[ProducedRow]:
    """The whole log, oldest first."""
    assert world.catalog is not None
    return world.catalog.transaction(lambda ledger: ledger.audit.page(Wanted(), None, 1000))


def test_every_announcement_of_a_labelled_clip_is_kept(world: World) -> None:
    """Newer, older, and read twice: each once. What carries no ProduceID, or was retired, is not in it."""
    for event in (labelled(2), labelled(1), labelled(2), labelled(3, None), ready(4, status="RETIRED", clip=None)):
        announce(world, event)
    announce(world, labelled(5, "odd\0id", occurred_at=NOW + timedelta(seconds=1)))
    world.run()
    found = kept(world)
    assert [(each.revision, each.produce_id) for each in found] == [
        (1, "skureel-clip"),
        (2, "skureel-clip"),
        (5, "odd\ufffdid"),
    ]
    assert found[1] == ProducedRow(
        product_id="kettle-1", variant="default", revision=2, produce_id="skureel-clip", producer=PRODUCER,
        clip_id="clip-2", clip_key="k", sha256="s", labels='["visible", "aigc"]', engine="e", engine_revision="1",
        recipe_digest="digest", base_digest="b", work="RENDER", cause=found[1].cause,
        announced_at=round(NOW.timestamp() * 1000),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(), list(range(30))),
        (Wanted(produce_id="skureel-4"), [4]),
        (Wanted(product_id="p3"), [3, 10, 17, 24]),
        (Wanted(clip_id="clip-9", sha256="s"), [9]),
        (Wanted(producer="nobody"), []),
        (Wanted(since=2, until=4), [6, 7, 8, 9, 10, 11]),
    ],
)
def test_what_is_asked_for_is_found_in_pages_of_any_size(catalog: Catalog, wanted: Wanted, numbers: list[int]) -> None:
    """Oldest first, each row once, although many share an instant; and the newest come first where they are asked."""
    catalog.transaction(lambda ledger: ledger.audit.add(map(row, range(30))))
    for size in (1, 4, 100):
        found: list[ProducedRow] = []
        after: Place | None = None
        while page := catalog.transaction(partial(_page, wanted=wanted, after=after, limit=size)):
            found += page
            after = page[-1].place
        assert sorted(each.revision for each in found) == numbers
        assert found == sorted(found, key=lambda each: each.place)
    newest = catalog.transaction(lambda ledger: ledger.audit.newest(wanted, 5))
    assert [each.announced_at for each in newest] == sorted((n // 3 for n in numbers), reverse=True)[:5]


def test_the_log_is_forgotten_after_its_time_in_small_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each idle moment takes a piece until nothing is too old; then it is left alone for an hour."""
    monkeypatch.setattr(module, "AUDIT_STEP", 4)
    world.options["audit_days"] = 183
    world.restart()
    assert world.catalog is not None
    old = round((NOW - timedelta(days=184)).timestamp() * 1000)
    young = round((NOW - timedelta(days=182)).timestamp() * 1000)
    rows = [row(number, announced_at=old + number if number < 10 else young) for number in range(20)]
    world.catalog.transaction(lambda ledger: ledger.audit.add(rows))
    world.now = lambda: NOW + PRUNE_EVERY
    left = []
    for _ in range(4):
        assert world.planner is not None
        world.planner.idle()
        left.append(len(kept(world)))
    assert left == [16, 12, 10, 10]
    assert {each.announced_at for each in kept(world)} == {young}


def test_rows_of_one_instant_are_forgotten_together(catalog: Catalog) -> None:
    """And never a row that is young enough."""
    catalog.transaction(lambda ledger: ledger.audit.add(map(row, range(30))))

    def prune(before: int, most: int) -> bool:
        return catalog.transaction(lambda ledger: ledger.audit.prune(before, most))

    assert prune(5, 4)
    rest = catalog.transaction(lambda ledger: ledger.audit.page(Wanted(), None, 100))
    assert min(each.announced_at for each in rest) == 2
    assert not prune(5, 100)
    assert not prune(5, 100)
    rest = catalog.transaction(lambda ledger: ledger.audit.page(Wanted(), None, 100))
    assert {each.announced_at for each in rest} == set(range(5, 10))
