"""The soak's installation: servers of its own, and for each process links of its own to each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

from tests.faults.proxy import Proxy
from tests.harness import World
from tests.services import Kafka, Minio, Postgres
from tests.services.ports import LOOPBACK, free_port
from tests.services.service import Service
from tests.soak.goal import SECONDS, SIZE
from tests.soak.network import Link, Network

SETTINGS = {
    "SKUREEL_KAFKA__BATCH": "25",
    "SKUREEL_KAFKA__DRAIN_TIMEOUT": "10",
    "SKUREEL_STORE__PUBLIC_URL": "http://cdn.test",
    "SKUREEL_STORE__S3__TIMEOUT": "6",
    "SKUREEL_DATABASE__TIMEOUT": "5",
    "SKUREEL_PLANNER__PAGE": "20",
}
"""Small batches and pages, so that there are many moments to be killed in; little patience, so that outages count."""
DRAIN = 10.0 + 15.0
"""Seconds that a process may take to leave: its drain_timeout, and what the settings' docs ask a supervisor to add."""


class Doors(Kafka):
    """A broker that each process reaches by a door of its own, and is told that this is its only one."""

    def __init__(self, folder: Path, doors: dict[str, tuple[int, int]]) -> None:
        """``doors``: port here and port to be told, by names in capitals."""
        names = ["PLAINTEXT", "CONTROLLER", *doors]
        super().__init__(
            folder, properties={"listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names)}
        )
        self._doors = doors

    def _write_settings(self) -> None:
        super()._write_settings()
        own = f"PLAINTEXT://{self.bootstrap}"
        told = "".join(f",{name}://{LOOPBACK}:{told}" for name, (_, told) in self._doors.items())
        here = "".join(f",{name}://{LOOPBACK}:{here}" for name, (here, _) in self._doors.items())
        lines = []
        for line in self._settings_file.read_text().splitlines():
            if line.startswith("advertised.listeners="):
                lines.append(line + told)
            elif line.startswith("listeners="):
                lines.append(line.replace(own, own + here))
            else:
                lines.append(line)
        self._settings_file.write_text("\n".join(lines) + "\n")


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How one process reaches the servers."""

    broker: Link
    store: Link
    database: Link
    answers: Proxy
    """On the way to the broker: can lose the answers to the end of a transaction."""

    def by_name(self) -> dict[str, Link]:
        """Its links, by the service they lead to."""
        return {"broker": self.broker, "store": self.store, "database": self.database}

    def close(self) -> None:
        """Break what is not the network's."""
        self.answers.close()


class Site:
    """Servers, links and a world on them. Everything goes at the end of the block."""

    def __init__(self, folder: Path, processes: tuple[str, ...]) -> None:
        self.folder = folder
        self.network = Network()
        self.store, self.database = Minio(folder / "minio"), Postgres(folder / "postgres")
        self.ways: dict[str, Ways] = {}
        doors: dict[str, tuple[int, int]] = {}
        taken: set[int] = set()
        for number, name in enumerate(processes):
            port = free_port(taken)
            taken.add(port)
            answers = Proxy((LOOPBACK, port))
            way = Ways(
                broker=self.network.link(answers.port),
                store=self.network.link(self.store.port),
                database=self.network.link(self.database.port),
                answers=answers,
            )
            doors[f"DOOR{number}"] = (port, way.broker.port)
            self.ways[name] = way
        self.broker = Doors(folder / "kafka", doors)

    @property
    def services(self) -> dict[str, Service]:
        """By name."""
        return {"broker": self.broker, "store": self.store, "database": self.database}

    def __enter__(self) -> Self:
        """Start the servers, side by side. Raises ServiceError; nothing is left behind then."""
        try:
            with ThreadPoolExecutor(3) as pool:
                list(pool.map(lambda service: service.start(), self.services.values()))
            self.world = World(
                kafka=self.broker.address,
                s3=self.store.address,
                bucket=self.store.bucket("soak"),
                database_url=self.database.fresh_database("soak"),
                folder=self.folder,
                engine="tests.soak.engines:logged",
                size=SIZE,
                seconds=SECONDS,
                extra=SETTINGS,
            )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them and remove their data."""
        self.close()

    def close(self) -> None:
        """See ``__exit__``."""
        for service in self.services.values():
            service.close()
        for way in self.ways.values():
            way.close()
        self.network.close()

    def environment(self, name: str) -> dict[str, str]:
        """How the process of that name is told to reach the servers."""
        way = self.ways[name]
        url = make_url(self.world.database_url).set(port=way.database.port)
        return {
            "SKUREEL_KAFKA__BOOTSTRAP": f"{LOOPBACK}:{way.broker.port}",
            "SKUREEL_KAFKA__INSTANCE": name,
            "SKUREEL_STORE__S3__ENDPOINT": f"http://{LOOPBACK}:{way.store.port}",
            "SKUREEL_DATABASE__URL": url.render_as_string(hide_password=False),
        }
