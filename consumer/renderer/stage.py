"""One stage of the pipeline: threads that take items from a queue and give each to a function. Knows no clip."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from consumer.renderer.lanes import Lane, LaneQueue

T = TypeVar("T")

GLANCE = 0.2
"""Seconds after which those who wait look whether the stage was closed."""


class Stage(Generic[T]):
    """``threads`` daemons that run ``work`` on each item, interactive ones first (see ``LaneQueue``).

    ``bound`` limits the items given by ``put`` that wait before the stage: it then blocks its caller, which is how
    memory stays bounded. After ``close`` nothing new starts (an executor would start what is queued) and waiting items
    are forgotten.
    """

    def __init__(
        self, name: str, work: Callable[[T], None], *, threads: int = 1, bound: int = 0, share: float = 1.0
    ) -> None:
        self.name = name
        self._work = work
        self._queue: LaneQueue[tuple[T, bool]] = LaneQueue(share)
        self._room = threading.Semaphore(bound) if bound else None
        self._kept = threading.Semaphore(bound)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"skureel-{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def put(self, item: T, lane: Lane = Lane.INTERACTIVE) -> bool:
        """Queue a large item; blocks while as many as ``bound`` wait. False when the stage closed instead."""
        while not self._closed.is_set():
            if self._room is None or self._room.acquire(timeout=GLANCE):
                self._queue.put((item, True), lane)
                return True
        return False

    def add(self, item: T, lane: Lane = Lane.INTERACTIVE, *, after: float = 0.0) -> None:
        """Queue a small item, of which there are never more than fit: does not block. ``after`` seconds, if given."""
        if after <= 0:
            self._queue.put((item, False), lane)
            return
        timer = threading.Timer(after, self._queue.put, ((item, False), lane))
        timer.daemon = True
        timer.start()

    def keep(self, item: T, lane: Lane, seconds: float) -> bool:
        """Queue a large item again after so many seconds. False when as many as ``bound`` are kept so already."""
        if not self._kept.acquire(blocking=False):
            return False

        def put() -> None:
            self._kept.release()
            self._queue.put((item, False), lane)

        timer = threading.Timer(seconds, put)
        timer.daemon = True
        timer.start()
        return True

    def waiting(self) -> int:
        """Items not yet begun."""
        return len(self._queue)

    def _run(self) -> None:
        while not self._closed.is_set():
            taken = self._queue.take(GLANCE, self._closed.is_set)
            if taken is None:
                continue
            item, counted = taken
            if counted and self._room is not None:
                self._room.release()
            self._work(item)

    def close(self, deadline: float) -> bool:
        """Start nothing more and join until ``deadline`` (monotonic seconds). False when a thread still runs."""
        self._closed.set()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
