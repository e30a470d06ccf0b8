"""The host's hold on one guest process: start it, speak with it, end it whatever it does. Knows nothing of policy."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from model.engine import Engine
from model.hosted.guest import STACKS_SIGNAL
from model.hosted.wire import Close, Command, GoneError, Hello, Line, Message

GLANCE = 0.5
"""Seconds between two looks whether the process lives: its end of the line may be held open by processes of its own."""
REAP_SECONDS = 10.0
"""How long a killed process may take to go: one that sits in a device driver does not go at all."""
TELL_SECONDS = 30.0
"""How long a command may take to be read."""
STACKS_SECONDS = 0.5
"""How long a hanging process is given to write its stacks before it is killed."""

# Neither multiprocessing's start, which would run the main program again and which waits at exit for a process that
# cannot be killed, nor -m, which would put the working directory first among the places modules come from.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from model.hosted.guest import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


class Guest:
    """One process with an engine. Used by one thread at a time."""

    def __init__(self, factory: Callable[[], Engine]) -> None:
        """Start it. Raises OSError when there can be no process."""
        self._over = threading.Event()
        born: queue.Queue[subprocess.Popen[bytes] | OSError] = queue.Queue()
        ours, theirs = socket.socketpair()
        with theirs:
            # The kernel ends a guest with the thread that started it, so that thread stays as long as the guest does.
            target = partial(self._keep, theirs.fileno(), born)
            threading.Thread(target=target, name="skureel-keeper", daemon=True).start()
            process = born.get()
        if isinstance(process, OSError):
            ours.close()
            raise process
        self._process = process
        # Somebody stopped or frozen reads no commands: to wait for that would be to hang with it.
        ours.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", *divmod(round(TELL_SECONDS * 1e6), 10**6))
        )
        self._line = Line(ours)
        with suppress(GoneError):  # told by the first ``hear``
            self._line.send(Hello(factory, logging.getLogger().getEffectiveLevel()))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it is there."""
        return self._process.poll() is None

    def tell(self, command: Command) -> None:
        """Give a command. One that does not arrive is found out by ``hear``."""
        with suppress(GoneError):
            self._line.send(command)

    def hear(self, seconds: float) -> Message | None:
        """What it said, or None after ``seconds`` at most. Raises GoneError with how it ended when it is gone."""
        try:
            message = self._line.receive(min(seconds, GLANCE))
        except GoneError as error:
            raise GoneError(self._obituary()) from error
        if message is None and self._process.poll() is not None:
            raise GoneError(self._obituary())
        return message

    @property
    def line(self) -> Line:
        """Where frames come from."""
        return self._line

    def kill(self, *, stacks: bool = False) -> bool:
        """End it now, with its stacks in stderr if wanted. False when it cannot be ended."""
        if stacks and self._process.poll() is None:
            self._process.send_signal(STACKS_SIGNAL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STACKS_SECONDS)
        self._process.kill()
        return self._bury(REAP_SECONDS)

    def close(self, seconds: float) -> bool:
        """Ask it to free its device and end; kill it when it has not after ``seconds``. False when even that fails."""
        self.tell(Close())
        return self._bury(seconds) or self.kill()

    def _bury(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._line.close()
        self._over.set()
        return True

    def _obituary(self) -> str:
        """How it ended. It may hang up a moment before it is gone."""
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return "it hung up"
        if code >= 0:
            return f"it ended with code {code}"
        name = signal.Signals(-code).name
        return f"it was ended by {name}{' (out of memory?)' if -code == signal.SIGKILL else ''}"

    def _keep(self, descriptor: int, born: queue.Queue[subprocess.Popen[bytes] | OSError]) -> None:
        arguments = [sys.executable, "-c", _BOOT, str(descriptor), str(os.getpid()), json.dumps(sys.path)]
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=2,  # what libraries print must not be taken for output of ours
                pass_fds=(descriptor,),
            )
        except OSError as error:
            born.put(error)
            return
        born.put(process)
        self._over.wait()
