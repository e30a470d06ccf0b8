"""What a metric is, and the metrics of one process as they are counted. Knows no single metric; the catalogue does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Kind = Literal["counter", "gauge", "histogram"]

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets for transactions and store calls, seconds."""
GENERATION = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Buckets for stages of a clip, seconds: the libraries' defaults stop at 10 s."""
FRESHNESS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Buckets for the time from a request to its announcement, seconds."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric. Names end in their unit; labels never hold ids of products or records."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    remedy: str
    buckets: tuple[float, ...] = ()


CATALOGUE: list[Spec] = []
"""Every metric, in the order of its writing; full once ``consumer.observe.metrics`` is imported."""


def spec(  # noqa: PLR0917 - the catalogue reads as a table
    name: str, kind: Kind, labels: tuple[str, ...], meaning: str, remedy: str, buckets: tuple[float, ...] = ()
) -> Spec:
    """A metric of the catalogue."""
    made = Spec(name, kind, labels, meaning, remedy, buckets)
    CATALOGUE.append(made)
    return made


class Metrics:
    """The catalogue over one registry; every process (and every test) has its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._series: dict[str, Counter | Gauge | Histogram] = {}
        for spec in CATALOGUE:
            if spec.kind == "counter":
                self._series[spec.name] = Counter(spec.name, spec.meaning, spec.labels, registry=self.registry)
            elif spec.kind == "gauge":
                self._series[spec.name] = Gauge(spec.name, spec.meaning, spec.labels, registry=self.registry)
            else:
                self._series[spec.name] = Histogram(
                    spec.name, spec.meaning, spec.labels, buckets=spec.buckets, registry=self.registry
                )

    def _child(self, spec: Spec, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        series = self._series[spec.name]
        return series.labels(**labels) if spec.labels else series

    def inc(self, spec: Spec, amount: float = 1.0, **labels: str) -> None:
        """Raise a counter."""
        child = self._child(spec, labels)
        assert isinstance(child, Counter)  # noqa: S101 - a programming error, not an input
        child.inc(amount)

    def set(self, spec: Spec, value: float, **labels: str) -> None:
        """Set a gauge."""
        child = self._child(spec, labels)
        assert isinstance(child, Gauge)  # noqa: S101 - a programming error, not an input
        child.set(value)

    def watch(self, spec: Spec, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge show what ``read`` gives whenever it is asked for, on the asking thread."""
        child = self._child(spec, labels)
        assert isinstance(child, Gauge)  # noqa: S101 - a programming error, not an input
        child.set_function(read)

    def observe(self, spec: Spec, value: float, **labels: str) -> None:
        """Add to a histogram."""
        child = self._child(spec, labels)
        assert isinstance(child, Histogram)  # noqa: S101 - a programming error, not an input
        child.observe(value)

    @contextmanager
    def timed(self, spec: Spec, **labels: str) -> Iterator[None]:
        """Add the block's seconds to a histogram, however it ends."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.observe(spec, time.perf_counter() - start, **labels)

    def value(self, spec: Spec, **labels: str) -> float:
        """The current value of a counter or gauge; of a histogram, its count. 0 where nothing was recorded."""
        suffix = "_count" if spec.kind == "histogram" else ""
        return self.registry.get_sample_value(spec.name + suffix, labels) or 0.0

    def page(self) -> bytes:
        """The text that /metrics serves."""
        return generate_latest(self.registry)
