"""The look-ahead buffer: requests taken ahead of the engine, one product at a time, newest revision only."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from consumer.events import ClipRequest
from consumer.renderer.alias import Origin
from consumer.renderer.library import BaseRecord
from consumer.stream.headers import Trace
from consumer.stream.types import Lease, Partition, Record
from model.recipe import Recipe


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One request on its way. Owned by one stage at a time."""

    lease: Lease
    record: Record
    request: ClipRequest
    origin: Origin
    trace: Trace | None = None
    begun: bool = False
    """True once it was given to the first stage: from then on it is finished, not superseded."""
    dropped: bool = False
    """True when its partition left: whatever comes of it is cache for the new owner, and not settled."""
    recipe: Recipe | None = None
    """The recipe in work: photo pinned, seed of the present attempt."""
    photo: bytes | None = None
    failed: list[BaseRecord] = field(default_factory=list)
    """Attempts that did not pass inspection, in order."""
    tries: int = 0
    """How often an engine failed on the scene in work in a way that may pass."""
    engine_seconds: float = 0.0
    looked_again_for: str = ""
    """The scene for which the store was asked twice, because this process had just rendered it."""

    @property
    def lane(self) -> tuple[str, str]:
        """Requests of one lane are worked one after another."""
        return self.request.product_id, self.request.variant


class Buffer:
    """Thread-safe. Every job admitted leaves by ``finish``, ``drop`` or as superseded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[tuple[str, str], list[Job]] = {}

    def __len__(self) -> int:
        with self._lock:
            return sum(len(jobs) for jobs in self._lanes.values())

    def admit(self, job: Job) -> tuple[Job | None, list[Job]]:
        """Add a job. Gives the job to begin now (if its lane was free) and those that it superseded.

        Only a strictly newer revision supersedes: an equal one is a second publication and is told apart by the
        alias. A job that has begun is never superseded: its work is done, the alias decides.
        """
        with self._lock:
            lane = self._lanes.setdefault(job.lane, [])
            revision = job.request.revision
            stale = [other for other in lane if not other.begun and other.request.revision < revision]
            lane[:] = [other for other in lane if other not in stale]
            lane.append(job)
            return self._begin(lane), stale

    def finish(self, job: Job) -> Job | None:
        """Remove a job that was worked. Gives the next of its lane to begin, if any."""
        with self._lock:
            lane = self._lanes.get(job.lane, [])
            if job in lane:
                lane.remove(job)
            if not lane:
                self._lanes.pop(job.lane, None)
                return None
            return self._begin(lane)

    def drop(self, partitions: Collection[Partition]) -> list[Job]:
        """Mark the jobs of lost partitions; those not begun are removed and returned."""
        removed: list[Job] = []
        with self._lock:
            for key, lane in list(self._lanes.items()):
                for job in list(lane):
                    if job.lease.partition in partitions:
                        job.dropped = True
                        if not job.begun:
                            lane.remove(job)
                            removed.append(job)
                if not lane:
                    del self._lanes[key]
        return removed

    def begun(self) -> int:
        """Jobs that some stage has."""
        with self._lock:
            return sum(job.begun for jobs in self._lanes.values() for job in jobs)

    @staticmethod
    def _begin(lane: list[Job]) -> Job | None:
        """The lane's first job if none is in work; oldest record first, so that skips are found in order."""
        if not lane or any(job.begun for job in lane):
            return None
        lane[0].begun = True
        return lane[0]
