"""The renderer: a worker of the stream loop that overlaps look-ups, rendering, finishing and committing.

    intake → look up (threads) → render (one thread an engine) → finish (threads) → settle

Each job is in one stage at a time. What is bounded: the look-ahead buffer, and the rendered clips that wait for a
finisher (frames are large). Outages hold a stage where it is until the part is back; poison becomes a dead letter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from consumer.events import ClipRequest, EventError, VideoReady
from consumer.observe import metrics as m
from consumer.renderer.alias import AliasError, Origin
from consumer.renderer.buffer import Buffer, Job
from consumer.renderer.engine_room import Desk, EngineRoom, Limits
from consumer.renderer.outages import Outages, StoppedError
from consumer.renderer.photos import Photos
from consumer.renderer.pinning import Engines
from consumer.renderer.scenes import Scenes, Turn
from consumer.renderer.stage import Stage
from consumer.renderer.work import Dress, Rules, Say, Skip, Step, WorkError, Workshop
from consumer.storage.store import Store, StoreError
from consumer.stream import headers
from consumer.stream.codec import Codec, DecodeError
from consumer.stream.deadletter import dead_letter
from consumer.stream.types import Lease, Output, Partition, Settlement, Settler
from model.engine import Engine, Rendered

log = structlog.get_logger(__name__)

ROLE = "renderer"
LOOKUP_THREADS = 4
"""Look-ups wait on the network; a few at once hide it."""
JOIN_SECONDS = 10.0
"""How long ``close`` waits for threads: an upload's own timeout is longer, and then the process just ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererOptions:
    """What the operator decides about the renderer."""

    group: str
    cluster: str
    video_ready: str
    video_rejected: str
    source: str
    """CloudEvents source of what it announces."""
    look_ahead: int
    finishers: int
    rules: Rules
    limits: Limits = field(default_factory=Limits)


class Renderer:
    """Implements ``consumer.stream.types.Worker`` over an engine and a store; wants one record a lease.

    ``fallback`` stands in where ``Rules.photo_policy`` says so. It has a thread of its own, so that it holds nothing
    up, and is started at once, so that one that cannot start is found out now and not with the first bad photo.
    """

    def __init__(
        self,
        options: RendererOptions,
        *,
        engine: Engine,
        store: Store,
        codec: Codec,
        photos: Photos,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
        fallback: Engine | None = None,
    ) -> None:
        self._options, self._codec = options, codec
        self._metrics, self._clock = metrics, clock
        self._stopping = threading.Event()
        self._draining = False
        self._settler: Settler | None = None
        self._buffer = Buffer()
        self._undecoded = 0
        self._changed = threading.Condition()
        self._scenes = Scenes()
        self._outages = Outages(self._stopping, metrics, ROLE)
        if fallback is not None and fallback.spec.name == engine.spec.name:
            fallback = None
        self._shop = Workshop(
            store=store,
            engines=Engines(engine.spec, fallback.spec if fallback else None),
            rules=options.rules,
            photos=photos,
            metrics=metrics,
            clock=clock,
            pause=self._stopping.wait,
        )
        self._intake = Stage("intake", self._take)
        self._lookup = Stage("lookup", self._look_up, threads=LOOKUP_THREADS)
        self._finish = Stage("finish", self._finish_one, threads=options.finishers, bound=options.finishers)
        self._main = self._room(engine, options.limits)
        self._rooms = {engine.spec.name: self._main}
        if fallback is not None:
            self._rooms[fallback.spec.name] = self._room(fallback, Limits())
        self.ready = self._main.ready
        """Set once the engine has started."""

    def _room(self, engine: Engine, limits: Limits) -> EngineRoom:
        desk = Desk(
            shot=self._shop.shot,
            begins=self._begins,
            wanted=self._scenes.wanted,
            rendered=self._to_finisher,
            gave_up=self._give_up,
            handed_back=self._return,
            left=self._done,
            failed=self._fail,
        )
        return EngineRoom(
            engine,
            desk,
            limits=limits,
            attempts=self._options.rules.attempts,
            metrics=self._metrics,
            stopping=self._stopping,
        )

    # What the loop calls.

    def start(self, settler: Settler) -> None:
        """Begin; the engine loads on its own thread (see ``ready``)."""
        self._settler = settler
        for stage in (self._intake, self._lookup, self._finish):
            stage.start()
        for room in self._rooms.values():
            room.start()

    def capacity(self) -> int:
        """Room in the look-ahead buffer."""
        if self._draining or self._stopping.is_set() or not self.ready.is_set():
            return 0
        with self._changed:
            waiting = self._undecoded
        return max(0, self._options.look_ahead - waiting - len(self._buffer))

    def submit(self, leases: Sequence[Lease]) -> None:
        """Take leases of one record each."""
        with self._changed:
            self._undecoded += len(leases)
        for lease in leases:
            self._intake.put(lease)

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing is owed for new partitions: the store remembers what was done."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget what has not begun; what has begun ends as cache for the new owner."""
        self._hand_back(job.lease for job in self._buffer.drop(frozenset(partitions)))
        self._tell()

    def drain(self, seconds: float) -> bool:
        """Finish what the engine or a finisher has; nothing else begins."""
        self._draining = True
        deadline = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy(), max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Stop now: engines at their next step. Threads are joined for a bounded time."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._tell()
        deadline = time.monotonic() + JOIN_SECONDS
        for stage in (self._intake, self._lookup, self._finish):
            stage.close(deadline)
        for room in self._rooms.values():
            room.close(deadline)

    def unavailable(self) -> Collection[str]:
        """The parts that are out just now."""
        return self._outages.names()

    def last_sign(self) -> float | None:
        """When the engine last gave a sign of life (monotonic seconds); None while it has nothing to do."""
        last = self._main.pulse.last
        return last.at if last else None

    # Stages.

    def _take(self, lease: Lease) -> None:
        """Decode a request and admit it to its product's lane."""
        record = lease.records[0]
        try:
            request, trace = self._outages.patiently("decode", lambda: self._decode(lease))
        except StoppedError:
            return
        except (DecodeError, EventError) as error:
            stage = "decode" if isinstance(error, DecodeError) else "validate"
            self._settle(lease, [self._letter(lease, stage, error)])
            self._left_intake()
            return
        origin = Origin(
            cluster=self._options.cluster, topic=record.topic, partition=record.partition, offset=record.offset
        )
        job = Job(lease=lease, record=record, request=request, origin=origin, trace=trace)
        begin, superseded = self._buffer.admit(job)
        self._left_intake()
        for other in superseded:
            self._metrics.inc(m.SKIPS, role=ROLE, reason="superseded")
            self._settle(other.lease)
        if begin is not None:
            self._lookup.put(begin)

    def _decode(self, lease: Lease) -> tuple[ClipRequest, headers.Trace | None]:
        record = lease.records[0]
        if record.value is None:
            raise EventError("value", "is null; clip requests are never tombstones")
        request = ClipRequest.from_avro(self._codec.decode(record.topic, record.value, record.headers))
        if record.key != request.product_id.encode():
            raise EventError("key", "differs from product_id")
        return request, headers.incoming(record.headers).trace

    def _look_up(self, job: Job) -> None:
        if self._begins(job):
            self._step(job, "lookup", lambda: self._shop.begin(job))

    def _finish_one(self, item: tuple[Job, Rendered | Dress]) -> None:
        job, found = item
        if isinstance(found, Dress):
            self._step(job, "dress", lambda: self._shop.dress(job, found))
            return
        self._step(job, "inspect", lambda: self._shop.accept(job, found) or self._shop.left(job))

    def _step(self, job: Job, stage: str, work: Callable[[], Step]) -> None:
        """Run one step and send the job where it leads."""
        try:
            step = self._outages.patiently(stage, work)
        except StoppedError:
            self._done(job)
        except StoreError as error:
            self._fail(error)
            self._done(job)
        except (WorkError, AliasError) as error:
            self._give_up(job, getattr(error, "stage", stage), error)
        except Exception as error:  # anything else is this request's poison: it must not stop the others
            log.exception("step failed", stage=stage, product=job.request.product_id)
            self._give_up(job, stage, error)
        else:
            self._route(job, step)

    def _route(self, job: Job, step: Step) -> None:
        """Where a step leads."""
        if isinstance(step, Skip):
            self._metrics.inc(m.SKIPS, role=ROLE, reason=step.reason)
            self._settle(job.lease)
            self._done(job)
        elif isinstance(step, Say):
            self._announce(job, step)
        elif isinstance(step, Dress):
            # A finisher that finds dressing to do does it itself: handing over to its own full stage would block.
            self._release(job)
            if threading.current_thread().name.startswith("skureel-finish"):
                self._step(job, "dress", lambda: self._shop.dress(job, step))
            else:
                self._finish.put((job, step))
        else:
            self._to_engine(job)

    def _to_engine(self, job: Job) -> None:
        """Queue for the engine, once per scene: others with the same scene wait and then find it stored."""
        if self._draining:
            self._return(job)
            return
        self._release(job)
        scene = self._shop.shot(job).scene
        turn = self._scenes.claim(scene.digest, job)
        if turn is Turn.LOOK:  # rather than render twice
            self._lookup.put(job)
        elif turn is Turn.RENDER:
            self._rooms[scene.engine].put(job)

    def _to_finisher(self, job: Job, rendered: Rendered) -> None:
        self._finish.put((job, rendered))

    def _begins(self, job: Job) -> bool:
        """Whether a job shall go on to what costs; when not, it is handed back."""
        if self._draining or job.dropped:
            self._return(job)
            return False
        return True

    def _release(self, job: Job) -> None:
        """The scene's first job has stored or lost its base: those that waited look again."""
        for other in self._scenes.release(job):
            self._lookup.put(other)

    # Ends.

    def _announce(self, job: Job, step: Say) -> None:
        event, options = step.event, self._options
        ready = isinstance(event, VideoReady)
        topic = options.video_ready if ready else options.video_rejected
        try:
            value, extra = self._outages.patiently("encode", lambda: self._codec.encode(topic, event.to_avro()))
        except StoppedError:
            self._done(job)
            return
        kind = "skureel.video-ready" if ready else "skureel.video-rejected"
        outgoing = headers.outgoing(
            extra, ce_id=event.event_id, ce_type=kind, source=options.source, time=event.occurred_at, parent=job.trace
        )
        output = Output(topic, event.product_id.encode(), value, outgoing)
        if isinstance(event, VideoReady):
            done = event.lineage.work if event.lineage else "RETIRE"
            self._metrics.inc(m.CLIPS, work=str(done))
        waited = (self._clock() - job.request.requested_at).total_seconds()
        self._metrics.observe(m.FRESHNESS_SECONDS, max(0.0, waited))
        self._settle(job.lease, [output])
        self._done(job)

    def _give_up(self, job: Job, stage: str, error: BaseException) -> None:
        log.error("dead letter", stage=stage, product=job.request.product_id, reason=str(error))
        self._settle(job.lease, [self._letter(job.lease, stage, error, attempts=len(job.failed) + max(1, job.tries))])
        self._done(job)

    def _letter(self, lease: Lease, stage: str, error: BaseException, attempts: int = 1) -> Output:
        record = lease.records[0]
        self._metrics.inc(m.DEAD_LETTERS, role=ROLE, topic=record.topic, stage=stage)
        return dead_letter(record, group=self._options.group, stage=stage, error=error, attempts=attempts)

    def _settle(self, lease: Lease, outputs: Sequence[Output] = ()) -> None:
        assert self._settler is not None  # noqa: S101 - start came before any lease
        self._settler.settle([Settlement(lease=lease, outputs=outputs)])

    def _return(self, job: Job) -> None:
        """Whoever owns the job's partition next does it."""
        self._hand_back([job.lease])
        self._done(job)

    def _hand_back(self, leases: Iterable[Lease]) -> None:
        """Leases that will not be settled: whoever owns their partition next reads them."""
        assert self._settler is not None  # noqa: S101 - start came before any lease
        self._settler.release(leases)

    def _fail(self, error: BaseException) -> None:
        assert self._settler is not None  # noqa: S101 - start came before any work
        self._settler.fail(error)

    def _done(self, job: Job) -> None:
        """The job left the pipeline, however it ended: begin the next of its product."""
        self._release(job)
        following = self._buffer.finish(job)
        if following is not None:
            self._lookup.put(following)
        self._tell()

    def _left_intake(self) -> None:
        with self._changed:
            self._undecoded -= 1
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _busy(self) -> bool:
        """True while the engine or a finisher has a job. Called with the condition held."""
        return bool(self._buffer.begun())
