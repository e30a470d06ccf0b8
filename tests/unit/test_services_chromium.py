"""Where the tests' browser comes from; none is started here."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from tests.services import MissingProgram, ServiceError, chromium, environment
from tests.services.cli import main


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with an empty cache and no programs but those a test makes."""
    monkeypatch.delenv(environment.CHROMIUM, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))


def program(folder: Path, name: str, script: str = "") -> Path:
    """A program of that name on the PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_browser_named_is_taken_before_all_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address in the environment rules; one that cannot be run is an error that says which."""
    program(tmp_path, "chromium")
    named = program(tmp_path, "mine")
    monkeypatch.setenv(environment.CHROMIUM, str(named))
    assert chromium.chromium().program == named
    monkeypatch.setenv(environment.CHROMIUM, "/nowhere/chromium")
    with pytest.raises(ServiceError, match="SKUREEL_TEST_CHROMIUM: /nowhere/chromium"):
        chromium.chromium()


def test_without_npm_the_machines_own_browser_serves(tmp_path: Path) -> None:
    """Where none can be fetched, one on the PATH is taken; where there is none either, the error names the package."""
    with pytest.raises(MissingProgram, match=r"apt-get install chromium.*npm"):
        chromium.chromium()
    program(tmp_path, "google-chrome")
    assert chromium.chromium().program.name == "google-chrome"


def test_a_package_with_another_digest_is_not_unpacked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the registry gives is held against the digest we know before anything of it is run, and nothing is kept."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    program(tmp_path, "node")
    program(tmp_path, "npm", "echo evil > sparticuz-chromium.tgz")
    said: list[str] = []
    program(tmp_path, "chromium")
    with pytest.raises(chromium.DigestError, match="is not to be run"):
        chromium.chromium(said.append)
    assert said[0].startswith("Chromium: fetching")
    assert [path.suffix for path in (tmp_path / "cache" / "skureel").iterdir()] == [".lock"]


def test_where_fetching_fails_the_machines_own_browser_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a network the tests go on with what is there, and where nothing is, the reason is told."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    program(tmp_path, "node")
    program(tmp_path, "npm", "echo no network; exit 1")
    with pytest.raises(MissingProgram, match=r"(?s)npm could not fetch one.*no network"):
        chromium.chromium()
    own = program(tmp_path, "chromium")
    assert chromium.chromium().program == own


@pytest.mark.parametrize(("ci", "code"), [("true", 3), ("", 0)])
def test_a_missing_browser_fails_a_fetch_in_ci_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], ci: str, code: int
) -> None:
    """At home the services are used all the same, and what to install is said; CI must not go on without it."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.services.programs.POSTGRES_FOLDERS", (str(tmp_path),))
    for tool in ("initdb", "postgres"):
        program(tmp_path, tool)
    assert main(["fetch", "postgres", "chromium"]) == code
    assert "error: chromium: chromium is not on this machine" in capsys.readouterr().err
    assert main(["fetch", "chromium"]) == 3
