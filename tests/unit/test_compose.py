"""The compose file is safe and sound: pinned images, loopback ports, local passwords, health, known settings."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
LOCAL_SECRET = "skureel-dev-secret"

document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
services: dict[str, dict[str, Any]] = document["services"]
each = pytest.mark.parametrize("name", services)


def test_all_parts_are_there() -> None:
    """A broker, an S3 server, a database, a registry, and skureel."""
    assert set(services) == {"kafka", "s3", "postgres", "registry", "skureel"}


@each
def test_images_are_pinned(name: str) -> None:
    """Every image has a tag that names a version, never latest, and no registry host; skureel's is built here."""
    image = services[name]["image"]
    if "build" in services[name]:
        assert image == "skureel:dev"
        return
    assert re.fullmatch(r"([a-z0-9-]+/)?[a-z0-9-]+:\d+(\.\d+)+", image)


@each
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    """No published port listens beyond the loopback address, and no two share a number."""
    for port in services[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_published_ports_differ() -> None:
    """Two services do not want the same port."""
    published = [port.split(":")[1] for service in services.values() for port in service["ports"]]
    assert len(published) == len(set(published))


@each
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    """Each has a health check that gives up within five minutes."""
    check = services[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    seconds = {key: int(check[key].removesuffix("s")) for key in ("interval", "timeout", "start_period")}
    assert seconds["start_period"] + check["retries"] * (seconds["interval"] + seconds["timeout"]) <= 300


def test_skureel_waits_for_the_health_of_all_others() -> None:
    """It starts when the services answer, not when they were launched."""
    waits = services["skureel"]["depends_on"]
    assert set(waits) == set(services) - {"skureel"}
    assert all(wait == {"condition": "service_healthy"} for wait in waits.values())


def test_the_only_secret_is_plainly_a_local_one() -> None:
    """Whatever is a password or a key has the one value that says it is for development."""
    found = []
    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET", key):
                found.append(value)
            if inside := re.search(r"://[^:/]+:([^@]+)@", str(value)):
                found.append(inside[1])
    identities = json.loads(document["configs"]["s3-identities"]["content"])["identities"]
    found += [credential["secretKey"] for identity in identities for credential in identity["credentials"]]
    assert len(found) == 4
    assert set(found) == {LOCAL_SECRET}


def test_skureel_gets_settings_that_it_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its environment loads as settings: real Kafka, S3, PostgreSQL and registry, at the names of their services."""
    monkeypatch.chdir(tmp_path)
    for key, value in services["skureel"]["environment"].items():
        monkeypatch.setenv(key, value)
    settings = load()
    assert settings.kafka.bootstrap == "kafka:19092"
    assert settings.kafka.exactly_once
    assert (settings.store.kind, settings.store.s3.endpoint) == ("s3", "http://s3:8333")
    assert "@postgres:5432/" in settings.database.url.get_secret_value()
    assert settings.registry.url == "http://registry:8080/apis/ccompat/v7"
    assert f"127.0.0.1:{settings.observe.port}:{settings.observe.port}" in services["skureel"]["ports"]
    identities = json.loads(document["configs"]["s3-identities"]["content"])["identities"]
    assert identities[0]["credentials"] == [
        {
            "accessKey": settings.store.s3.access_key,
            "secretKey": settings.store.s3.secret_key.get_secret_value(),
        }
    ]
    grace = int(services["skureel"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.kafka.drain_timeout


def test_the_broker_tells_containers_and_this_machine_different_addresses() -> None:
    """Each advertised address is one that a listener serves and, outside, a port that is published."""
    environment = services["kafka"]["environment"]
    listeners = dict(part.split("://") for part in environment["KAFKA_LISTENERS"].split(","))
    advertised = dict(part.split("://") for part in environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert set(listeners) == set(advertised) | {"CONTROLLER"}
    assert all(listeners[name].split(":")[1] == where.split(":")[1] for name, where in advertised.items())
    assert advertised["INSIDE"] == services["skureel"]["environment"]["SKUREEL_KAFKA__BOOTSTRAP"]
    assert f"{advertised['OUTSIDE']}:9092" in services["kafka"]["ports"]


def test_skureel_runs_without_rights() -> None:
    """Read-only root, no capabilities, no new privileges; the image's user is not root and is given by number."""
    skureel = services["skureel"]
    assert skureel["read_only"] is True
    assert skureel["cap_drop"] == ["ALL"]
    assert skureel["security_opt"] == ["no-new-privileges:true"]
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert len(users) == 1
    assert int(users[0][0]) > 0


def test_the_image_is_built_from_what_exists() -> None:
    """The base is pinned; all that is copied is in the tree and let through by the ignore file; it starts skureel."""
    text = DOCKERFILE.read_text()
    assert re.search(r"^ARG BASE=python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    allowed = re.findall(r"^!(\S+)$", (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for source in line.split()
    }
    assert copied == set(allowed)
    assert all((DEPLOY.parent / source).exists() for source in copied)
    assert 'ENTRYPOINT ["skureel"]' in text
    build = services["skureel"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE.resolve()


def test_compose_itself_accepts_the_file() -> None:
    """`docker compose config` reads the file without complaint; needs no daemon."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not on this machine")
    done = subprocess.run(
        [docker, "compose", "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
