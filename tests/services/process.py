"""Starts server processes and sends them signals by pid, without ever taking another process for one of ours."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.services import environment

POLL_S = 0.02
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process known by its number and the moment it was born, since numbers are used again.

    Attributes:
        pid: its number.
        born: its start in clock ticks after boot; 0 where the system does not tell (no /proc).
    """

    pid: int
    born: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has the number `pid` now."""
        fields = _stat(pid)
        return cls(pid, fields.born if fields else 0)

    @property
    def alive(self) -> bool:
        """Whether it runs, or is stopped; a zombie is dead."""
        if not _PROC.is_dir():
            return _answers(self.pid)
        fields = _stat(self.pid)
        return fields is not None and fields.born == self.born and fields.state not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it is gone."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def family(self) -> list["Process"]:
        """It and all its descendants, parents first."""
        found = [self]
        children: dict[int, list[int]] = {}
        for entry in _PROC.glob("[0-9]*"):
            if fields := _stat(int(entry.name)):
                children.setdefault(fields.parent, []).append(int(entry.name))
        for member in found:
            found += [Process.of(child) for child in children.get(member.pid, [])]
        return found

    def stands_still(self) -> bool:
        """Whether every thread of it is stopped, or there is none: a signal is only sent, and takes effect later."""
        states = []
        for stat in (_PROC / str(self.pid) / "task").glob("*/stat"):
            try:
                states.append(stat.read_text().rpartition(") ")[2][:1])
            except OSError:
                continue  # the thread ended meanwhile
        return all(state in {"T", "t", "Z", "X"} for state in states)

    def wait(self, timeout_s: float) -> bool:
        """Whether it is gone within `timeout_s`. A child of ours is reaped."""
        deadline = time.monotonic() + timeout_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        with suppress(ChildProcessError):  # not a child of ours: whose it is reaps it
            os.waitpid(self.pid, os.WNOHANG)
        return True


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    born: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets and may hold anything, brackets and blanks too.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), born=int(fields[19]))


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def spawn(
    command: list[str],
    *,
    log: Path,
    settings: Mapping[str, str | None] | None = None,
    user: str | None = None,
    outlive: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C in the terminal does not reach it before us.

    Args:
        command: the program and its arguments.
        log: receives stdout and stderr, at its end.
        settings: changes to the environment.
        user: whom to run it as; needs root.
        outlive: whether it goes on after this process. Otherwise the system kills it when this one dies,
            however it dies (Linux only: elsewhere a killed test run leaves it behind).
    """
    if not outlive:
        command = [*_dies_with_us(), *command]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd="/",
                env=environment.with_changes(settings or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user and _group_of(user),
                extra_groups=[] if user else None,
            )

    return start() if outlive else _spawner(os.getpid()).submit(start).result()


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _dies_with_us() -> list[str]:
    if sys.platform != "linux" or not (setpriv := shutil.which("setpriv")):
        return []
    return [setpriv, "--pdeathsig", "KILL", "--"]


@cache
def _spawner(_pid: int) -> ThreadPoolExecutor:
    """One thread that starts everything and never ends.

    "Parent death" is the death of the *thread* that started the child, so a broker that a test restarts from a
    helper thread would die with that helper. One by process, since a fork has none of its parent's threads.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="services-spawner")
