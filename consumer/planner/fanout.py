"""The planner's long work: promos that the clock starts and ends, and the pages of their fan-outs, one piece a call.

A piece is bounded in time, so that new products never wait long behind it: pages grow and shrink with what they take.
What a page decides is in ``page``. It knows no thread: whoever calls it decides when.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, perf_counter

import structlog

from consumer.observe import metrics as m
from consumer.planner import promos
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.outbox import stored
from consumer.planner.page import HELD, Page, Pager
from consumer.planner.promotions import SKEW
from consumer.planner.published import Published
from consumer.planner.spans import Spans
from consumer.planner.tables import PLANNED, FanOutRow, milliseconds
from consumer.stream.types import Handled, Output, Partition, UnavailableError

BUSY_SECONDS, CALM_SECONDS = 0.01, 0.1
"""What a page should take, about, while new products come and while none do: so long one waits behind it at worst."""
CALM_AFTER = 5.0
"""Seconds without new products after which none are expected at once."""
SMALLEST, FIRST = 20, 200
"""Products of the smallest page, and of the first one."""
AHEAD = 4
"""Pages cut off at once: cutting is a transaction too."""
TICK = timedelta(seconds=1)
"""How often the clock's promos, the fan-outs of other planners and the gauges are looked at."""
ORPHANED = timedelta(minutes=1)
"""Age at which a page that nobody marked as published is published by another planner. It was made by one that died
and whose partitions had left it before. Longer than a transaction may take.
"""
TOLD_EVERY = timedelta(seconds=10)
"""How often a fan-out's progress is logged."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutOptions:
    """``page`` is the most products of a page."""

    page: int = 1_000


class FanOut:
    """Works fan-outs. One thread calls it."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        pager: Pager,
        running: promos.RunningPromos,
        published: Published,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
        instance: str,
        options: FanOutOptions,
    ) -> None:
        self._catalog = catalog
        self._pager = pager
        self._running = running
        self._published = published
        self._metrics = metrics
        self._clock = clock
        self._instance = instance
        self._options = options
        self._size = min(FIRST, options.page)
        self._pages = 0
        self._more = True
        """Whether there may be a page to work. At the start there may: a predecessor's."""
        self._count = True
        self._ticked: datetime | None = None
        self._told: dict[int, datetime] = {}
        self._disturbed = monotonic() - CALM_AFTER

    def disturbed(self) -> None:
        """New products come: whoever comes next shall not wait long."""
        self._disturbed = monotonic()

    def began(self) -> None:
        """There are new fan-outs."""
        self._more = self._count = True

    def piece(self, held: Collection[Partition]) -> Handled | None:
        """One piece of work; None when there is nothing to do now. Raises UnavailableError.

        ``held`` are the partitions we hold; without any we could not be missed if we died, and do nothing.
        """
        if not held:
            return None
        now = self._clock()
        # Backwards too: a clock that was set back by hours must not stop the ticks for hours.
        if self._ticked is None or not timedelta() <= now - self._ticked < TICK:
            self._ticked = now
            ticked = self._tick(now)
            if ticked is not None:
                return ticked
        if not self._more:
            return None
        if self._count and self._count_one():
            return Handled()
        return self._page(min(held))

    def _tick(self, now: datetime) -> Handled | None:
        """What is due by the clock, and what other planners left or began."""
        published = self._published.ids()
        lost = milliseconds(now - ORPHANED)

        def look(ledger: Ledger) -> tuple[bool, list[str], list[Output], bool]:
            ledger.requested(published)
            ids, outputs = self._adopt(ledger, lost, now)
            progress = ledger.book.progress()
            self._metrics.set(m.FAN_OUTS, progress.fan_outs)
            self._metrics.set(m.FAN_OUT_LEFT, progress.products)
            due = ledger.book.turning(milliseconds(now), milliseconds(now + SKEW), 1)
            return bool(due), ids, outputs, progress.fan_outs > 0

        due, ids, outputs, pending = self._catalog.transaction(look)
        self._published.remove(published)
        if pending:
            self.began()
        if due:
            self._turn()
        if outputs:
            log.info("pages recovered", pages=len(ids), requests=len(outputs))
        return Handled(outputs, partial(self._published.add, ids)) if ids or due else None

    def _adopt(self, ledger: Ledger, lost: int, now: datetime) -> tuple[list[str], list[Output]]:
        """Take over pages that another planner left unpublished."""
        ids: list[str] = []
        outputs: list[Output] = []
        for row in ledger.book.orphans(self._instance, lost):
            ledger.add_batch(row._replace(instance=self._instance, created_at=milliseconds(now), state=PLANNED))
            ids.append(row.id)
            outputs += map(stored, ledger.requests_of(row))
        return ids, outputs

    def _turn(self) -> None:
        """Let the clock begin and end promos."""
        spread = self._catalog.transaction(
            lambda ledger: promos.turn(ledger.book, ledger.book.enter(alone=True), self._clock())
        )
        for phase, number in spread.phases.items():
            self._metrics.inc(m.PROMOS, number, phase=phase)
        if spread.fan_outs:
            self.began()

    def _count_one(self) -> bool:
        """Count the products of a fan-out that nobody has counted; False when there is none."""

        def find(ledger: Ledger) -> FanOutRow | None:
            return ledger.book.uncounted()

        row = self._catalog.transaction(find)
        if row is None:
            self._count = False
            return False
        try:
            total = self._catalog.transaction(lambda ledger: ledger.book.count(Spans.load(row.spans)))
        except UnavailableError as error:
            # Progress without an end in sight is better than none.
            log.warning("products not counted", fan_out=row.id, reason=str(error))
            total = -1
        self._catalog.transaction(lambda ledger: ledger.book.set_total(row.id, total))
        log.info(
            "fan-out begins", fan_out=row.id, promo=row.promo_id, revision=row.revision, reason=row.reason, total=total
        )
        return True

    def _page(self, owner: Partition) -> Handled | None:
        """Work a page, cut off first if none is; when all are worked, end the fan-outs."""
        page = self._work(owner)
        if page is not None:
            return page
        if self._catalog.transaction(lambda ledger: self._pager.cut(ledger.book, self._size, AHEAD)) is not None:
            return self._work(owner) or Handled()

        def finish(ledger: Ledger) -> tuple[list[FanOutRow], bool]:
            return ledger.book.finish(milliseconds(self._clock())), ledger.book.pending()

        # What other planners have in hand may be left to us yet.
        ended, self._more = self._catalog.transaction(finish)
        for row in ended:
            self._told.pop(row.id, None)
            _tell("fan-out ends", row)
        return Handled() if ended else None

    def _work(self, owner: Partition) -> Handled | None:
        started = perf_counter()
        published = self._published.ids()
        self._pages += 1
        page_id = f"{self._instance}-page-{self._pages}"

        def work(ledger: Ledger) -> Page | None:
            # First of all, as in ``application``; a page shares the gate: no promo changes under it.
            running = self._running.at(ledger.book, ledger.book.enter())
            ledger.requested(published)
            return self._pager.work(ledger, running, page_id, owner)

        page = self._catalog.transaction(work)
        self._published.remove(published)
        if page is None:
            return None
        self._note(page, perf_counter() - started)
        return Handled(page.outputs, partial(self._published.add, [page_id]) if page.outputs else None)

    def _note(self, page: Page, seconds: float) -> None:
        visited = page.row.visited
        if visited:
            aim = CALM_SECONDS if monotonic() - self._disturbed > CALM_AFTER else BUSY_SECONDS
            wanted = round(visited * min(2.0, max(0.5, aim / max(seconds, 1e-6))))
            self._size = max(min(SMALLEST, self._options.page), min(wanted, self._options.page))
        for result, number in page.results.items():
            if result == HELD:
                self._metrics.inc(m.HELD_PLANS, number)
            else:
                self._metrics.inc(m.FAN_OUT_PRODUCTS, number, result=result)
        self._metrics.observe(m.FAN_OUT_PAGE_SECONDS, seconds)
        now, identity = self._clock(), page.fan_out.id
        if now - self._told.setdefault(identity, now) >= TOLD_EVERY:
            self._told[identity] = now
            rows = self._catalog.transaction(lambda ledger: ledger.book.fan_outs(None))
            for row in rows:
                _tell("fan-out goes on", row)


def _tell(event: str, row: FanOutRow) -> None:
    log.info(
        event,
        fan_out=row.id,
        promo=row.promo_id,
        revision=row.revision,
        visited=row.visited,
        total=row.total,
        rendered=row.rendered,
        dressed=row.dressed,
        spliced=row.spliced,
        held=row.held,
        failed=row.failed,
    )
