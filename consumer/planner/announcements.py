"""What the renderer announced, as the catalog keeps it: the newest word on each clip, which bases exist, and the audit.

Plans nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from consumer.events import VideoReady
from consumer.planner.audit import ProducedRow
from consumer.planner.decisions import DUPLICATE, STALE, SUPERSEDED
from consumer.planner.intake import Announcement
from consumer.planner.ledger import Layers, Ledger
from consumer.planner.tables import BaseRow, ClipRow, milliseconds, storable

REJECTED = "REJECTED"
"""The status of a clip that was rejected."""


def follow(announcements: Sequence[Announcement], ledger: Ledger) -> Counter[str]:
    """Keep the newest announcement of each clip; how many were skipped, by reason.

    Of one revision a clip is newer than a rejection: a person approved it since. Of older ones too it is noted which
    base they prove to exist.
    """
    skips: Counter[str] = Counter()
    product_ids = sorted({event.product_id for event in announcements})
    standings = ledger.clip_standings(product_ids)
    known = {key: (revision, status != REJECTED) for key, (revision, status) in standings.items()}
    layers = ledger.layers(product_ids)
    rows: dict[tuple[str, str], ClipRow] = {}
    bases: list[BaseRow] = []
    for event in announcements:
        key = (event.product_id, event.variant)
        bases += _bases(event, layers.get(key))
        place, before = (event.revision, isinstance(event, VideoReady)), known.get(key, (-1, False))
        if place <= before:
            skips[STALE if event.revision < before[0] else DUPLICATE] += 1
            continue
        if key in rows:
            skips[SUPERSEDED] += 1
        known[key] = place
        rows[key] = _clip_row(event, layers.get(key))
    ledger.save_clips([rows[key] for key in sorted(rows)])
    ledger.save_bases(bases)
    ledger.audit.add(row for event in announcements if (row := _produced(event)) is not None)
    return skips


def _produced(event: Announcement) -> ProducedRow | None:
    """What the audit keeps of an announcement; None where it shows no clip that carries a ProduceID."""
    clip = event.clip if isinstance(event, VideoReady) else None
    if not isinstance(event, VideoReady) or clip is None or not clip.produce_id:
        return None
    lineage = event.lineage
    return ProducedRow(
        product_id=event.product_id,
        variant=event.variant,
        revision=event.revision,
        produce_id=storable(clip.produce_id),
        producer=storable(clip.producer or ""),
        clip_id=storable(clip.clip_id),
        clip_key=storable(clip.key),
        sha256=storable(clip.sha256),
        labels=storable(json.dumps(event.labels, ensure_ascii=False)),
        engine=storable(lineage.engine) if lineage else "",
        engine_revision=storable(lineage.engine_revision) if lineage else "",
        recipe_digest=storable(lineage.recipe_digest) if lineage else "",
        base_digest=storable(lineage.base_digest) if lineage else "",
        work=lineage.work.value if lineage else "",
        cause=storable(event.cause.event_id),
        announced_at=milliseconds(event.occurred_at),
    )


def _bases(event: Announcement, planned: Layers | None) -> list[BaseRow]:
    """The bases that an announcement proves to exist: the one it names, and the one its recipe was planned with.

    They differ where the photo's digest became known, or a first attempt was rejected; both lead to the same file.
    """
    if not isinstance(event, VideoReady) or event.lineage is None:
        return []
    digests = [storable(event.lineage.base_digest)]
    if planned and planned.base and planned.clip == event.lineage.recipe_digest:
        digests.append(planned.base)
    return [BaseRow(event.product_id, event.variant, each) for each in digests]


def _clip_row(event: Announcement, planned: Layers | None) -> ClipRow:
    status, clip_id, digest, body = REJECTED, None, None, None
    if isinstance(event, VideoReady):
        status = event.status
        clip_id = storable(event.clip.clip_id) if event.clip else None
        digest = event.lineage.recipe_digest if event.lineage else None
        body = planned.body if planned and digest and planned.clip == digest else None
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
        body,
    )
