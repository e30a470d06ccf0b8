"""The planner as a batch handler: records in, requests out, one database transaction a batch.

What a batch does to the catalog is in ``application``, the rules are in ``decisions``. It knows no broker: the
stream loop publishes what ``handle`` returns in one transaction with the offsets.

How no request is lost: a plan's row and its batch, state ``planned``, are committed before the request is
published. Whoever finds a plan whose batch is still ``planned`` publishes its request again, with the same number
and id, which the renderer knows: at ``assigned``, and whenever a record of that product comes by, which it does
when a crash left the source offsets uncommitted.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

import structlog

from consumer.events import utc_now
from consumer.observe.metrics import DEAD_LETTERS, PLAN_SECONDS, PLANS, SKIPS, Metrics
from consumer.planner.application import Application, Applied, Composer
from consumer.planner.catalog import Catalog
from consumer.planner.intake import PLAN, Batch, Intake
from consumer.planner.ledger import Ledger
from consumer.planner.outbox import Outbox, stored
from consumer.planner.recipes import Planning
from consumer.planner.tables import milliseconds
from consumer.settings import Topics
from consumer.stream.codec import Codec
from consumer.stream.types import Handled, Output, Partition, Record

ROLE = "planner"
KEEP = timedelta(days=1)
"""How long published batches are kept, for whoever looks into what happened."""
PRUNE_EVERY = timedelta(hours=1)

log = structlog.get_logger(__name__)


class _Published:
    """Batches that were published and whose rows do not say so yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, ids: Iterable[str]) -> None:
        """Remember, until the next transaction writes it down."""
        with self._lock:
            self._ids.update(ids)

    def ids(self) -> list[str]:
        """A copy, sorted: two planners that lock rows in one order do not wait for each other in a circle."""
        with self._lock:
            return sorted(self._ids)

    def remove(self, ids: Iterable[str]) -> None:
        """They are written down."""
        with self._lock:
            self._ids.difference_update(ids)


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
    ) -> None:
        self.instance = secrets.token_hex(8)
        """Names this planner in the batches it makes."""
        self._catalog = catalog
        self._metrics = metrics
        self._clock = clock
        self._intake = Intake(codec, topics, group)
        outbox = Outbox(codec, topics, planning.variant)
        self._application = Application(prompts, planning, outbox, clock, self.instance)
        self._published = _Published()
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
            ledger.requested(published)
            return self._application.apply(batch, batch_id, ledger)

        applied = self._catalog.transaction(apply)
        self._published.remove(published)
        for record, error in applied.given_up:
            self._intake.give_up(batch, record, PLAN, error)
        self._count(batch, applied, perf_counter() - started)
        made = applied.plans or applied.repeated
        return Handled([*batch.given_up, *applied.outputs], partial(self._published.add, [batch_id]) if made else None)

    def idle(self) -> None:
        """Write down which batches were published, and forget old ones. Raises UnavailableError."""
        published = self._published.ids()
        now = self._clock()
        prune = now >= self._prune_at
        if not published and not prune:
            return

        def tidy(ledger: Ledger) -> None:
            ledger.requested(published)
            if prune:
                ledger.prune(milliseconds(now - KEEP))

        self._catalog.transaction(tidy)
        self._published.remove(published)
        if prune:
            self._prune_at = now + PRUNE_EVERY

    def _count(self, batch: Batch, applied: Applied, seconds: float) -> None:
        works = Counter(plan.work for plan in applied.plans)
        skips = batch.skips + applied.skips
        for work, number in works.items():
            self._metrics.inc(PLANS, number, work=work)
        for reason, number in skips.items():
            self._metrics.inc(SKIPS, number, role=ROLE, reason=reason)
        for (topic, stage), number in batch.losses.items():
            self._metrics.inc(DEAD_LETTERS, number, role=ROLE, topic=topic, stage=stage)
        self._metrics.observe(PLAN_SECONDS, seconds)
        log.debug(
            "batch planned", plans=dict(works), skips=dict(skips), repeated=len(applied.repeated), seconds=seconds
        )
