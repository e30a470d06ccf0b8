"""Pages of a fan-out: cut off, then worked each in its transaction: which products need another clip, and their plans.

Knows no clock but the instant it is given, no metrics and no life cycle; see ``fanout`` for those.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from consumer.events import Cause, Work
from consumer.planner.book import Book, Member
from consumer.planner.drafts import Draft, Drafter
from consumer.planner.ledger import Ledger
from consumer.planner.made import NOTHING_MADE
from consumer.planner.outbox import Outbox, stored
from consumer.planner.promotions import Running
from consumer.planner.spans import TIERS, Cursor, Spans, walk
from consumer.planner.tables import DONE, OPEN, PLANNED, BatchRow, FanOutRow, PageRow, PlanRow, milliseconds
from consumer.stream.types import Output

RENDERED, DRESSED, SPLICED = Work.RENDER.value, Work.DRESS.value, Work.SPLICE.value
HELD, UNCHANGED, FAILED = "HELD", "UNCHANGED", "FAILED"

TOLD = 3
"""Failures of a page that are logged; a wrong setting would otherwise fill the log."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Page:
    """What became of one page."""

    id: str
    fan_out: FanOutRow
    row: PageRow
    """As it stands after it was worked."""
    outputs: list[Output] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    """Products by what they came to: the work of their new plan, HELD besides where it waits, UNCHANGED, FAILED."""


@dataclass(slots=True)
class Verdicts:
    """What the products of a page come to."""

    changed: list[tuple[Member, Draft, Work]] = field(default_factory=list)
    released: list[Member] = field(default_factory=list)
    """Planned as they should be, but held, and there is no reason to hold them any more."""
    failures: list[tuple[str, ValueError]] = field(default_factory=list)
    """Products that cannot be planned, and why."""
    results: Counter[str] = field(default_factory=Counter)


def judge(members: Iterable[Member], running: Running, drafter: Drafter, ledger: Ledger) -> Verdicts:
    """What each product needs. One that cannot be planned keeps the clip it has: its next own event says why."""
    verdicts = Verdicts()
    wanted: list[tuple[Member, Draft]] = []
    for member in {each.product_id: each for each in members}.values():
        try:
            draft = drafter.of_member(member, running)
        except ValueError as error:
            verdicts.failures.append((member.product_id, error))
            verdicts.results[FAILED] += 1
            continue
        if member.recipe_digest != draft.digests.clip or member.work == Work.RETIRE:
            wanted.append((member, draft))
        elif member.held and not draft.hold:
            verdicts.released.append(member)
            verdicts.results[member.work] += 1
        else:
            verdicts.results[UNCHANGED] += 1
    made = ledger.made([member.product_id for member, _ in wanted], drafter.planning.variant) if wanted else {}
    for member, draft in sorted(wanted, key=lambda pair: pair[0].product_id):
        work = made.get(member.product_id, NOTHING_MADE).least(draft.digests)
        verdicts.changed.append((member, draft, work))
        verdicts.results[work.value] += 1
        verdicts.results[HELD] += draft.hold
    return verdicts


class Pager:
    """Works pages. Stateless but for its parts."""

    def __init__(self, drafter: Drafter, outbox: Outbox, clock: Callable[[], datetime], instance: str) -> None:
        self._drafter = drafter
        self._outbox = outbox
        self._clock = clock
        self._instance = instance

    def cut(self, book: Book, size: int, pages: int) -> FanOutRow | None:
        """Cut up to so many pages off whatever fan-out is first, and give it; None when there is none to be had.

        A transaction of its own, and a short one: while it lasts no other planner cuts the same fan-out.
        """
        row = book.claim()
        if row is None:
            return None
        spans = Spans.load(row.spans)
        cursor: Cursor | None = Cursor(row.tier_rank, row.strand, row.key)
        made: list[PageRow] = []
        for _ in range(pages):
            if cursor is None:
                break
            tier = cursor.tier
            ids, cursor = walk(spans, cursor, size, book.keys(spans))
            if ids:
                number = row.pages + len(made)
                made.append(PageRow(row.id, number, tier, json.dumps(ids).encode(), OPEN, visited=0))
        now = milliseconds(self._clock())
        place = cursor or Cursor(tier=len(TIERS))
        row = row._replace(
            tier_rank=place.tier,
            strand=place.strand,
            key=place.key,
            pages=row.pages + len(made),
            started_at=row.started_at or now,
            updated_at=now,
        )
        book.cut(row, made)
        return row

    def work(self, ledger: Ledger, running: Running, page_id: str, owner: tuple[str, int]) -> Page | None:
        """Work the first open page; None when there is none to be had. Raises UnavailableError.

        ``owner`` is a partition of ours: whoever is assigned it after us publishes what we left.
        """
        claimed = ledger.book.claim_page()
        if claimed is None:
            return None
        (row, fan_out), now = claimed, self._clock()
        ids = json.loads(row.product_ids)
        members = ledger.book.members(ids, self._drafter.planning.variant)
        verdicts = judge(members, running, self._drafter, ledger)
        for product_id, error in verdicts.failures[:TOLD]:
            log.warning("product cannot be planned", product=product_id, reason=str(error)[:300])
        page = Page(page_id, fan_out, _done(row, len(ids), verdicts.results), results=verdicts.results)
        plans = self._plans(verdicts, fan_out, page, now)
        ledger.save_plans(plans)
        published = [plan.product_id for plan in plans if not plan.held]
        if verdicts.released:
            published += self._release(verdicts.released, page, ledger)
        if published:
            owners, products = json.dumps([owner]), json.dumps(published)
            ledger.add_batch(
                BatchRow(page_id, self._instance, owners, products, PLANNED, milliseconds(now), fan_out.id)
            )
        ledger.book.save_page(page.row)
        return page

    def _plans(self, verdicts: Verdicts, fan_out: FanOutRow, page: Page, now: datetime) -> list[PlanRow]:
        plans = []
        for member, draft, work in verdicts.changed:
            row, output = self._outbox.plan(
                member.product_id,
                member.plan_revision + 1,
                work,
                recipe=draft.recipe,
                digests=draft.digests,
                captions=draft.captions,
                calm_prompt=draft.calm_prompt,
                template=draft.template,
                colour=draft.colour,
                cause=cause_of(draft, fan_out.event_id, member.revision),
                batch=page.id,
                now=now,
                bulk=True,
                held=draft.hold,
            )
            plans.append(row)
            if not draft.hold:
                page.outputs.append(output)
        return plans

    def _release(self, members: list[Member], page: Page, ledger: Ledger) -> list[str]:
        ids = sorted(member.product_id for member in members)
        variant = self._drafter.planning.variant
        ledger.move_plans(ids, variant, page.id)
        requests = ledger.requests(ids, {page.id})
        page.outputs += [stored(request) for request in requests if request.variant == variant]
        return ids


def cause_of(draft: Draft, event_id: str, product_revision: int) -> Cause:
    """The event that led to a plan, and the promo that it shows."""
    promo = draft.promo
    return Cause(
        event_id=event_id,
        product_revision=product_revision,
        promo_id=promo.promo_id if promo else None,
        promo_revision=promo.revision if promo else None,
    )


def _done(row: PageRow, visited: int, results: Counter[str]) -> PageRow:
    return row._replace(
        state=DONE,
        visited=visited,
        rendered=results[RENDERED],
        dressed=results[DRESSED],
        spliced=results[SPLICED],
        held=results[HELD],
        failed=results[FAILED],
        # Its products are not asked for again.
        product_ids=b"[]",
    )
