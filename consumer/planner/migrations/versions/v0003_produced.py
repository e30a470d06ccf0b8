"""The third version: the audit log of ProduceIDs.

Written out rather than taken from ``audit``: that goes on changing, and this must not.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table. What was announced before it is in the log of ``video-ready``, not here."""
    op.create_table(
        "produced",
        sa.Column("product_id", sa.Text, primary_key=True),
        sa.Column("variant", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in (
                "produce_id",
                "producer",
                "clip_id",
                "clip_key",
                "sha256",
                "labels",
                "engine",
                "engine_revision",
                "recipe_digest",
                "base_digest",
                "work",
                "cause",
            )
        ),
        sa.Column("announced_at", sa.BigInteger, nullable=False),
    )
    op.create_index("produced_by_id", "produced", ["produce_id"])
    op.create_index("produced_by_time", "produced", ["announced_at"])
