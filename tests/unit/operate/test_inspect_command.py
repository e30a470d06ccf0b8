"""``skureel inspect`` and ``… calibrate``: exit codes, JSON, the sheet, and the policy that is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from model.encode import encode_base
from model.inspect import load_policy
from tests.commands import skureel
from tests.unit.model_clip.samples import gradient, pan


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good clips and one that goes black."""
    folder = tmp_path_factory.mktemp("labelled")
    for place in ("good", "bad/black"):
        (folder / place).mkdir(parents=True)
    dark = pan(48).copy()
    dark[10:30] = 0
    clips = {"good/a.mp4": gradient(48), "good/b.mp4": pan(48), "bad/black/c.mp4": dark}
    for name, frames in clips.items():
        (folder / name).write_bytes(encode_base(frames, 24))
    return folder


def test_files_are_inspected_and_shown(labelled: Path, tmp_path: Path) -> None:
    """A line of JSON a file, exit code 1 for a bad one, and a picture of them all."""
    sheet = tmp_path / "sheet.png"
    ran = skureel("inspect", labelled / "good/a.mp4", labelled / "bad/black/c.mp4", "--contact-sheet", sheet, "--json")
    good, bad = ran.lines()
    assert (ran.code, good["verdict"], bad["verdict"]) == (1, "accept", "reject")
    assert "black" in {fault["check"] for fault in bad["faults"]}
    assert "text" in good["not_run"]
    with Image.open(sheet) as picture:
        assert picture.width > 1000
    assert skureel("inspect", labelled / "good/a.mp4").code == 0


def test_calibration_writes_a_policy(labelled: Path, tmp_path: Path) -> None:
    """Precision and recall of each check, and a file that can be loaded."""
    written = tmp_path / "policy.toml"
    ran = skureel("inspect", "calibrate", labelled, "-o", written, "--version", "mine", "--json")
    assert ran.code == 0
    assert ran.json()["checks"]["black"]["recall"] == 1.0
    assert load_policy(written).version == "mine"


def test_wrong_usage_is_code_2(tmp_path: Path) -> None:
    """No such file, no such policy, no such folder."""
    assert skureel("inspect", tmp_path / "none.mp4").code == 2
    assert skureel("inspect", "calibrate", tmp_path).code == 2
    assert skureel("inspect", "x.mp4", "--policy", tmp_path / "none.toml").code == 2
