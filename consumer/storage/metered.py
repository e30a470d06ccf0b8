"""A store that counts: any store with the time and the bytes of its calls in the metrics. Knows no kind of store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from consumer.observe.metrics import STORE_BYTES, STORE_SECONDS, Metrics
from consumer.storage.store import Attributes, Capabilities, Condition, Stat, Store


class MeteredStore:
    """The store inside, call for call. Failed calls count too: an outage must show as slow calls, not as none."""

    def __init__(self, inside: Store, metrics: Metrics, clock: Callable[[], float] = time.perf_counter) -> None:
        self.inside = inside
        self._metrics = metrics
        self._clock = clock

    def __repr__(self) -> str:
        return f"MeteredStore({self.inside!r})"

    def probe(self) -> Capabilities:
        """See Store."""
        with self._timed("probe"):
            return self.inside.probe()

    def put(self, key: str, data: bytes | Path, attributes: Attributes, *, condition: Condition | None = None) -> Stat:
        """See Store."""
        with self._timed("put"):
            found = self.inside.put(key, data, attributes, condition=condition)
        self._metrics.inc(STORE_BYTES, found.size, operation="put")
        return found

    def get(self, key: str) -> tuple[bytes, Stat]:
        """See Store."""
        with self._timed("get"):
            content, found = self.inside.get(key)
        self._metrics.inc(STORE_BYTES, len(content), operation="get")
        return content, found

    def stat(self, key: str) -> Stat | None:
        """See Store."""
        with self._timed("stat"):
            return self.inside.stat(key)

    def copy(self, source: str, target: str, attributes: Attributes) -> Stat:
        """See Store."""
        with self._timed("copy"):
            return self.inside.copy(source, target, attributes)

    def delete(self, key: str) -> None:
        """See Store."""
        with self._timed("delete"):
            self.inside.delete(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Store. Its time is not counted: it runs as slowly as whoever walks through it."""
        return self.inside.list(prefix)

    def url(self, key: str) -> str:
        """See Store."""
        return self.inside.url(key)

    def link(self, key: str, seconds: int) -> str:
        """See Store."""
        return self.inside.link(key, seconds)

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        began = self._clock()
        try:
            yield
        finally:
            self._metrics.observe(STORE_SECONDS, self._clock() - began, operation=operation)
