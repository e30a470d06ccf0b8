"""The planner as a batch handler: records in, requests out, one database transaction a batch.

What a batch does to the catalog is in ``application``, the rules are in ``decisions``. It knows no broker: the
stream loop publishes what ``handle`` returns in one transaction with the offsets.

How no request is lost: a plan's row and its batch, state ``planned``, are committed before the request is
published. Whoever finds a plan whose batch is still ``planned`` publishes its request again, with the same number
and id, which the renderer knows: at ``assigned``, and whenever a record of that product comes by, which it does
when a crash left the source offsets uncommitted. A page of a fan-out belongs to one of our partitions in this.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

import structlog

from consumer.events import Promo, utc_now
from consumer.observe.metrics import (
    DEAD_LETTERS,
    HELD_PLANS,
    PLAN_SECONDS,
    PLANS,
    PROMOS,
    PROMPT_FINDINGS,
    REJECTED,
    SKIPS,
    Metrics,
)
from consumer.planner.application import Application, Applied
from consumer.planner.catalog import Catalog
from consumer.planner.drafts import Drafter
from consumer.planner.fanout import FanOut, FanOutOptions
from consumer.planner.intake import PLAN, Batch, Intake
from consumer.planner.ledger import Ledger
from consumer.planner.legible import check_legible
from consumer.planner.outbox import Outbox, stored
from consumer.planner.page import Pager
from consumer.planner.prompting.lint import Linter
from consumer.planner.published import Published
from consumer.planner.recipes import Planning
from consumer.planner.refusals import check_wording
from consumer.planner.tables import milliseconds
from consumer.planner.words import Composer
from consumer.settings import Topics
from consumer.stream.codec import Codec
from consumer.stream.types import Handled, Output, Partition, Record

ROLE = "planner"
KEEP = timedelta(days=1)
"""How long published batches are kept, for whoever looks into what happened."""
KEEP_FAN_OUTS = timedelta(days=30)
"""How long fan-outs that ended are kept: `skureel promo status` shows them."""
PRUNE_EVERY = timedelta(hours=1)
AUDIT_DAYS = 400
"""How long it is kept who made which clip, unless said otherwise."""
AUDIT_STEP = 1_000
"""Rows of the audit log that are forgotten at once."""
TOLD = 10
"""Refused products of a batch that are logged one by one; the others are in ``video-rejected`` all the same."""

log = structlog.get_logger(__name__)


class PlannerHandler:
    """Plans clips. One thread calls it; ``committed`` may come from another."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        prompts: Composer,
        planning: Planning,
        codec: Codec,
        topics: Topics,
        metrics: Metrics,
        group: str,
        clock: Callable[[], datetime] = utc_now,
        on_demand: bool = False,
        fan_out: FanOutOptions | None = None,
        rules: Linter | None = None,
        audit_days: int = AUDIT_DAYS,
    ) -> None:
        self.instance = secrets.token_hex(8)
        """Names this planner in the batches it makes."""
        self._catalog = catalog
        self._metrics = metrics
        self._clock = clock
        self._intake = Intake(codec, topics, group, partial(_check_promo, planning=planning, rules=rules))
        outbox = Outbox(codec, topics, planning.variant)
        drafter = Drafter(prompts, planning, on_demand, rules)
        self._application = Application(drafter, outbox, clock, self.instance)
        self._published = Published()
        self._fan_out = FanOut(
            catalog=catalog,
            pager=Pager(drafter, outbox, clock, self.instance),
            running=self._application.running,
            published=self._published,
            metrics=metrics,
            clock=clock,
            instance=self.instance,
            options=fan_out or FanOutOptions(),
        )
        self._keep_audit = timedelta(days=audit_days)
        self._batches = 0
        self._prune_at = clock() + PRUNE_EVERY

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """Publish again what was planned from these partitions and may never have been published.

        Own batches too, unless known to be published: partitions that left and came back took with them what had
        been settled in between. Raises UnavailableError.
        """
        arrived = {(partition.topic, partition.number) for partition in partitions}
        published = self._published.ids()

        def recover(ledger: Ledger) -> tuple[list[str], list[Output]]:
            ledger.requested(published)
            ids: list[str] = []
            outputs: list[Output] = []
            for batch in ledger.planned():
                if batch.partitions & arrived:
                    ids.append(batch.id)
                    outputs += map(stored, ledger.requests(batch.product_ids, {batch.id}))
            return ids, outputs

        ids, outputs = self._catalog.transaction(recover)
        self._published.remove(published)
        if ids:
            log.info("requests recovered", batches=len(ids), requests=len(outputs))
        return Handled(outputs, partial(self._published.add, ids))

    def handle(self, records: Sequence[Record]) -> Handled:
        """Apply a batch and return the requests it leads to, and its dead letters. Raises UnavailableError.

        Nothing is half done when it raises: the database transaction is the only effect.
        """
        started = perf_counter()
        batch = self._intake.read(records)
        self._batches += 1
        batch_id = f"{self.instance}-{self._batches}"
        published = self._published.ids()

        def apply(ledger: Ledger) -> Applied:
            return self._application.apply(batch, batch_id, published, ledger)

        applied = self._catalog.transaction(apply)
        self._published.remove(published)
        if batch.changes:
            self._fan_out.disturbed()
        if applied.fan_outs:
            self._fan_out.began()
        for record, error in applied.given_up:
            self._intake.give_up(batch, record, PLAN, error)
        self._count(batch, applied, perf_counter() - started)
        made = partial(self._published.add, [batch_id]) if applied.published else None
        return Handled([*batch.given_up, *applied.outputs], made)

    def background(self, held: Collection[Partition]) -> Handled | None:
        """A piece of a fan-out, or of what the clock has due. Raises UnavailableError."""
        return self._fan_out.piece(held)

    def idle(self) -> None:
        """Write down which batches were published, and forget old ones. Raises UnavailableError."""
        published = self._published.ids()
        now = self._clock()
        prune = now >= self._prune_at
        if not published and not prune:
            return

        def tidy(ledger: Ledger) -> bool:
            ledger.requested(published)
            if not prune:
                return False
            ledger.prune(milliseconds(now - KEEP))
            ledger.book.prune(milliseconds(now - KEEP_FAN_OUTS))
            return ledger.audit.prune(milliseconds(now - self._keep_audit), AUDIT_STEP)

        more = self._catalog.transaction(tidy)
        self._published.remove(published)
        if prune and not more:
            self._prune_at = now + PRUNE_EVERY

    def _count(self, batch: Batch, applied: Applied, seconds: float) -> None:
        works = Counter(plan.work for plan in applied.plans)
        skips = batch.skips + applied.skips
        for work, number in works.items():
            self._metrics.inc(PLANS, number, work=work)
        for phase, number in applied.phases.items():
            self._metrics.inc(PROMOS, number, phase=phase)
        if held := sum(plan.held for plan in applied.plans):
            self._metrics.inc(HELD_PLANS, held)
        for reason, number in skips.items():
            self._metrics.inc(SKIPS, number, role=ROLE, reason=reason)
        for (topic, stage), number in batch.losses.items():
            self._metrics.inc(DEAD_LETTERS, number, role=ROLE, topic=topic, stage=stage)
        self._metrics.observe(PLAN_SECONDS, seconds)
        self._count_words(applied)
        log.debug(
            "batch planned", plans=dict(works), skips=dict(skips), repeated=len(applied.repeated), seconds=seconds
        )

    def _count_words(self, applied: Applied) -> None:
        for (rule, severity), number in applied.findings.items():
            self._metrics.inc(PROMPT_FINDINGS, number, rule=rule, severity=severity)
        for check in (check for _, checks in applied.refusals for check in checks):
            self._metrics.inc(REJECTED, check=check)
        for product_id, checks in applied.refusals[:TOLD]:
            log.warning("words refused", product=product_id, checks=checks)
        if applied.findings:
            found = {rule: number for (rule, _), number in sorted(applied.findings.items())}
            log.info("wording rules found", findings=found, refused=len(applied.refusals))


def _check_promo(promo: Promo, planning: Planning, rules: Linter | None) -> None:
    """Raises EventError where a promotion's words are refused or cannot be drawn."""
    if rules is not None:
        check_wording(promo, rules)
    check_legible(promo, planning)
