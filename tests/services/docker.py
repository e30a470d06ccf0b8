"""The services as Docker containers, by testcontainers, with the images that deploy/compose.yaml pins."""

import importlib
import importlib.util
import secrets
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
_ASK_S = 5
_POLL_S = 0.2


@cache
def answers() -> bool:
    """Whether testcontainers is installed and a Docker daemon answers; asked once."""
    if not importlib.util.find_spec("testcontainers"):
        return False
    docker = importlib.import_module("docker")
    try:
        client = docker.from_env(timeout=_ASK_S)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


def image(service: str) -> str:
    """The image that compose.yaml pins for `service`."""
    return str(yaml.safe_load(COMPOSE.read_text())["services"][service]["image"])


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
    """An S3 server in a container."""
    port = free_port()
    key, secret = f"test{secrets.token_hex(6)}", secrets.token_hex(16)
    address = S3Address(f"{LOOPBACK}:{port}", key, secret)
    variables = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    with _container(image("s3"), {8333: port}, variables, command="server -s3 -dir=/data -master.volumeSizeLimitMB=64"):
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
def _container(image_name: str, ports: dict[int, int], variables: dict[str, str], command: str = "") -> Iterator[Any]:
    made = importlib.import_module("testcontainers.core.container").DockerContainer(image_name)
    for inside, outside in ports.items():
        made = made.with_bind_ports(inside, (LOOPBACK, outside))
    made = made.with_envs(**variables)
    with made.with_command(command) if command else made as running:
        yield running


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
