"""Processes under a supervisor: a slot each, in which one is brought up again however the last one ended."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from tests.harness import Process
from tests.soak.site import DRAIN, Site

PAUSE = 1.0
"""Seconds before a process is started again that ended by itself with an error, as supervisors do."""


@dataclass(kw_only=True)
class Life:
    """One process of a slot. Instants are seconds since 1970."""

    slot: str
    pid: int
    began: float
    ended: float | None = None
    code: int | None = None
    log: str = ""


class Slot:
    """One place for a process. Methods may be called by any thread; a dead process is left to the supervisor."""

    def __init__(self, site: Site, name: str) -> None:
        self.name, self._site = name, site
        self.role = name.rpartition("-")[0]
        self.lives: list[Life] = []
        self._over = threading.Event()
        self.process = self._spawn()
        self._thread = threading.Thread(target=self._supervise, name=f"supervise-{name}", daemon=True)
        self._thread.start()

    def _spawn(self) -> Process:
        began = time.time()
        process = Process(self._site.world, self.role, **self._site.environment(self.name))
        self.lives.append(Life(slot=self.name, pid=process.process.pid, began=began, log=str(process.log)))
        return process

    def _supervise(self) -> None:
        while True:
            code = self.process.process.wait()
            life = self.lives[-1]
            life.ended, life.code = time.time(), code
            if self._over.wait(PAUSE if code > 0 else 0.0):
                return
            self.process = self._spawn()

    def send(self, number: signal.Signals) -> None:
        """A signal to the process that is there now."""
        self.process.process.send_signal(number)

    def leave(self) -> bool:
        """SIGTERM, then SIGKILL when it took longer than it may. False when it had to be killed."""
        process = self.process.process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DRAIN)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
        return True

    def close(self) -> bool:
        """Have it leave for good. False when it had to be killed."""
        self._over.set()
        left = self.leave()
        self._thread.join(10)
        if self.process.process.poll() is None:  # the supervisor had just started another
            self.process.kill()
        return left
