"""``skureel bench engine``: what is printed for people and machines, what cuts it short, and the exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.commands import PROGRAM, program, skureel

SMALL = ("--size", "64x64", "--frames", "5", "--batch", "1", "--rounds", "1", "--profile", "cpu-tiny")


def test_a_line_of_json() -> None:
    """Alone on standard output, with ceilings, rows, ratios and aims; the rows for people are on standard error."""
    ran = skureel("bench", "engine", *SMALL, "--no-switches", "--json")
    assert ran.code == 0
    found = ran.json()
    assert (found["bench"], found["kind"], found["partial"], found["left_out"]) == ("engine", "cpu", False, {})
    assert found["versions"]["diffusers"]
    assert found["ceilings"]["flops"]["float32"] > 0
    assert [(row["case"]["mode"], row["case"]["frames"]) for row in found["rows"]] == [("text", 5), ("image", 5)]
    for row in found["rows"]:
        assert set(row["ratios"]) == {"total", "denoise", "decode", "outside", "outside_of_total"}
        assert row["ours"]["seconds_per_clip"]["p50"] > 0
    assert set(found["aims"]) == {"outside", "decode", "mfu"}
    assert "ours over stock: total" in ran.err


def test_tables_for_people() -> None:
    """Headings once a table, a row a side, switches beside their predictions; no JSON."""
    ran = skureel("bench", "engine", *SMALL, "--mode", "text")
    assert ran.code == 0
    assert ran.out.count("s a clip") == ran.out.count("predicted") == 1
    for word in ("ceilings: matrix product", "cpu-tiny text 64x64 5 frames", "outside the models", "prompt cache"):
        assert word in ran.out
    assert "left out: switch: compiled blocks: only with --compile" in ran.out
    assert "{" not in ran.out


def test_a_checkpoint_without_stock(tmp_path: Path) -> None:
    """A folder's own weights; other steps; ours alone."""
    skureel("model", "tiny", tmp_path / "one")
    ran = skureel(
        *("bench", "engine", *SMALL, "--checkpoint", tmp_path / "one", "--steps", "2", "--mode", "text"),
        *("--no-stock", "--no-switches", "--json"),
    )
    assert ran.code == 0
    found = ran.json()
    assert found["profiles"]["cpu-tiny"]["steps"] == 2
    assert found["weights"] == str(tmp_path / "one")
    assert found["rows"][0]["stock"] is None


def test_a_time_limit() -> None:
    """What was not begun is named, and the line says that it is not all."""
    ran = skureel("bench", "engine", *SMALL, "--minutes", "0", "--json")
    assert ran.code == 0
    found = ran.json()
    assert found["partial"] is True
    assert found["rows"] == []
    assert found["left_out"]["cpu-tiny text 64x64 5 frames, batch 1"] == "the time was up"
    assert "left out: cpu-tiny image" in ran.err


@pytest.mark.untraced
def test_ctrl_c_leaves_what_it_had() -> None:
    """130, and a line of JSON with the rows so far."""
    arguments = [PROGRAM, "bench", "engine", *SMALL[:-4], "--rounds", "1", "--batch", "2", "--batch", "3", "--json"]
    with subprocess.Popen(
        [*map(str, arguments), *(word for n in range(2, 60) for word in ("--frames", str(4 * n + 1)))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "ours over stock" in line:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(out)
    assert found["partial"] is True
    assert len(found["rows"]) >= 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--profile", "slow"), "--profile: profile 'slow': neither one of"),
        (("--size", "big"), "--size big: want WIDTHxHEIGHT"),
        (("--size", "830x480"), "--size 830x480: sides are multiples of 32"),
        (("--size", "64x4128"), "--size 64x4128: sides are multiples of 32, 32 to 4096"),
        (("--frames", "1001"), "--frames"),
        (("--frames", "72"), "--frames 72: a multiple of 4 and one more"),
        (("--mode", "sound"), "--mode sound: text or image"),
        (("--profile", "fast", "--mode", "image"), "none of the profiles has it: fast"),
        (("--profile", "fast", "--steps", "9"), "--steps: a distilled checkpoint's steps are its own"),
        (("--device", "tpu"), "want auto, cpu or cuda:N"),
        (("--device", "cuda:99"), "no such GPU"),
        (("--checkpoint", "nowhere"), "--checkpoint: nowhere"),
        (("--checkpoint", "nowhere", "--full-size"), "takes no --checkpoint"),
        (("--batch", "0"), "--batch"),
        (("--rounds", "0"), "--rounds"),
        (("more",), "unexpected extra argument"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], told: str) -> None:
    """2, with the reason, before anything is measured."""
    ran = skureel("bench", "engine", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_full_size_is_refused_on_a_cpu() -> None:
    """It says what it would take."""
    ran = skureel("bench", "engine", "--full-size", "--device", "cpu")
    assert (ran.code, ran.out) == (2, "")
    assert "GiB for the weights alone, and at least" in ran.err
    assert "hours" in ran.err


@pytest.mark.parametrize("library", ["torch", "diffusers"])
def test_without_the_extra(tmp_path: Path, library: str) -> None:
    """3, and what to install."""
    # A module of that name which cannot be imported stands first in the search path.
    (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError('none', name='{library}')")
    ran = program("bench", "engine", PYTHONPATH=os.fspath(tmp_path))
    assert (ran.code, ran.out) == (3, "")
    assert f"needs {library}" in ran.err
    assert "pip install 'skureel[gpu]'" in ran.err


def test_help() -> None:
    """The group and the command say what they do."""
    assert "engine" in skureel("bench", "-h").out
    ran = skureel("bench", "engine", "-h")
    assert ran.code == 0
    for option in ("--full-size", "--checkpoint", "--minutes", "--no-stock", "--json"):
        assert option in ran.out
