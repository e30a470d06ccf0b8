"""What the renderer announced, as the catalog keeps it: the newest word on each clip. Plans nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from consumer.events import VideoReady
from consumer.planner.decisions import DUPLICATE, STALE, SUPERSEDED
from consumer.planner.intake import Announcement
from consumer.planner.ledger import Ledger
from consumer.planner.tables import ClipRow, milliseconds, storable


def follow(announcements: Sequence[Announcement], ledger: Ledger) -> Counter[str]:
    """Keep the newest announcement of each clip; how many were skipped, by reason."""
    skips: Counter[str] = Counter()
    known = ledger.clip_revisions(sorted({event.product_id for event in announcements}))
    rows: dict[tuple[str, str], ClipRow] = {}
    for event in announcements:
        key = (event.product_id, event.variant)
        revision = known.get(key, -1)
        if event.revision <= revision:
            skips[STALE if event.revision < revision else DUPLICATE] += 1
            continue
        if key in rows:
            skips[SUPERSEDED] += 1
        known[key] = event.revision
        rows[key] = _clip_row(event)
    ledger.save_clips([rows[key] for key in sorted(rows)])
    return skips


def _clip_row(event: Announcement) -> ClipRow:
    status, clip_id, digest = "REJECTED", None, None
    if isinstance(event, VideoReady):
        status = event.status
        clip_id = storable(event.clip.clip_id) if event.clip else None
        digest = event.lineage.recipe_digest if event.lineage else None
    else:
        digest = event.recipe_digest
    return ClipRow(
        event.product_id,
        event.variant,
        event.revision,
        status,
        clip_id,
        storable(digest) if digest else None,
        milliseconds(event.occurred_at),
    )
