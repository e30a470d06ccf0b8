"""The host: an Engine whose work is done by a guest process, with a new guest when the old one hangs or dies.

A native call that hangs cannot be interrupted from within its process, only with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler

from model.engine import UNWATCHED, CancelledError, Engine, EngineError, EngineSpec, Rendered, Shot, Watch
from model.hosted.errors import LateError, Loss, LostError
from model.hosted.process import Guest
from model.hosted.wire import (
    Answer,
    Beat,
    Broken,
    Cancel,
    Cancelled,
    Command,
    Done,
    GoneError,
    Logged,
    Message,
    Picture,
    Ready,
    Refusal,
    Render,
    Start,
)
from model.pulse import SILENT_PATIENCE, Looks, Pulse

log = logging.getLogger(__name__)

LEAST_GRACE = 10.0
"""Seconds that a cancelled batch has for its present step at least; three of its slowest steps where those take longer.
"""
CLOSE_SECONDS = 5.0
"""How long a guest may take to free its device."""


@dataclass(slots=True)
class _Order:
    """One command under way."""

    guest: Guest
    watch: Watch
    number: int | None
    """None for the start, which is not cancelled but killed."""
    limit: float | None
    began: float = field(default_factory=time.monotonic)
    asked: float | None = None
    """When it was told to stop."""
    cancelled: CancelledError | None = None
    """Why, when the watch wanted it; else it is late."""


class Hosted:
    """Implements Engine by the engine that ``factory`` makes, in a process of its own.

    The factory must be one that a fresh process can import by name (``functools.partial`` of such a one, too), and
    make an engine cheaply: the host makes one as well, for its spec, and never starts it.

    Frames lie in memory shared with the guest, which is freed when they are dropped; nothing has to be cleaned up.
    """

    def __init__(
        self,
        factory: Callable[[], Engine],
        *,
        hang_after: float | None = None,
        job_timeout: float | None = None,
        restarts: int = 3,
        silent: float = SILENT_PATIENCE,
    ) -> None:
        """Make the engine, not its process.

        Args:
            factory: Makes the engine.
            hang_after: Seconds without a sign of life after which a batch's guest is killed; None: see ``Pulse``.
            job_timeout: Seconds a batch may take; it is then cancelled, and killed when that does not help.
            restarts: Guests lost in a row, without a clip between, after which the engine is called broken. Give it
                more than the tries of one shot, or a shot that kills its guest would end the process, not itself.
            silent: Seconds of silence borne while the engine loads.

        Raises EngineError when the factory cannot be given to another process, and whatever it raises itself.
        """
        try:
            ForkingPickler.dumps(factory)
        except Exception as error:
            raise EngineError(f"{factory!r} cannot be given to another process: {error}", retryable=False) from error
        engine = factory()
        self._spec, self._batch_size = engine.spec, engine.batch_size
        self._factory, self._limit, self._restarts = factory, job_timeout, restarts
        self._pulse = Pulse(hang_after, silent=silent)
        self._looks = Looks(self._pulse)
        self._guest: Guest | None = None
        self._number = 0
        self._lost = 0

    @property
    def spec(self) -> EngineSpec:
        """The engine's."""
        return self._spec

    @property
    def batch_size(self) -> int:
        """The engine's."""
        return self._batch_size

    @property
    def pid(self) -> int | None:
        """The guest's process id, while there is one."""
        return self._guest.pid if self._guest else None

    def start(self, watch: Watch = UNWATCHED) -> None:
        """Start a guest and the engine in it. Raises EngineError: the engine's own, or LostError."""
        refusal = self._begin(watch)
        if refusal is not None:
            raise EngineError(refusal.message, retryable=refusal.retryable)

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """See ``Engine``. A lost guest costs its shots a LostError each; one too many in a row raises EngineError."""
        try:
            if (refusal := self._begin(watch)) is not None:
                raise LostError(f"it did not start again: {refusal.message}", reason="start")  # noqa: TRY301
            results = self._render(shots, watch)
        except LostError as error:
            self._lost += 1
            log.warning("engine lost: reason=%s times=%d: %s", error.reason, self._lost, error)
            if self._lost >= self._restarts:
                message = f"the {self.spec.name} engine was lost {self._lost} times in a row; the last time: {error}"
                raise EngineError(message, retryable=True) from error
            return [LostError(str(error), reason=error.reason) for _ in shots]
        except LateError as error:
            return [LateError(str(error)) for _ in shots]
        if any(isinstance(result, Rendered) for result in results):
            self._lost = 0
        return results

    def close(self) -> None:
        """End the guest. Idempotent. From another thread it ends a batch that hangs, too, which then is lost."""
        guest, self._guest = self._guest, None
        if guest is not None and not guest.close(CLOSE_SECONDS):
            log.error("engine process %d cannot be ended; left behind", guest.pid)

    def _begin(self, watch: Watch) -> Refusal | None:
        """Have a guest that is ready. Gives why its engine refused to start, or raises LostError."""
        if self._guest is not None and self._guest.alive():
            return None
        if self._guest is not None:
            log.warning("engine process %d ended between two batches; starting another", self._guest.pid)
            self.close()
        try:
            guest = Guest(self._factory)
        except OSError as error:
            raise LostError(f"no process for the {self.spec.name} engine: {error}", reason="start") from error
        self._guest = guest
        answer = self._ask(_Order(guest, watch, None, None), Start())
        if isinstance(answer, Refusal):
            self.close()
            return answer
        return None

    def _render(self, shots: Sequence[Shot], watch: Watch) -> list[Rendered | EngineError]:
        assert self._guest is not None  # noqa: S101 - started just before
        self._number += 1
        order = _Order(self._guest, watch, self._number, self._limit)
        answer = self._ask(order, Render(self._number, shots))
        try:
            if isinstance(answer, Done):
                results = [_result(order.guest, each) for each in answer.answers]
            else:
                assert isinstance(answer, Cancelled)  # noqa: S101 - the guest's only other answer
                results = []
        except GoneError as error:
            raise self._loss(order, "crash", f"the engine's process is gone: {error}") from error
        if order.cancelled is not None:
            raise order.cancelled
        if not results and shots:
            raise LateError(f"took longer than {self._limit:g} s")
        return results

    def _ask(self, order: _Order, command: Command) -> Answer:
        """Give a command and wait for its answer, passing on beats. Raises LostError, or the watch's CancelledError."""
        starting = order.number is None
        self._pulse.begin("the start of loading" if starting else "the start of the batch", starting=starting)
        try:
            order.guest.tell(command)
            while True:
                message = order.guest.hear(self._nap(order))
                if isinstance(message, Broken):
                    raise self._loss(order, "crash", f"the engine broke: {_last_line(message.reason)}", message.reason)
                if isinstance(message, Ready | Refusal | Done | Cancelled):
                    return message
                self._note(order, message)
                self._check(order)
        except GoneError as error:
            raise self._loss(order, "crash", f"the engine's process is gone: {error}") from error
        finally:
            self._pulse.end()

    def _note(self, order: _Order, message: Message | None) -> None:
        """Pass on what is no answer."""
        if isinstance(message, Logged):
            logger = logging.getLogger(message.record.name)
            if logger.isEnabledFor(message.record.levelno):
                logger.handle(message.record)
        elif isinstance(message, Beat):
            self._pulse.beat(message.stage, message.done, message.total)
            try:
                order.watch.beat(message.stage, message.done, message.total)
            except CancelledError as error:
                if order.number is None:
                    self._kill(order)
                    raise
                order.cancelled = error
                self._stop(order)

    def _check(self, order: _Order) -> None:
        """Raise LostError when the guest hangs or will not stop. Tell it to stop when it is late."""
        now = time.monotonic()
        if (silence := self._looks.silence()) is not None:
            raise self._loss(order, "hang", f"hung: {silence}", stacks=True)
        if order.limit is not None and order.asked is None and now - order.began > order.limit:
            self._stop(order)
        if order.asked is not None and now - order.asked > self._grace:
            where = self._pulse.last
            if order.cancelled is not None:
                self._kill(order, stacks=True)
                raise order.cancelled
            raise self._loss(order, "timeout", f"took longer than {order.limit:g} s, stuck since {where}", stacks=True)

    def _stop(self, order: _Order) -> None:
        if order.asked is None and order.number is not None:
            order.asked = time.monotonic()
            order.guest.tell(Cancel(order.number))

    @property
    def _grace(self) -> float:
        return max(LEAST_GRACE, 3 * self._pulse.slowest)

    def _nap(self, order: _Order) -> float:
        """Seconds until something may have to be done although the guest says nothing."""
        now, last = time.monotonic(), self._pulse.last
        assert last is not None  # noqa: S101 - begun by the caller
        due = [last.at + self._pulse.patience(starting=last.starting)]
        if order.asked is not None:
            due.append(order.asked + self._grace)
        elif order.limit is not None:
            due.append(order.began + order.limit)
        # A little later than due, so that it is due then.
        return max(0.0, min(due) - now) + 0.01

    def _loss(self, order: _Order, reason: Loss, message: str, detail: str = "", *, stacks: bool = False) -> Exception:
        """What to raise for a guest that is lost, after it was ended."""
        if detail:
            log.error("the engine broke in its process:\n%s", detail)
        if not self._kill(order, stacks=stacks):
            return EngineError(f"{message}; and its process {order.guest.pid} cannot be ended", retryable=True)
        return LostError(message, reason=reason)

    def _kill(self, order: _Order, *, stacks: bool = False) -> bool:
        self._guest = None
        return order.guest.kill(stacks=stacks)


def _result(guest: Guest, answer: Picture | Refusal) -> Rendered | EngineError:
    if isinstance(answer, Refusal):
        return EngineError(answer.message, retryable=answer.retryable)
    frames = guest.line.receive_frames(answer.shape)
    return Rendered(frames=frames, seconds=answer.seconds, stages=answer.stages, figures=answer.figures)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
