"""``skureel model``: what is printed for people and machines, and the exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from consumer.settings import WanSettings
from tests.commands import program, skureel
from tests.unit.model_wan.folders import PARAMETERS, contents, write
from tests.unit.model_wan.hub import COMMIT, REPO, Hub, serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback with one checkpoint."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    huggingface_hub.close_session()
    with serving(contents()) as served:
        yield served
    huggingface_hub.close_session()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint folder, not sealed."""
    return write(tmp_path / "checkpoint")


def test_fetch_seals_into_the_cache(hub: Hub) -> None:
    """The commit is told before the download, the settings to write after it; the folder is in the cache."""
    ran = skureel("model", "fetch", REPO, "--endpoint", hub.endpoint)
    assert ran.code == 0
    assert ran.err.startswith(f"{REPO}: main is commit {COMMIT}, ")
    assert f'set engine.wan.checkpoint = "{REPO}" and engine.wan.revision = "{COMMIT}"' in ran.out
    assert skureel("model", "check", WanSettings().cache / "owner--name" / COMMIT).code == 0


def test_fetch_into_a_folder(hub: Hub, tmp_path: Path) -> None:
    """JSON says where it is and what it is; run again, it is compared and stays."""
    runs = [
        skureel("model", "fetch", REPO, "--revision", COMMIT, "--to", "wan", "--endpoint", hub.endpoint, "--json")
        for _ in range(2)
    ]
    assert [ran.code for ran in runs] == [0, 0]
    first, again = (ran.json() for ran in runs)
    assert first == again
    assert {name: first[name] for name in ("folder", "source", "revision", "licence", "files")} == {
        "folder": "wan",
        "source": REPO,
        "revision": COMMIT,
        "licence": "apache-2.0",
        "files": len(contents()),
    }
    assert len(list((tmp_path / "wan").rglob("*.safetensors"))) == 4


def test_fetch_by_the_program(hub: Hub, tmp_path: Path) -> None:
    """Offline mode of the library, as containers set it, does not stop who asks for a fetch."""
    ran = program("model", "fetch", REPO, "--to", tmp_path / "wan", "--endpoint", hub.endpoint, HF_HUB_OFFLINE="1")
    assert (ran.code, ran.out.splitlines()[-1].startswith("set engine.wan.checkpoint")) == (0, True)


def test_fetch_that_fails(hub: Hub) -> None:
    """1 for what the hub does not have, 3 for a hub that does not answer; the reason is told."""
    ran = skureel("model", "fetch", "owner/other", "--endpoint", hub.endpoint)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("skureel: owner/other at main: not found (404)")
    hub.answers["api"] = [400]
    assert skureel("model", "fetch", REPO, "--endpoint", hub.endpoint).code == 3


def test_fetch_checks_what_came(hub: Hub) -> None:
    """A repository that is no Wan pipeline is told so."""
    hub.files = {path: data for path, data in hub.files.items() if not path.startswith("vae/")}
    ran = skureel("model", "fetch", REPO, "--endpoint", hub.endpoint)
    assert (ran.code, "vae: its folder is missing" in ran.err) == (1, True)


def test_seal_then_check(folder: Path) -> None:
    """A folder is sealed, and then looked into: each part with its files, bytes and parameters."""
    sealed = skureel("model", "seal", folder, "--licence", "apache-2.0", "--json")
    assert sealed.code == 0
    checked = skureel("model", "check", folder, "--json").json()
    assert sealed.json() == {name: value for name, value in checked.items() if name != "components"}
    assert {part["name"]: part["parameters"] for part in checked["components"]} == PARAMETERS
    ran = skureel("model", "check", folder)
    assert ran.code == 0
    for word in ("WanTransformer3DModel", "parameters", "apache-2.0", checked["revision"]):
        assert word in ran.out
    assert f"skureel model check {folder}" in skureel("model", "seal", folder).out


def test_check_that_fails(folder: Path) -> None:
    """1, with what is wrong and what to do."""
    ran = skureel("model", "check", folder)
    assert (ran.code, f"skureel model seal {folder}" in ran.err) == (1, True)
    skureel("model", "seal", folder)
    file = folder / "vae/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    ran = skureel("model", "check", folder, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "bytes, the manifest says" in ran.err
    skureel("model", "seal", folder)
    assert "cut off" in skureel("model", "check", folder).err


def test_tiny_is_made_and_checked() -> None:
    """A seed gives the same checkpoint again, its own folder only, and it passes the check."""
    made = skureel("model", "tiny", "one", "--json")
    assert made.code == 0
    assert skureel("model", "tiny", "two", "--seed", "0", "--json").json()["content"] == made.json()["content"]
    assert skureel("model", "check", "one").code == 0
    ran = skureel("model", "tiny", "one")
    assert (ran.code, "already there" in ran.err) == (1, True)
    ran = skureel("model", "tiny", "three", "--seed", "7")
    assert (ran.code, 'set engine.wan.checkpoint = "three"' in ran.out) == (0, True)


@pytest.mark.parametrize(("library", "arguments"), [("huggingface_hub", ("fetch", REPO)), ("torch", ("tiny", "one"))])
def test_without_the_extra(tmp_path: Path, library: str, arguments: tuple[str, ...]) -> None:
    """3, and what to install; the folder is not begun."""
    # A module of that name which cannot be imported stands first in the search path.
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / f"{library}.py").write_text(f"raise ModuleNotFoundError('none', name='{library}')")
    ran = program("model", *arguments, PYTHONPATH=os.fspath(tmp_path / "hide"))
    assert (ran.code, ran.out) == (3, "")
    assert f"needs {library}" in ran.err
    assert "pip install 'skureel[gpu]'" in ran.err
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    "arguments",
    [(), ("fetch",), ("tiny",), ("tiny", "x", "--seed", "-1"), ("seal",), ("check",), ("check", "a", "b"), ("burn",)],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """Ends with 2 and makes nothing."""
    assert skureel("model", *arguments).code == 2
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("command", ["fetch", "tiny", "seal", "check"])
def test_help(command: str) -> None:
    """Each says what it does and what its options are."""
    ran = skureel("model", command, "-h")
    assert ran.code == 0
    assert f"Usage: skureel model {command} [OPTIONS]" in ran.out or f"model {command} [OPTIONS]" in ran.out
    assert "--json" in ran.out
