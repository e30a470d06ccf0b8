"""The guest: the process that has the engine. Obeys its host, tells it every step, and never outlives it."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import logging.handlers
import os
import queue
import signal
import socket
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress

from model.engine import CancelledError, Engine, EngineError, Frames, Rendered
from model.hosted.wire import (
    Answer,
    Beat,
    Broken,
    Cancel,
    Cancelled,
    Close,
    Command,
    Done,
    GoneError,
    Hello,
    Line,
    Logged,
    Picture,
    Ready,
    Refusal,
    Render,
    Start,
)

STACKS_SIGNAL = signal.SIGUSR1
"""Makes the guest write the stack of each of its threads to stderr, even from within a call that does not return."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(descriptor: int, host: int) -> None:
    """Serve the host (its process id) over an inherited socket until it says close, or is gone."""
    _die_with(host)
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal and a service manager signal the whole group: the host decides what is still finished.
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
    faulthandler.register(STACKS_SIGNAL)
    line = Line(socket.socket(fileno=descriptor))
    with suppress(GoneError):
        try:
            hello = line.receive()
        except (ImportError, AttributeError):
            line.send(Broken(traceback.format_exc()))  # the factory's module is not there
        else:
            assert isinstance(hello, Hello)  # noqa: S101 - a programming error, not an input
            _forward_logs(line, hello.level)
            _Guest(line).serve(hello)
    line.close()


def _die_with(host: int) -> None:
    """Have the kernel kill us when the host's keeper thread is gone: no native call can hold that up."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != host:
        os._exit(1)


class _Guest:
    """Commands in, answers out. A thread reads, so that a cancellation is heard while the engine works."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._commands: queue.Queue[Command] = queue.Queue()
        self._cancelled = -1
        self._number = 0

    def serve(self, hello: Hello) -> None:
        """Obey until told to close."""
        threading.Thread(target=self._listen, name="skureel-guest-line", daemon=True).start()
        engine: Engine | None = None
        while True:
            command = self._commands.get()
            frames: list[Frames] = []
            try:
                if isinstance(command, Close):
                    break
                if engine is None:
                    engine = hello.factory()
                answer = self._obey(engine, command, frames)
            except Exception:  # noqa: BLE001 - whatever it is, the host is told and starts another process
                self._line.send(Broken(traceback.format_exc()))
                return
            self._line.send(answer, frames)
        if engine is not None:
            engine.close()

    def _obey(self, engine: Engine, command: Command, frames: list[Frames]) -> Answer:
        if isinstance(command, Start):
            try:
                engine.start(self)
            except EngineError as error:
                return Refusal(str(error), error.retryable)
            return Ready()
        assert isinstance(command, Render)  # noqa: S101 - the reader keeps cancellations
        self._number = command.number
        try:
            results = engine.render(command.shots, self)
        except CancelledError:
            if self._cancelled != command.number:
                raise
            return Cancelled()
        return Done(_without_frames(results, frames))

    def beat(self, stage: str, done: int, total: int) -> None:
        """Tell the host; stop here when it asked to."""
        self._line.send(Beat(stage, done, total))
        if self._cancelled == self._number:
            raise CancelledError("by the host")

    def _listen(self) -> None:
        while True:
            try:
                message = self._line.receive()
            except GoneError:
                os._exit(1)  # nobody is left to whom a result would matter
            if isinstance(message, Cancel):
                self._cancelled = message.number
            elif isinstance(message, Start | Render | Close):
                self._commands.put(message)


def _without_frames(results: Sequence[Rendered | EngineError], frames: list[Frames]) -> list[Picture | Refusal]:
    """The results as answers; their frames are added to ``frames``."""
    answers: list[Picture | Refusal] = []
    for result in results:
        if isinstance(result, EngineError):
            answers.append(Refusal(str(result), result.retryable))
            continue
        frames.append(result.frames)
        answers.append(Picture(result.frames.shape, result.seconds, dict(result.stages), dict(result.figures)))
    return answers


class _ToHost(logging.handlers.QueueHandler):
    """Sends log lines to the host, which writes them as it writes its own."""

    def __init__(self, line: Line) -> None:
        super().__init__(queue.Queue())
        self._line = line

    def enqueue(self, record: logging.LogRecord) -> None:
        """Called with the record's text made and its arguments taken off."""
        with suppress(GoneError):
            self._line.send(Logged(record))


def _forward_logs(line: Line, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_ToHost(line)]
    root.setLevel(level)
