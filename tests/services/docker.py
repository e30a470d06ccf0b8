"""The services as Docker containers, by testcontainers, with the images that deploy/compose.yaml pins."""

import importlib
import importlib.util
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import URL

from tests.services.addresses import KafkaAddress, PostgresAddress, S3Address
from tests.services.errors import ServiceError
from tests.services.kafka import PROPERTIES
from tests.services.ports import LOOPBACK, free_port
from tests.services.service import START_S

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
_ASK = "import docker; docker.from_env(timeout=5).ping()"
_POLL_S = 0.2


@cache
def answers() -> bool:
    """Whether testcontainers is installed and a Docker daemon answers; asked once."""
    if not importlib.util.find_spec("testcontainers"):
        return False
    # In a process of its own: the client leaves its socket open when nobody answers.
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, check=False)
    return asked.returncode == 0


def image(service: str) -> str:
    """The image that compose.yaml pins for `service`."""
    return str(_compose()["services"][service]["image"])


def kafka_variables(port: int) -> dict[str, str]:
    """The settings of our own broker as the image reads them: `a.b` is `KAFKA_A_B`.

    Inside and outside the port is the same, since a broker tells its clients its own address.
    """
    own = {
        "listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:29093",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": "1@127.0.0.1:29093",
    }
    return {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in (PROPERTIES | own).items()}


@contextmanager
def kafka() -> Iterator[KafkaAddress]:
    """A broker in a container."""
    port = free_port()
    address = KafkaAddress(f"{LOOPBACK}:{port}")
    with _container(image("kafka"), {port: port}, kafka_variables(port)):
        _await(address.check)
        yield address


@contextmanager
def s3() -> Iterator[S3Address]:
    """An S3 server in a container, with the command and the keys of compose.yaml."""
    document = _compose()
    identities = document["configs"]["s3-identities"]["content"]
    keys = json.loads(identities)["identities"][0]["credentials"][0]
    port = free_port()
    address = S3Address(f"{LOOPBACK}:{port}", keys["accessKey"], keys["secretKey"])
    command = document["services"]["s3"]["command"]
    files = {document["services"]["s3"]["configs"][0]["target"]: identities.encode()}
    with _container(image("s3"), {8333: port}, {}, command=command, files=files):
        _await(address.check)
        yield address


@contextmanager
def postgres() -> Iterator[PostgresAddress]:
    """A PostgreSQL in a container."""
    port, password = free_port(), secrets.token_hex(12)
    address = PostgresAddress(URL.create("postgresql+psycopg", "skureel", password, LOOPBACK, port, "postgres"))
    variables = {"POSTGRES_USER": "skureel", "POSTGRES_PASSWORD": password}
    with _container(image("postgres"), {5432: port}, variables, command="postgres -c fsync=off -c max_connections=200"):
        _await(address.check)
        yield address


@contextmanager
def _container(
    image_name: str,
    ports: dict[int, int],
    variables: dict[str, str],
    *,
    command: str = "",
    files: dict[str, bytes] | None = None,
) -> Iterator[None]:
    made: Any = importlib.import_module("testcontainers.core.container").DockerContainer(image_name)
    # Not with_bind_ports, which opens them on every interface.
    made.ports |= {str(inside): (LOOPBACK, outside) for inside, outside in ports.items()}
    made.with_envs(**variables)
    if command:
        made.with_command(command)
    with tempfile.TemporaryDirectory(prefix="skureel-docker-") as folder:
        # Mounted: copied in, they would come after the server has looked for them.
        Path(folder).chmod(0o755)
        for number, (where, content) in enumerate((files or {}).items()):
            (Path(folder) / str(number)).write_bytes(content)
            made.with_volume_mapping(f"{folder}/{number}", where, "ro")
        with made:
            yield


def _compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


def _await(check: Callable[[], None]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            check()
        except ServiceError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return
