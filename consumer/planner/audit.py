"""The audit log: which clip was announced under which ProduceID, when, by whom and from what; kept for half a year and
more.

One row an announcement of a labelled clip, never changed. Knows no event and no retention; see ``planner`` for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, Select, Table, Text, and_, delete, or_, select

from consumer.planner.dialects import Dialect
from consumer.planner.tables import metadata

produced = Table(
    "produced",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("revision", BigInteger, primary_key=True, comment="The plan number that the announcement carries."),
    Column("produce_id", Text, nullable=False, comment="Of the metadata label, as the announcement has it."),
    Column("producer", Text, nullable=False, comment="ContentProducer code of the same label."),
    Column("clip_id", Text, nullable=False, comment="Digest of the recipe, photo pinned."),
    Column("clip_key", Text, nullable=False, comment="Where its bytes lie in the store."),
    Column("sha256", Text, nullable=False),
    Column("labels", Text, nullable=False, comment="Read back from the bytes; a JSON list."),
    Column("engine", Text, nullable=False),
    Column("engine_revision", Text, nullable=False),
    Column("recipe_digest", Text, nullable=False, comment="Digest of the recipe as planned."),
    Column("base_digest", Text, nullable=False),
    Column("work", Text, nullable=False),
    Column("cause", Text, nullable=False, comment="Id of the event that led to it."),
    Column("announced_at", BigInteger, nullable=False),
)
"""No foreign key: announcements may be read before the products they speak of, and outlive them."""
Index("produced_by_id", produced.c.produce_id)
Index("produced_by_time", produced.c.announced_at)


class ProducedRow(NamedTuple):
    """A row of ``produced``, in the order of its columns."""

    product_id: str
    variant: str
    revision: int
    produce_id: str
    producer: str
    clip_id: str
    clip_key: str
    sha256: str
    labels: str
    engine: str
    engine_revision: str
    recipe_digest: str
    base_digest: str
    work: str
    cause: str
    announced_at: int

    @property
    def place(self) -> Place:
        """Where the row stands in the order of time."""
        return self.announced_at, self.product_id, self.variant, self.revision


Place = tuple[int, str, str, int]
"""Instant of the announcement (milliseconds), product, variant, revision: one order over all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows are asked for: those that are as every given value says. Instants in milliseconds since 1970."""

    produce_id: str | None = None
    product_id: str | None = None
    clip_id: str | None = None
    sha256: str | None = None
    producer: str | None = None
    since: int | None = None
    until: int | None = None
    """The first instant that is not wanted any more."""


class Audit:
    """The audit log inside one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def add(self, rows: Iterable[ProducedRow]) -> None:
        """Insert or replace: an announcement that is read again is the same row."""
        self._dialect.upsert(self._connection, produced, sorted({row[:3]: row for row in rows}.values()))

    def newest(self, wanted: Wanted, limit: int) -> list[ProducedRow]:
        """The newest rows, newest first."""
        columns = produced.c
        query = _chosen(wanted).order_by(
            columns.announced_at.desc(), columns.product_id, columns.variant, columns.revision
        )
        return [ProducedRow._make(row) for row in self._connection.execute(query.limit(limit))]

    def page(self, wanted: Wanted, after: Place | None, limit: int) -> list[ProducedRow]:
        """The rows that come next after a place in the order of time, oldest first."""
        columns = (produced.c.announced_at, produced.c.product_id, produced.c.variant, produced.c.revision)
        query = _chosen(wanted)
        if after is not None:
            ties = [
                and_(
                    *(one == value for one, value in zip(columns[:at], after[:at], strict=True)),
                    columns[at] > after[at],
                )
                for at in range(len(columns))
            ]
            # The first condition says nothing new, but lets the index begin where the last page ended.
            query = query.where(columns[0] >= after[0], or_(*ties))
        return [ProducedRow._make(row) for row in self._connection.execute(query.order_by(*columns).limit(limit))]

    def prune(self, before: int, most: int) -> bool:
        """Forget up to ``most`` of the rows announced before ``before``, the oldest first. True when there may be more.

        In small steps: a table of millions must not be locked for as long as that would take.
        """
        query = select(produced.c.announced_at).where(produced.c.announced_at < before)
        oldest = list(self._connection.scalars(query.order_by(produced.c.announced_at).limit(most)))
        if oldest:
            # All of one instant at once: announcements of one batch of the renderer, never many.
            self._connection.execute(delete(produced).where(produced.c.announced_at <= oldest[-1]))
        return len(oldest) == most


def _chosen(wanted: Wanted) -> Select[tuple[object, ...]]:
    columns = produced.c
    query = select(produced)
    for column in (columns.produce_id, columns.product_id, columns.clip_id, columns.sha256, columns.producer):
        value = getattr(wanted, column.name)
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(columns.announced_at >= wanted.since)
    return query if wanted.until is None else query.where(columns.announced_at < wanted.until)
