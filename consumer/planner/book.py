"""What may be done to promos and fan-outs inside one transaction. Decides nothing.

A fan-out's page is a range of an index, cut off in a short transaction of its own, so that several planners work pages
of one fan-out at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Select, delete, func, literal, select, tuple_, update

from consumer.planner.dialects import Dialect
from consumer.planner.spans import TIERS, Fetch, Spans, Strand
from consumer.planner.tables import (
    DONE,
    OPEN,
    PENDING,
    PLANNED,
    SUPERSEDED,
    BatchRow,
    FanOutRow,
    PageRow,
    PromoRow,
    batches,
    fan_out_pages,
    fan_outs,
    plans,
    product_tags,
    products,
    promo_gate,
    promos,
)

RUNNING = "RUNNING"

FIGURES = ("visited", "rendered", "dressed", "spliced", "held", "failed")
"""Columns that pages have and fan-outs sum up."""


class Member(NamedTuple):
    """A product that a fan-out looks at, and its plan."""

    product_id: str
    revision: int
    payload: bytes
    plan_revision: int
    work: str
    base_digest: str | None
    body_digest: str | None
    recipe_digest: str | None
    held: bool


class Progress(NamedTuple):
    """All pending fan-outs together."""

    fan_outs: int
    products: int
    """Products left to look at, as far as they were counted."""


class Book:
    """Promos and fan-outs inside one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    # The gate

    def enter(self, *, alone: bool = False) -> int:
        """Pass the gate, first thing in a transaction: promos stay as they are until it ends. ``alone``: nobody plans
        products meanwhile, and they may be changed. Gives the promos' version.
        """
        self._dialect.lock(self._connection, promo_gate, alone=alone)
        return self.version()

    def version(self) -> int:
        """The promos' version, as of now."""
        return int(self._connection.scalar(select(promo_gate.c.version)) or 0)

    def set_version(self, version: int) -> None:
        """Promos changed."""
        self._connection.execute(update(promo_gate).values(version=version))

    # Promos

    def promos(self, promo_ids: Sequence[str]) -> dict[str, PromoRow]:
        """Those of ``promo_ids`` that are known."""
        found = self._dialect.select(self._connection, select(promos), promos.c.promo_id, promo_ids)
        return {row[0]: _promo(row) for row in found}

    def all_promos(self) -> list[PromoRow]:
        """Every promo, for people."""
        return [_promo(row) for row in self._connection.execute(select(promos).order_by(promos.c.promo_id))]

    def running(self) -> list[PromoRow]:
        """Those that run."""
        query = select(promos).where(promos.c.phase == RUNNING).order_by(promos.c.promo_id)
        return [_promo(row) for row in self._connection.execute(query)]

    def turning(self, now: int, back: int, limit: int) -> list[PromoRow]:
        """Those whose phase ended by the clock, and those whose phase began after ``back``: the clock went back."""
        turned = (promos.c.due_at <= now) | (promos.c.since > back)
        query = select(promos).where(turned).order_by(promos.c.promo_id).limit(limit)
        return [_promo(row) for row in self._connection.execute(query)]

    def save_promos(self, rows: Sequence[PromoRow]) -> None:
        """Insert or replace."""
        self._dialect.upsert(self._connection, promos, rows)

    # Fan-outs

    def pending_of(self, promo_ids: Sequence[str]) -> dict[str, FanOutRow]:
        """The pending fan-out of each promo that has one."""
        query = select(fan_outs).where(fan_outs.c.state == PENDING)
        found = self._dialect.select(self._connection, query, fan_outs.c.promo_id, promo_ids)
        return {row[1]: FanOutRow._make(row) for row in found}

    def add_fan_outs(self, rows: Sequence[FanOutRow], superseded: Sequence[FanOutRow], now: int) -> None:
        """Begin these, and cut those short."""
        if superseded:
            self._end(superseded, SUPERSEDED, now)
        self._dialect.upsert(self._connection, fan_outs, rows)

    def claim(self) -> FanOutRow | None:
        """The pending fan-out whose products come first, to cut pages off; ours until the end of the transaction. Those
        that another planner has in hand, and those that are cut up, are left out.
        """
        uncut = (fan_outs.c.state == PENDING) & (fan_outs.c.tier_rank < len(TIERS))
        query = select(fan_outs).where(uncut).order_by(fan_outs.c.tier_rank, fan_outs.c.id)
        row = self._connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()
        return FanOutRow._make(row) if row else None

    def cut(self, row: FanOutRow, pages: Sequence[PageRow]) -> None:
        """Pages were cut off a claimed fan-out, which stands where ``row`` says."""
        self._dialect.upsert(self._connection, fan_out_pages, pages)
        values = {
            name: getattr(row, name) for name in ("tier_rank", "strand", "key", "pages", "started_at", "updated_at")
        }
        self._connection.execute(update(fan_outs).where(fan_outs.c.id == row.id).values(values))

    def claim_page(self) -> tuple[PageRow, FanOutRow] | None:
        """The open page whose products come first, ours until the end of the transaction, and its fan-out."""
        pages = fan_out_pages.c
        query = select(fan_out_pages, fan_outs).join_from(fan_out_pages, fan_outs, pages.fan_out == fan_outs.c.id)
        query = query.where(pages.state == OPEN).order_by(pages.tier_rank, pages.fan_out, pages.number).limit(1)
        row = self._connection.execute(query.with_for_update(skip_locked=True, of=fan_out_pages)).first()
        if row is None:
            return None
        width = len(PageRow._fields)
        return PageRow._make(row[:width]), FanOutRow._make(row[width:])

    def save_page(self, row: PageRow) -> None:
        """What became of a claimed page."""
        self._dialect.upsert(self._connection, fan_out_pages, [row])

    def finish(self, now: int) -> list[FanOutRow]:
        """End the fan-outs that are cut up and whose pages are all done; gives them with their figures."""
        pages = fan_out_pages.c
        still = select(pages.fan_out).where(pages.fan_out == fan_outs.c.id, pages.state == OPEN).exists()
        cut_up = (fan_outs.c.state == PENDING) & (fan_outs.c.tier_rank >= len(TIERS))
        query = select(fan_outs).where(cut_up, ~still).order_by(fan_outs.c.id).with_for_update(skip_locked=True)
        rows = [FanOutRow._make(row) for row in self._connection.execute(query)]
        return self._end(rows, DONE, now) if rows else []

    def _end(self, rows: Sequence[FanOutRow], state: str, now: int) -> list[FanOutRow]:
        """Put the figures of the pages into their fan-outs, and forget the pages."""
        ended = []
        for row in self._with_figures(rows):
            ended.append(row._replace(state=state, updated_at=now))
            self._connection.execute(delete(fan_out_pages).where(fan_out_pages.c.fan_out == row.id))
        self._dialect.upsert(self._connection, fan_outs, ended)
        return ended

    def _with_figures(self, rows: Sequence[FanOutRow]) -> list[FanOutRow]:
        """Pending fan-outs with the sums over their pages."""
        pages = fan_out_pages.c
        sums = [func.sum(getattr(pages, name)) for name in FIGURES]
        query = select(pages.fan_out, *sums).where(pages.fan_out.in_([row.id for row in rows]))
        found = {row[0]: row[1:] for row in self._connection.execute(query.group_by(pages.fan_out))}
        return [
            FanOutRow._make((*row[:_FIRST], *map(int, found[row.id]), *row[_LAST:])) if row.id in found else row
            for row in rows
        ]

    def uncounted(self) -> FanOutRow | None:
        """A pending fan-out whose products nobody has counted."""
        query = select(fan_outs).where(fan_outs.c.state == PENDING, fan_outs.c.total.is_(None))
        row = self._connection.execute(query.order_by(fan_outs.c.id).limit(1)).first()
        return FanOutRow._make(row) if row else None

    def set_total(self, identity: int, total: int) -> None:
        """The products were counted."""
        self._connection.execute(update(fan_outs).where(fan_outs.c.id == identity).values(total=total))

    def pending(self) -> bool:
        """Whether a fan-out has not ended."""
        query = select(fan_outs.c.id).where(fan_outs.c.state == PENDING).limit(1)
        return self._connection.scalar(query) is not None

    def progress(self) -> Progress:
        """What is left to do."""
        pending = self.fan_outs(None)
        left = sum(max(0, row.total - row.visited) for row in pending if row.total is not None and row.total > 0)
        return Progress(len(pending), left)

    def fan_outs(self, limit: int | None) -> list[FanOutRow]:
        """Pending ones, and up to ``limit`` of the newest that ended."""
        query = select(fan_outs).where(fan_outs.c.state == PENDING).order_by(fan_outs.c.tier_rank, fan_outs.c.id)
        found = self._with_figures([FanOutRow._make(row) for row in self._connection.execute(query)])
        if limit:
            ended = select(fan_outs).where(fan_outs.c.state != PENDING).order_by(fan_outs.c.id.desc()).limit(limit)
            found += [FanOutRow._make(row) for row in self._connection.execute(ended)]
        return found

    def prune(self, before: int) -> None:
        """Forget fan-outs that ended before ``before`` (milliseconds since 1970)."""
        old = (fan_outs.c.state != PENDING) & (fan_outs.c.updated_at < before)
        self._connection.execute(delete(fan_outs).where(old))

    def orphans(self, instance: str, before: int) -> list[BatchRow]:
        """Pages that another planner made before ``before`` and may not have published; ours until the transaction
        ends. Those that a third one has in hand are left out.
        """
        lost = (batches.c.fan_out.is_not(None)) & (batches.c.instance != instance) & (batches.c.created_at < before)
        query = select(batches).where(batches.c.state == PLANNED).where(lost).order_by(batches.c.id)
        return [BatchRow._make(row) for row in self._connection.execute(query.with_for_update(skip_locked=True))]

    # The products of a fan-out

    def keys(self, spans: Spans) -> Fetch[str]:
        """Reads the ids of the products of ``spans`` strand by strand, in order; retired ones are none of its business.

        A page is a range of one index, whatever the database thinks of its statistics: the bounds are rows and the
        order is the whole key, so that no other index will do. The words are those of the partial indexes, too.
        """

        def read(strand: Strand, tier: int, after: str, limit: int) -> tuple[list[str], str | None]:
            if strand.kind == "ids":
                return self._listed(spans.product_ids, tier, after, limit)
            columns, names = _INDEXES[strand.kind]
            prefix = [*([strand.name] if names else []), tier]
            query = select(columns[-1]).where(
                tuple_(*columns) > tuple_(*map(literal, [*prefix, after])),
                tuple_(*columns[:-1]) <= tuple_(*map(literal, prefix)),
            )
            if strand.kind != "tag":
                query = query.where(~products.c.retired)
            found = list(self._connection.scalars(query.order_by(*columns).limit(limit)))
            return found, found[-1] if len(found) == limit else None

        return read

    def _listed(self, ids: Sequence[str], tier: int, after: str, limit: int) -> tuple[list[str], str | None]:
        begin = bisect_right(ids, after)
        chunk = ids[begin : begin + limit]
        query = select(_ID).where(products.c.tier_rank == tier, ~products.c.retired)
        found = [row[0] for row in self._dialect.select(self._connection, query, _ID, chunk)]
        return sorted(found), chunk[-1] if begin + limit < len(ids) else None

    def members(self, product_ids: Sequence[str], variant: str) -> list[Member]:
        """Those of ``product_ids`` that are not retired and have a plan, in one order for all planners."""
        both = (plans.c.product_id == products.c.product_id) & (plans.c.variant == variant)
        query = select(
            products.c.product_id,
            products.c.revision,
            products.c.payload,
            plans.c.revision,
            plans.c.work,
            plans.c.base_digest,
            plans.c.body_digest,
            plans.c.recipe_digest,
            plans.c.held,
        ).select_from(products.join(plans, both))
        query = query.where(~products.c.retired)
        return sorted(Member._make(row) for row in self._dialect.select(self._connection, query, _ID, product_ids))

    def count(self, spans: Spans) -> int:
        """How many products a fan-out over ``spans`` meets; those of several strands as often as it meets them."""
        sold = select(func.count()).select_from(products).where(~products.c.retired)
        if spans.all:
            return int(self._connection.scalar(sold) or 0)
        tagged = select(func.count()).select_from(product_tags)
        return (
            self._count(sold, _ID, spans.product_ids)
            + self._count(sold, products.c.category_key, spans.categories)
            + self._count(tagged, product_tags.c.tag_key, spans.tags)
        )

    def _count(self, query: Select[Any], column: Any, names: Sequence[str]) -> int:
        return sum(row[0] for row in self._dialect.select(self._connection, query, column, names))

    def known_ids(self, product_ids: Sequence[str]) -> int:
        """How many of ``product_ids`` the catalog knows, retired ones included."""
        return self._count(select(func.count()).select_from(products), _ID, product_ids)


_ID = products.c.product_id
_INDEXES: dict[str, tuple[list[Column[Any]], bool]] = {
    "all": ([products.c.tier_rank, _ID], False),
    "category": ([products.c.category_key, products.c.tier_rank, _ID], True),
    "tag": ([product_tags.c.tag_key, product_tags.c.tier_rank, product_tags.c.product_id], True),
}
"""The columns of the index that a strand is a range of, and whether its first is the strand's name."""
_FIRST = FanOutRow._fields.index(FIGURES[0])
_LAST = _FIRST + len(FIGURES)


def _promo(row: Sequence[Any]) -> PromoRow:
    return PromoRow(row[0], row[1], bool(row[2]), *row[3:])
