"""The renderer: a worker of the stream loop that overlaps look-ups, rendering, finishing and committing.

    intake → look up (threads) → render (one thread an engine) → finish (threads) → settle

Each job is in one stage at a time, interactive ones first. What is bounded: the look-ahead of each lane, and the
rendered clips that wait for a finisher (frames are large). Outages hold a stage where it is until the part is back;
poison becomes a dead letter. Without an engine it is a dresser: what needs one is handed over.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial

import structlog

from consumer.events import EventError
from consumer.observe import metrics as m
from consumer.policy import POLICY
from consumer.renderer.alias import Origin
from consumer.renderer.buffer import Buffer, Job
from consumer.renderer.ends import Ends
from consumer.renderer.engine_room import Desk, EngineRoom, Limits
from consumer.renderer.lanes import Lane
from consumer.renderer.options import RendererOptions
from consumer.renderer.outages import Case, Outages, PutOffError, StoppedError
from consumer.renderer.photos import Photos
from consumer.renderer.pinning import Engines
from consumer.renderer.requests import read_request
from consumer.renderer.scenes import Scenes, Turn
from consumer.renderer.stage import Stage
from consumer.renderer.steps import Dress, Say, Skip, Splice, Step
from consumer.renderer.work import Workshop
from consumer.storage.store import Store
from consumer.stream.codec import Codec
from consumer.stream.outcomes import Outcome
from consumer.stream.types import Lease, OwnTroubleError, Partition, Settler
from model.engine import Engine, Rendered

log = structlog.get_logger(__name__)

LOOKUP_THREADS = 4
"""Look-ups wait on the network; a few at once hide it."""
JOIN_SECONDS = 10.0
"""How long ``close`` waits for threads: an upload's own timeout is longer, and then the process just ends."""


class Renderer:
    """Implements ``consumer.stream.types.Worker`` and ``RanksTopics`` over an engine and a store; wants one record a
    lease.

    ``fallback`` stands in where ``Rules.photo_policy`` says so. It has a thread of its own, so that it holds nothing
    up, and is started at once, so that one that cannot start is found out now and not with the first bad photo.
    """

    def __init__(
        self,
        options: RendererOptions,
        *,
        engine: Engine | None,
        store: Store,
        codec: Codec,
        photos: Photos,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
        fallback: Engine | None = None,
    ) -> None:
        self._options, self._codec, self._metrics = options, codec, metrics
        self._stopping = threading.Event()
        self._draining = False
        self._stuck = False
        self._buffer = Buffer()
        self._undecoded: Counter[Lane] = Counter()
        self._changed = threading.Condition()
        self._scenes = Scenes()
        self._outages = Outages(self._stopping, metrics, options.addresses.role, tries=options.rules.tries)
        self._ends = Ends(options.addresses, codec, self._outages, metrics, clock)
        if fallback is not None and engine is not None and fallback.spec.name == engine.spec.name:
            fallback = None
        self._shop = Workshop(
            store=store,
            engines=Engines(engine.spec, fallback.spec if fallback else None) if engine else None,
            rules=options.rules,
            photos=photos,
            metrics=metrics,
            clock=clock,
            pause=self._stopping.wait,
        )
        share, finishers = options.bulk_share, options.finishers
        self._intake = Stage("intake", self._take)
        self._lookup = Stage("lookup", self._look_up, threads=LOOKUP_THREADS, share=share)
        self._finish = Stage("finish", self._finish_one, threads=finishers, bound=finishers, share=share)
        self._rooms: dict[str, EngineRoom] = {}
        if engine is not None:
            self._rooms[engine.spec.name] = self._room(engine, options.limits)
        if fallback is not None:
            self._rooms[fallback.spec.name] = self._room(fallback, Limits())
        self._main = next(iter(self._rooms.values()), None)
        self.ready = self._main.ready if self._main else threading.Event()
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
            failed=self._ends.failed,
        )
        return EngineRoom(
            engine,
            desk,
            limits=limits,
            attempts=self._options.rules.attempts,
            share=self._options.bulk_share,
            metrics=self._metrics,
            stopping=self._stopping,
        )

    # What the loop calls.

    def start(self, settler: Settler) -> None:
        """Begin; the engine loads on its own thread (see ``ready``)."""
        self._ends.settler = settler
        role = self._options.addresses.role
        for stage in (self._intake, self._lookup, self._finish):
            self._metrics.watch(m.STAGE_WAITING, stage.waiting, role=role, stage=stage.name)
            stage.start()
        for room in self._rooms.values():
            room.start()
        if self._rooms:
            rooms = tuple(self._rooms.values())
            self._metrics.watch(
                m.STAGE_WAITING, lambda: sum(room.waiting() for room in rooms), role=role, stage="render"
            )
        if self._main is None:
            self.ready.set()

    def capacity(self) -> int:
        """Room for records of whatever topic."""
        return min(map(self._space, Lane))

    def room_for(self, topic: str) -> int:
        """Room for records of this topic: each lane has its own, so that bulk work never keeps interactive work out."""
        return self._space(self._lane(topic))

    def _space(self, lane: Lane) -> int:
        if self._draining or self._stopping.is_set() or not self.ready.is_set():
            return 0
        with self._changed:
            waiting = self._undecoded[lane]
        return max(0, self._options.look_ahead - waiting - self._buffer.held(lane))

    def _lane(self, topic: str) -> Lane:
        return Lane.BULK if topic in self._options.bulk_topics else Lane.INTERACTIVE

    def submit(self, leases: Sequence[Lease]) -> None:
        """Take leases of one record each."""
        with self._changed:
            self._undecoded.update(self._lane(lease.partition.topic) for lease in leases)
        for lease in leases:
            self._intake.add((lease, Case()))

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing is owed for new partitions: the store remembers what was done."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Forget what has not begun; what has begun ends as cache for the new owner."""
        self._ends.handed_back(job.lease for job in self._buffer.drop(frozenset(partitions)))
        self._tell()

    def drain(self, seconds: float) -> bool:
        """Finish what the engine or a finisher has; nothing else begins."""
        self._draining = True
        deadline = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(lambda: not self._buffer.begun(), max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Stop now: engines at their next step. Threads are joined for a bounded time."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._tell()
        deadline = time.monotonic() + JOIN_SECONDS
        for stage in (self._intake, self._lookup, self._finish):
            stage.close(deadline)
        ended = [room.close(deadline) for room in self._rooms.values()]
        self._stuck = not all(ended)

    def stuck(self) -> bool:
        """After ``close``: True when an engine's thread sits in a call that does not return."""
        return self._stuck

    def unavailable(self) -> Collection[str]:
        """The parts that are out just now."""
        return self._outages.names()

    def notes(self) -> dict[str, str]:
        """What is out of use just now, by name, and why: work goes on without it."""
        return self._shop.notes()

    def last_sign(self) -> float | None:
        """When the engine last gave a sign of life (monotonic seconds); None while it has nothing to do."""
        last = self._main.pulse.last if self._main else None
        return last.at if last else None

    # Stages.

    def _take(self, item: tuple[Lease, Case]) -> None:
        """Decode a request and admit it."""
        lease, case = item
        record, lane = lease.records[0], self._lane(lease.partition.topic)
        try:
            request, trace = self._outages.attempt("decode", case, lambda: read_request(self._codec, record))
        except PutOffError as later:  # a schema that the registry does not give holds up none whose schema is known
            self._intake.add(item, after=later.seconds)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the record is to blame or nobody can go on
            if POLICY.judge(error) is Outcome.STOP:
                self._ends.failed(error)
                return
            self._ends.unreadable(lease, "validate" if isinstance(error, EventError) else "decode", error)
            self._left_intake(lane)
            return
        origin = Origin(
            cluster=self._options.cluster,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            group=self._options.addresses.group,
        )
        job = Job(lease=lease, record=record, request=request, origin=origin, lane=lane, trace=trace)
        begin, superseded = self._buffer.admit(job)
        self._left_intake(lane)
        for other in superseded:
            self._ends.skipped(other.lease, "superseded")
        if begin is not None:
            self._lookup.add(begin, begin.lane)

    def _look_up(self, job: Job) -> None:
        if self._begins(job):
            self._step(job, "lookup", lambda: self._shop.begin(job), lambda s: self._lookup.add(job, job.lane, after=s))

    def _finish_one(self, item: tuple[Job, Rendered | Dress | Splice]) -> None:
        job, found = item
        if isinstance(found, Rendered):
            self._step(job, "inspect", lambda: self._shop.accept(job, found), lambda s: self._keep((job, found), s))
        elif self._begins(job):
            self._dress(job, found)

    def _dress(self, job: Job, found: Dress | Splice) -> None:
        again = partial(self._finish.add, (job, found), job.lane)
        self._step(job, "dress", lambda: self._shop.finish(job, found), lambda s: again(after=s))

    def _keep(self, item: tuple[Job, Rendered], seconds: float) -> None:
        """Try again later with rendered frames; where too many wait already, on this thread: frames are large."""
        if not self._finish.keep(item, item[0].lane, seconds) and not self._stopping.wait(seconds):
            self._finish_one(item)

    def _step(self, job: Job, stage: str, work: Callable[[], Step], later: Callable[[float], None]) -> None:
        """Run one step and send the job where it leads; ``later`` queues it again while something is out."""
        try:
            step = self._outages.attempt(stage, job.case, work)
        except PutOffError as out:
            later(out.seconds)
        except Exception as error:
            rule = POLICY.rule(error)
            if rule.error is Exception:
                log.exception("step failed", stage=stage, product=job.request.product_id)
            if rule.outcome is Outcome.STOP:
                self._ends.failed(error)
                self._done(job)
            else:
                self._give_up(job, getattr(error, "stage", stage), error)
        else:
            self._route(job, step)

    def _route(self, job: Job, step: Step) -> None:
        """Where a step leads."""
        if isinstance(step, Skip):
            self._ends.skipped(job.lease, step.reason)
            self._done(job)
        elif isinstance(step, Say):
            self._out(job, lambda: self._ends.announced(job, step))
        elif isinstance(step, Dress | Splice):
            self._release(job)
            if threading.current_thread().name.startswith("skureel-finish"):
                self._dress(job, step)
            elif self._park(job):
                self._finish.add((job, step), job.lane)
        elif self._main is None:
            self._out(job, lambda: self._ends.handed_over(job, step.because))
        else:
            self._to_engine(job)

    def _to_engine(self, job: Job) -> None:
        """Queue for the engine, once per scene: others with the same scene wait and then find it stored."""
        if self._draining:
            self._return(job)
            return
        self._release(job)
        if not self._park(job):
            return
        scene = self._shop.shot(job).scene
        turn = self._scenes.claim(scene.digest, job)
        if turn is Turn.LOOK:  # rather than render twice
            self._lookup.add(job, job.lane)
        elif turn is Turn.RENDER:
            self._rooms[scene.engine].put(job)
        elif job.lane is Lane.INTERACTIVE and (first := self._scenes.first(scene.digest)) is not None:
            self._rooms[scene.engine].hasten(first)  # what it waits for must not wait for its own turn

    def _to_finisher(self, job: Job, rendered: Rendered) -> None:
        self._finish.put((job, rendered), job.lane)

    def _park(self, job: Job) -> bool:
        """The job is to wait for a stage that costs. When a newer revision came meanwhile, it ends here: False."""
        if self._buffer.park(job):
            return True
        self._ends.skipped(job.lease, "superseded")
        self._done(job)
        return False

    def _begins(self, job: Job) -> bool:
        """Its turn has come: whether it shall go on to what costs. When not, it ends here or is handed back."""
        if not self._buffer.unpark(job):
            self._done(job)  # settled by what superseded it
            return False
        if self._draining or job.dropped:
            self._return(job)
            return False
        return True

    def _release(self, job: Job) -> None:
        """The scene's first job has stored or lost its base: those that waited look again."""
        for other in self._scenes.release(job):
            self._lookup.add(other, other.lane)

    # Ends.

    def _out(self, job: Job, write: Callable[[], None]) -> None:
        try:
            write()
        except StoppedError:
            log.debug("stopped before its end", product=job.request.product_id)
        except OwnTroubleError as error:
            self._ends.gave_up(job, "announce", error)
        self._done(job)

    def _give_up(self, job: Job, stage: str, error: BaseException) -> None:
        self._ends.gave_up(job, stage, error)
        self._done(job)

    def _return(self, job: Job) -> None:
        """Whoever owns the job's partition next does it."""
        self._ends.handed_back([job.lease])
        self._done(job)

    def _done(self, job: Job) -> None:
        """The job left the pipeline, however it ended: begin the next of its target."""
        self._release(job)
        following = self._buffer.finish(job)
        if following is not None:
            self._lookup.add(following, following.lane)
        self._tell()

    def _left_intake(self, lane: Lane) -> None:
        with self._changed:
            self._undecoded[lane] -= 1
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
