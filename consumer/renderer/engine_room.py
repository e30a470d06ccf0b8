"""The engine room: one engine, its thread, its batches, and what is done when it fails. Knows no store or stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import structlog

from consumer.observe import metrics as m
from consumer.observe.health import stacks
from consumer.policy import POLICY
from consumer.renderer.buffer import Job
from consumer.renderer.hangs import HangWatch
from consumer.renderer.lanes import LaneQueue
from consumer.renderer.lookout import Lookout, Stop
from consumer.stream.backoff import Backoff
from consumer.stream.outcomes import Outcome
from model.engine import CancelledError, Engine, EngineError, Rendered, Shot
from model.hosted import LateError, LostError
from model.pulse import SILENT_PATIENCE, Pulse, Silence

log = structlog.get_logger(__name__)

TAKE_SECONDS = 0.2
"""How long the engine's thread waits for a job before it looks whether it shall stop."""
BACKOFF = Backoff(first=0.25, longest=10.0)
"""Before a shot is tried again: other shots are rendered meanwhile."""
UNWIND_SECONDS = 2.0
"""How long the engine's thread may take to end once the engine's own process has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long an engine may take, and who sees that it hangs."""

    job_timeout: float | None = None
    """Seconds a batch may take; None: as long as it gives signs of life."""
    hang_after: float | None = None
    """Seconds without a sign of life within a batch that are borne; None: derived (see ``model.pulse``)."""
    start_timeout: float = SILENT_PATIENCE
    """Seconds of silence that are borne while it loads."""
    on_hang: Literal["exit", "restart"] = "exit"
    """``exit``: the engine is in this process; a hang fails the loop, and a supervisor starts the process again.
    ``restart``: it is in a process of its own (``model.hosted``), which is killed and started again by its host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the engine room asks of those around it, and where jobs go from it. Called on its thread."""

    shot: Callable[[Job], Shot]
    begins: Callable[[Job], bool]
    """Its turn has come: whether it shall be rendered still. When not, it was taken care of."""
    wanted: Callable[[Job], bool]
    rendered: Callable[[Job, Rendered], None]
    gave_up: Callable[[Job, str, BaseException], None]
    """It cannot be rendered; the stage, and why."""
    handed_back: Callable[[Job], None]
    """It was cancelled, and somebody else's or nobody's now."""
    left: Callable[[Job], None]
    """It is neither done nor given up: the process ends."""
    failed: Callable[[BaseException], None]
    """There is no going on."""


class EngineRoom:
    """Renders jobs in batches on one thread, interactive ones first. A shot that is tried again is tried alone.

    Alone it has all the memory there is, and one that hangs or crashes the engine takes no other with it.
    """

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        *,
        limits: Limits,
        attempts: int,
        share: float,
        metrics: m.Metrics,
        stopping: threading.Event,
    ) -> None:
        """``attempts``: how often a scene is given to the engine while it fails in a way that may pass. ``share``: what
        bulk jobs get while interactive ones wait (``LaneQueue``)."""
        self._engine, self._desk, self._attempts, self._metrics = engine, desk, attempts, metrics
        self._stopping = stopping
        self._name = engine.spec.name
        self.ready = threading.Event()
        """Set once the engine has started."""
        self.pulse = Pulse(limits.hang_after, silent=limits.start_timeout)
        self._lookout = Lookout(
            engine=self._name, pulse=self.pulse, metrics=metrics, limit=limits.job_timeout, stopping=stopping
        )
        self._shots: LaneQueue[Job] = LaneQueue(share)
        self._again: list[tuple[float, Job]] = []
        """Jobs to be tried again, and when; the earliest first."""
        self._hangs = HangWatch(self._name, self.pulse, self._hung, stopping) if limits.on_hang == "exit" else None
        self._thread = threading.Thread(target=self._run, name=f"skureel-engine-{self._name}", daemon=True)

    def start(self) -> None:
        """Begin; the engine loads on its own thread (see ``ready``)."""
        self._thread.start()
        if self._hangs is not None:
            self._hangs.start()

    def put(self, job: Job) -> None:
        """Queue a job in its lane."""
        self._shots.put(job, job.lane)
        if job.hastened:
            self.hasten(job)

    def waiting(self) -> int:
        """Jobs that the engine has not begun."""
        return len(self._shots) + len(self._again)

    def hasten(self, job: Job) -> None:
        """An interactive job waits for what this one renders. The job may be here, or on its way to ``put``."""
        job.hastened = True
        self._shots.hasten(lambda waiting: waiting is job)

    def close(self, deadline: float) -> bool:
        """Join the thread until ``deadline`` (monotonic seconds) and free the engine. False when it still runs."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() and self._hangs is None:
            self._engine.close()  # ends its process, and with that what our thread waits for
            self._thread.join(UNWIND_SECONDS)
        if self._thread.is_alive():
            log.error("engine does not stop; left behind", engine=self._name, last=str(self.pulse.last))
            return False
        self._engine.close()
        return True

    def _run(self) -> None:
        """Load, then render batches until the end."""
        if not self._start():
            return
        self.ready.set()
        while not self._stopping.is_set():
            jobs = self._batch()
            if jobs:
                self._render(jobs)

    def _start(self) -> bool:
        self._lookout.begin((), None)
        try:
            self._engine.start(self._lookout)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no renderer without an engine
            self._lookout.end("failed")
            if not isinstance(error, CancelledError):
                self._desk.failed(error)
            return False
        self._lookout.end("ok")
        return True

    def _batch(self) -> list[Job]:
        """The next jobs worth rendering together; those whose partition left are dropped here, before they cost."""
        while self._again and self._again[0][0] <= time.monotonic():  # they hold up the commits of those behind them
            _, job = self._again.pop(0)
            if self._desk.begins(job):
                return [job]
        jobs: list[Job] = []
        while len(jobs) < self._engine.batch_size:
            taken = self._shots.take(0.0 if jobs else self._patience())
            if taken is None:
                break
            if self._desk.begins(taken):
                jobs.append(taken)
        return jobs

    def _patience(self) -> float:
        """How long to wait for a job: until the next one that is tried again, at most."""
        due = self._again[0][0] - time.monotonic() if self._again else TAKE_SECONDS
        return max(0.0, min(TAKE_SECONDS, due))

    def _render(self, jobs: list[Job]) -> None:
        shots = [self._desk.shot(job) for job in jobs]
        products = [job.request.product_id for job in jobs]
        self._lookout.begin(products, lambda: any(not job.dropped or self._desk.wanted(job) for job in jobs))
        try:
            results = self._engine.render(shots, self._lookout)
        except CancelledError as error:
            self._lookout.end("cancelled")
            self._cancelled(jobs, error)
        except Exception as error:  # an exception that escapes means the engine itself is broken: restart us
            self._lookout.end("broken")
            log.exception("engine broken", engine=self._name)
            self._broken(jobs, error)
        else:
            self._metrics.observe(m.STAGE_SECONDS, self._lookout.end("ok"), stage="render")
            self._sort(jobs, results)

    def _sort(self, jobs: list[Job], results: list[Rendered | EngineError]) -> None:
        """Each result to where it goes."""
        lost = next((result for result in results if isinstance(result, LostError)), None)
        if lost is not None:
            self._metrics.inc(m.ENGINE_RESTARTS, reason=lost.reason)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, EngineError):
                self._failed(job, result)
                continue
            self._metrics.inc(m.RENDERS, engine=self._name, result="ok")
            self._metrics.inc(m.ENGINE_SECONDS, result.seconds, engine=self._name)
            self._lookout.measured(result)
            self._desk.rendered(job, result)

    def _failed(self, job: Job, error: EngineError) -> None:
        """Try again what may pass, a bounded number of times; give up the rest."""
        job.tries += 1
        again = POLICY.judge(error) is Outcome.RETRY and job.tries < self._attempts
        self._metrics.inc(m.RENDERS, engine=self._name, result="failed")
        self._metrics.inc(m.ENGINE_FAILURES, engine=self._name, reason=_reason(error))
        if again:
            pause = BACKOFF.pause(job.tries)
            log.warning("trying again", product=job.request.product_id, tries=job.tries, reason=str(error), after=pause)
            self._metrics.inc(m.RETRIES, stage="render")
            self._again.append((time.monotonic() + pause, job))
            self._again.sort(key=itemgetter(0))
        else:
            self._desk.gave_up(job, "render", error)

    def _cancelled(self, jobs: list[Job], error: CancelledError) -> None:
        if self._lookout.stopped is Stop.LATE:
            for job in jobs:
                self._failed(job, LateError(f"took longer than {self._lookout.limit:g} s"))
            return
        if self._lookout.stopped is None:
            self._broken(jobs, error)  # nobody asked it to stop
            return
        for job in jobs:
            self._metrics.inc(m.RENDERS, engine=self._name, result="cancelled")
            self._desk.handed_back(job)

    def _broken(self, jobs: list[Job], error: BaseException) -> None:
        self._metrics.inc(m.ENGINE_FAILURES, len(jobs), engine=self._name, reason="broken")
        self._desk.failed(error)
        for job in jobs:
            self._desk.left(job)

    def _hung(self, silence: Silence) -> None:
        """On the hang watch's thread: the engine's own will not come back, so the process must end."""
        products = list(self._lookout.products)
        log.error("engine hangs", engine=self._name, silence=str(silence), products=products, stacks=stacks())
        self._metrics.inc(m.ENGINE_FAILURES, max(1, len(products)), engine=self._name, reason="hang")
        self._desk.failed(EngineError(f"the {self._name} engine hung: {silence}", retryable=True))


def _reason(error: EngineError) -> str:
    if isinstance(error, LostError):
        return error.reason
    if isinstance(error, LateError):
        return "timeout"
    return "retryable" if error.retryable else "refused"
