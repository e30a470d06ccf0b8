"""What a promo would do to the catalog if it were published now: the work of its fan-out, counted and not done.

The same rules judge the same products as in the fan-out itself. Knows no prices; see ``operate.promo`` for those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from consumer.events import Promo
from consumer.planner import promos
from consumer.planner.catalog import Catalog
from consumer.planner.decisions import DUPLICATE, STALE
from consumer.planner.drafts import Drafter
from consumer.planner.ledger import Ledger
from consumer.planner.page import judge
from consumer.planner.promotions import Phase, Running, phase_at
from consumer.planner.spans import Cursor, Spans, walk

PAGE = 500
"""Products judged in one transaction: short ones, for a planner may be writing."""


@dataclass(slots=True)
class Forecast:
    """What a promo would do."""

    promo: Promo
    phase: Phase
    """Where it would stand now. One that would wait is foreseen as if its window were open."""
    skip: str | None
    """Why the planner would skip the event: a newer or the same revision is known."""
    unknown_ids: int
    """Product ids of its scope that the catalog does not know."""
    total: int
    """Products that the fan-out would look at; those of several parts of the scope as often as it meets them."""
    products: int = 0
    """Products looked at."""
    results: Counter[str] = field(default_factory=Counter)
    """Products by what they would come to, as in ``page.Page``."""


def foresee(
    catalog: Catalog,
    drafter: Drafter,
    promo: Promo,
    now: datetime,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Forecast:
    """Judge every product that the promo would touch. ``told`` hears how many are done, of how many.

    Raises UnavailableError.
    """
    forecast, running, spans = catalog.transaction(lambda ledger: _prepare(ledger, promo, now))
    cursor: Cursor | None = Cursor() if forecast.skip is None else None
    seen: set[str] = set()
    visited = 0
    while cursor is not None:
        at = cursor

        def page(ledger: Ledger, at: Cursor = at) -> tuple[int, list[str], Counter[str], Cursor | None]:
            ids, following = walk(spans, at, PAGE, ledger.book.keys(spans))
            fresh = sorted({*ids} - seen)
            members = ledger.book.members(fresh, drafter.planning.variant)
            return len(ids), fresh, judge(members, running, drafter, ledger).results, following

        met, fresh, results, cursor = catalog.transaction(page)
        if len(spans.strands) > 1:
            seen.update(fresh)
        visited += met
        forecast.products += len(fresh)
        forecast.results += results
        told(visited, forecast.total)
    return forecast


def _prepare(ledger: Ledger, promo: Promo, now: datetime) -> tuple[Forecast, Running, Spans]:
    book = ledger.book
    before = book.promos([promo.promo_id]).get(promo.promo_id)
    phase = phase_at(promo, now)
    runs = phase is not Phase.OVER
    spans = Spans.of(promo.scope) if runs else Spans()
    if before is not None and before.phase == Phase.RUNNING.name:
        known = promos.event_of(before)
        spans |= Spans.of(known.scope) if known else Spans(all=True)
    skip = None
    if before is not None and before.revision > promo.revision:
        skip = STALE
    elif before is not None and before.revision == promo.revision and not before.retired:
        skip = DUPLICATE
    ids = Spans.of(promo.scope).product_ids
    unknown = len(ids) - book.known_ids(ids) if ids else 0
    forecast = Forecast(promo, phase, skip, unknown, book.count(spans))
    return forecast, promos.read(book).with_promo(promo, runs=runs), spans
