"""What the records of a product or a promo mean, given what is known of it: the planner's rules, pure functions.

Records of one of them are applied in order. A record that changes nothing is skipped with a reason; the last one
that changes something decides. A plan is made only where the clip that should exist differs from the planned one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from consumer.events import Work
from consumer.planner.ledger import Known
from consumer.planner.made import NOTHING_MADE, Made
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
"""Retires a product or promo that was never seen."""
TOMBSTONE = "tombstone"
"""An announcement that compaction may forget."""


class Revised(Protocol):
    """An event with a revision of its own."""

    @property
    def revision(self) -> int:
        """Rises with every change."""
        ...


class State(Protocol):
    """What the catalog knows of what a record is about."""

    @property
    def revision(self) -> int:
        """The newest applied."""
        ...

    @property
    def retired(self) -> bool:
        """Whether the last record applied was a tombstone."""
        ...

    @property
    def source_partition(self) -> int:
        """Where that record lay."""
        ...

    @property
    def source_offset(self) -> int:
        """Where that record lay."""
        ...

    @property
    def source_time(self) -> int:
        """That record's own timestamp."""
        ...


E = TypeVar("E", bound=Revised)


class Change(NamedTuple, Generic[E]):
    """One record of a product or promo. No event means that the record retires it."""

    event: E | None
    payload: bytes
    record: Record


class Folded(NamedTuple, Generic[E]):
    """What the records of one product or promo in one batch come to."""

    winner: Change[E] | None
    """The record that decides; none when all were skipped."""
    latest: Change[E] | None
    """The last record applied that describes it; none when the batch only retires it."""
    revision: int
    retired: bool
    skipped: tuple[str, ...]
    """One reason for every record that is not the winner."""


def redelivered(known: State, record: Record) -> bool:
    """True when ``record`` was applied before: at or before the place that the known state comes from.

    The timestamp tells a topic that was made anew, whose offsets begin again, from a second delivery.
    """
    same = record.partition == known.source_partition
    return same and record.offset <= known.source_offset and record.timestamp <= known.source_time


def fold(known: State | None, changes: Sequence[Change[E]]) -> Folded[E]:
    """Apply the records of one product or promo, in order, to what is known of it.

    A tombstone carries no revision, so its place in the log decides. After it, the same may come again with the
    revision it had or a newer one; an older one stays stale, or a late duplicate would undo the tombstone.
    """
    revision, retired, exists = (known.revision, known.retired, True) if known else (-1, False, False)
    winner: Change[E] | None = None
    latest: Change[E] | None = None
    skipped: list[str] = []
    for change in changes:
        # Within a batch there is nothing to be delivered again: only the stored state can be ahead of a record.
        again = winner is None and known is not None and redelivered(known, change.record)
        reason = _refusal(change.event, revision, exists=exists, retired=retired, again=again)
        if reason:
            skipped.append(reason)
            continue
        if winner:
            skipped.append(SUPERSEDED)
        winner = change
        exists, retired = True, change.event is None
        if change.event:
            latest, revision = change, change.event.revision
    return Folded(winner, latest, revision, retired, tuple(skipped))


def _refusal(event: Revised | None, revision: int, *, exists: bool, retired: bool, again: bool) -> str | None:
    """Why a record changes nothing; None when it does."""
    if event is None:
        if not exists:
            return UNKNOWN
        return DUPLICATE if retired or again else None
    if event.revision < revision:
        return STALE
    if event.revision == revision and (again or not retired):
        return DUPLICATE
    return None


def work_of(known: Known | None, digests: Digests | None, made: Made = NOTHING_MADE) -> Work | None:
    """The least work that leads from what is made to the wanted clip; None when the wanted clip is planned already.

    ``digests`` name the wanted clip; None means that there shall be none. What was planned and not announced yet
    counts for nothing: its base may never come to be.
    """
    planned = known.work if known else None
    if digests is None:
        return None if planned in {None, Work.RETIRE} else Work.RETIRE
    if known is not None and planned not in {None, Work.RETIRE} and known.recipe_digest == digests.clip:
        return None
    return made.least(digests)
