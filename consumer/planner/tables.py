"""The catalog's tables and the rows that go into them. Knows no SQL dialect and no event.

Instants are whole milliseconds since 1970, UTC: the same in every database, and what the events carry.
Texts hold no NUL, which PostgreSQL refuses: ``storable`` sees to that.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
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
    Column("category_key", Text, nullable=False, comment="``member_key`` of the category."),
    Column("tier_rank", Integer, nullable=False, comment="0 HOT, 1 STANDARD, 2 LONG_TAIL: the order of a fan-out."),
)
_sold, _sold_in_sqlite = text("NOT retired"), text("retired = 0")
# A fan-out reads products by ranges of these. Without the retired ones: a page never wades through tombstones.
Index(
    "products_by_tier",
    products.c.tier_rank,
    products.c.product_id,
    sqlite_where=_sold_in_sqlite,
    postgresql_where=_sold,
)
Index(
    "products_by_category",
    products.c.category_key,
    products.c.tier_rank,
    products.c.product_id,
    sqlite_where=_sold_in_sqlite,
    postgresql_where=_sold,
)

product_tags = Table(
    "product_tags",
    metadata,
    Column("tag_key", Text, primary_key=True, comment="``member_key`` of the tag."),
    Column("tier_rank", Integer, primary_key=True),
    Column("product_id", Text, primary_key=True),
)
"""The tags of products that are not retired, in the order in which a fan-out reads them."""

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
    Column("held", Boolean, nullable=False, comment="Kept without a request, until somebody asks for the clip."),
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
    Column("fan_out", BigInteger, comment="The fan-out it is a page of; None for a batch of records."),
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
    Column("body_digest", Text, comment="The body under the announced clip, where the catalog knows it."),
)
"""No foreign key: announcements may be read before the products they speak of."""

bases = Table(
    "bases",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("base_digest", Text, primary_key=True),
)
"""The base clips that were announced once: they are in the store, whatever is planned now."""

promos = Table(
    "promos",
    metadata,
    Column("promo_id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("retired", Boolean, nullable=False, comment="Its last record was a tombstone."),
    Column("phase", Text, nullable=False, comment="WAITING, RUNNING or OVER: decided once, not by each reader."),
    Column("due_at", BigInteger, comment="When the phase ends by the clock."),
    Column("since", BigInteger, comment="When it began by the clock; None where an event began it."),
    Column("payload", LargeBinary, nullable=False, comment="The event, JSON in UTF-8."),
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("source_time", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("promos_due", promos.c.due_at)

promo_gate = Table(
    "promo_gate",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="+1 with every change of a promo."),
)
"""One row. Who plans products shares the table's lock, who changes promos takes it alone."""

fan_outs = Table(
    "fan_outs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False, comment="The gate's version that began it."),
    Column("promo_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="CHANGED, STARTED or STOPPED."),
    Column("spans", LargeBinary, nullable=False, comment="Which products to look at; see ``spans``."),
    Column("tier_rank", Integer, nullable=False, comment="With strand and key: how far it is cut into pages."),
    Column("strand", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("total", BigInteger, comment="Products to look at; None until counted, -1 where that took too long."),
    Column("visited", BigInteger, nullable=False, comment="This and what follows once it ended; see its pages before."),
    Column("rendered", BigInteger, nullable=False, comment="Plans it made, by the work they ask for."),
    Column("dressed", BigInteger, nullable=False),
    Column("spliced", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False, comment="Plans among them that were kept without a request."),
    Column("failed", BigInteger, nullable=False, comment="Products that could not be planned; they keep their clip."),
    Column("state", Text, nullable=False, comment="PENDING, DONE, or SUPERSEDED by a newer one of the same promo."),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("updated_at", BigInteger, nullable=False),
    Column("pages", BigInteger, nullable=False, comment="How many were cut off."),
)
_open = text("state = 'PENDING'")
Index("fan_outs_pending", fan_outs.c.tier_rank, fan_outs.c.id, sqlite_where=_open, postgresql_where=_open)

fan_out_pages = Table(
    "fan_out_pages",
    metadata,
    Column("fan_out", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("tier_rank", Integer, nullable=False),
    Column("product_ids", LargeBinary, nullable=False, comment="A JSON list."),
    Column("state", Text, nullable=False, comment="OPEN until its products were looked at, then DONE."),
    Column("visited", BigInteger, nullable=False),
    Column("rendered", BigInteger, nullable=False),
    Column("dressed", BigInteger, nullable=False),
    Column("spliced", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)
"""Pages of pending fan-outs, cut off and worked one by one: by several planners at once, each with its own row locked.
When the fan-out ends their figures go into its row, and they are forgotten.
"""
_uncut = text("state = 'OPEN'")
Index(
    "fan_out_pages_open",
    fan_out_pages.c.tier_rank,
    fan_out_pages.c.fan_out,
    fan_out_pages.c.number,
    sqlite_where=_uncut,
    postgresql_where=_uncut,
)

PLANNED = "planned"
REQUESTED = "requested"

PENDING = "PENDING"
DONE = "DONE"
SUPERSEDED = "SUPERSEDED"
OPEN = "OPEN"

KEY_BYTES = 200
"""Longest text that is an index key as it is. PostgreSQL refuses entries of an index above 2,700 bytes."""


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
    category_key: str = ""
    tier_rank: int = 1


class TagRow(NamedTuple):
    """A row of ``product_tags``, in the order of its columns."""

    tag_key: str
    tier_rank: int
    product_id: str


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
    held: bool = False


class BatchRow(NamedTuple):
    """A row of ``batches``, in the order of its columns."""

    id: str
    instance: str
    partitions: str
    product_ids: str
    state: str
    created_at: int
    fan_out: int | None = None


class ClipRow(NamedTuple):
    """A row of ``clips``, in the order of its columns."""

    product_id: str
    variant: str
    revision: int
    status: str
    clip_id: str | None
    recipe_digest: str | None
    announced_at: int
    body_digest: str | None = None


class BaseRow(NamedTuple):
    """A row of ``bases``, in the order of its columns."""

    product_id: str
    variant: str
    base_digest: str


class PromoRow(NamedTuple):
    """A row of ``promos``, in the order of its columns."""

    promo_id: str
    revision: int
    retired: bool
    phase: str
    due_at: int | None
    since: int | None
    payload: bytes
    source_partition: int
    source_offset: int
    source_time: int
    updated_at: int


class FanOutRow(NamedTuple):
    """A row of ``fan_outs``, in the order of its columns."""

    id: int
    promo_id: str
    revision: int
    event_id: str
    reason: str
    spans: bytes
    tier_rank: int
    strand: int
    key: str
    total: int | None
    visited: int
    rendered: int
    dressed: int
    spliced: int
    held: int
    failed: int
    state: str
    created_at: int
    started_at: int | None
    updated_at: int
    pages: int = 0


class PageRow(NamedTuple):
    """A row of ``fan_out_pages``, in the order of its columns."""

    fan_out: int
    number: int
    tier_rank: int
    product_ids: bytes
    state: str
    visited: int = 0
    rendered: int = 0
    dressed: int = 0
    spliced: int = 0
    held: int = 0
    failed: int = 0


def storable(value: str) -> str:
    """``value`` with the one character that PostgreSQL cannot keep in a text (NUL) replaced by U+FFFD."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def milliseconds(instant: datetime) -> int:
    """An aware instant as the tables keep it."""
    return round(instant.timestamp() * 1000)


def instant(value: int) -> datetime:
    """The inverse of ``milliseconds``, UTC."""
    return datetime.fromtimestamp(value / 1000, UTC)


def member_key(value: str) -> str:
    """A category or a tag as an index key: itself, or its digest where it is too long for one."""
    kept = storable(value)
    encoded = kept.encode()
    return kept if len(encoded) <= KEY_BYTES else f"sha256:{hashlib.sha256(encoded).hexdigest()}"
