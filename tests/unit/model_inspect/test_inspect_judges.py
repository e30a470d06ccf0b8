"""Judges: a tiny random CLIP scores, what is absent says so, and OCR tells known words from invented ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.inspect import Expected, inspect_frames
from model.inspect.judges import JudgeError, open_judges
from model.inspect.judges.unsafe import is_unsafe
from model.inspect.judges.writing import installed, is_known, plain
from tests.unit.model_clip.samples import gradient, scene


def test_what_is_absent_says_why(tmp_path: Path) -> None:
    """Nothing configured, or an empty folder: four checks did not run, each with its reason."""
    report = inspect_frames(gradient(), scene())
    assert {"alignment", "fidelity", "unsafe", "text"} <= set(report.skipped)
    assert report.skipped["text"] == "inspection.ocr is off"
    assert "no fidelity in the folder" in open_judges(tmp_path).absent["fidelity"]
    with pytest.raises(JudgeError, match="is not a folder"):
        open_judges(tmp_path / "none")


def test_a_model_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    """A check that was configured is not left out in silence."""
    pytest.importorskip("transformers")
    (tmp_path / "fidelity").mkdir()
    with pytest.raises(JudgeError, match="not a model that transformers loads"):
        open_judges(tmp_path, device="cpu")


def test_a_tiny_model_scores_and_its_own_photo_is_most_alike(tmp_path: Path) -> None:
    """Random weights still see a picture as itself: a likeness of 1 to itself, less to another."""
    transformers = pytest.importorskip("transformers")
    sides = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    config = transformers.CLIPVisionConfig(**sides, num_attention_heads=2)
    transformers.CLIPVisionModel(config).save_pretrained(tmp_path / "fidelity")
    judge = open_judges(tmp_path, device="cpu").present[0]
    assert judge.check == "fidelity"
    towers = judge._towers  # type: ignore[attr-defined]
    seen = towers.see(np.stack([gradient()[0], gradient(low=0, high=90)[0]]))
    assert seen.shape == (2, 32)
    assert float(seen[0] @ seen[0]) == pytest.approx(1, abs=1e-4)
    assert float(seen[0] @ seen[1]) < 1


@pytest.mark.parametrize(("label", "bad"), [("nsfw", True), ("Violence", True), ("normal", False), ("non_nude", False)])
def test_labels_say_what_is_unsafe(label: str, bad: bool) -> None:
    """By their names; the absence of something is not it."""
    assert is_unsafe(label) == bad


def test_misread_letters_and_broken_lines_are_still_known() -> None:
    """A letter in four may be wrong; other words are not known."""
    known = [plain("不锈钢保温杯"), plain("Keeps tea warm")]
    assert is_known(plain("Keeps tea wann"), known)
    assert is_known(plain("保温杯"), known)
    assert not is_known(plain("SALE NOW"), known)


@pytest.mark.skipif(not installed(), reason="the ocr extra is not installed")
@pytest.mark.parametrize("words", ["限时秒杀", "SALE NOW"])
def test_writing_is_read_in_both_languages(words: str) -> None:
    """What nobody asked for is found, and the same words are lawful where they are known."""
    from tests.seeded.spoil import Written  # noqa: PLC0415 - only with the extra

    clip = Written.on(gradient(6, 180, 320), words, 40)
    judge = open_judges(ocr=True).present[0]
    found = judge.look(clip, Expected())
    assert getattr(found, "value", 0) >= 4, found
    assert getattr(judge.look(clip, Expected(words=(words,))), "value", 9) == 0
