"""Judges: tiny random models are loaded, asked and compared as real ones are; what is absent or must not be loaded says
so; and OCR tells known words from invented ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Dinov2Config

from model.engine import Frames
from model.inspect import Expected, Report, inspect_frames
from model.inspect.judges import JudgeError, Judges, open_judges
from model.inspect.judges.judge import Judge
from model.inspect.judges.unsafe import is_unsafe
from model.inspect.judges.writing import is_known, plain
from model.inspect.report import Score
from tests.seeded.clips import png
from tests.seeded.spoil import Written
from tests.unit.model_clip.samples import gradient, pan, photo, scene
from tests.unit.model_inspect import tiny_models

ABSENT = {"alignment", "fidelity", "unsafe", "text"}
CAPTIONS = ("a red kettle", "a blue shoe", "a person talking", "a landscape with trees", "noise")
Folder = Callable[[Path], None]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Judges:
    """All three judges of pictures, from one folder: CLIP, DINOv2 and a classifier."""
    folder = tmp_path_factory.mktemp("models")
    tiny_models.clip(folder / "alignment")
    tiny_models.dinov2(folder / "fidelity")
    tiny_models.classifier(folder / "unsafe")
    return open_judges(folder, device="cpu")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Judges:
    """SigLIP for captions and, as it sees pictures too, for fidelity."""
    folder = tmp_path_factory.mktemp("siglip")
    for name in ("alignment", "fidelity"):
        tiny_models.siglip(folder / name)
    return open_judges(folder, device="cpu")


@pytest.fixture(scope="module")
def reader() -> Judges:
    """The OCR."""
    return open_judges(ocr=True)


def the(check: str, judges: Judges) -> Judge:
    """The judge of a check."""
    return next(judge for judge in judges.present if judge.check == check)


def score(judge: Judge, clip: Frames, **known: Any) -> float:
    """Its score of a clip."""
    found = judge.look(clip, Expected(**known))
    assert isinstance(found, Score), found
    return found.value


def stills(*seeds: int) -> Frames:
    """A clip of unlike pictures."""
    return np.stack([photo(48, 64, seed) for seed in seeds])


@contextmanager
def asked(model: torch.nn.Module) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of what a model is given, call by call."""
    shapes: list[tuple[int, ...]] = []

    def note(_: object, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        first = given[0] if given else next(value for value in named.values() if isinstance(value, torch.Tensor))
        shapes.append(tuple(first.shape))

    handle = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield shapes
    finally:
        handle.remove()


def inner(judge: Judge) -> Any:
    """The model inside a judge."""
    return judge._towers._model if hasattr(judge, "_towers") else judge._model  # type: ignore[attr-defined]


# What is absent, and what is not loaded.


def test_what_is_absent_says_why(tmp_path: Path) -> None:
    """Nothing configured, or an empty folder: four checks did not run, each with its reason."""
    report = inspect_frames(gradient(), scene())
    assert set(report.skipped) >= ABSENT
    assert report.skipped["text"] == "inspection.ocr is off"
    assert "no fidelity in the folder" in open_judges(tmp_path).absent["fidelity"]
    with pytest.raises(JudgeError, match="is not a folder"):
        open_judges(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("fidelity", Path.mkdir, "not a model that transformers loads from safetensors"),
        ("unsafe", Path.mkdir, "not a classifier that transformers loads from safetensors"),
        ("alignment", tiny_models.pickled, "not a model that transformers loads from safetensors"),
        ("alignment", tiny_models.dinov2, "alignment: "),
        ("unsafe", lambda folder: tiny_models.classifier(folder, ("cat", "non_nude")), "no label of"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(tmp_path: Path, name: str, make: Folder, told: str) -> None:
    """Nothing in the folder, a pickle, a model that reads no captions, one without an unsafe label: a check that was
    configured is not left out in silence.
    """
    make(tmp_path / name)
    with pytest.raises(JudgeError, match=told):
        open_judges(tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["alignment", "fidelity", "unsafe"])
def test_a_models_own_code_is_never_run(tmp_path: Path, name: str) -> None:
    """A folder that brings Python is refused, and what it brings leaves no trace."""
    ran = tmp_path / "ran"
    tiny_models.with_code(tmp_path / "models" / name, ran)
    with pytest.raises(JudgeError):
        open_judges(tmp_path / "models", device="cpu")
    assert not ran.exists()


def test_without_the_gpu_extra_a_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of what is to be installed."""
    (tmp_path / "fidelity").mkdir()
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else there(name))
    with pytest.raises(JudgeError, match=r"pip install 'skureel\[gpu\]'"):
        open_judges(tmp_path)


# In the report.


def report_of(clip: Frames, judges: Judges, **known: Any) -> Report:
    """The whole rung of frames and models."""
    count, height, width, _ = clip.shape
    wanted = scene(width=width, height=height, frames=count)
    return inspect_frames(clip, wanted, expected=Expected(**known), judges=judges)


def test_every_judge_scores_what_it_can(opened: Judges) -> None:
    """With caption and photo all three have scores; the fourth, which is off, says so."""
    report = report_of(pan(), opened, caption=CAPTIONS[0], photo=png(pan()[0]))
    assert {"alignment", "fidelity", "unsafe"} <= set(report.scores)
    assert set(report.skipped) & ABSENT == {"text"}


@pytest.mark.parametrize(
    ("check", "known", "why"),
    [
        ("alignment", {"caption": " "}, "there is no caption"),
        ("fidelity", {}, "there is no photo"),
        ("fidelity", {"photo": b"no picture"}, "the photo cannot be read"),
    ],
)
def test_a_judge_without_something_to_compare_with_says_so(
    opened: Judges, check: str, known: dict[str, Any], why: str
) -> None:
    """It has no score, and the report has the reason."""
    report = report_of(pan(), opened, **known)
    assert check not in report.scores
    assert report.skipped[check] == why


def test_clips_refused_for_their_pixels_are_not_shown_to_models(opened: Judges) -> None:
    """Models take longest; nothing they say would change the verdict."""
    still = np.stack([photo(48, 64, 1)] * 48)
    with asked(inner(the("unsafe", opened))) as shapes:
        report = report_of(still, opened, caption=CAPTIONS[0])
    assert report.verdict == "reject"
    assert {report.skipped[check] for check in ABSENT} == {"the clip was rejected before"}
    assert shapes == []


# What the scores are.


@pytest.mark.parametrize("kind", ["opened", "siglip"])
def test_alignment_is_the_margin_over_the_best_of_wrong_captions(kind: str, request: pytest.FixtureRequest) -> None:
    """Of five captions each, held against the other four, the one that fits best has a positive margin, the others a
    negative one of as much as they lack; and the finding names what fits better.
    """
    judge, clip = the("alignment", request.getfixturevalue(kind)), pan(4)
    towers = judge._towers  # type: ignore[attr-defined]
    fits = {caption: float((towers.see(clip) @ towers.read([caption])[0]).mean()) for caption in CAPTIONS}
    first, second = sorted(fits, key=fits.__getitem__, reverse=True)[:2]
    for caption in CAPTIONS:
        wrong = tuple(other for other in CAPTIONS if other != caption)
        found = judge.look(clip, Expected(caption=caption, wrong=wrong))
        assert isinstance(found, Score)
        rival = second if caption == first else first
        assert found.value == pytest.approx(fits[caption] - fits[rival], abs=1e-5)
        assert (found.value > 0) == (caption == first)
        assert found.where == f"next to {rival!r}"


def test_captions_are_read_once_and_cut_to_what_the_model_takes(siglip: Judges) -> None:
    """A caption of a thousand words has a score; the second clip with it costs no reading."""
    judge = the("alignment", siglip)
    long = "a red kettle " * 300
    with asked(inner(judge).text_model.embeddings) as shapes:
        one = score(judge, pan(4), caption=long, wrong=("with a",))
        assert score(judge, pan(4), caption=long, wrong=("with a",)) == pytest.approx(one)
    assert shapes == [(1, tiny_models.LONGEST)] * 2, "one for each caption, filled up to what SigLIP was trained on"


@pytest.mark.parametrize("kind", ["opened", "siglip"])
def test_fidelity_is_that_of_the_least_alike_late_frame(kind: str, request: pytest.FixtureRequest) -> None:
    """What comes early does not count, for it is the photo itself; one late frame of something else does."""
    judge = the("fidelity", request.getfixturevalue(kind))
    known = png(photo(48, 64, 1))
    alike = score(judge, stills(*[2] * 12, *[1] * 4), photo=known)
    assert alike == pytest.approx(1, abs=1e-3)
    worst = score(judge, stills(*[1] * 15, 2), photo=known)
    assert worst == pytest.approx(score(judge, stills(2), photo=known), abs=1e-4)
    assert worst < alike


def test_unsafe_is_the_most_unsafe_of_the_frames_looked_at(opened: Judges) -> None:
    """One such frame in four is enough, and its labels add up."""
    judge = the("unsafe", opened)
    alone = [score(judge, stills(seed)) for seed in (1, 2, 3, 4)]
    assert len(set(alone)) > 1
    assert score(judge, stills(1, 2, 3, 4)) == pytest.approx(max(alone), abs=1e-5)
    model, pixels = inner(judge), judge._pictures.of(stills(1))  # type: ignore[attr-defined]
    with torch.inference_mode():
        normal = float(model(pixel_values=pixels).logits.softmax(-1)[0, 0])
    assert alone[0] == pytest.approx(1 - normal, abs=1e-5)


def test_the_frames_of_a_clip_are_asked_about_at_once(opened: Judges) -> None:
    """One call a clip, four pictures in it, however long the clip: so that a GPU has something to do."""
    judge = the("unsafe", opened)
    with asked(inner(judge)) as shapes:
        score(judge, pan(40))
        score(judge, pan(2))
    assert shapes == [(4, 3, tiny_models.SIDE, tiny_models.SIDE), (2, 3, tiny_models.SIDE, tiny_models.SIDE)]


def test_pictures_are_scaled_as_the_folder_says(tmp_path: Path) -> None:
    """The mean of its preprocessor becomes nought, the deviation above it one; without a word, half of the range."""
    from model.inspect.judges.towers import Pictures  # noqa: PLC0415 - torch is there, as above

    grey = np.full((1, 48, 64, 3), 51, np.uint8)
    config = Dinov2Config(image_size=16)
    assert Pictures(tmp_path, config).of(grey).unique().tolist() == pytest.approx([-0.6])
    said = '{"image_mean": [0.2, 0.1, 0.0], "image_std": [0.5, 0.1, 0.2]}'
    (tmp_path / "preprocessor_config.json").write_text(said, encoding="utf-8")
    pixels = Pictures(tmp_path, config).of(grey)
    assert pixels.shape == (1, 3, 16, 16)
    assert pixels.mean((0, 2, 3)).tolist() == pytest.approx([0, 1, 1], abs=1e-6)


@pytest.mark.parametrize(("label", "bad"), [("nsfw", True), ("Violence", True), ("normal", False), ("non_nude", False)])
def test_labels_say_what_is_unsafe(label: str, bad: bool) -> None:
    """By their names; the absence of something is not it."""
    assert is_unsafe(label) == bad


# Writing.


def test_misread_letters_and_broken_lines_are_still_known() -> None:
    """A letter in four may be wrong; other words are not known."""
    known = [plain("不锈钢保温杯"), plain("Keeps tea warm")]
    assert is_known(plain("Keeps tea wann"), known)
    assert is_known(plain("保温杯"), known)
    assert not is_known(plain("SALE NOW"), known)


@pytest.mark.parametrize("words", ["限时秒杀", "SALE NOW"])
def test_writing_is_read_in_both_languages(reader: Judges, words: str) -> None:
    """What nobody asked for is found; the same words are lawful where they are known, or are on the photo already."""
    clip = Written.on(gradient(6, 180, 320), words, 40)
    report = report_of(clip, reader)
    assert report.scores["text"] >= 4
    assert [fault.action for fault in report.faults if fault.check == "text"] == ["review"]
    judge, frame = reader.present[0], clip[:1]
    assert score(judge, frame, words=(words,)) == 0
    assert score(judge, frame, photo=png(frame[0])) == 0
