"""Laws of reopening: after the log is gone, exactly the unanswered requests are published again, as they were."""

from __future__ import annotations

from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.reopen import reopen_outstanding
from consumer.planner.tables import REQUESTED, BatchRow, ClipRow, PlanRow, ProductRow

TOPIC = "product-created"


def product(name: str) -> ProductRow:
    """A row; only its id matters here."""
    return ProductRow(name, 1, False, "home", "STANDARD", "en", "[]", b"{}", 0, 0, 0, 0)


def plan(name: str, revision: int) -> PlanRow:
    """A plan whose request is its own bytes."""
    request = f"{name}/{revision}".encode()
    return PlanRow(name, "default", revision, "RENDER", "a", "b", "c", "clip-render", request, b"[]", "old", 0)


def clip(name: str, revision: int, status: str = "READY") -> ClipRow:
    """An announcement that the catalog heard of."""
    return ClipRow(name, "default", revision, status, None, None, 0)


def fill(catalog: Catalog, plans: list[PlanRow], clips: list[ClipRow]) -> None:
    """Write plans of a batch that was published, and what was answered."""

    def work(ledger: Ledger) -> None:
        ledger.save_products([product(row.product_id) for row in plans])
        ledger.add_batch(BatchRow("old", "i", "[]", "[]", REQUESTED, 0))
        ledger.save_plans(plans)
        ledger.save_clips(clips)

    catalog.transaction(work)


def published_again(catalog: Catalog) -> dict[str, bytes]:
    """What an assigned planner would publish: the requests of every batch in state planned."""

    def work(ledger: Ledger) -> dict[str, bytes]:
        batches = ledger.planned()
        return {
            request.product_id: request.request
            for batch in batches
            for request in ledger.requests(batch.product_ids, {batch.id})
        }

    return catalog.transaction(work)


def test_only_what_was_not_answered_is_reopened(catalog: Catalog) -> None:
    """Announced, rejected and retired clips are answers; an older revision's clip is none."""
    plans = [plan("never", 1), plan("old", 3), plan("ready", 2), plan("rejected", 1), plan("retired", 4)]
    fill(
        catalog,
        plans,
        [clip("old", 2), clip("ready", 2), clip("rejected", 1, "REJECTED"), clip("retired", 4, "RETIRED")],
    )
    assert reopen_outstanding(catalog, TOPIC, 3) == 2
    assert published_again(catalog) == {"never": b"never/1", "old": b"old/3"}


def test_any_partition_brings_the_reopened_requests_up(catalog: Catalog) -> None:
    """Whichever partition is assigned first: all of them are named in the batch."""
    fill(catalog, [plan("p", 1)], [])
    reopen_outstanding(catalog, TOPIC, 3)
    (batch,) = catalog.transaction(lambda ledger: ledger.planned())
    assert batch.partitions == {(TOPIC, 0), (TOPIC, 1), (TOPIC, 2)}


def test_with_everything_answered_nothing_is_written(catalog: Catalog) -> None:
    """A finished catalog opens without a batch."""
    fill(catalog, [plan("p", 1)], [clip("p", 1)])
    assert reopen_outstanding(catalog, TOPIC, 3) == 0
    assert catalog.transaction(lambda ledger: ledger.planned()) == []


def test_an_empty_catalog_has_nothing_to_reopen(catalog: Catalog) -> None:
    """The first start."""
    assert reopen_outstanding(catalog, TOPIC, 3) == 0


def test_reopening_twice_leaves_one_request_a_product(catalog: Catalog) -> None:
    """A process that dies right after reopening costs nothing."""
    fill(catalog, [plan("p", 1)], [])
    assert reopen_outstanding(catalog, TOPIC, 3) == 1
    assert reopen_outstanding(catalog, TOPIC, 3) == 1
    assert published_again(catalog) == {"p": b"p/1"}
    assert {batch.id for batch in catalog.transaction(lambda ledger: ledger.planned())}
