"""The README's commands, run as they stand, in an empty folder, against a service that the README started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.probe import probe
from tests.unit.docs.documents import blocks
from tests.unit.docs.pages import ROOT

BLOCKS = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
RUNNABLE = [block.text for block in BLOCKS if block.kind == "sh run"]
SERVICE = [block.text for block in BLOCKS if block.kind == "sh service"]
SECONDS = 140.0
"""How long a block may take: two of them, one after another, stay below a test's own limit."""

pytestmark = pytest.mark.slow


def block_with(words: str) -> str:
    """The one runnable block that holds these words."""
    (found,) = [text for text in RUNNABLE if words in text]
    return found


class Reader:
    """Somebody who follows the README: an empty folder, skureel on the path, no settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("SKUREEL_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{ours.get('PATH', '')}"
        # A free port instead of the default one, which may be taken on this machine.
        self.environment = {**ours, "PATH": path, "SKUREEL_OBSERVE__PORT": "0", "COLUMNS": "120"}

    def run(self, text: str) -> str:
        """Run a block as one script that stops at its first error; gives what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader at the beginning."""
    assert shutil.which("skureel", path=str(Path(sys.executable).parent)), "install the project: make develop"
    return Reader(tmp_path)


@pytest.fixture
def service(reader: Reader) -> Iterator[Path]:
    """The service, started by the README's own line, when it listens; its log. It must leave in order."""
    (line,) = SERVICE
    log = reader.folder / "run.log"
    with log.open("wb") as target:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"], cwd=reader.folder, env=reader.environment, stdout=target, stderr=target
        )
    try:
        end = time.monotonic() + SECONDS
        while "listening" not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < end, "the service did not start"
            time.sleep(0.1)
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, log.read_text(errors="replace")[-4000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_small_demo_leaves_what_is_said_and_its_second_run_renders_nothing(reader: Reader) -> None:
    """Gallery, events, store and catalog are where the table says; the same again says that nothing was rendered."""
    text = block_with("skureel demo")
    first = reader.run(text)
    out = reader.folder / "small-demo"
    assert "2 rendered" in " ".join(first.split())
    for name in ("index.html", "events/video-ready.jsonl", "events/product-created.jsonl", "catalog.db"):
        assert (out / name).stat().st_size > 0
    aliases = sorted((out / "store" / "products").glob("*/default/current.mp4"))
    assert len(aliases) == 2
    assert all((probe(alias.read_bytes()).width, probe(alias.read_bytes()).height) == (320, 240) for alias in aliases)
    clips = sorted((out / "store" / "clips").rglob("*.mp4"))
    before = [(clip.stat().st_mtime_ns, clip.read_bytes()) for clip in clips], [alias.read_bytes() for alias in aliases]
    again = " ".join(reader.run(text).split())
    assert "Nothing rendered: all 2 clips are up to date" in again
    assert "Nothing dressed or spliced anew: the 2 clips of the promotions were in the store." in again
    clips = sorted((out / "store" / "clips").rglob("*.mp4"))
    after = [(clip.stat().st_mtime_ns, clip.read_bytes()) for clip in clips], [alias.read_bytes() for alias in aliases]
    assert after == before


def test_a_product_published_by_hand_becomes_a_clip_and_goes_again(reader: Reader, service: Path) -> None:
    """The two blocks of the section, in order: the clip is announced, lies where the README says, and is taken down."""
    shown = reader.run(block_with("cat > products.jsonl"))
    valid, published, event, listed = shown.strip().splitlines()
    assert valid == "product-created: 1 valid"
    assert published == "product-created: 1 published"
    ready = json.loads(event)
    assert (ready["product_id"], ready["status"], ready["lineage"]["work"]) == ("mug-1", "READY", "RENDER")
    assert ready["labels"] == []
    clip = reader.folder / listed
    assert clip.stat().st_size == ready["clip"]["size"]

    *_, last = reader.run(block_with('"tombstone": true')).strip().splitlines()
    retired = json.loads(last)
    assert (retired["product_id"], retired["status"], retired["revision"]) == (
        "mug-1",
        "RETIRED",
        ready["revision"] + 1,
    )
    assert not clip.exists()
    assert "stopped" not in service.read_text()


def test_one_clip_without_a_service(reader: Reader) -> None:
    """`generate` writes a playable file of the asked size, and the same again gives the same bytes."""
    text = block_with("-o mug.mp4")
    reader.run(text)
    clip = reader.folder / "mug.mp4"
    data = clip.read_bytes()
    found = probe(data)
    assert (found.width, found.height, found.frames) == (320, 240, 24)
    clip.unlink()
    reader.run(text)
    assert clip.read_bytes() == data


def test_a_clip_of_the_video_model(reader: Reader) -> None:
    """The tiny checkpoint and a draft made with it: playable, of the asked size, its own kind of length."""
    shown = reader.run(block_with("skureel model tiny"))
    assert 'set engine.wan.checkpoint = "tiny-model"' in shown
    found = probe((reader.folder / "kettle.mp4").read_bytes())
    assert (found.width, found.height, found.frames) == (320, 240, 25)


def test_the_doctor_finds_this_machine_fit(reader: Reader) -> None:
    """With no settings at all every part is there: that is what the two commands rest on."""
    assert " 0 fail" in reader.run(block_with("skureel doctor"))


def test_every_runnable_block_is_run_here() -> None:
    """A new block cannot be marked runnable and be forgotten."""
    known = (
        "skureel demo",
        "cat > products.jsonl",
        '"tombstone": true',
        "-o mug.mp4",
        "skureel model tiny",
        "skureel doctor",
    )
    assert [any(words in text for words in known) for text in RUNNABLE] == [True] * len(known)
    assert len(SERVICE) == 1
