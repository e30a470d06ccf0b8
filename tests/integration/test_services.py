"""The servers that other tests stand on: they keep data through kills, and die with those who started them."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.services import Kafka, KafkaAddress, Minio, Postgres, PostgresAddress, S3Address, ServiceError
from tests.services.cli import FETCHERS
from tests.services.fixtures import Topics, opened
from tests.services.process import Process
from tests.services.service import Service
from tests.services.stack import Stack

ROOT = Path(__file__).parents[2]
OURS = ("SKUREEL_TEST_KAFKA", "SKUREEL_TEST_S3", "SKUREEL_TEST_POSTGRES")


def write_kafka(service: Any, value: bytes) -> None:
    """Append one record to the topic kept, created when absent."""
    with suppress(ServiceError):
        service.create_topics({"kept": 1})
    producer = Producer({"bootstrap.servers": service.bootstrap, "log_level": 0})
    producer.produce("kept", value)
    assert producer.flush(20) == 0


def read_kafka(service: Any) -> list[bytes]:
    """All values of the topic kept."""
    settings = {
        "bootstrap.servers": service.bootstrap,
        "group.id": "reader",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 0,
    }
    found = []
    consumer = Consumer(settings)
    consumer.subscribe(["kept"])
    while (message := consumer.poll(20)) and not message.error():
        found.append(message.value() or b"")
    consumer.close()
    return found


def write_s3(service: Any, value: bytes) -> None:
    """Put one object, named by its content, into the bucket kept."""
    client = service.address.client()
    if not client.bucket_exists("kept"):
        client.make_bucket("kept")
    client.put_object("kept", value.decode(), io.BytesIO(value), len(value))


def read_s3(service: Any) -> list[bytes]:
    """All names in the bucket kept."""
    return [item.object_name.encode() for item in service.address.client().list_objects("kept")]


def write_postgres(service: Any, value: bytes) -> None:
    """Insert one row into the table kept."""
    with psycopg.connect(service.dsn().replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at serial, value bytea)")
        connection.execute("INSERT INTO kept (value) VALUES (%s)", (value,))


def read_postgres(service: Any) -> list[bytes]:
    """All rows of the table kept."""
    with psycopg.connect(service.dsn().replace("+psycopg", "")) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY at")]


@dataclass(frozen=True)
class Kind:
    """A server, and how to keep something in it."""

    make: type[Service]
    write: Callable[[Any, bytes], None]
    read: Callable[[Any], list[bytes]]


KINDS = {
    "kafka": Kind(Kafka, write_kafka, read_kafka),
    "minio": Kind(Minio, write_s3, read_s3),
    "postgres": Kind(Postgres, write_postgres, read_postgres),
}
each = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@contextmanager
def fetched(name: str) -> Iterator[None]:
    """A service's programs are there, without one being started. Raises: see `tests.services.cli`."""
    FETCHERS[name]()
    yield


@pytest.fixture
def startable(request: pytest.FixtureRequest) -> None:
    """Skip where the programs are missing of the service that the test names: by its kind, else PostgreSQL."""
    kind: Kind | None = request.node.callspec.params["kind"] if hasattr(request.node, "callspec") else None
    with opened(fetched(kind.make.name if kind else "postgres")):
        pass


@pytest.fixture
def server(kind: Kind) -> Iterator[Service]:
    """One running server of the kind."""
    with opened(kind.make()) as running:
        yield running


@each
def test_a_server_keeps_port_and_data_through_kill_and_restart(server: Service, kind: Kind) -> None:
    """What was written is there after SIGKILL and start, and after an ordered restart, at the same address."""
    address = server.address_text
    kind.write(server, b"one")
    server.kill()
    assert not server.running
    with pytest.raises(ServiceError):
        server.check()
    server.start()
    assert kind.read(server) == [b"one"]
    server.restart()
    kind.write(server, b"two")
    assert sorted(kind.read(server)) == [b"one", b"two"]
    assert server.address_text == address
    assert server.log_tail(3)


@each
def test_a_paused_server_is_silent_and_a_resumed_one_goes_on(server: Service, kind: Kind) -> None:
    """SIGSTOP silences a server without ending it; after SIGCONT it works with what it had."""
    kind.write(server, b"before")
    server.pause()
    assert server.running
    with pytest.raises(ServiceError):
        server.check()
    server.resume()
    kind.write(server, b"after")
    assert sorted(kind.read(server)) == [b"after", b"before"]


@each
def test_a_closed_server_leaves_neither_process_nor_folder(kind: Kind) -> None:
    """Leaving the context stops even a paused server, and removes its temporary folder."""
    with opened(kind.make()) as running:
        assert isinstance(running, Service)
        process, folder = running.process, running.folder
        assert process
        family = process.family()
        running.pause()
    assert not any(member.alive for member in family)
    assert not folder.exists()


@each
@pytest.mark.usefixtures("startable")
def test_a_server_dies_with_the_test_run_that_started_it(kind: Kind) -> None:
    """When the process that started a server is killed with SIGKILL, the server goes too."""
    program = f"""
import time
from tests.services import {kind.make.__name__} as Server
server = Server().start()
print(server.process.pid, server.folder, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid, folder = parent.stdout.readline().split()
        process = Process.of(int(pid))
        assert process.alive
        parent.kill()
    assert process.wait(10)
    subprocess.run(["rm", "-r", "--", folder], check=True)


def test_a_server_outlives_the_thread_that_started_it(own_minio: Minio) -> None:
    """A restart from a helper thread is not undone when that thread ends."""
    helper = threading.Thread(target=own_minio.restart)
    helper.start()
    helper.join()
    process = own_minio.process
    assert process
    assert not process.wait(0.5)
    own_minio.check()


def test_a_server_that_ends_at_once_shows_its_log(own_minio: Minio) -> None:
    """A port that is taken and was asked for is an error that carries the server's own words."""
    rival = Minio(port=own_minio.port)
    with pytest.raises(ServiceError, match=r"(?s)minio ended at once.*(in use|bind)"):
        rival.start()
    rival.close()


def test_a_folder_of_others_is_neither_used_nor_removed(tmp_path: Path) -> None:
    """A service refuses a folder that holds files no service made."""
    (tmp_path / "thesis.txt").write_text("years of work")
    service = Postgres(tmp_path)
    with pytest.raises(ServiceError, match="not empty"):
        service.start()
    service.close()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_broker_runs_with_the_settings_it_was_given() -> None:
    """Small timeouts for both group protocols, no topics out of thin air, and a test's own settings on top."""
    with opened(Kafka(properties={"message.max.bytes": "2000000"})) as broker:
        assert isinstance(broker, Kafka)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1")
        admin = broker.address.admin()  # held: its futures die with it
        described = admin.describe_configs([resource])[resource].result(timeout=20)
        settings = {name: entry.value for name, entry in described.items()}
    expected = broker.properties | {"message.max.bytes": "2000000"}
    names = [name for name in expected if name in settings]
    assert {name: settings[name] for name in names} == {name: expected[name] for name in names}
    assert {"group.min.session.timeout.ms", "group.consumer.min.session.timeout.ms"} <= set(names)
    assert settings["auto.create.topics.enable"] == "false"


def test_topics_have_their_partitions_and_names_of_their_own(kafka: KafkaAddress, topics: Topics) -> None:
    """The factory creates what is asked for; a second creation under one name is an error."""
    first, second = topics("in", partitions=3), topics("in")
    assert first["in"] != second["in"]
    found = kafka.admin().list_topics(timeout=10).topics
    assert len(found[first["in"]].partitions) == 3
    assert len(found[second["in"]].partitions) == 4
    with pytest.raises(ServiceError, match="already exists"):
        kafka.create_topics({first["in"]: 1})


def test_every_bucket_is_fresh(minio: S3Address, bucket: str) -> None:
    """A bucket is empty at first, unlike any other, and goes with all it holds."""
    assert list(minio.client().list_objects(bucket)) == []
    other = minio.bucket("other")
    minio.client().put_object(other, "a/b", io.BytesIO(b"x"), 1)
    minio.remove_bucket(other)
    assert not minio.client().bucket_exists(other)


def test_every_database_is_fresh(postgres: PostgresAddress, database_url: str) -> None:
    """SQLAlchemy connects to the URL of a fresh database, which holds no table; others do not see its tables."""
    assert database_url.startswith("postgresql+psycopg://")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE here (n int)"))
    engine.dispose()
    other = create_engine(url := postgres.fresh_database())
    with other.connect() as connection:
        tables = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")).scalar()
    other.dispose()
    assert tables == 0
    postgres.drop_database(url)
    with pytest.raises(ServiceError, match="does not answer"):
        PostgresAddress(make_url(url)).check()


# --- the command -----------------------------------------------------------------------------------------------


def command(*arguments: str, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command, with none of this run's own addresses in its environment."""
    environment = {key: value for key, value in os.environ.items() if key not in OURS} | variables
    at = ["--dir", str(folder)] if folder else []
    verb, rest = arguments[0], arguments[1:]
    line = [sys.executable, "-m", "tests.services", verb, *at, *rest]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for services that are brought up; whatever a failed test leaves is stopped."""
    yield tmp_path / "run"
    Stack(tmp_path / "run").down()


@pytest.mark.usefixtures("startable")
def test_up_status_env_run_and_down_work_together(folder: Path) -> None:
    """Services that are up answer to other commands, serve `run`, survive it, and are gone after down."""
    up = command("up", "postgres", folder=folder)
    assert up.returncode == 0, up.stderr
    assert "postgres: runs, port" in up.stderr
    assert "ResourceWarning" not in up.stderr
    status = command("status", "--json", folder=folder)
    facts = json.loads(status.stdout)["postgres"]
    assert (status.returncode, facts["state"]) == (0, "answers")
    printed = command("env", folder=folder).stdout
    assert printed.startswith("export SKUREEL_TEST_POSTGRES=postgresql+psycopg://")
    ran = command("run", "postgres", "--", "sh", "-c", "echo $SKUREEL_TEST_POSTGRES; exit 7", folder=folder)
    assert ran.returncode == 7
    assert ran.stdout.strip() in printed
    again = command("up", "postgres", folder=folder)
    assert "runs already" in again.stderr
    assert json.loads(command("status", "--json", folder=folder).stdout)["postgres"]["pid"] == facts["pid"]
    assert command("down", folder=folder).returncode == 0
    assert not Process.of(facts["pid"]).alive
    assert not Path(facts["folder"]).exists()
    assert command("status", folder=folder).returncode == 1
    assert command("env", folder=folder).returncode == 1


@pytest.mark.usefixtures("startable")
def test_up_revives_what_died_with_its_data(folder: Path) -> None:
    """A service that was killed, or stopped with --keep, comes back at the same address with what it held."""
    stack = Stack(folder)
    stack.up(["postgres"])
    (url,) = stack.addresses().values()
    address = PostgresAddress.parse(url)
    kept = address.fresh_database()
    process = Process.of(stack.status()["postgres"]["pid"])
    process.send(signal.SIGKILL)
    assert process.wait(10)
    stack.up(["postgres"])
    PostgresAddress.parse(kept).check()
    assert stack.down(keep=True) == ["postgres"]
    assert stack.status()["postgres"]["state"] == "stopped"
    stack.up(["postgres"])
    assert list(stack.addresses().values()) == [url]
    PostgresAddress.parse(kept).check()


def test_two_ups_at_once_start_one_server(own_minio: Minio, folder: Path) -> None:
    """Commands on one folder take turns, so that a service is started once; its state is for its owner only."""
    del own_minio
    line = [sys.executable, "-m", "tests.services", "up", "--dir", str(folder), "minio"]
    both = [subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate(timeout=120)[1] for process in both)
    assert said.count("minio: runs, port") == 1
    assert said.count("minio: runs already, port") == 1
    assert (folder / "state.json").stat().st_mode & 0o077 == 0


def test_run_of_a_command_that_does_not_exist_says_so(postgres: PostgresAddress, tmp_path: Path) -> None:
    """Nothing to run is an error with the name, not a trace."""
    del postgres
    done = command("run", "postgres", "--", "no-such-command", folder=tmp_path)
    assert done.returncode == 1
    assert "no-such-command cannot be run" in done.stderr


def test_a_broken_state_file_is_reported_not_guessed(tmp_path: Path) -> None:
    """Garbage where the state should be is an error that names the file."""
    (tmp_path / "state.json").write_text('{"kafka": {"pid": "all of them"}}')
    done = command("down", folder=tmp_path)
    assert done.returncode == 1
    assert "state.json cannot be read" in done.stderr


@pytest.mark.usefixtures("startable")
def test_a_terminated_run_takes_its_services_and_command_along(folder: Path) -> None:
    """SIGTERM to `run` ends what it runs and what it started."""
    line = [sys.executable, "-m", "tests.services", "run", "--dir", str(folder), "postgres", "--"]
    environment = {key: value for key, value in os.environ.items() if key not in OURS}
    line += ["sh", "-c", "echo $$ $SKUREEL_TEST_POSTGRES; exec sleep 600"]
    with subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pid, url = run.stdout.readline().split()
        child = Process.of(int(pid))
        run.terminate()
        assert run.wait(30) == 128 + signal.SIGTERM
    assert child.wait(10)
    with pytest.raises(ServiceError):
        PostgresAddress.parse(url).check()


# --- where fixtures find services --------------------------------------------------------------------------------

OUTCOMES = {
    "skips at home": ({"PATH": "/nowhere"}, "1 skipped", "apt-get install"),
    "fails in CI": ({"PATH": "/nowhere", "CI": "true"}, "1 error", "apt-get install"),
    "fails when the address given is dead": ({"SKUREEL_TEST_S3": "http://k:s@127.0.0.1:9"}, "1 error", "not answer"),
    "fails when the address given is nonsense": ({"SKUREEL_TEST_S3": "localhost"}, "1 error", "http://KEY:SECRET"),
}


@pytest.mark.parametrize(("variables", "outcome", "reason"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_a_missing_service(variables: dict[str, str], outcome: str, reason: str, tmp_path: Path) -> None:
    """A machine without the programs skips with the reason; CI fails instead; a wrong address always fails."""
    (tmp_path / "test_it.py").write_text("def test_it(minio):\n    minio.check()\n")
    environment = {key: value for key, value in os.environ.items() if key not in (*OURS, "CI")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)} | variables
    line = [sys.executable, "-m", "pytest", "-ra", "-c", os.devnull, "-p", "tests.services.fixtures"]
    line += ["-p", "no:cacheprovider", str(tmp_path / "test_it.py")]
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    assert reason in done.stdout


def test_fixtures_use_the_address_in_the_environment(own_minio: Minio, tmp_path: Path) -> None:
    """Where an address is given, nothing is started: no program is needed."""
    (tmp_path / "test_it.py").write_text(
        f"def test_it(minio, bucket):\n    assert minio.endpoint == {own_minio.endpoint!r}\n"
    )
    environment = os.environ | {"SKUREEL_TEST_S3": own_minio.address_text, "PATH": "/nowhere", "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "tests.services.fixtures"]
    line += ["-p", "no:cacheprovider", str(tmp_path / "test_it.py")]
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout
