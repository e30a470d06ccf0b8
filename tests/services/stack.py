"""Services that stay up between commands: a folder with a state file says what runs where."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services import environment
from tests.services.cache import Say, locked, say
from tests.services.errors import ServiceError
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.s3 import Minio
from tests.services.service import Service

SERVICES: dict[str, type[Service]] = {cls.name: cls for cls in (Kafka, Minio, Postgres)}
VARIABLES = {
    "kafka": environment.KAFKA,
    "minio": environment.S3,
    "postgres": environment.POSTGRES,
}


class Stack:
    """The services that were brought up in `folder`. Every method holds the folder's lock while it works."""

    def __init__(self, folder: Path, tell: Say = say) -> None:
        self.folder = folder.absolute()
        self.tell = tell

    def up(self, names: Iterable[str]) -> None:
        """Start those of `names` that do not run; port and data of one that ran before come back.

        Raises:
            MissingProgram: a program is missing. What was started before it stays up.
            ServiceError: one does not start, or runs without answering.
        """
        with self._services() as services:
            for name in names:
                service = services.get(name) or self._new(name)
                running = service.running
                try:
                    service.start()
                    services[name] = service
                except BaseException:
                    if name not in services:
                        service.close()
                    raise
                service.check()
                self.tell(f"{name}: {'runs already' if running else 'runs'}, port {service.port}")

    def down(self, *, keep: bool = False) -> list[str]:
        """Stop everything; remove the data, unless `keep`: then `up` finds it again. Returns the names stopped."""
        with self._services() as services:
            stopped = []
            for name, service in list(services.items()):
                if service.running:
                    stopped.append(name)
                    self.tell(f"{name}: stopping")
                service.stop()
                if not keep:
                    service.remove_data()
                    del services[name]
        return stopped

    def status(self) -> dict[str, dict[str, Any]]:
        """Of each service that was brought up: state (answers, silent, stopped), pid, port, folder and log."""
        with self._services() as services:
            return {name: _status(service) for name, service in services.items()}

    def addresses(self) -> dict[str, str]:
        """The environment variables that lead tests to what answers now."""
        with self._services() as services:
            return {
                VARIABLES[name]: service.address_text
                for name, service in services.items()
                if _status(service)["state"] == "answers"
            }

    def _new(self, name: str) -> Service:
        return SERVICES[name](self.folder / name, outlive=True, tell=self.tell)

    @contextmanager
    def _services(self) -> Iterator[dict[str, Service]]:
        """The services of the state file; what the caller changes is written back, come what may."""
        with locked(self.folder / "lock", waiting="another command works on these services; waiting"):
            services = self._read()
            try:
                yield services
            finally:
                self._write(services)

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    def _read(self) -> dict[str, Service]:
        if not self._file.exists():
            return {}
        try:
            states = json.loads(self._file.read_text())
            return {name: SERVICES[name].restored(state, tell=self.tell) for name, state in states.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServiceError(
                f"{self._file} cannot be read ({error!r}): stop what it names by hand, then remove it"
            ) from error

    def _write(self, services: dict[str, Service]) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)  # it holds passwords
        temporary.write_text(json.dumps({name: service.state() for name, service in services.items()}, indent=1))
        os.replace(temporary, self._file)  # noqa: PTH105 - the same, and says what is meant


def _status(service: Service) -> dict[str, Any]:
    state = "stopped"
    if service.running:
        try:
            service.check()
            state = "answers"
        except ServiceError:
            state = "silent"
    return {
        "state": state,
        "pid": service.process.pid if service.process and state != "stopped" else None,
        "port": service.port,
        "folder": str(service.folder),
        "log": str(service.log),
    }
