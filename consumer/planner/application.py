"""One batch applied to the catalog, inside one transaction: rows and requests, by the rules of ``decisions``.

Knows no metrics, no threads and no life cycle; see ``planner`` for those.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from consumer.events import Cause, Product, Tier
from consumer.planner import payload, promos
from consumer.planner.announcements import follow
from consumer.planner.decisions import UNCHANGED, Change, Folded, fold, work_of
from consumer.planner.drafts import Draft, Drafter
from consumer.planner.intake import Batch
from consumer.planner.ledger import Known, Ledger
from consumer.planner.made import NOTHING_MADE, Made
from consumer.planner.outbox import Outbox, stored
from consumer.planner.page import cause_of
from consumer.planner.promotions import Running
from consumer.planner.refusals import REFUSED
from consumer.planner.spans import TIERS, tier_rank
from consumer.planner.tables import (
    PLANNED,
    BatchRow,
    FanOutRow,
    PlanRow,
    ProductRow,
    Retirement,
    TagRow,
    member_key,
    milliseconds,
    storable,
)
from consumer.stream.types import Output, Record


@dataclass(slots=True)
class Applied:
    """What one transaction made of a batch."""

    id: str
    products: list[ProductRow] = field(default_factory=list)
    retirements: list[Retirement] = field(default_factory=list)
    tags_gone: list[TagRow] = field(default_factory=list)
    tags_come: list[TagRow] = field(default_factory=list)
    plans: list[PlanRow] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    """Products whose standing request is published (again)."""
    unchanged: list[str] = field(default_factory=list)
    """Products that changed and whose plan stands as it is."""
    fan_outs: list[FanOutRow] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    partitions: set[tuple[str, int]] = field(default_factory=set)
    """Where the records of ``plans`` and ``repeated`` came from."""
    skips: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Texts in which a wording rule was found, by rule and severity."""
    refusals: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Products whose words are refused now, and by which checks, one entry a reason of the event."""
    given_up: list[tuple[Record, ValueError]] = field(default_factory=list)

    @property
    def published(self) -> list[str]:
        """The products whose requests go out."""
        return [*(plan.product_id for plan in self.plans if not plan.held), *self.repeated]


class Intent(NamedTuple):
    """A product whose records change something, and the clip that it should have."""

    product_id: str
    known: Known | None
    folded: Folded[Product]
    winner: Change[Product]
    draft: Draft | None
    """None: there shall be no clip."""


class Application:
    """Applies batches. Stateless but for its parts, and the promos that it remembers."""

    def __init__(self, drafter: Drafter, outbox: Outbox, clock: Callable[[], datetime], instance: str) -> None:
        self._drafter = drafter
        self._outbox = outbox
        self._clock = clock
        self._instance = instance
        self.running = promos.RunningPromos()
        """Shared with whoever works the fan-outs."""

    def apply(self, batch: Batch, batch_id: str, published: Sequence[str], ledger: Ledger) -> Applied:
        """Apply one batch inside its transaction. Leaves ``batch`` as it is: the transaction may run again.

        ``published`` are batches to be marked as such. Raises UnavailableError when a schema cannot be had.
        """
        applied = Applied(batch_id)
        running = Running()
        if batch.changes or batch.promos:
            # First of all: what is read after it is not older than what was waited for.
            version = ledger.book.enter(alone=bool(batch.promos))
            running = self._promoted(batch, version, applied, ledger)
        ledger.requested(published)
        # Announcements say what is made, and what is made decides how little is asked for.
        if batch.announcements:
            applied.skips += follow(batch.announcements, ledger)
        if batch.changes:
            self._apply_changes(batch, running, applied, ledger)
        return applied

    def _promoted(self, batch: Batch, version: int, applied: Applied, ledger: Ledger) -> Running:
        """The promos that run, after those of the batch were applied."""
        if not batch.promos:
            return self.running.at(ledger.book, version)
        spread = promos.apply(batch.promos, ledger.book, version, self._clock())
        applied.fan_outs = spread.fan_outs
        applied.skips += spread.skips
        applied.phases += spread.phases
        return promos.read(ledger.book)

    def _apply_changes(self, batch: Batch, running: Running, applied: Applied, ledger: Ledger) -> None:
        now = self._clock()
        variant = self._drafter.planning.variant
        # In one order for all planners, or two with the same products would wait for each other.
        product_ids = sorted(batch.changes)
        everything = ledger.known(product_ids, variant)
        intents: list[Intent] = []
        quiet: list[str] = []
        for product_id in product_ids:
            intent = self._intent(product_id, everything.get(product_id), batch.changes[product_id], running, applied)
            if intent is None:
                quiet.append(product_id)
            else:
                self._keep(intent, applied, now)
                intents.append(intent)
                if intent.draft and intent.draft.findings:
                    applied.findings.update((each.rule, each.severity.value) for each in intent.draft.findings)
        quiet += self._plan(intents, applied, ledger, now)
        holds = {intent.product_id: intent.draft is not None and intent.draft.hold for intent in intents}
        owing = self._owing(quiet, everything, holds, ledger)
        self._repeat(owing, batch.changes, applied, ledger)
        ledger.save_products(applied.products)
        ledger.retire(applied.retirements)
        ledger.save_tags(applied.tags_gone, applied.tags_come)
        ledger.save_plans(applied.plans)
        ledger.touch_plans(applied.unchanged, variant)
        if applied.repeated:
            ledger.move_plans(applied.repeated, variant, applied.id)
        if applied.published:
            ledger.add_batch(self._batch_row(applied, now))

    def _intent(
        self,
        product_id: str,
        known: Known | None,
        changes: Sequence[Change[Product]],
        running: Running,
        applied: Applied,
    ) -> Intent | None:
        """What one product's records come to; None when all were skipped."""
        folded = fold(known, changes)
        winner = folded.winner
        if winner is None:
            applied.skips.update(folded.skipped)
            return None
        draft: Draft | None = None
        if winner.event:
            try:
                draft = self._drafter.draft(winner.event, running)
            except ValueError as error:
                # This record cannot be planned; those before it may.
                applied.given_up.append((winner.record, error))
                rest = [change for change in changes if change is not winner]
                return self._intent(product_id, known, rest, running, applied)
        applied.skips.update(folded.skipped)
        return Intent(product_id, known, folded, winner, draft)

    def _plan(self, intents: Sequence[Intent], applied: Applied, ledger: Ledger, now: datetime) -> list[str]:
        """Plans for those whose clip changes; gives the others."""
        # Who was never planned has nothing made.
        planned = [intent.product_id for intent in intents if intent.known and intent.known.plan_revision]
        made: Mapping[str, Made] = ledger.made(planned, self._drafter.planning.variant) if planned else {}
        same: list[str] = []
        for intent in intents:
            if not self._plan_one(intent, made.get(intent.product_id, NOTHING_MADE), applied, now):
                applied.skips[UNCHANGED] += 1
                same.append(intent.product_id)
        applied.unchanged = sorted({*same} & {*planned})
        return same

    def _plan_one(self, intent: Intent, made: Made, applied: Applied, now: datetime) -> bool:
        draft, record = intent.draft, intent.winner.record
        if draft and draft.refused:
            return self._refuse_one(intent, draft, applied, now)
        work = work_of(intent.known, draft.digests if draft else None, made)
        if work is None:
            return False
        revision = intent.folded.revision
        if draft:
            cause = cause_of(draft, draft.product.event_id, revision)
        else:
            cause = Cause(event_id=_place(record), product_revision=revision)
        held = draft.hold if draft else False
        row, output = self._outbox.plan(
            intent.product_id,
            intent.known.plan_revision + 1 if intent.known else 1,
            work,
            recipe=draft.recipe if draft else None,
            digests=draft.digests if draft else None,
            captions=draft.captions if draft else (),
            calm_prompt=draft.calm_prompt if draft else None,
            template=draft.template if draft else None,
            colour=draft.colour if draft else None,
            cause=cause,
            source=record,
            batch=applied.id,
            now=now,
            held=held,
        )
        applied.plans.append(row)
        if not held:
            applied.outputs.append(output)
            applied.partitions.add((record.topic, record.partition))
        return True

    def _refuse_one(self, intent: Intent, draft: Draft, applied: Applied, now: datetime) -> bool:
        """A plan that says why there is no clip, unless the last one said the same."""
        known, record, rules = intent.known, intent.winner.record, self._drafter.rules
        if known is not None and known.work == REFUSED and known.recipe_digest == draft.digests.clip:
            return False
        row, output = self._outbox.refuse(
            intent.product_id,
            known.plan_revision + 1 if known else 1,
            draft.refused,
            cause=cause_of(draft, draft.product.event_id, intent.folded.revision),
            rules=rules.version if rules else "",
            batch=applied.id,
            now=now,
            source=record,
        )
        applied.plans.append(row)
        applied.outputs.append(output)
        applied.partitions.add((record.topic, record.partition))
        applied.refusals.append((intent.product_id, tuple(finding.check for finding in draft.refused)))
        return True

    def _owing(
        self, quiet: Sequence[str], everything: Mapping[str, Known], holds: Mapping[str, bool], ledger: Ledger
    ) -> dict[str, str]:
        """Of the products that need no new plan, those whose request is due, and the batch that it belongs to: it may
        never have been published, or it was held and is not to be any more.
        """
        unpublished = ledger.planned_ids()
        owing = {}
        for product_id in sorted(quiet):
            known = everything.get(product_id)
            if known is None or known.batch is None:
                continue
            waits = holds.get(product_id, self._waits(known))
            if not waits if known.held else known.batch in unpublished:
                owing[product_id] = known.batch
        return owing

    def _waits(self, known: Known) -> bool:
        return self._drafter.on_demand and known.tier_rank == TIERS.index(Tier.LONG_TAIL)

    def _repeat(
        self,
        owing: Mapping[str, str],
        changes: Mapping[str, Sequence[Change[Product]]],
        applied: Applied,
        ledger: Ledger,
    ) -> None:
        """Publish standing requests."""
        if not owing:
            return
        applied.repeated = list(owing)
        for product_id in owing:
            applied.partitions.update((c.record.topic, c.record.partition) for c in changes[product_id])
        applied.outputs += [
            stored(request, changes[request.product_id][-1].record)
            for request in ledger.requests(applied.repeated, set(owing.values()))
            if request.variant == self._drafter.planning.variant
        ]

    def _keep(self, intent: Intent, applied: Applied, now: datetime) -> None:
        """The product's row and tags, or its retirement where the batch has nothing to describe it with."""
        product_id, known, folded, winner, _ = intent
        place = (winner.record.partition, winner.record.offset, winner.record.timestamp, milliseconds(now))
        latest = folded.latest
        before = _tag_rows(product_id, payload.load_tags(known.tags), known.tier_rank, known.retired) if known else []
        if latest is None or latest.event is None:
            applied.retirements.append(Retirement(product_id, *place))
            applied.tags_gone += before
            return
        product = latest.event
        rank = tier_rank(product.tier)
        after = _tag_rows(product_id, product.tags, rank, folded.retired)
        if before != after:
            applied.tags_gone += [row for row in before if row not in after]
            applied.tags_come += [row for row in after if row not in before]
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
                member_key(product.category),
                rank,
            )
        )

    def _batch_row(self, applied: Applied, now: datetime) -> BatchRow:
        return BatchRow(
            applied.id,
            self._instance,
            json.dumps(sorted(applied.partitions)),
            json.dumps(applied.published),
            PLANNED,
            milliseconds(now),
        )


def _tag_rows(product_id: str, tags: Sequence[str], rank: int, retired: bool) -> list[TagRow]:
    """Where a fan-out finds the product by its tags."""
    if retired:
        return []
    return [TagRow(key, rank, product_id) for key in sorted({member_key(tag) for tag in tags})]


def _place(record: Record) -> str:
    """A name for a tombstone, which has no event id."""
    return f"{record.topic}/{record.partition}/{record.offset}"
