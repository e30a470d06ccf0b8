"""What may be done to promos and fan-outs inside one transaction. Decides nothing.

A fan-out's page is one range of an index: ``members`` reads it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, select, update

from consumer.planner.dialects import Dialect
from consumer.planner.spans import Fetch, Spans, Strand
from consumer.planner.tables import (
    PENDING,
    PLANNED,
    SUPERSEDED,
    BatchRow,
    FanOutRow,
    PromoRow,
    batches,
    fan_outs,
    plans,
    product_tags,
    products,
    promo_gate,
    promos,
)

RUNNING = "RUNNING"


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

    def add_fan_outs(self, rows: Sequence[FanOutRow], superseded: Iterable[int], now: int) -> None:
        """Begin these, and cut those short."""
        for identity in superseded:
            cut = update(fan_outs).where(fan_outs.c.id == identity)
            self._connection.execute(cut.values(state=SUPERSEDED, updated_at=now))
        self._dialect.upsert(self._connection, fan_outs, rows)

    def claim(self) -> FanOutRow | None:
        """The pending fan-out whose products come first, unless another planner has it in hand; ours until the end of
        the transaction.
        """
        query = select(fan_outs).where(fan_outs.c.state == PENDING).order_by(fan_outs.c.tier_rank, fan_outs.c.id)
        row = self._connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()
        return FanOutRow._make(row) if row else None

    def uncounted(self) -> FanOutRow | None:
        """A pending fan-out whose products nobody has counted."""
        query = select(fan_outs).where(fan_outs.c.state == PENDING, fan_outs.c.total.is_(None))
        row = self._connection.execute(query.order_by(fan_outs.c.id).limit(1)).first()
        return FanOutRow._make(row) if row else None

    def set_total(self, identity: int, total: int) -> None:
        """The products were counted."""
        self._connection.execute(update(fan_outs).where(fan_outs.c.id == identity).values(total=total))

    def save_progress(self, row: FanOutRow) -> None:
        """How far a claimed fan-out is. Its total is left alone: that is counted meanwhile."""
        values = {name: value for name, value in row._asdict().items() if name not in {"id", "total"}}
        self._connection.execute(update(fan_outs).where(fan_outs.c.id == row.id).values(values))

    def progress(self) -> Progress:
        """What is left to do."""
        left = func.coalesce(func.sum(fan_outs.c.total - fan_outs.c.visited).filter(fan_outs.c.total > 0), 0)
        query = select(func.count(), left).where(fan_outs.c.state == PENDING)
        number, rest = self._connection.execute(query).one()
        return Progress(int(number), max(0, int(rest)))

    def fan_outs(self, limit: int) -> list[FanOutRow]:
        """Pending ones first, then the newest."""
        query = select(fan_outs).order_by(fan_outs.c.state != PENDING, fan_outs.c.id.desc()).limit(limit)
        return [FanOutRow._make(row) for row in self._connection.execute(query)]

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

    def reader(self, spans: Spans, variant: str) -> Fetch[Member]:
        """Reads the products of ``spans`` strand by strand, in order of their keys. Retired ones, and those without a
        plan, are none of its business.
        """

        def read(strand: Strand, tier: int, after: str, limit: int) -> tuple[list[Member], str | None]:
            if strand.kind == "ids":
                return self._listed(spans.product_ids, _members(variant, tier), after, limit)
            key = product_tags.c.product_id if strand.kind == "tag" else products.c.product_id
            query = _in_strand(_members(variant, tier), strand, tier).where(key > after).order_by(key).limit(limit)
            found = [Member._make(row) for row in self._connection.execute(query)]
            return found, found[-1].product_id if len(found) == limit else None

        return read

    def _listed(
        self, ids: Sequence[str], query: Select[Any], after: str, limit: int
    ) -> tuple[list[Member], str | None]:
        begin = bisect_right(ids, after)
        chunk = ids[begin : begin + limit]
        found = [Member._make(row) for row in self._dialect.select(self._connection, query, _ID, chunk)]
        return sorted(found), chunk[-1] if begin + limit < len(ids) else None

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


def _members(variant: str, tier: int) -> Select[Any]:
    both = (plans.c.product_id == products.c.product_id) & (plans.c.variant == variant)
    return (
        select(
            products.c.product_id,
            products.c.revision,
            products.c.payload,
            plans.c.revision,
            plans.c.work,
            plans.c.base_digest,
            plans.c.body_digest,
            plans.c.recipe_digest,
            plans.c.held,
        )
        .select_from(products.join(plans, both))
        # In the words of the partial indexes, or they are not used.
        .where(~products.c.retired, products.c.tier_rank == tier)
    )


def _in_strand(query: Select[Any], strand: Strand, tier: int) -> Select[Any]:
    if strand.kind == "category":
        return query.where(products.c.category_key == strand.name)
    if strand.kind == "tag":
        tagged = (product_tags.c.tag_key == strand.name) & (product_tags.c.tier_rank == tier)
        return query.where(tagged, product_tags.c.product_id == products.c.product_id)
    return query


def _promo(row: Sequence[Any]) -> PromoRow:
    return PromoRow(row[0], row[1], bool(row[2]), *row[3:])
