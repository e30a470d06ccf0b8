"""The second version: promos and their fan-outs, what a fan-out selects products by, and which layers exist.

Written out rather than taken from ``tables``: those go on changing, and this must not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PAGE = 1_000
_RANKS = {"HOT": 0, "STANDARD": 1, "LONG_TAIL": 2}


def upgrade() -> None:
    """Make the tables, and fill what can be filled from the rows that are there."""
    _widen()
    _make_promos()
    _fill_products(op.get_bind())
    op.execute(
        "UPDATE clips SET body_digest = (SELECT plans.body_digest FROM plans WHERE plans.product_id = clips.product_id "
        "AND plans.variant = clips.variant AND plans.recipe_digest = clips.recipe_digest) WHERE status = 'READY'"
    )
    op.execute(
        "INSERT INTO bases (product_id, variant, base_digest) SELECT plans.product_id, plans.variant, "
        "plans.base_digest FROM plans JOIN clips ON plans.product_id = clips.product_id AND plans.variant = "
        "clips.variant AND plans.recipe_digest = clips.recipe_digest WHERE clips.status = 'READY'"
    )


def _widen() -> None:
    op.add_column("products", sa.Column("category_key", sa.Text, nullable=False, server_default=""))
    op.add_column("products", sa.Column("tier_rank", sa.Integer, nullable=False, server_default="1"))
    op.add_column("plans", sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("batches", sa.Column("fan_out", sa.BigInteger))
    op.add_column("clips", sa.Column("body_digest", sa.Text))
    sold, sold_in_sqlite = sa.text("NOT retired"), sa.text("retired = 0")
    for name, columns in (
        ("products_by_tier", ["tier_rank", "product_id"]),
        ("products_by_category", ["category_key", "tier_rank", "product_id"]),
    ):
        op.create_index(name, "products", columns, sqlite_where=sold_in_sqlite, postgresql_where=sold)
    op.create_table(
        "product_tags",
        sa.Column("tag_key", sa.Text, primary_key=True),
        sa.Column("tier_rank", sa.Integer, primary_key=True),
        sa.Column("product_id", sa.Text, primary_key=True),
    )
    op.create_table(
        "bases",
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("variant", sa.Text, primary_key=True),
        sa.Column("base_digest", sa.Text, primary_key=True),
    )


def _make_promos() -> None:
    op.create_table(
        "promos",
        sa.Column("promo_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("since", sa.BigInteger),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("source_partition", sa.Integer, nullable=False),
        sa.Column("source_offset", sa.BigInteger, nullable=False),
        sa.Column("source_time", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("promos_due", "promos", ["due_at"])
    op.create_table(
        "promo_gate",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO promo_gate (id, version) VALUES (1, 0)")
    op.create_table(
        "fan_outs",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("promo_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("spans", sa.LargeBinary, nullable=False),
        sa.Column("tier_rank", sa.Integer, nullable=False),
        sa.Column("strand", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("total", sa.BigInteger),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("visited", "rendered", "dressed", "spliced", "held", "failed")
        ),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("pages", sa.BigInteger, nullable=False),
    )
    pending = sa.text("state = 'PENDING'")
    op.create_index("fan_outs_pending", "fan_outs", ["tier_rank", "id"], sqlite_where=pending, postgresql_where=pending)
    op.create_table(
        "fan_out_pages",
        sa.Column("fan_out", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("tier_rank", sa.Integer, nullable=False),
        sa.Column("product_ids", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("visited", "rendered", "dressed", "spliced", "held", "failed")
        ),
    )
    is_open = sa.text("state = 'OPEN'")
    op.create_index(
        "fan_out_pages_open",
        "fan_out_pages",
        ["tier_rank", "fan_out", "number"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _fill_products(connection: sa.Connection) -> None:
    """Keys, ranks and tags of the products that are there, a page at a time."""
    update = sa.text("UPDATE products SET category_key = :key, tier_rank = :rank WHERE product_id = :id")
    insert = sa.text(
        "INSERT INTO product_tags (tag_key, tier_rank, product_id) VALUES (:tag, :rank, :id) ON CONFLICT DO NOTHING"
    )
    for page in _pages(connection):
        rows = [(row[0], _key(row[1]), _RANKS.get(row[2], 1), row[3], row[4]) for row in page]
        connection.execute(update, [{"id": row[0], "key": row[1], "rank": row[2]} for row in rows])
        tags = [
            {"tag": _key(tag), "rank": rank, "id": product_id}
            for product_id, _, rank, written, retired in rows
            if not retired
            for tag in json.loads(written)
        ]
        if tags:
            connection.execute(insert, tags)


def _pages(connection: sa.Connection) -> Iterator[list[Any]]:
    query = sa.text(
        "SELECT product_id, category, tier, tags, retired FROM products WHERE product_id > :after "
        "ORDER BY product_id LIMIT :page"
    )
    after = ""
    while page := list(connection.execute(query, {"after": after, "page": PAGE})):
        yield page
        after = page[-1][0]


def _key(value: str) -> str:
    """A category or a tag as an index key."""
    kept = value.replace("\0", "\ufffd")
    encoded = kept.encode()
    return kept if len(encoded) <= 200 else f"sha256:{hashlib.sha256(encoded).hexdigest()}"
