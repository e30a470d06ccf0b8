"""Committed work is forgotten at once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from consumer.stream.offsets import Tracker
from consumer.stream.types import Output, Partition, Record, Settlement

PARTITION = Partition("t", 0)


def test_nothing_holds_a_committed_settlement() -> None:
    """Records and outputs go when their claim does, without the garbage collector: memory is what is in flight."""
    tracker = Tracker()
    tracker.assign([PARTITION])
    gc.disable()
    try:
        alive = [_commit_one(tracker, offset) for offset in range(3)]
        assert [reference() for reference in alive] == [None, None, None]
    finally:
        gc.enable()


def _commit_one(tracker: Tracker, offset: int) -> weakref.ref[Callable[[], None]]:
    """Lend, settle and commit a record; gives a look at something that only the settlement holds."""

    def told() -> None:
        """Never called here: that is the committer's part."""

    lease = tracker.lease(PARTITION, [Record("t", 0, offset, None, b"", (), 0)], 0.0)
    tracker.settle(Settlement(lease, [Output("o", None, b"")], told))
    claim = tracker.take(10)
    assert claim is not None
    assert tracker.commit(claim)
    return weakref.ref(told)
