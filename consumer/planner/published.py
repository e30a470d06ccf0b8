"""Which batches were published and are not marked so yet: what the committing thread tells the working one."""

from __future__ import annotations

import threading
from collections.abc import Iterable


class Published:
    """Batches that were published and whose rows do not say so yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, ids: Iterable[str]) -> None:
        """Remember, until the next transaction writes it down."""
        with self._lock:
            self._ids.update(ids)

    def ids(self) -> list[str]:
        """A copy, sorted: two planners that lock rows in one order do not wait for each other in a circle."""
        with self._lock:
            return sorted(self._ids)

    def remove(self, ids: Iterable[str]) -> None:
        """They are written down."""
        with self._lock:
            self._ids.difference_update(ids)
