"""How a request ends: announced, skipped, handed over, given up, or handed back; as the records and offsets of it.

Every lease that the renderer takes goes out through here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from consumer.events import VideoReady, Work
from consumer.observe import metrics as m
from consumer.renderer.buffer import Job
from consumer.renderer.outages import Outages
from consumer.renderer.steps import Say
from consumer.stream import headers
from consumer.stream.codec import Codec
from consumer.stream.deadletter import dead_letter
from consumer.stream.types import Lease, Output, OwnTroubleError, Settlement, Settler

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where ends are written, and in whose name."""

    role: str
    group: str
    source: str
    """CloudEvents source of what is written."""
    video_ready: str
    video_rejected: str
    clip_render_bulk: str
    """Where a dresser hands over what needs an engine."""


class Ends:
    """Thread-safe. ``settler`` is set before the first lease comes."""

    def __init__(
        self,
        addresses: Addresses,
        codec: Codec,
        outages: Outages,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._to, self._codec, self._outages = addresses, codec, outages
        self._metrics, self._clock = metrics, clock
        self.settler: Settler | None = None

    def announced(self, job: Job, step: Say) -> None:
        """The clip's event is written. Raises StoppedError when the process stops while the codec is out."""
        event, to = step.event, self._to
        ready = isinstance(event, VideoReady)
        topic = to.video_ready if ready else to.video_rejected
        value, extra = self._outages.patiently("encode", lambda: self._codec.encode(topic, event.to_avro()))
        kind = "skureel.video-ready" if ready else "skureel.video-rejected"
        outgoing = headers.outgoing(
            extra, ce_id=event.event_id, ce_type=kind, source=to.source, time=event.occurred_at, parent=job.trace
        )
        if isinstance(event, VideoReady):
            done = event.lineage.work if event.lineage else "RETIRE"
            self._metrics.inc(m.CLIPS, work=str(done))
        else:
            self._metrics.inc(m.REJECTIONS, action=event.action.lower())
        waited = (self._clock() - job.request.requested_at).total_seconds()
        self._metrics.observe(m.FRESHNESS_SECONDS, max(0.0, waited))
        self._settle(job.lease, [Output(topic, event.product_id.encode(), value, outgoing)])

    def handed_over(self, job: Job, because: str) -> None:
        """The same request, for those who have an engine. Raises StoppedError as ``announced`` does."""
        topic, request = self._to.clip_render_bulk, replace(job.request, work=Work.RENDER)
        value, extra = self._outages.patiently("encode", lambda: self._codec.encode(topic, request.to_avro()))
        outgoing = headers.outgoing(
            extra,
            ce_id=request.request_id,
            ce_type="skureel.clip-render-bulk",
            source=self._to.source,
            time=request.requested_at,
            parent=job.trace,
        )
        log.info("handed over", product=request.product_id, revision=request.revision, missing=because)
        self._metrics.inc(m.HAND_OVERS, reason=because)
        self._settle(job.lease, [Output(topic, request.product_id.encode(), value, outgoing)])

    def skipped(self, lease: Lease, reason: str) -> None:
        """There is nothing to do and nothing to say; counted."""
        self._metrics.inc(m.SKIPS, role=self._to.role, reason=reason)
        self._settle(lease)

    def gave_up(self, job: Job, stage: str, error: BaseException) -> None:
        """It can never be done: a dead letter with the reason."""
        log.error("dead letter", stage=stage, product=job.request.product_id, reason=str(error))
        tried = error.attempts if isinstance(error, OwnTroubleError) else len(job.failed) + max(1, job.tries)
        self.unreadable(job.lease, stage, error, attempts=tried)

    def unreadable(self, lease: Lease, stage: str, error: BaseException, attempts: int = 1) -> None:
        """The record of a lease becomes a dead letter."""
        record = lease.records[0]
        self._metrics.inc(m.DEAD_LETTERS, role=self._to.role, topic=record.topic, stage=stage)
        letter = dead_letter(record, group=self._to.group, stage=stage, error=error, attempts=attempts)
        self._settle(lease, [letter])

    def handed_back(self, leases: Iterable[Lease]) -> None:
        """Leases that will not be settled: whoever owns their partition next reads them."""
        self._loop.release(leases)

    def failed(self, error: BaseException) -> None:
        """There is no going on: the loop stops."""
        self._loop.fail(error)

    def _settle(self, lease: Lease, outputs: Sequence[Output] = ()) -> None:
        self._loop.settle([Settlement(lease=lease, outputs=outputs)])

    @property
    def _loop(self) -> Settler:
        assert self.settler is not None  # noqa: S101 - start came before any lease
        return self.settler
