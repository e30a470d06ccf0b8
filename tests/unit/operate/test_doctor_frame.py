"""The doctor's frame: checks side by side, bounded, in order, with no secret in what they say."""

from __future__ import annotations

import io
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from rich.console import Console

from consumer.operate import doctor
from consumer.operate.checks import machine
from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.settings import Database, Kafka, Observe, Registry, Renderer, Settings, Store, load
from tests.commands import skureel


def findings(check: Check) -> list[Finding]:
    """What one check finds."""
    return doctor.examine([check])


def by_name(settings: Settings, part: str) -> Finding:
    """The one finding of a check of this machine."""
    (check,) = [check for check in machine.checks(settings) if check.part == part]
    (found,) = findings(check)
    return found


def test_checks_run_side_by_side() -> None:
    """A check that waits for another one ends: none waits for its turn."""
    first, second = threading.Event(), threading.Event()

    def one() -> Iterator[Finding]:
        first.set()
        yield ok("one", str(second.wait(10)))

    def two() -> Iterator[Finding]:
        second.set()
        yield ok("two", str(first.wait(10)))

    assert doctor.examine([Check("one", one), Check("two", two)]) == [ok("one", "True"), ok("two", "True")]


def test_a_part_that_hangs_delays_nobody() -> None:
    """A check without an answer is left behind in time, with what it found so far and what to do."""
    release = threading.Event()

    def hanging() -> Iterator[Finding]:
        yield ok("slow", "it is there")
        release.wait(60)

    start = time.monotonic()
    try:
        found = doctor.examine(
            [
                Check("slow", hanging, advice="wake it"),
                Check("model", hanging, late="warn", advice="give it time"),
                Check("fast", lambda: [ok("fast", "here")]),
            ],
            seconds=0.2,
        )
    finally:
        release.set()
    assert time.monotonic() - start < 5
    assert found == [
        ok("slow", "it is there"),
        fail("slow", "no answer in 0 s", "wake it"),
        ok("slow", "it is there"),
        warn("model", "no answer in 0 s", "give it time"),
        ok("fast", "here"),
    ]


def test_further_checks_follow_the_one_that_found_them() -> None:
    """What a check finds worth looking at is looked at, and stands behind it in the table."""

    def root() -> Iterator[Finding | Check]:
        yield ok("root", "a")
        yield Check("leaf", lambda: [ok("leaf", "c")])
        yield ok("root", "b")

    found = doctor.examine([Check("root", root), Check("last", lambda: [ok("last", "d")])])
    assert [finding.found for finding in found] == ["a", "b", "c", "d"]


def test_a_check_that_breaks_hides_no_other() -> None:
    """An exception in a check is a finding of that check."""

    def broken() -> Iterator[Finding]:
        yield ok("broken", "so far")
        raise RuntimeError("oops")

    found = doctor.examine([Check("broken", broken), Check("fine", lambda: [ok("fine", "here")])])
    assert found[1] == fail("broken", "RuntimeError: oops", "this check itself failed: please report it")
    assert found[2].status == "ok"


def test_no_checks_no_findings() -> None:
    """Nothing to look at is found at once."""
    assert doctor.examine([]) == []


@given(st.sets(st.text("abcü %", min_size=1), max_size=4), st.text("abcü %*"))
def test_masked_texts_hold_no_secret(secrets: set[str], text: str) -> None:
    """Whatever the secrets, those inside others too, and wherever they stand: none is left."""
    (found,) = doctor.masked([fail("part", text, text)], secrets)
    assert not [secret for secret in secrets if secret in found.found or secret in found.todo]
    assert found.part == "part"


def test_every_secret_of_the_settings_is_known() -> None:
    """Passwords are found in their settings, in options and inside addresses, percent-encoded or not."""
    settings = Settings(
        kafka=Kafka(password=SecretStr("one"), options={"ssl.key.password": "two", "client.id": "me"}),
        registry=Registry(url="http://u:th%20ree@h", password=SecretStr("four")),
        store=Store.model_validate({"s3": {"secret_key": "five"}}),
        database=Database(url=SecretStr("postgresql+psycopg://u:six@h/d")),
    )
    assert doctor.secrets_of(settings) == {"one", "two", "th%20ree", "th ree", "four", "five", "six"}
    assert doctor.secrets_of(Settings(database=Database(url=SecretStr("no url at all")))) == {"no url at all"}
    assert doctor.secrets_of(Settings()) == set()


def test_the_table() -> None:
    """The table says status, part, finding and remedy, takes nothing for markup, and ends in the counts."""
    console = Console(file=io.StringIO(), width=100)
    doctor.show([ok("a", "[red]fine[/red]"), warn("b", "so so", "look"), fail("c", "dead", "wake it")], console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]fine[/red]" in text
    assert "\x1b" not in text
    assert [line.split() for line in text.splitlines() if "dead" in line] == [["fail", "c", "dead", "wake", "it"]]
    assert text.rstrip().endswith("1 ok, 1 warn, 1 fail")


def test_a_terminal_gets_colours() -> None:
    """On a terminal the status has its colour."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    doctor.show([fail("c", "dead", "wake it")], console)
    assert "\x1b[1;31mfail" in console.file.getvalue()  # type: ignore[attr-defined]


def test_settings_name_their_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings row names the file and the variables in force, without values."""
    assert "no file" in by_name(load(), "settings").found
    (tmp_path / "skureel.toml").write_text("[kafka]\nbatch = 3\n")
    monkeypatch.setenv("SKUREEL_STORE__S3__SECRET_KEY", "hunter2")
    found = by_name(load(), "settings").found
    assert found == "skureel.toml; environment: SKUREEL_STORE__S3__SECRET_KEY"


def test_processors() -> None:
    """More finishers than cores is worth a word."""
    assert by_name(Settings(), "processors").status in {"ok", "warn"}
    many = by_name(Settings(renderer=Renderer(finishers=64)), "processors")
    assert (many.status, "renderer.finishers" in many.todo) == ("warn", True)


@pytest.mark.parametrize(
    ("free", "status"), [(100 << 30, "ok"), (machine.LOW_DISK - 1, "warn"), (machine.FULL_DISK - 1, "fail")]
)
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, status: str) -> None:
    """A disk that fills up is warned of, a full one fails; the folder at fault is named, made or not."""

    class Usage:
        def __init__(self, count: int) -> None:
            self.free = count

    def usage(folder: Path) -> Any:
        return Usage(free if folder == tmp_path / "there" else 200 << 30)

    (tmp_path / "there").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", usage)
    found = by_name(Settings(store=Store(path=tmp_path / "there" / "not" / "yet")), "disk")
    assert found.status == status
    assert "database 200.0 GiB" in found.found
    assert status == "ok" or str(tmp_path / "there") in found.todo


def test_disk_without_local_folders() -> None:
    """With S3 and PostgreSQL only the temporary files matter."""
    settings = Settings(
        store=Store(kind="s3"), database=Database(url=SecretStr("postgresql+psycopg://u:p@127.0.0.1:1/d"))
    )
    found = by_name(settings, "disk").found
    assert found.startswith("free for temporary files ")
    assert "," not in found


def test_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock before the installation is wrong; one far from a server's is told by how much."""
    assert by_name(Settings(), "clock").status == "ok"
    registry = Registry(url="http://127.0.0.1:1")
    assert by_name(Settings(registry=registry, store=Store(kind="s3")), "clock").status == "ok"
    for skew, status in ((-3.0, "ok"), (90.0, "warn"), (-3_600.0, "fail")):
        monkeypatch.setattr(machine, "_skew", lambda _, skew=skew: skew)
        found = by_name(Settings(registry=registry), "clock")
        assert found.status == status
        assert f"the registry is {skew:+.0f} s from it" in found.found

    class Past(machine.datetime):  # type: ignore[name-defined, misc]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(machine, "datetime", Past)
    assert "before skureel was installed" in by_name(Settings(), "clock").found


def test_the_metrics_port() -> None:
    """A taken port is warned of, for a running service takes it; an impossible host fails."""
    assert by_name(Settings(observe=Observe(port=0)), "metrics port").status == "ok"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = by_name(Settings(observe=Observe(port=port)), "metrics port")
    assert (taken.status, f"127.0.0.1:{port} is taken" in taken.found) == ("warn", True)
    assert by_name(Settings(observe=Observe(host="192.0.2.1")), "metrics port").status == "fail"


def test_wrong_settings_end_with_usage() -> None:
    """The doctor needs settings that can be read; what is wrong with them is said by the loader."""
    ran = skureel("doctor", "--config", "absent.toml")
    assert (ran.code, "absent.toml: no such configuration file" in ran.err) == (2, True)
