"""Partitions that are put off: something their next records need is out, and others shall not wait for it.

Pure bookkeeping over a clock, not thread-safe; it knows neither leases nor what is out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from consumer.stream.backoff import Backoff
from consumer.stream.types import Partition


@dataclass(slots=True)
class _Spot:
    """A partition that failed, and when its turn comes again."""

    failures: int
    due: float


class Parking:
    """Which partitions wait, each for a time of its own that grows with its failures in a row."""

    def __init__(
        self, backoff: Backoff, clock: Callable[[], float], told: Callable[[float], object] = lambda _: None
    ) -> None:
        """``told`` hears how many there are, whenever that may have changed."""
        self._backoff, self._clock, self._told = backoff, clock, told
        self._spots: dict[Partition, _Spot] = {}

    def put(self, partition: Partition) -> float:
        """It failed (again); gives the seconds until its turn comes."""
        failures = self._spots[partition].failures + 1 if partition in self._spots else 1
        pause = self._backoff.pause(failures)
        self._spots[partition] = _Spot(failures, self._clock() + pause)
        self._told(len(self._spots))
        return pause

    def forget(self, partitions: Collection[Partition]) -> None:
        """They got through, or left."""
        for partition in partitions:
            self._spots.pop(partition, None)
        self._told(len(self._spots))

    def failed(self) -> frozenset[Partition]:
        """Those that failed last time: they are tried one by one, for only so it is seen which of them still does."""
        return frozenset(self._spots)

    def waiting(self) -> frozenset[Partition]:
        """Those among them whose time has not come."""
        now = self._clock()
        return frozenset(partition for partition, spot in self._spots.items() if spot.due > now)
