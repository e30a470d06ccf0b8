"""The doctor on real parts, well and broken: each names what is wrong and what to do, in bounded time."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from consumer.operate import doctor
from consumer.operate.checks import database, kafka, making, registry, store
from consumer.operate.checks.finding import Finding
from consumer.planner.catalog import Catalog
from consumer.settings import ClipSettings, Database, EngineSettings, Kafka, Planner, Registry, Settings, Store
from consumer.storage.open import open_store
from consumer.stream.schemas import load
from consumer.wiring import ADDRESS_FILE, remember_embedded
from model import encode, typeset
from model.errors import CodecError
from tests.commands import DEAD, embedded, program, skureel
from tests.integration.registry import server as registry_server
from tests.integration.registry.server import RegistryServer
from tests.services.addresses import KafkaAddress, S3Address, unique
from tests.services.kafka import Kafka as KafkaServer
from tests.services.postgres import Postgres

SECRET = "hunter2-correct-horse"
TOPICS = load().topics
PATIENCE = 60.0
"""Seconds: what is well must be found well on a machine under load, too."""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a real broker that has just started the time that it takes."""
    monkeypatch.setattr(kafka, "ANSWER_SECONDS", PATIENCE)
    monkeypatch.setattr(kafka, "WORK_SECONDS", PATIENCE - 10)


def look(part: ModuleType, settings: Settings | None = None) -> list[Finding]:
    """What the checks of one part find, as the command would show it."""
    settings = settings or Settings()
    return doctor.masked(doctor.examine(part.checks(settings), PATIENCE), doctor.secrets_of(settings))


def worst(found: list[Finding]) -> Finding:
    """The finding that decides."""
    return max(found, key=lambda finding: ("ok", "warn", "fail").index(finding.status))


def test_all_is_well_on_the_embedded_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any settings everything is found to work, and nothing that matters is left behind."""
    monkeypatch.setattr(doctor, "SECONDS", PATIENCE)
    ran = skureel("doctor", "--json")
    found = {finding["part"]: finding for finding in ran.json()}
    assert ran.code == 0
    machines_own = {"processors", "disk", "metrics port"}
    assert {finding["status"] for name, finding in found.items() if name not in machines_own} == {"ok"}
    assert set(found) == {
        "settings", "processors", "disk", "clock", "metrics port", "kafka", "kafka transactions", "schema registry",
        "store", "database", "video codec", "fonts", "templates", "wording rules", "engine", "signing",
    }  # fmt: skip
    assert "embedded: one was started for this check" in found["kafka"]["found"]
    assert "the first `skureel run` makes it" in found["database"]["found"]
    assert "libx264" in found["video codec"]["found"]
    assert "Noto Sans SC" in found["fonts"]["found"]
    assert not Path(".skureel/catalog.db").exists()


def test_the_program_ends_in_time_when_all_is_broken(tmp_path: Path) -> None:
    """With every service gone each is named in one run of bounded time, exit code 1, and no secret shows."""
    start = time.monotonic()
    ran = program(
        "doctor",
        SKUREEL_KAFKA__BOOTSTRAP=DEAD,
        SKUREEL_KAFKA__PASSWORD=SECRET,
        SKUREEL_REGISTRY__URL=f"http://user:{SECRET}@{DEAD}",
        SKUREEL_STORE__KIND="s3",
        SKUREEL_STORE__S3__ENDPOINT=f"http://{DEAD}",
        SKUREEL_STORE__S3__ACCESS_KEY="key",
        SKUREEL_STORE__S3__SECRET_KEY=SECRET,
        SKUREEL_DATABASE__URL=f"postgresql+psycopg://user:{SECRET}@{DEAD}/skureel",
        SKUREEL_ENGINE__NAME="no_such_module:Engine",
        SKUREEL_PLANNER__TEMPLATES=str(tmp_path / "absent"),
        COLUMNS="200",
    )
    assert time.monotonic() - start < 90  # 10 s, and the start of a program on a machine under load
    assert ran.code == 1
    failed = {line.split("  ")[1].strip() for line in ran.out.splitlines() if line.lstrip().startswith("fail")}
    assert failed >= {"kafka", "schema registry", "store", "database", "templates", "engine"}
    assert SECRET not in ran.out + ran.err
    assert "\x1b" not in ran.out
    assert ran.err == ""


def test_a_running_embedded_broker_is_found() -> None:
    """The broker of the service that runs in this folder is looked at, and one that was killed is told from it."""
    with embedded(*TOPICS):
        (found, _) = look(kafka)
        assert found.status == "ok"
        assert "the service that runs in this folder serves" in found.found
    remember_embedded(DEAD)
    (found,) = look(kafka)
    assert (found.status, str(ADDRESS_FILE) in found.todo) == ("warn", True)


def settings_for(address: KafkaAddress, **more: Any) -> Settings:
    """A real broker."""
    return Settings(kafka=Kafka.model_validate({"bootstrap": address.bootstrap, **more}))


@pytest.mark.usefixtures("patient")
def test_a_real_broker(kafka_with_topics: KafkaAddress) -> None:
    """Cluster, topics with their partitions, transactions and the new group protocol are all looked at."""
    found = look(kafka, settings_for(kafka_with_topics, protocol="consumer"))
    assert [finding.status for finding in found] == ["ok"] * 4
    assert "cluster " in found[0].found
    assert "1 broker" in found[0].found
    assert "partitions: product-created " in found[1].found
    assert "possible; ready in" in found[2].found
    assert "a group could be joined" in found[3].found
    found = look(kafka, settings_for(kafka_with_topics, delivery="at_least_once"))
    assert "kafka.delivery is at_least_once" in found[2].found


@pytest.mark.usefixtures("patient")
def test_missing_topics(kafka: KafkaAddress) -> None:
    """Missing topics are made by the service where it may and can; else it is said what to do."""
    settings = Settings.model_validate(
        {"kafka": {"bootstrap": kafka.bootstrap}, "topics": {"product_created": unique("absent")}}
    )

    def topics(**more: Any) -> Finding:
        changed = settings.model_copy(update={"kafka": settings.kafka.model_copy(update=more)})
        return look(sys.modules["consumer.operate.checks.kafka"], changed)[1]

    assert "; `skureel run` makes them, of 4 partitions" in topics().found
    few = topics(replication=3)
    assert (few.status, few.todo) == ("fail", "kafka.replication is 3, brokers are 1")
    assert (topics(create_topics=False).status, "create them" in topics(create_topics=False).todo) == ("fail", True)


@pytest.fixture
def kafka_with_topics(kafka: KafkaAddress) -> KafkaAddress:
    """The shared broker, with our topics of two partitions."""
    there = kafka.admin().list_topics(timeout=10).topics
    if missing := {name: 2 for name in TOPICS if name not in there}:
        kafka.create_topics(missing)
    return kafka


@pytest.mark.usefixtures("patient")
def test_a_broker_that_refuses() -> None:
    """Transactions longer than the broker allows and a protocol it does not know are each said with their setting."""
    limits = {"transaction.max.timeout.ms": "2000", "group.coordinator.rebalance.protocols": "classic"}
    with KafkaServer(properties=limits) as server:
        nothing = look(kafka, settings_for(server.address, protocol="consumer"))
        server.create_topics({"product-created": 1})
        found = look(kafka, settings_for(server.address, protocol="consumer"))
    assert "not tried: there is no topic yet" in nothing[3].found
    assert [finding.status for finding in found] == ["ok", "ok", "fail", "fail"]
    assert "transaction.max.timeout.ms" in found[2].todo
    assert "ConsumerGroupHeartbeat" in found[3].found
    assert "set kafka.protocol to classic" in found[3].todo


def test_wrong_client_options() -> None:
    """An option that the client library refuses is a finding of Kafka's."""
    (found,) = look(kafka, settings_for(KafkaAddress(DEAD), options={"security.protocol": "morse"}))
    assert (found.status, "kafka.options: Invalid value" in found.found) == ("fail", True)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryServer]:
    """A registry that answers compatibility too: no subject takes another schema than it has."""
    route = registry_server._route

    def with_compatibility(server: RegistryServer, method: str, path: str, body: bytes) -> Any:
        parts = path.strip("/").split("/")
        if parts[0] != "compatibility":
            return route(server, method, path, body)
        server.memory.version(parts[2], "latest")
        return {"is_compatible": False}

    monkeypatch.setattr(registry_server, "_route", with_compatibility)
    with RegistryServer(user="me", password=SECRET) as server:
        yield server


def registry_settings(server: RegistryServer, **more: Any) -> Settings:
    """Our registry."""
    given = {"url": server.url, "username": "me", "password": SECRET, **more}
    return Settings(registry=Registry.model_validate(given))


def test_a_registry(stand_in: RegistryServer) -> None:
    """Schemas may be registered, missing (fine where we register them ourselves) or refused by compatibility."""
    missing = worst(look(registry, registry_settings(stand_in)))
    assert (missing.status, "missing: clip-dress-value, " in missing.found) == ("fail", True)
    assert "registry.auto_register" in missing.todo
    later = look(registry, registry_settings(stand_in, auto_register=True))
    assert worst(later).status == "ok"
    assert "7 to be registered" in later[1].found
    known = load()
    for topic in TOPICS:
        stand_in.register(f"{topic}-value", json.loads(known.of(topic).text))
    found = look(registry, registry_settings(stand_in, framing="header"))
    assert worst(found).status == "ok"
    assert "7 registered" in found[1].found
    stand_in.guids = False
    assert worst(look(registry, registry_settings(stand_in, framing="header"))).todo == "set registry.framing to prefix"
    assert not [request for request in stand_in.requests if request.endswith("/versions")]


def test_a_registry_with_other_schemas(stand_in: RegistryServer) -> None:
    """A subject that somebody else's schema holds is named, and nothing is registered under it."""
    stand_in.register("product-created-value", {"type": "record", "name": "Other", "fields": []})
    found = worst(look(registry, registry_settings(stand_in, auto_register=True)))
    assert (found.status, "incompatible under product-created-value" in found.found) == ("fail", True)


@pytest.mark.parametrize("fault", ["500", "401", "404", "not json", "html"])
def test_a_registry_that_answers_wrongly(stand_in: RegistryServer, fault: Any) -> None:
    """Whatever a server answers that is no registry's answer, it is a finding with the address."""
    stand_in.fault = fault
    (found,) = look(registry, registry_settings(stand_in))
    assert (found.status, found.found.startswith(f"{stand_in.url}: ")) == ("fail", True)
    assert SECRET not in str(found)


def test_a_registry_that_refuses_our_password(stand_in: RegistryServer) -> None:
    """A wrong password is said without it."""
    found = worst(look(registry, registry_settings(stand_in, password="wrong-horse")))
    assert (found.status, "HTTP 401" in found.found, "registry.password" in found.todo) == ("fail", True, True)


def s3(address: S3Address, bucket: str, **more: Any) -> Settings:
    """An S3 store."""
    given = {
        "endpoint": f"http://{address.endpoint}",
        "bucket": bucket,
        "access_key": address.access_key,
        "secret_key": address.secret_key,
        **more,
    }
    return Settings(store=Store.model_validate({"kind": "s3", "s3": given}))


def test_an_s3_store(minio: S3Address, bucket: str) -> None:
    """A bucket that works is said with what it can do; nothing of the probe stays in it."""
    (found,) = look(store, s3(minio, bucket))
    assert found.status == "ok"
    assert "conditional put yes, tagging yes" in found.found
    assert list(minio.client().list_objects(bucket, recursive=True)) == []


def test_an_s3_store_that_refuses(minio: S3Address, bucket: str) -> None:
    """No bucket, wrong keys, an endpoint that is none: each is said with its setting."""
    assert "store.s3.create_bucket" in look(store, s3(minio, "no-such-bucket"))[0].found
    (found,) = look(store, s3(minio, bucket, secret_key=SECRET))
    assert (found.status, "store.s3.secret_key" in found.found, SECRET in str(found)) == ("fail", True, False)
    assert look(store, s3(minio, bucket, endpoint="minio"))[0].status == "fail"


def test_a_files_store_that_cannot_be(tmp_path: Path) -> None:
    """A store below something that is no folder is said with its path."""
    (tmp_path / "file").write_text("")
    (found,) = look(store, Settings(store=Store(path=tmp_path / "file" / "store")))
    assert (found.status, str(tmp_path / "file") in found.found, found.todo) == ("fail", True, "check store.path")


def test_stores_that_can_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store without conditional writes, or without tags, works but is warned of."""
    capabilities = open_store(Store(path=tmp_path)).probe()
    for lacks, todo in (("conditional_put", "run one renderer"), ("tagging", "lifecycle rules by tag")):
        less = type(capabilities)(**{"conditional_put": True, "tagging": True, lacks: False})
        monkeypatch.setattr("consumer.storage.files.FilesStore.probe", lambda _, less=less: less)
        (found,) = look(store, Settings(store=Store(path=tmp_path)))
        assert (found.status, todo in found.todo) == ("warn", True)


def at(url: str) -> Settings:
    """A database."""
    return Settings(database=Database(url=SecretStr(url), timeout=5))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        sqlite3.connect(tmp_path / "catalog.db").close()
        (tmp_path / "catalog.db").touch()
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    return str(request.getfixturevalue("database_url"))


def test_a_database(url: str) -> None:
    """Empty, of this release, or of a newer one: each is told, and looking migrates nothing."""
    (found,) = look(database, at(url))
    assert (found.status, "no tables yet" in found.found) == ("ok", True)
    (found,) = look(database, at(url))
    assert "no tables yet" in found.found
    catalog = Catalog.open(url)
    (found,) = look(database, at(url))
    assert (found.status, found.found.endswith(", the newest")) == ("ok", True)
    with catalog.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'tomorrow'")
    catalog.close()
    (found,) = look(database, at(url))
    assert (found.status, "tables at tomorrow, unknown to this release" in found.found) == ("fail", True)
    password = make_url(url).password
    assert password is None or str(password) not in found.found


def test_an_older_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of an earlier release work after the next start, which is said before it happens."""
    Catalog.open(url).close()

    class Newer(database.ScriptDirectory):  # type: ignore[name-defined, misc]
        def get_heads(self) -> list[str]:
            return ["next"]

        def get_current_head(self) -> str:
            return "next"

    monkeypatch.setattr(database, "ScriptDirectory", Newer)
    (found,) = look(database, at(url))
    assert (found.status, "this release has next" in found.found) == ("warn", True)


def test_a_database_that_refuses(postgres: Postgres, database_url: str) -> None:
    """A user who may not make tables, and a wrong password, are found before the service is."""
    name = unique("reader").replace("-", "_")
    where = make_url(database_url)
    plain = where.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'".encode())
        connection.execute(b"REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    reader = where.set(username=name, password=SECRET).render_as_string(hide_password=False)
    (found,) = look(database, at(reader))
    assert (found.status, "GRANT CREATE ON SCHEMA" in found.todo) == ("fail", True)
    absent = where.set(database="absent").render_as_string(hide_password=False)
    (found,) = look(database, at(absent))
    assert (found.status, '"absent" does not exist' in found.found) == ("fail", True)
    assert SECRET not in found.found
    assert postgres


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"nothing:{SECRET}", "not one that skureel can use"),
        (f"mysql://user:{SECRET}@127.0.0.1/x", "not one that skureel can use"),
        (f"postgresql+nodriver://user:{SECRET}@127.0.0.1/x", ""),
        (f"postgresql+psycopg://user:{SECRET}@{DEAD}/x", "refused"),
        ("sqlite:///file/catalog.db", "is not writable"),
        ("sqlite:///file", "file is not a database"),
        ("sqlite:///folder", "unable to open"),
    ],
)
def test_databases_that_cannot_be(url: str, told: str, tmp_path: Path) -> None:
    """Wrong URLs, dead servers and files that are no databases are findings; no password is in them."""
    (tmp_path / "file").write_text("no database " * 100)
    (tmp_path / "folder").mkdir()
    (found,) = look(database, at(url))
    assert (found.status, told in found.found) == ("fail", True)
    assert SECRET not in str(found)
    assert "postgresql+psycopg://" in found.todo or "database.url" in found.todo


def test_a_database_in_memory() -> None:
    """What is kept in memory is forgotten: worth a word."""
    for url in ("sqlite://", "sqlite:///:memory:"):
        (found,) = look(database, at(url))
        assert (found.status, "in memory" in found.found) == ("warn", True)


def finding(part: str, settings: Settings | None = None) -> Finding:
    """One finding of what clips are made with."""
    return next(found for found in look(making, settings) if found.part == part)


def test_a_machine_without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """No encoder fails; another than the portable one is warned of, for its bytes differ from other machines'."""

    def none(family: str = "h264") -> encode.Codec:
        raise CodecError(f"no {family} encoder works here")

    monkeypatch.setattr(making, "choose_codec", none)
    assert (finding("video codec").status, "pip install" in finding("video codec").todo) == ("fail", True)
    monkeypatch.setattr(making, "choose_codec", lambda: encode.Codec("h264_nvenc", "tried"))
    assert (finding("video codec").status, "h264_nvenc" in finding("video codec").todo) == ("warn", True)


def test_a_machine_without_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typeface that does not draw is said with the package that brings it."""

    def none() -> str:
        raise typeset.FontError("no typeface")

    monkeypatch.setattr(making, "check_fonts", none)
    assert (finding("fonts").status, "justmytype-intl-cjk" in finding("fonts").todo) == ("fail", True)


def test_templates_of_ones_own(tmp_path: Path) -> None:
    """Templates are read and proved; a broken one is named with its file."""
    (tmp_path / "home.yaml").write_text("category: home\n")
    found = finding("templates", Settings(planner=Planner(templates=tmp_path)))
    assert (found.status, "home.yaml" in found.found) == ("fail", True)
    assert finding("templates", Settings(planner=Planner(templates=tmp_path / "absent"))).status == "fail"


ENGINES = """
from model.engine import EngineError, EngineSpec

class Generative:
    spec = EngineSpec(name="wonder", revision="7", generative=True, captions=False, photos=False)
    batch_size = 1
    closed = 0
    def start(self): raise EngineError("no accelerator here", retryable=False)
    def render(self, shots): return []
    def close(self): Generative.closed += 1
"""


def test_an_engine_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name that gives no engine, a generative one without label code, one that refuses to start: each is told."""
    (tmp_path / "doctors_engines.py").write_text(ENGINES)
    monkeypatch.syspath_prepend(tmp_path)
    assert "set engine.name" in finding("engine", Settings(engine=EngineSettings(name="stoyboard"))).todo
    engine = EngineSettings(name="doctors_engines:Generative")
    assert "clip.producer" in finding("engine", Settings(engine=engine)).todo
    found = finding("engine", Settings(engine=engine, clip=ClipSettings(producer="0" * 27)))
    assert (found.status, found.found) == ("fail", "wonder 7, generative: no accelerator here")
    assert sys.modules["doctors_engines"].Generative.closed == 1
