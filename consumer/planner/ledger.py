"""What may be done to the catalog inside one transaction. Decides nothing; see ``decisions`` for that.

Promos and fan-outs have a part of their own, ``book``, and so has the audit log, ``audit``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from consumer.planner.audit import Audit
from consumer.planner.book import Book
from consumer.planner.dialects import Dialect
from consumer.planner.made import Made
from consumer.planner.tables import (
    PLANNED,
    REQUESTED,
    BaseRow,
    BatchRow,
    ClipRow,
    PlanRow,
    ProductRow,
    Retirement,
    TagRow,
    bases,
    batches,
    clips,
    plans,
    product_tags,
    products,
)


class Known(NamedTuple):
    """What the catalog knows of a product and of its plan before a batch is applied.

    The plan's fields are None while there is none (revision 0).
    """

    revision: int
    retired: bool
    source_partition: int
    source_offset: int
    source_time: int
    plan_revision: int
    work: str | None
    base_digest: str | None
    body_digest: str | None
    recipe_digest: str | None
    batch: str | None
    held: bool = False
    tags: str = "[]"
    tier_rank: int = 1


class Layers(NamedTuple):
    """The digests of a plan: what an announcement of its recipe says about."""

    base: str | None
    body: str | None
    clip: str | None


class Request(NamedTuple):
    """A stored request, as it is to be published."""

    product_id: str
    variant: str
    topic: str
    request: bytes
    headers: bytes
    batch: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch whose requests may not have been published."""

    id: str
    partitions: frozenset[tuple[str, int]]
    product_ids: tuple[str, ...]


class Ledger:
    """The catalog inside one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self.book = Book(connection, dialect)
        """Promos and fan-outs."""
        self.audit = Audit(connection, dialect)
        """Who made which clip."""

    def known(self, product_ids: Sequence[str], variant: str) -> dict[str, Known]:
        """What is known of those of ``product_ids`` that are known at all."""
        both = (plans.c.product_id == products.c.product_id) & (plans.c.variant == variant)
        query = select(
            products.c.product_id,
            products.c.revision,
            products.c.retired,
            products.c.source_partition,
            products.c.source_offset,
            products.c.source_time,
            plans.c.revision,
            plans.c.work,
            plans.c.base_digest,
            plans.c.body_digest,
            plans.c.recipe_digest,
            plans.c.batch,
            plans.c.held,
            products.c.tags,
            products.c.tier_rank,
        ).select_from(products.outerjoin(plans, both))
        found = self._dialect.select(self._connection, query, products.c.product_id, product_ids)
        return {row[0]: Known._make((*row[1:6], row[6] or 0, *row[7:12], bool(row[12]), *row[13:])) for row in found}

    def layers(self, product_ids: Sequence[str]) -> dict[tuple[str, str], Layers]:
        """The digests of the plans of ``product_ids``, by product and variant."""
        query = select(
            plans.c.product_id, plans.c.variant, plans.c.base_digest, plans.c.body_digest, plans.c.recipe_digest
        )
        found = self._dialect.select(self._connection, query, plans.c.product_id, product_ids)
        return {(row[0], row[1]): Layers(*row[2:]) for row in found}

    def made(self, product_ids: Sequence[str], variant: str) -> dict[str, Made]:
        """Which layers of the clips of ``product_ids``, all with plans, are known to be in the store, where any are."""
        shown = (clips.c.product_id == plans.c.product_id) & (clips.c.variant == variant) & (clips.c.status == "READY")
        stored = (bases.c.product_id == plans.c.product_id) & (bases.c.variant == variant)
        joined = plans.outerjoin(clips, shown).outerjoin(bases, stored)
        query = select(plans.c.product_id, clips.c.body_digest, bases.c.base_digest).select_from(joined)
        query = query.where(plans.c.variant == variant)
        bodies: dict[str, str] = {}
        known: defaultdict[str, set[str]] = defaultdict(set)
        for product_id, body, base in self._dialect.select(self._connection, query, plans.c.product_id, product_ids):
            if body is not None:
                bodies[product_id] = body
            if base is not None:
                known[product_id].add(base)
        return {name: Made(bases=frozenset(known[name]), body=bodies.get(name)) for name in known.keys() | bodies}

    def planned(self) -> list[Batch]:
        """The batches whose requests may not have been published: few, those in flight and those a crash left."""
        query = select(batches.c.id, batches.c.partitions, batches.c.product_ids)
        rows = self._connection.execute(query.where(batches.c.state == PLANNED).order_by(batches.c.created_at))
        return [
            Batch(row[0], frozenset((topic, number) for topic, number in json.loads(row[1])), tuple(json.loads(row[2])))
            for row in rows
        ]

    def planned_ids(self) -> frozenset[str]:
        """The ids of ``planned``, without their contents."""
        return frozenset(self._connection.scalars(select(batches.c.id).where(batches.c.state == PLANNED)))

    def requests(self, product_ids: Sequence[str], batch_ids: Iterable[str]) -> list[Request]:
        """The stored requests of ``product_ids`` that belong to one of ``batch_ids``."""
        wanted = frozenset(batch_ids)
        query = select(
            plans.c.product_id, plans.c.variant, plans.c.topic, plans.c.request, plans.c.headers, plans.c.batch
        )
        found = self._dialect.select(self._connection, query, plans.c.product_id, product_ids)
        return [Request(*row) for row in found if row[5] in wanted]

    def requests_of(self, row: BatchRow) -> list[Request]:
        """The stored requests of a batch."""
        return self.requests(json.loads(row.product_ids), {row.id})

    def save_products(self, rows: Sequence[ProductRow]) -> None:
        """Insert or replace."""
        self._dialect.upsert(self._connection, products, rows)

    def save_tags(self, gone: Sequence[TagRow], come: Sequence[TagRow]) -> None:
        """Which tags lead to which products."""
        if gone:
            columns = product_tags.c
            row = and_(
                columns.tag_key == bindparam("tag_key_"),
                columns.tier_rank == bindparam("tier_rank_"),
                columns.product_id == bindparam("product_id_"),
            )
            values = [{f"{name}_": value for name, value in row._asdict().items()} for row in sorted(gone)]
            self._connection.execute(delete(product_tags).where(row), values)
        self._dialect.upsert(self._connection, product_tags, sorted(come))

    def retire(self, rows: Sequence[Retirement]) -> None:
        """Mark products as retired, and keep what else is known of them."""
        if rows:
            change = (
                update(products)
                .where(products.c.product_id == bindparam("id"))
                .values(
                    retired=True,
                    source_partition=bindparam("partition"),
                    source_offset=bindparam("offset"),
                    source_time=bindparam("time"),
                    updated_at=bindparam("now"),
                )
            )
            self._connection.execute(change, [row._asdict() for row in rows])

    def save_plans(self, rows: Sequence[PlanRow]) -> None:
        """Insert or replace."""
        self._dialect.upsert(self._connection, plans, rows)

    def move_plans(self, product_ids: Sequence[str], variant: str, batch: str) -> None:
        """Let the plans of ``product_ids`` belong to ``batch``, which publishes them (again)."""
        change = update(plans).where(plans.c.variant == variant).values(batch=batch, held=False)
        self._dialect.change(self._connection, change, plans.c.product_id, product_ids)

    def touch_plans(self, product_ids: Sequence[str], variant: str) -> None:
        """Write the plans of ``product_ids`` as they are: whoever wrote one of them meanwhile, or is about to, decides
        anew. Who leaves a plan as it is because of what a product has become says so by this.
        """
        if product_ids:
            change = update(plans).where(plans.c.variant == variant).values(revision=plans.c.revision)
            self._dialect.change(self._connection, change, plans.c.product_id, product_ids)

    def add_batch(self, row: BatchRow) -> None:
        """Insert."""
        self._dialect.upsert(self._connection, batches, [row])

    def requested(self, batch_ids: Sequence[str]) -> None:
        """Mark batches as published."""
        if batch_ids:
            change = update(batches).values(state=REQUESTED)
            self._dialect.change(self._connection, change, batches.c.id, batch_ids)

    def prune(self, before: int) -> None:
        """Forget batches that were published and made before ``before`` (milliseconds since 1970)."""
        old = (batches.c.state == REQUESTED) & (batches.c.created_at < before)
        self._connection.execute(delete(batches).where(old))

    def clip_revisions(self, product_ids: Sequence[str]) -> dict[tuple[str, str], int]:
        """The revision of each known clip of ``product_ids``, by product and variant."""
        query = select(clips.c.product_id, clips.c.variant, clips.c.revision)
        found = self._dialect.select(self._connection, query, clips.c.product_id, product_ids)
        return {(row[0], row[1]): row[2] for row in found}

    def clip_standings(self, product_ids: Sequence[str]) -> dict[tuple[str, str], tuple[int, str]]:
        """Revision and status of each known clip of ``product_ids``, by product and variant."""
        query = select(clips.c.product_id, clips.c.variant, clips.c.revision, clips.c.status)
        found = self._dialect.select(self._connection, query, clips.c.product_id, product_ids)
        return {(row[0], row[1]): (row[2], row[3]) for row in found}

    def unanswered(self) -> list[str]:
        """The products with a plan whose clip was neither announced nor rejected, as far as the catalog heard."""
        same = (clips.c.product_id == plans.c.product_id) & (clips.c.variant == plans.c.variant)
        query = select(plans.c.product_id).select_from(plans.outerjoin(clips, same))
        missing = clips.c.revision.is_(None) | (clips.c.revision < plans.c.revision)
        query = query.where(missing, ~plans.c.held)
        return list(self._connection.scalars(query.distinct().order_by(plans.c.product_id)))

    def save_clips(self, rows: Sequence[ClipRow]) -> None:
        """Insert or replace."""
        self._dialect.upsert(self._connection, clips, rows)

    def save_bases(self, rows: Iterable[BaseRow]) -> None:
        """Insert what is not there yet."""
        self._dialect.upsert(self._connection, bases, sorted(set(rows)))
