"""One stage of the pipeline: threads that take items from a queue and give each to a function. Knows no clip."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Stage(Generic[T]):
    """``threads`` daemons that run ``work`` on each item.

    ``bound`` limits what waits before the stage: ``put`` then blocks its caller, which is how memory stays bounded.
    After ``close`` nothing new starts (an executor would start what is queued) and waiting items are forgotten.
    """

    def __init__(self, name: str, work: Callable[[T], None], *, threads: int = 1, bound: int = 0) -> None:
        self.name = name
        self._work = work
        self._queue: queue.Queue[T] = queue.Queue(bound)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"skureel-{name}-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def put(self, item: T) -> bool:
        """Queue an item; blocks while the stage is full. False when the stage closed instead."""
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def take(self, timeout: float) -> T | None:
        """The next item for a stage that gathers batches itself, or None."""
        try:
            return self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return None

    def waiting(self) -> int:
        """Items not yet begun."""
        return self._queue.qsize()

    def _run(self) -> None:
        while not self._closed.is_set():
            item = self.take(0.2)
            if item is not None and not self._closed.is_set():
                self._work(item)

    def close(self, deadline: float) -> bool:
        """Start nothing more and join until ``deadline`` (monotonic seconds). False when a thread still runs."""
        self._closed.set()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
