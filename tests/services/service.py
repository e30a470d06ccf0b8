"""The life of one local server: prepared once, started, stopped, killed, paused; it knows no particular server."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.services.cache import Say, say
from tests.services.errors import ServiceError
from tests.services.ports import free_port
from tests.services.process import POLL_S, Process, spawn

STILL_S = 10.0
"""Seconds that a stopped process may take to stand still."""

# A cold Java on two busy cores took 8 s at worst; this much later something is broken.
START_S = 90.0
# How long a server may take to leave in order before it is killed.
STOP_S = 20.0
_STARTS = 3
_RETRY_S = 0.3
_MARK = ".skureel-service"
_PREPARED = ".prepared"


class Service(ABC):
    """A server on a loopback port with a data folder of its own.

    It can be stopped, killed and started again: port and data stay. As a context manager it starts, and in the
    end stops and removes its data. Unless `outlive`, it dies with this process.

    Args:
        folder: for data, settings and log; made if absent. Default: a temporary one.
        port: where to listen; default: a free one.
        outlive: whether it goes on when this process ends.
        tell: receives progress while something is fetched.
    """

    name: ClassVar[str]
    _leave: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self, folder: Path | None = None, *, port: int | None = None, outlive: bool = False, tell: Say = say
    ) -> None:
        self.folder = (folder or Path(tempfile.mkdtemp(prefix=f"skureel-{self.name}-"))).resolve()
        self.port = port or free_port()
        self.tell = tell
        self._may_move = port is None
        self._outlive = outlive
        self._child: subprocess.Popen[bytes] | None = None
        self.process: Process | None = None

    @property
    def log(self) -> Path:
        """The file that receives what the server prints."""
        return self.folder / "server.log"

    @property
    def running(self) -> bool:
        """Whether its process exists; it may be paused."""
        alive = self.process is not None and self.process.alive
        if self._child:
            self._child.poll()  # after the look, so that whoever was seen dead is reaped
        return alive

    def start(self) -> Self:
        """Start it and return when it answers; nothing happens when it runs already.

        Raises:
            MissingProgram: a program it is made with is missing.
            ServiceError: it did not answer within 90 s, or ended; the message carries the end of its log.
        """
        if self.running:
            return self
        self._claim_folder()
        for attempt in range(1, _STARTS + 1):
            try:
                self._start_once()
            except ServiceError:
                # Another process took the port since it was drawn, or the children of a killed server still
                # hold its data.
                last = attempt == _STARTS or self.running
                self.kill()  # one that looks dead too: it may not have been reaped, and its place is taken next
                if last:
                    raise
                self.port = free_port() if self._may_move else self.port
                time.sleep(_RETRY_S)
            except BaseException:
                self.kill()
                raise
            else:
                break
        self._may_move = False  # clients know the port now
        if self._outlive:
            self._disown()
        else:
            atexit.register(self.close)
        return self

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask it to leave, and kill it when it has not after `timeout_s`. Data and port stay."""
        if self.process and self.running:
            self.resume()
            self.process.send(self._leave)
            self._reap(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL it and its children, as a power cut would; return when it is gone. Data and port stay."""
        if self.process and self.running:
            members = self.process.family()
            for member in members:
                member.send(signal.SIGKILL)
            self._reap(STOP_S)
            for member in members[1:]:
                member.wait(STOP_S)
        if self._child:
            self._child.wait(STOP_S)  # a server looks dead a moment before the last of its threads lets it be reaped
        self.process = self._child = None

    def pause(self) -> None:
        """SIGSTOP it and its children, and wait until they stand: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)
        deadline = time.monotonic() + STILL_S
        while self.process and not all(member.stands_still() for member in self.process.family()):
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name}: did not stop within {STILL_S:.0f} s of SIGSTOP")
            time.sleep(POLL_S)

    def resume(self) -> None:
        """SIGCONT it and its children."""
        self._signal_all(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it in order and start it again, on the same port with the same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove its folder."""
        atexit.unregister(self.close)
        self.stop()
        self.remove_data()

    def remove_data(self) -> None:
        """Remove the folder, if it is one that a service made."""
        if (self.folder / _MARK).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self, lines: int = 40) -> str:
        """The last lines that the server printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        """Start it."""
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its data."""
        self.close()

    def state(self) -> dict[str, Any]:
        """What `restored` needs to find this service again from another process."""
        process = self.process
        return {
            "folder": str(self.folder),
            "port": self.port,
            "pid": process.pid if process else None,
            "born": process.born if process else None,
            **self._secrets(),
        }

    @classmethod
    def restored(cls, state: dict[str, Any], *, tell: Say = say) -> Self:
        """The service that wrote `state`, running or not."""
        service = cls(Path(state["folder"]), port=state["port"], outlive=True, tell=tell)
        service._recall(state)
        if state["pid"] is not None:
            service.process = Process(state["pid"], state["born"])
        return service

    @property
    @abstractmethod
    def address_text(self) -> str:
        """Its address as the environment variables of the tests carry it."""

    @abstractmethod
    def check(self) -> None:
        """Return if it answers; raises ServiceError otherwise."""

    @abstractmethod
    def _prepare(self) -> None:
        """Fill the new, empty folder; called once, before the first start."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments; called before each start, may write settings."""

    def _settings(self) -> dict[str, str | None]:
        return {}

    def _user(self) -> str | None:
        return None

    @abstractmethod
    def _secrets(self) -> dict[str, Any]:
        """What another process must know, beside folder and port, to work with this server."""

    @abstractmethod
    def _recall(self, state: dict[str, Any]) -> None:
        """Take back what `_secrets` gave."""

    def _claim_folder(self) -> None:
        """Make the folder ours. One that holds another's files is refused: `close` will remove it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / _MARK).exists():
            if any(self.folder.iterdir()):
                raise ServiceError(f"{self.name}: the folder {self.folder} is not empty, and no service made it")
            (self.folder / _MARK).touch()
        if user := self._user():
            self.folder = self._reachable(user)
        if not (self.folder / _PREPARED).exists():
            for leftover in self.folder.iterdir():  # of a preparation that was cut short
                if leftover.name not in {_MARK, self.log.name}:
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            self._prepare()
            (self.folder / _PREPARED).touch()

    def _reachable(self, user: str) -> Path:
        """A folder that `user` may enter: ours, or a temporary one where a parent is closed to others (/root)."""
        folder = self.folder
        if any(not parent.stat().st_mode & 0o001 for parent in folder.parents):
            shutil.rmtree(folder)
            folder = Path(tempfile.mkdtemp(prefix=f"skureel-{self.name}-"))
            (folder / _MARK).touch()
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        return folder

    def _start_once(self) -> None:
        self._child = spawn(
            self._command(),
            log=self.log,
            settings=self._settings(),
            user=self._user(),
            outlive=self._outlive,
        )
        self.process = Process.of(self._child.pid)
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.check()
            except ServiceError as reason:
                if not self.running:
                    problem = "ended at once"
                elif time.monotonic() > deadline:
                    problem = f"did not answer within {START_S:.0f} s ({reason})"
                else:
                    time.sleep(POLL_S)
                    continue
                raise ServiceError(f"{self.name} {problem}; its log ends:\n{self.log_tail()}") from None
            if not self.running:  # somebody else answers on our port
                raise ServiceError(f"{self.name} ended at once; its log ends:\n{self.log_tail()}")
            return

    def _disown(self) -> None:
        """Let go of a child that is to outlive us: Python warns of a running child it still holds."""
        if self._child:
            self._child.returncode = 0
            self._child = None

    def _signal_all(self, number: signal.Signals) -> None:
        if self.process:
            for member in self.process.family():
                member.send(number)

    def _reap(self, timeout_s: float) -> None:
        if self._child:
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return
        elif self.process:
            self.process.wait(timeout_s)
