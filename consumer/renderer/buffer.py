"""The look-ahead buffer: requests taken ahead of the work, one product at a time, newest revision only."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from consumer.events import ClipRequest
from consumer.renderer.alias import Origin
from consumer.renderer.ladder import Rung
from consumer.renderer.lanes import Lane
from consumer.renderer.library import BaseRecord
from consumer.renderer.outages import Case
from consumer.stream.headers import Trace
from consumer.stream.types import Lease, Partition, Record
from model.engine import Rendered
from model.recipe import Recipe


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One request on its way. Owned by one stage at a time."""

    lease: Lease
    record: Record
    request: ClipRequest
    origin: Origin
    lane: Lane = Lane.INTERACTIVE
    hastened: bool = False
    """True when an interactive job waits for what this one renders."""
    trace: Trace | None = None
    begun: bool = False
    """True once it was given to the first stage."""
    parked: bool = False
    """True while it waits before a stage that costs: then it may still be superseded."""
    superseded: bool = False
    """True when a newer revision took its place: it was settled, and nobody wants it any more."""
    dropped: bool = False
    """True when its partition left: whatever comes of it is cache for the new owner, and not settled."""
    recipe: Recipe | None = None
    """The recipe in work: photo pinned, seed of the present attempt."""
    planned: Recipe | None = None
    """The recipe as planned, its photo fixed, or what stands in for one that cannot be had: what attempts vary."""
    stand_in: str | None = None
    """What stands in for a photo that cannot be had: ``photo`` (words alone) or ``storyboard``; None: nothing."""
    rung: Rung = "planned"
    """The way that the recipe in work takes."""
    photo: bytes | None = None
    seen: list[BaseRecord] = field(default_factory=list)
    """What is known of its attempts, in order: those that failed, candidates, the one that was taken."""
    admitted: bool = False
    """True once its template's breaker let it pass: it is asked once a job."""
    noted: Rendered | None = None
    """The frames whose attempt is among ``seen``, while what follows from them is being found out."""
    tries: int = 0
    """How often an engine failed on the scene in work in a way that may pass."""
    case: Case = field(default_factory=Case)
    """What it has been through while something was out."""
    looked_again_for: str = ""
    """The scene for which the store was asked twice, because this process had just rendered it."""

    @property
    def failed(self) -> list[BaseRecord]:
        """Attempts that did not pass inspection, in order."""
        return [each for each in self.seen if not (each.accepted or each.passed_over)]

    @property
    def rendered(self) -> list[BaseRecord]:
        """All attempts for which an engine worked, in order, whenever that was."""
        return [each for each in self.seen if not each.passed_over]

    @property
    def target(self) -> tuple[str, str]:
        """Product and variant: requests for one target are worked one after another."""
        return self.request.product_id, self.request.variant


class Buffer:
    """Thread-safe. Every job admitted leaves by ``finish``, ``drop`` or as superseded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str], list[Job]] = {}
        """By target, oldest record first."""

    def __len__(self) -> int:
        with self._lock:
            return sum(len(jobs) for jobs in self._lines.values())

    def held(self, lane: Lane) -> int:
        """Jobs of a lane."""
        with self._lock:
            return sum(job.lane is lane for jobs in self._lines.values() for job in jobs)

    def admit(self, job: Job) -> tuple[Job | None, list[Job]]:
        """Add a job. Gives the job to begin now (if none of its target is in work) and those that it superseded.

        Only a strictly newer revision supersedes: an equal one is a second publication and is told apart by the
        alias. A job in work is never superseded: what was done for it is kept, and the alias decides.
        """
        with self._lock:
            line = self._lines.setdefault(job.target, [])
            stale = [
                other
                for other in line
                if (not other.begun or other.parked) and other.request.revision < job.request.revision
            ]
            for other in stale:
                other.superseded = True
            line[:] = [other for other in line if not other.superseded]
            line.append(job)
            return self._begin(line), stale

    def park(self, job: Job) -> bool:
        """The job waits for a stage from now on. False: a newer revision came meanwhile, so it is superseded."""
        with self._lock:
            line = self._lines.get(job.target, [])
            if any(other.request.revision > job.request.revision for other in line):
                job.superseded = True
                return False
            job.parked = True
            return True

    def unpark(self, job: Job) -> bool:
        """Its turn has come. False when it was superseded while it waited."""
        with self._lock:
            job.parked = False
            return not job.superseded

    def finish(self, job: Job) -> Job | None:
        """Remove a job that was worked. Gives the next of its target to begin, if any."""
        with self._lock:
            line = self._lines.get(job.target, [])
            if job in line:
                line.remove(job)
            if not line:
                self._lines.pop(job.target, None)
                return None
            return self._begin(line)

    def drop(self, partitions: Collection[Partition]) -> list[Job]:
        """Mark the jobs of lost partitions; those not begun are removed and returned."""
        removed: list[Job] = []
        with self._lock:
            for key, line in list(self._lines.items()):
                for job in list(line):
                    if job.lease.partition in partitions:
                        job.dropped = True
                        if not job.begun:
                            line.remove(job)
                            removed.append(job)
                if not line:
                    del self._lines[key]
        return removed

    def begun(self) -> int:
        """Jobs that some stage has."""
        with self._lock:
            return sum(job.begun for jobs in self._lines.values() for job in jobs)

    @staticmethod
    def _begin(line: list[Job]) -> Job | None:
        """The line's first job if none is in work; oldest record first, so that skips are found in order."""
        if not line or any(job.begun for job in line):
            return None
        line[0].begun = True
        return line[0]
