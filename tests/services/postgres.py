"""A real PostgreSQL from the programs of this machine, its promises about power cuts given up for speed."""

import os
import pwd
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from tests.services import environment, programs
from tests.services.addresses import PostgresAddress
from tests.services.cache import Say, say
from tests.services.errors import ServiceError
from tests.services.ports import LOOPBACK
from tests.services.service import Service

USER = "skureel"
INITDB_S = 120.0
# Data that is thrown away need not survive the machine. It must survive the killed server, so that each commit
# still reaches the system: synchronous_commit stays on.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": LOOPBACK,
    # No socket file: its usual folder belongs to the distribution's own server.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


class Postgres(Service):
    """A PostgreSQL server of our own, with a password drawn at random. Arguments: see `Service`."""

    name = "postgres"
    # SIGTERM waits for the clients to leave; SIGINT ends their sessions.
    _leave = signal.SIGINT

    def __init__(
        self, folder: Path | None = None, *, port: int | None = None, outlive: bool = False, tell: Say = say
    ) -> None:
        super().__init__(folder, port=port, outlive=outlive, tell=tell)
        self.password = secrets.token_hex(12)

    @property
    def address(self) -> PostgresAddress:
        """Where it is, and the password."""
        url = URL.create("postgresql+psycopg", USER, self.password, LOOPBACK, self.port, "postgres")
        return PostgresAddress(url)

    @property
    def address_text(self) -> str:
        """SQLAlchemy's URL of its first database."""
        return self.address.dsn()

    def dsn(self, database: str | None = None) -> str:
        """See `PostgresAddress.dsn`."""
        return self.address.dsn(database)

    def fresh_database(self, prefix: str = "test") -> str:
        """See `PostgresAddress.fresh_database`."""
        return self.address.fresh_database(prefix)

    def check(self) -> None:
        """See `PostgresAddress.check`."""
        self.address.check(timeout_s=2.0)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _user(self) -> str | None:
        return programs.unprivileged_user()

    def _prepare(self) -> None:
        initdb = programs.postgres_tools() / "initdb"
        user = self._user()
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if user:
            os.chown(password_file, pwd.getpwnam(user).pw_uid, -1)
        command = [str(initdb), "-D", str(self._data), "-U", USER, "-A", "scram-sha-256", "-N"]
        command += [f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale"]
        done = subprocess.run(
            command,
            cwd="/",
            env=environment.with_changes(self._settings()),
            capture_output=True,
            text=True,
            timeout=INITDB_S,
            check=False,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        password_file.unlink()
        if done.returncode:
            raise ServiceError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _command(self) -> list[str]:
        command = [str(programs.postgres_tools() / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for key, value in SETTINGS.items():
            command += ["-c", f"{key}={value}"]
        return command

    def _settings(self) -> dict[str, str | None]:
        return {"LC_ALL": "C", "TZ": "UTC", "PGDATA": None}

    def _secrets(self) -> dict[str, Any]:
        return {"password": self.password}

    def _recall(self, state: dict[str, Any]) -> None:
        self.password = state["password"]
