"""The watch over one engine: its steps into log and metrics, and the reasons to stop it between two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import structlog

from consumer.observe import metrics as m
from model.engine import CancelledError, Rendered
from model.pulse import Pulse

log = structlog.get_logger(__name__)

LOUD_SECONDS = 5.0
"""Seconds between two batches that are told at level info, unless they take longer than that; the rest is debug."""
_MEMORY = {"allocated_bytes": "allocated", "reserved_bytes": "reserved"}
_MFU = "mfu_ratio"


class Stop(StrEnum):
    """Why a batch was stopped."""

    CLOSING = "closing"
    """The process ends."""
    UNWANTED = "unwanted"
    """The partitions of all its jobs left."""
    LATE = "late"
    """It took longer than it may."""


class Lookout:
    """Implements ``model.engine.Watch`` for one engine. Its thread calls all but ``pulse``, which any may read."""

    def __init__(
        self, *, engine: str, pulse: Pulse, metrics: m.Metrics, limit: float | None, stopping: threading.Event
    ) -> None:
        """``limit``: seconds a batch may take."""
        self.pulse = pulse
        self.products: Sequence[str] = ()
        """Whose clips are being made."""
        self.stopped: Stop | None = None
        """Why the batch was stopped, if it was."""
        self._engine, self._metrics, self._limit, self._stopping = engine, metrics, limit, stopping
        self._wanted: Callable[[], bool] | None = None
        self._began = 0.0
        self._told = float("-inf")
        self._loud = True

    @property
    def limit(self) -> float | None:
        """Seconds a batch may take."""
        return self._limit

    def begin(self, products: Sequence[str], wanted: Callable[[], bool] | None) -> None:
        """A batch for these products begins; ``wanted`` says whether anybody still is. None: the engine loads."""
        self.products, self._wanted, self.stopped = products, wanted, None
        self._began = time.monotonic()
        self._loud = wanted is None or self._began - self._told >= LOUD_SECONDS
        if wanted is None:
            self.pulse.begin("the start of loading", starting=True)
            log.info("engine starting", engine=self._engine)
            return
        self.pulse.begin("the start of the batch")
        self._tell("batch begun")

    def beat(self, stage: str, done: int, total: int) -> None:
        """See ``Watch``. Raises CancelledError to stop the engine here; ``stopped`` says why."""
        self.pulse.beat(stage, done, total)
        self._metrics.inc(m.ENGINE_STEPS, engine=self._engine, stage=stage)
        log.debug("step", engine=self._engine, stage=stage, done=done, total=total)
        self.stopped = self._reason()
        if self.stopped is not None:
            raise CancelledError(self.stopped.value)

    def end(self, outcome: str) -> float:
        """What was begun has ended, well or not. Gives its seconds."""
        self.pulse.end()
        seconds = time.monotonic() - self._began
        self._loud = self._loud or seconds >= LOUD_SECONDS
        name = "engine started" if self._wanted is None else "batch ended"
        self._tell(name, outcome=outcome, seconds=round(seconds, 3))
        return seconds

    def measured(self, rendered: Rendered) -> None:
        """What an engine measured of a shot goes to the metrics."""
        for stage, seconds in rendered.stages.items():
            self._metrics.observe(m.ENGINE_STAGE_SECONDS, seconds, stage=stage)
        self._gauges(rendered.figures)

    def _gauges(self, figures: Mapping[str, float]) -> None:
        for name, kind in _MEMORY.items():
            if name in figures:
                self._metrics.set(m.ENGINE_MEMORY, figures[name], kind=kind)
        if _MFU in figures:
            self._metrics.set(m.ENGINE_MFU, figures[_MFU])

    def _reason(self) -> Stop | None:
        if self._stopping.is_set():
            return Stop.CLOSING
        if self._wanted is None:
            return None
        if not self._wanted():
            return Stop.UNWANTED
        if self._limit is not None and time.monotonic() - self._began > self._limit:
            return Stop.LATE
        return None

    def _tell(self, event: str, **facts: object) -> None:
        if self._loud and self._wanted is not None:
            self._told = time.monotonic()
        (log.info if self._loud else log.debug)(event, engine=self._engine, products=list(self.products), **facts)
