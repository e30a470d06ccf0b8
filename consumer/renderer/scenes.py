"""Which scenes are with an engine, and who waits for them: a scene is rendered once, however many clips want it."""

from __future__ import annotations

import threading
from enum import Enum

from consumer.renderer.buffer import Job

REMEMBERED = 4096
"""Scenes remembered as just rendered: far more than a look-ahead buffer holds."""


class Turn(Enum):
    """What a job that wants a scene does now."""

    RENDER = "render"
    """It is the one that renders it."""
    WAIT = "wait"
    """Another one does; it comes back from ``release``."""
    LOOK = "look"
    """It would be the one, but the scene was rendered a moment ago: perhaps between its look-up and now."""


class Scenes:
    """Thread-safe. Every job that was told RENDER or LOOK is released once; the others come back from there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, list[Job]] = {}
        """Scenes with an engine or before it, each with the job that renders it first and those that wait for it."""
        self._rendered: dict[str, None] = {}
        """The last scenes that left ``_wanted``, oldest first."""

    def claim(self, digest: str, job: Job) -> Turn:
        """Ask for a scene to be rendered."""
        with self._lock:
            if digest in self._wanted:
                self._wanted[digest].append(job)
                return Turn.WAIT
            self._wanted[digest] = [job]
            if digest not in self._rendered or job.looked_again_for == digest:
                return Turn.RENDER
        job.looked_again_for = digest
        return Turn.LOOK

    def release(self, job: Job) -> list[Job]:
        """The job has stored or lost the scene it rendered, if any. Gives those that waited, to look again."""
        with self._lock:
            found = self._of(job)
            if found is None:
                return []
            self._rendered[found] = None
            while len(self._rendered) > REMEMBERED:
                self._rendered.pop(next(iter(self._rendered)))
            return self._wanted.pop(found)[1:]

    def wanted(self, job: Job) -> bool:
        """Whether anybody is left who wants what the job renders: itself, or one that waits for it."""
        with self._lock:
            found = self._of(job)
            return any(not each.dropped for each in (self._wanted[found] if found else [job]))

    def _of(self, job: Job) -> str | None:
        return next((digest for digest, jobs in self._wanted.items() if jobs[0] is job), None)
