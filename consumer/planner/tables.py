"""The catalog's tables and the rows that go into them. Knows no SQL dialect and no event.

Instants are whole milliseconds since 1970, UTC: the same in every database, and what the events carry.
Texts hold no NUL, which PostgreSQL refuses: ``storable`` sees to that.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

products = Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("category", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("tags", Text, nullable=False, comment="A JSON list."),
    Column("payload", LargeBinary, nullable=False, comment="The event, JSON in UTF-8: what a promo plans from."),
    Column("source_partition", Integer, nullable=False, comment="Where the record lay that this row is made of."),
    Column("source_offset", BigInteger, nullable=False),
    Column("source_time", BigInteger, nullable=False, comment="That record's own timestamp."),
    Column("updated_at", BigInteger, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("product_id", Text, ForeignKey("products.product_id"), primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, comment="The plan number: +1 with every plan."),
    Column("work", Text, nullable=False),
    Column("base_digest", Text, comment="None where the clip is to be taken down."),
    Column("body_digest", Text),
    Column("recipe_digest", Text),
    Column("topic", Text, nullable=False),
    Column("request", LargeBinary, nullable=False, comment="The encoded request, ready to be published (again)."),
    Column("headers", LargeBinary, nullable=False, comment="Its headers: a JSON list of pairs, values as Latin-1."),
    Column("batch", Text, nullable=False),
    Column("planned_at", BigInteger, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("instance", Text, nullable=False, comment="The planner that made it."),
    Column("partitions", Text, nullable=False, comment="A JSON list of [topic, number] that its records came from."),
    Column("product_ids", Text, nullable=False, comment="A JSON list: whose plans it made. Spares plans an index."),
    Column("state", Text, nullable=False, comment="planned: perhaps not published. requested: published."),
    Column("created_at", BigInteger, nullable=False),
)
_pending = text("state = 'planned'")
Index("batches_planned", batches.c.state, sqlite_where=_pending, postgresql_where=_pending)

clips = Table(
    "clips",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, comment="The plan number that the announcement carries."),
    Column("status", Text, nullable=False, comment="READY, RETIRED or REJECTED."),
    Column("clip_id", Text, comment="None unless READY."),
    Column("recipe_digest", Text),
    Column("announced_at", BigInteger, nullable=False),
)
"""No foreign key: announcements may be read before the products they speak of."""

PLANNED = "planned"
REQUESTED = "requested"


class ProductRow(NamedTuple):
    """A row of ``products``, in the order of its columns."""

    product_id: str
    revision: int
    retired: bool
    category: str
    tier: str
    locale: str
    tags: str
    payload: bytes
    source_partition: int
    source_offset: int
    source_time: int
    updated_at: int


class Retirement(NamedTuple):
    """What changes in a row of ``products`` when a tombstone retires it. ``id`` is its product_id."""

    id: str
    partition: int
    offset: int
    time: int
    now: int


class PlanRow(NamedTuple):
    """A row of ``plans``, in the order of its columns."""

    product_id: str
    variant: str
    revision: int
    work: str
    base_digest: str | None
    body_digest: str | None
    recipe_digest: str | None
    topic: str
    request: bytes
    headers: bytes
    batch: str
    planned_at: int


class BatchRow(NamedTuple):
    """A row of ``batches``, in the order of its columns."""

    id: str
    instance: str
    partitions: str
    product_ids: str
    state: str
    created_at: int


class ClipRow(NamedTuple):
    """A row of ``clips``, in the order of its columns."""

    product_id: str
    variant: str
    revision: int
    status: str
    clip_id: str | None
    recipe_digest: str | None
    announced_at: int


def storable(value: str) -> str:
    """``value`` with the one character that PostgreSQL cannot keep in a text (NUL) replaced by U+FFFD."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def milliseconds(instant: datetime) -> int:
    """An aware instant as the tables keep it."""
    return round(instant.timestamp() * 1000)
