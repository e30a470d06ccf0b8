"""The loop: one thread that owns the consumer and always polls, between a worker that does the work and a committer.

It knows neither what the records mean nor how they are worked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import structlog

from consumer.observe.metrics import (
    ASSIGNED,
    IN_FLIGHT,
    LOOP_SECONDS,
    OLDEST_UNFINISHED,
    PAUSED,
    PROGRESS,
    REBALANCES,
    Metrics,
)
from consumer.stream.at_least_once import AtLeastOnce
from consumer.stream.breaker import Breaker
from consumer.stream.deadletter import dead_letter
from consumer.stream.exactly_once import ExactlyOnce
from consumer.stream.intake import Intake
from consumer.stream.ledger import Ledger
from consumer.stream.options import StreamOptions
from consumer.stream.rooms import Rooms
from consumer.stream.status import State, Status
from consumer.stream.transaction import Committer
from consumer.stream.types import HoldsBack, Lease, Output, Partition, Record, ReportsOutages, Settlement, Worker
from consumer.stream.writer import RefusedError, Writer

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

POLL = 0.1
"""Seconds the consumer waits for a record: how late a stop is noticed at most."""

SHORT_POLL = 0.01
"""The same while work is under way: how late a free worker, a commit or a seek is noticed."""

GLANCE = 0.05
"""Seconds after which a worker without room is asked again when nothing was settled meanwhile."""

TICK = 1.0
"""Seconds between two updates of the gauges."""

CLOSE_TIMEOUT = 10.0
"""Seconds that leaving the group may take, and the last commit's thread to end: clients are known to hang there."""


class Loop:
    """Consumes topics for a worker and commits what it settles. Call ``run``, or ``start`` and ``join``.

    ``lease`` says what a lease covers: single records, for work that finishes in any order, or the run of one
    partition's records that was read at once, for work in batches.
    """

    def __init__(
        self,
        options: StreamOptions,
        topics: Sequence[str],
        worker: Worker,
        metrics: Metrics,
        *,
        role: str,
        lease: Literal["record", "run"] = "run",
    ) -> None:
        self.options = options
        self.worker = worker
        self.metrics = metrics
        self.role = role
        self.log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(role=role, group=options.group)
        self._single = lease == "record"
        self._ledger = Ledger()
        self._rooms = Rooms(worker, topics)
        self._intake = Intake(options, topics, assigned=self._assigned, revoked=self._revoked, lost=self._lost)
        self._breaker = Breaker(options.breaker, metrics, role=role)
        self._committer = Committer(
            self._ledger,
            self._writer,
            options,
            dead_letter=self._letter,
            failed=self.fail,
            metrics=metrics,
            role=role,
            counted=self._breaker.note,
        )
        self._state, self._since = State.STARTING, time.monotonic()
        self._stopping = threading.Event()
        self._abandoned = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._spent = {"poll": 0.0, "dispatch": 0.0, "backpressure": 0.0}
        self._ticked = self._polled = self._idle = time.monotonic()

    # What the owner calls; any thread

    def run(self) -> None:
        """Consume until stopped. Raises what made it fail."""
        try:
            if self._open():
                while not self._stopping.is_set():
                    self._turn()
        except BaseException as error:  # noqa: BLE001 - raised below, when all is closed
            self.fail(error)
        finally:
            self._close()
        if self._error is not None:
            raise self._error

    def start(self) -> None:
        """Run on a thread of its own; ``join`` tells how it ended."""
        self._thread = threading.Thread(target=self._run_quietly, name=f"poll-{self.role}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drain and stop: what the worker has begun is finished and committed within the budget. Returns at once."""
        self._stopping.set()
        self._ledger.wake()

    def abandon(self) -> None:
        """Stop without finishing anything: what is not committed is read again by somebody else. Returns at once."""
        self._abandoned = True
        self.stop()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end of a started loop. False when it still runs; raises what made it fail."""
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return False
        if self._error is not None:
            raise self._error
        return True

    def status(self) -> Status:
        """A snapshot for health checks."""
        outages = set(self.worker.unavailable()) if isinstance(self.worker, ReportsOutages) else set()
        if self._committer.failing or self._intake.broker_down:
            outages.add("broker")
        return Status(
            role=self.role,
            state=self._state,
            assigned=len(self._ledger.partitions()),
            in_flight=self._ledger.in_flight(),
            oldest=self._ledger.oldest_age(),
            last_poll=self._polled,
            last_progress=max(self._idle, self._committer.last_progress),
            unavailable=tuple(sorted(outages)),
            breaker=self._breaker.reason(),
            since=self._since,
            error=None if self._error is None else f"{type(self._error).__name__}: {self._error}",
        )

    # What the worker calls (Settler); any thread

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """See Settler."""
        self._ledger.settle(settlements)

    def release(self, leases: Iterable[Lease]) -> None:
        """See Settler."""
        self._ledger.release(leases)

    def fail(self, error: BaseException) -> None:
        """See Settler. The first error counts."""
        if self._error is None:
            self._error = error
            self.log.error("failed", error=str(error), kind=type(error).__name__)
        self.abandon()

    # The polling thread

    def _run_quietly(self) -> None:
        try:
            self.run()
        except BaseException:
            self.log.debug("stopped_by_error", exc_info=True)

    def _open(self) -> bool:
        """End what a former life left open, then join the group. False when stopped meanwhile."""
        self._committer.start()
        while not self._committer.ready:
            self._committer.watch()
            if self._stopping.wait(0.01):
                return False
        self.worker.start(self)
        self._intake.subscribe()
        self._enter(State.RUNNING)
        return True

    def _turn(self) -> None:
        """One round: make room, read, lend."""
        self._committer.watch()
        self._rewind()
        room = self._room()
        if self._state is State.PAUSED:
            if room >= 1:
                self._resume()
        elif room < 1:
            room = self._await_room()
        began = time.monotonic()
        self._intake.refresh()
        runs = self._intake.poll(max(1, min(self.options.batch, room)), self._patience())
        self._polled = time.monotonic()
        self._spent["backpressure" if self._state is State.PAUSED else "poll"] += self._polled - began
        if runs:
            self._lend(runs)
            self._spent["dispatch"] += time.monotonic() - self._polled
        self._tick()

    def _room(self) -> int:
        """How many more records may be taken now. What has no room while something else has is shut."""
        allowed = self._breaker.allowance()
        room = 0 if allowed == 0 else self._rooms.look(self.options.uncommitted - self._ledger.in_flight())
        if room >= 1:
            self._intake.shut(self._rooms.shut, self._held_back())
        return room if allowed is None else min(room, allowed)

    def _held_back(self) -> frozenset[Partition]:
        return self.worker.held_back() if isinstance(self.worker, HoldsBack) else frozenset()

    def _patience(self) -> float:
        return SHORT_POLL if self._ledger.in_flight() else POLL

    def _await_room(self) -> int:
        """Wait for room without polling, as long as patience lasts; then pause."""
        began = time.monotonic()
        end = began + self.options.patience
        seen = self._ledger.changes
        while (room := self._room()) < 1 and not self._stopping.is_set() and time.monotonic() < end:
            seen = self._ledger.await_change(seen, GLANCE)
            self._committer.watch()
            self._intake.refresh()
        self._spent["backpressure"] += time.monotonic() - began
        if room < 1 and not self._stopping.is_set():
            self._rooms.shut_all()
            self._intake.pause()
            self._enter(State.PAUSED)
        return room

    def _resume(self) -> None:
        self._intake.resume()
        self._enter(State.RUNNING)

    def _lend(self, runs: dict[Partition, list[Record]]) -> None:
        pieces: Iterable[tuple[Partition, Sequence[Record]]] = runs.items()
        if self._single:
            pieces = ((partition, (record,)) for partition, run in runs.items() for record in run)
        leases = self._ledger.lend(pieces)
        self._breaker.took(sum(len(lease.records) for lease in leases))
        if leases:
            self.worker.submit(leases)

    def _rewind(self) -> None:
        """Have partitions read again whose share in a dissolved group must be redone."""
        for partition, offset in self._ledger.rewinds().items():
            self.log.info("read_again", topic=partition.topic, partition=partition.number, offset=offset)
            self.worker.revoked([partition])
            self._intake.rewind(partition, offset)
            self._ledger.rewound(partition, offset)
            self.worker.assigned([partition])

    def _tick(self) -> None:
        now = time.monotonic()
        if self._ledger.in_flight() == 0:
            self._idle = now
        if now - self._ticked < TICK:
            return
        self._ticked = now
        metrics, role = self.metrics, self.role
        metrics.set(IN_FLIGHT, self._ledger.in_flight(), role=role)
        metrics.set(OLDEST_UNFINISHED, self._ledger.oldest_age(), role=role)
        if self._idle == now:
            metrics.set(PROGRESS, time.time(), role=role)
        for activity, seconds in self._spent.items():
            metrics.inc(LOOP_SECONDS, seconds, role=role, activity=activity)
            self._spent[activity] = 0.0

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self.metrics.set(PAUSED, float(state is State.PAUSED), role=self.role, reason="backpressure")
            self._since = time.monotonic()
            self._state = state  # after the gauge: whoever sees the state finds the gauge with it
            self.log.info("state", state=state.value)

    # Rebalances; called by the consumer inside poll and close

    def _assigned(self, partitions: list[Partition]) -> None:
        self._ledger.assign(partitions)
        self._rebalanced("assigned", partitions)
        if partitions:
            self.worker.assigned(partitions)

    def _revoked(self, partitions: list[Partition]) -> None:
        """Commit what the leaving partitions have ready, in a short budget; the rest is their next owner's."""
        self.worker.revoked(partitions)
        budget = 0.0 if self._abandoned or self._finished else self.options.revoke_timeout
        complete = self._ledger.wait_committed(partitions, budget, self._intake.commit_now)
        self._ledger.revoke(partitions)
        self._rebalanced("revoked", partitions, complete=complete)

    def _lost(self, partitions: list[Partition]) -> None:
        """They belong to somebody else already: nothing of theirs may commit."""
        self._ledger.revoke(partitions)
        self.worker.revoked(partitions)
        self._rebalanced("lost", partitions)

    def _rebalanced(self, kind: str, partitions: list[Partition], **facts: object) -> None:
        held = len(self._ledger.partitions())
        self.metrics.inc(REBALANCES, role=self.role, kind=kind)
        self.metrics.set(ASSIGNED, held, role=self.role)
        self.log.info(kind, partitions=[f"{topic}[{number}]" for topic, number in partitions], held=held, **facts)

    # The end

    def _close(self) -> None:
        """Drain unless abandoned; then worker, commits, group, in this order. Never raises."""
        for step in (self._drain, self.worker.close, self._finish, self._leave):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the next steps are due all the same
                self.fail(error)
        self._tick()
        self._enter(State.STOPPED)

    def _drain(self) -> None:
        """Let the worker finish what it began, and commit it, polling all the while."""
        if self._abandoned or self._state is State.STARTING:
            return
        self._enter(State.DRAINING)
        self._intake.pause()
        grace = self._ledger.times.grace(self.options.drain_timeout)
        self.log.info("draining", in_flight=self._ledger.in_flight(), grace=round(grace, 1))
        end = time.monotonic() + grace
        drained: list[bool] = []
        drainer = threading.Thread(
            target=lambda: drained.append(self.worker.drain(grace)),
            name=f"drain-{self.role}",
            daemon=True,
        )
        drainer.start()
        while drainer.is_alive() and time.monotonic() < end + GLANCE and not self._abandoned:
            self._keep_alive()
        # A commit that is under way when the budget ends is better finished than torn off.
        end = max(end, time.monotonic() + self.options.revoke_timeout)
        while not self._ledger.quiet() and time.monotonic() < end and not self._abandoned:
            self._keep_alive()
        self.log.info("drained", complete=bool(drained and drained[0]), left=self._ledger.in_flight())

    def _keep_alive(self) -> None:
        """Stay a member: nothing is fetched, and what comes all the same is left for the next owner."""
        self._committer.watch()
        self._intake.refresh()
        self._intake.poll(1, self._patience())
        self._polled = time.monotonic()
        self._tick()

    def _finish(self) -> None:
        if self._abandoned:
            self._ledger.revoke(self._ledger.partitions())
        self._finished = True
        if not self._committer.close(CLOSE_TIMEOUT):
            self.log.error("commit_hangs", action="left behind")

    def _leave(self) -> None:
        """Leave the group, on a thread that may be left behind: a client that hangs must not keep us."""
        leaving = threading.Thread(target=self._intake.close, name=f"leave-{self.role}", daemon=True)
        leaving.start()
        leaving.join(CLOSE_TIMEOUT)
        if leaving.is_alive():
            self.log.error("leaving_hangs", action="left behind; the session will time out")

    # For the committer

    def _writer(self) -> Writer:
        if self.options.exactly_once:
            return ExactlyOnce(self.options, self._intake.metadata)
        return AtLeastOnce(self.options, self._intake.commit)

    def _letter(self, record: Record, error: Exception) -> Output:
        reason = error.reason if isinstance(error, RefusedError) else error
        return dead_letter(record, group=self.options.group, stage="produce", error=reason)
