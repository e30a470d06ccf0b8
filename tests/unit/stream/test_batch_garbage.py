"""What a batch worker asks of the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence

import pytest

from consumer.observe.metrics import Metrics
from consumer.stream.batch import YOUNG, BatchWorker
from consumer.stream.types import Handled, Lease, Partition, Record, Settlement


class Nothing:
    """A handler and a settler for a worker that is given no work."""

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        raise NotImplementedError

    def handle(self, records: Sequence[Record]) -> Handled:
        raise NotImplementedError

    def idle(self) -> None:
        """No duties."""

    def settle(self, settlements: Iterable[Settlement]) -> None:
        raise NotImplementedError

    def release(self, leases: Iterable[Lease]) -> None:
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        raise error


@pytest.fixture
def thresholds() -> Iterator[None]:
    """Leaves the collector as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize(
    ("before", "after"),
    [((700, 10, 10), (YOUNG, 10, 10)), ((0, 10, 10), (0, 10, 10)), ((90_000, 5, 5), (90_000, 5, 5))],
)
def test_a_worker_keeps_the_collector_from_its_batches(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    """Young objects are looked through rarely; whoever wants it rarer still, or never, is left alone."""
    gc.set_threshold(*before)
    parts = Nothing()
    worker = BatchWorker(parts, Metrics(), role="test", group="test")
    worker.start(parts)
    worker.close()
    assert gc.get_threshold() == after
