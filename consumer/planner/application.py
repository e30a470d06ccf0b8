"""One batch applied to the catalog, inside one transaction: rows and requests, by the rules of ``decisions``.

Knows no metrics, no threads and no life cycle; see ``planner`` for those.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from consumer.events import Cause, Product
from consumer.planner import payload
from consumer.planner.announcements import follow
from consumer.planner.decisions import UNCHANGED, Change, Folded, fold, work_of
from consumer.planner.intake import Batch
from consumer.planner.ledger import Known, Ledger
from consumer.planner.outbox import Outbox, stored
from consumer.planner.recipes import Planning, Words, mode_of, recipe_of
from consumer.planner.tables import PLANNED, BatchRow, PlanRow, ProductRow, Retirement, milliseconds, storable
from consumer.stream.types import Output, Record
from model.recipe import Recipe


class Composer(Protocol):
    """Words for a product's clip."""

    def compose(self, product: Product, mode: Literal["text", "image"] = "text") -> Words:
        """The words."""
        ...


@dataclass(slots=True)
class Applied:
    """What one transaction made of a batch."""

    id: str
    products: list[ProductRow] = field(default_factory=list)
    retirements: list[Retirement] = field(default_factory=list)
    plans: list[PlanRow] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    """Products whose standing request is published again."""
    outputs: list[Output] = field(default_factory=list)
    partitions: set[tuple[str, int]] = field(default_factory=set)
    """Where the records of ``plans`` and ``repeated`` came from."""
    skips: Counter[str] = field(default_factory=Counter)
    given_up: list[tuple[Record, ValueError]] = field(default_factory=list)


class Application:
    """Applies batches. Stateless but for its parts."""

    def __init__(
        self, prompts: Composer, planning: Planning, outbox: Outbox, clock: Callable[[], datetime], instance: str
    ) -> None:
        self._prompts = prompts
        self._planning = planning
        self._outbox = outbox
        self._clock = clock
        self._instance = instance

    def apply(self, batch: Batch, batch_id: str, ledger: Ledger) -> Applied:
        """Apply one batch inside its transaction. Leaves ``batch`` as it is: the transaction may run again.

        Raises UnavailableError when a schema cannot be had.
        """
        applied = Applied(batch_id)
        if batch.changes:
            self._apply_changes(batch, applied, ledger)
        if batch.announcements:
            applied.skips += follow(batch.announcements, ledger)
        return applied

    def _apply_changes(self, batch: Batch, applied: Applied, ledger: Ledger) -> None:
        now = self._clock()
        variant = self._planning.variant
        # In one order for all planners, or two with the same products would wait for each other.
        product_ids = sorted(batch.changes)
        everything = ledger.known(product_ids, variant)
        unpublished = ledger.planned_ids()
        for product_id in product_ids:
            known = everything.get(product_id)
            if not self._decide(product_id, known, batch.changes[product_id], applied, now) and (
                known and known.batch in unpublished
            ):
                applied.repeated.append(product_id)
                applied.partitions.update((c.record.topic, c.record.partition) for c in batch.changes[product_id])
        if applied.repeated:
            requests = ledger.requests(applied.repeated, unpublished)
            applied.outputs += [
                stored(request, batch.changes[request.product_id][-1].record)
                for request in requests
                if request.variant == variant
            ]
        ledger.save_products(applied.products)
        ledger.retire(applied.retirements)
        ledger.save_plans(applied.plans)
        if applied.repeated:
            ledger.move_plans(applied.repeated, variant, applied.id)
        if applied.plans or applied.repeated:
            ledger.add_batch(self._batch_row(applied, now))

    def _decide(
        self, product_id: str, known: Known | None, changes: Sequence[Change], applied: Applied, now: datetime
    ) -> bool:
        """Apply one product's records to ``applied``; True when they lead to a new plan."""
        folded = fold(known, changes)
        if folded.winner is None:
            applied.skips.update(folded.skipped)
            return False
        recipe: Recipe | None = None
        captions: tuple[str, ...] = ()
        if folded.winner.product:
            try:
                words = self._prompts.compose(folded.winner.product, mode_of(folded.winner.product, self._planning))
                recipe = recipe_of(folded.winner.product, words, self._planning)
                captions = () if self._planning.engine.captions else words.captions
            except ValueError as error:
                # This record cannot be planned; those before it may.
                applied.given_up.append((folded.winner.record, error))
                rest = [change for change in changes if change is not folded.winner]
                return self._decide(product_id, known, rest, applied, now)
        applied.skips.update(folded.skipped)
        self._keep(product_id, folded, folded.winner, applied, now)
        digests = recipe.digests if recipe else None
        work = work_of(known, digests)
        if work is None:
            applied.skips[UNCHANGED] += 1
            return False
        record = folded.winner.record
        product = folded.winner.product
        row, output = self._outbox.plan(
            product_id,
            known.plan_revision + 1 if known else 1,
            work,
            recipe=recipe,
            digests=digests,
            captions=captions,
            cause=Cause(event_id=product.event_id if product else _place(record), product_revision=folded.revision),
            source=record,
            batch=applied.id,
            now=now,
        )
        applied.plans.append(row)
        applied.outputs.append(output)
        applied.partitions.add((record.topic, record.partition))
        return True

    def _keep(self, product_id: str, folded: Folded, winner: Change, applied: Applied, now: datetime) -> None:
        """The product's row, or its retirement where the batch has nothing to describe it with."""
        place = (winner.record.partition, winner.record.offset, winner.record.timestamp, milliseconds(now))
        latest = folded.latest
        if latest is None or latest.product is None:
            applied.retirements.append(Retirement(product_id, *place))
            return
        product = latest.product
        applied.products.append(
            ProductRow(
                product_id,
                product.revision,
                folded.retired,
                storable(product.category),
                product.tier.value,
                storable(product.locale),
                payload.tags(product.tags),
                latest.payload,
                *place,
            )
        )

    def _batch_row(self, applied: Applied, now: datetime) -> BatchRow:
        product_ids = [*(plan.product_id for plan in applied.plans), *applied.repeated]
        return BatchRow(
            applied.id,
            self._instance,
            json.dumps(sorted(applied.partitions)),
            json.dumps(product_ids),
            PLANNED,
            milliseconds(now),
        )


def _place(record: Record) -> str:
    """A name for a tombstone, which has no event id."""
    return f"{record.topic}/{record.partition}/{record.offset}"
