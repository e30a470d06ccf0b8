"""What a product's records mean, given what is known of it: pure functions, the planner's rules in one place.

Records of one product are applied in order. A record that changes nothing is skipped with a reason; the last one
that changes something decides. A plan is made only where the clip that should exist differs from the planned one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from consumer.events import Product, Work
from consumer.planner.ledger import Known
from consumer.stream.types import Record
from model.recipe import Digests

STALE = "stale"
"""Older than what is known."""
DUPLICATE = "duplicate"
"""Known already: the same revision, the same record, or retired twice."""
SUPERSEDED = "superseded"
"""Replaced by a later record of the same batch."""
UNCHANGED = "unchanged"
"""A newer revision whose clip is the same."""
UNKNOWN = "unknown"
"""Retires a product that was never seen."""
TOMBSTONE = "tombstone"
"""An announcement that compaction may forget."""


class Change(NamedTuple):
    """One record of a product. No product means that the record retires it."""

    product: Product | None
    payload: bytes
    record: Record


class Folded(NamedTuple):
    """What a product's records of one batch come to."""

    winner: Change | None
    """The record that decides; none when all were skipped."""
    latest: Change | None
    """The last record applied that describes the product; none when the batch only retires it."""
    revision: int
    retired: bool
    skipped: tuple[str, ...]
    """One reason for every record that is not the winner."""


def redelivered(known: Known, record: Record) -> bool:
    """True when ``record`` was applied before: at or before the place that the known state comes from.

    The timestamp tells a topic that was made anew, whose offsets begin again, from a second delivery.
    """
    same = record.partition == known.source_partition
    return same and record.offset <= known.source_offset and record.timestamp <= known.source_time


def fold(known: Known | None, changes: Sequence[Change]) -> Folded:
    """Apply a product's records, in order, to what is known of it.

    A tombstone carries no revision, so its place in the log decides. After it, the product may come again with
    the revision it had or a newer one; an older one stays stale, or a late duplicate would undo the tombstone.
    """
    revision, retired, exists = (known.revision, known.retired, True) if known else (-1, False, False)
    winner: Change | None = None
    latest: Change | None = None
    skipped: list[str] = []
    for change in changes:
        # Within a batch there is nothing to be delivered again: only the stored state can be ahead of a record.
        again = winner is None and known is not None and redelivered(known, change.record)
        reason = _refusal(change.product, revision, exists=exists, retired=retired, again=again)
        if reason:
            skipped.append(reason)
            continue
        if winner:
            skipped.append(SUPERSEDED)
        winner = change
        exists, retired = True, change.product is None
        if change.product:
            latest, revision = change, change.product.revision
    return Folded(winner, latest, revision, retired, tuple(skipped))


def _refusal(product: Product | None, revision: int, *, exists: bool, retired: bool, again: bool) -> str | None:
    """Why a record changes nothing; None when it does."""
    if product is None:
        if not exists:
            return UNKNOWN
        return DUPLICATE if retired or again else None
    if product.revision < revision:
        return STALE
    if product.revision == revision and (again or not retired):
        return DUPLICATE
    return None


def work_of(known: Known | None, digests: Digests | None) -> Work | None:
    """The least work that leads from the planned clip to the wanted one; None when they are the same.

    ``digests`` name the wanted clip; None means that there shall be none.
    """
    planned = known.work if known else None
    if digests is None:
        return None if planned in {None, Work.RETIRE} else Work.RETIRE
    if known is None or planned in {None, Work.RETIRE} or known.base_digest != digests.base:
        return Work.RENDER
    if known.body_digest != digests.body:
        return Work.DRESS
    return None if known.recipe_digest == digests.clip else Work.SPLICE
