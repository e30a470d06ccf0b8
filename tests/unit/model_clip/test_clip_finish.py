"""Finishing: the same base and recipe give the same bytes, labelled or not at all, with a poster worth showing."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from model import finish as module
from model.boxes import read_tags
from model.colour import Converter, planar_array
from model.encode import decode, encode_base
from model.engine import Frames
from model.errors import DecodeError, DressError, LabelError
from model.finish import finish
from model.inspect import inspect_file
from model.label import check_labels
from model.poster import poster_score
from model.recipe import Recipe
from model.splice import splice
from tests.unit.model_clip.samples import base_of_gradient, generated, gradient, pan, photo, recipe, scene, storyboard


@pytest.mark.parametrize(
    ("made", "generative"), [(generated(), True), (recipe(), False), (recipe(size=(180, 320)), False)]
)
def test_the_same_base_and_recipe_give_the_same_bytes(made: Recipe, generative: bool) -> None:
    """Now, later, and beside other clips in a pool: file and poster are functions of base and recipe."""
    base = base_of_gradient()
    first = finish(base, made, generative=generative)
    with ThreadPoolExecutor(3) as pool:
        others = list(pool.map(lambda _: finish(base, made, generative=generative), range(3)))
    assert all((other.data, other.poster) == (first.data, first.poster) for other in others)


def test_a_finished_clip_is_what_its_recipe_says() -> None:
    """Size, length, labels, hash and poster; and it passes the inspection of files."""
    made = generated(size=(160, 160))
    finished = finish(base_of_gradient(), made, generative=True)
    assert (finished.probe.width, finished.probe.height, finished.probe.frames) == (160, 160, 24)
    assert finished.probe.duration == pytest.approx(made.duration)
    assert finished.probe.faststart
    assert finished.sha256 == hashlib.sha256(finished.data).hexdigest()
    assert finished.labels == ("visible", "aigc")
    assert finished.has_text
    assert inspect_file(finished.data, made).passed
    with Image.open(io.BytesIO(finished.poster)) as image:
        assert image.size == (160, 160)


def test_the_picture_is_the_base_under_its_label() -> None:
    """The finished clip shows the engine's frames, with their colours, outside the label."""
    frames = pan(24)
    shown = decode(finish(encode_base(frames, 24), generated(), generative=True).data)
    assert np.abs(shown[:, 40:].astype(float) - frames[:, 40:]).mean() < 6


@pytest.mark.parametrize(("captions", "text"), [((), False), (("",), False), (("Mug",), True)])
def test_words_on_the_picture_are_reported(captions: tuple[str, ...], text: bool) -> None:
    """A clip has text when its engine drew captions; empty ones are none."""
    finished = finish(base_of_gradient(), recipe(scene(captions=captions)), generative=False)
    assert finished.has_text is text
    assert finished.labels == ()


def test_a_generated_clip_without_producer_is_never_made() -> None:
    """The error names the setting, before any work is done."""
    with pytest.raises(LabelError, match="SKUREEL_CLIP__PRODUCER"):
        finish(b"not even read", recipe(label="AI生成"), generative=True)


def test_a_clip_whose_labels_did_not_arrive_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A muxer that loses the tags is noticed in the finished bytes, and the clip is not handed out."""
    monkeypatch.setattr(module, "splice", lambda body, segment, _tags: splice(body, segment, {}))
    with pytest.raises(LabelError, match="AIGC: missing"):
        finish(base_of_gradient(), generated(), generative=True)


@pytest.mark.parametrize("frames", [12, 23, 25])
def test_a_base_of_another_length_is_refused(frames: int) -> None:
    """A base that has not the scene's frames is not the scene's base."""
    with pytest.raises(DressError, match=f"has {frames} frames; its scene has 24"):
        finish(base_of_gradient(frames), recipe(), generative=False)


def test_a_damaged_base_is_refused() -> None:
    """Half a base makes no clip."""
    base = base_of_gradient()
    with pytest.raises(DecodeError):
        finish(base[: len(base) // 2], recipe(), generative=False)


def shown_at(frames: Frames, base_recipe: Recipe | None = None) -> int:
    """Which frame became the poster."""
    finished = finish(encode_base(frames, 24), base_recipe or recipe(scene(frames=len(frames))), generative=False)
    with Image.open(io.BytesIO(finished.poster)) as image:
        picture = np.asarray(image).astype(float)
    return int(np.abs(frames.astype(float) - picture).mean((1, 2, 3)).argmin())


def test_the_poster_is_neither_dark_nor_burnt_out_nor_blurred() -> None:
    """Of a clip that comes out of the dark, blurs and burns out, the poster is a clear frame in between."""
    picture = photo(96, 128, 9)
    clip = np.stack([picture] * 48)
    clip[:14] = (picture * 0.08).astype(np.uint8)
    clip[14:26] = np.asarray(Image.fromarray(picture).reduce(8).resize((128, 96)))
    clip[38:] = np.clip(picture * 3.0, 0, 255).astype(np.uint8)
    for index in range(48):  # tell the frames apart
        clip[index, :4, : 2 * index] = 0
    assert 26 <= shown_at(clip) < 38


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_clips_have_a_poster_too(frames: int) -> None:
    """One frame is enough."""
    made = recipe(scene(frames=frames))
    assert finish(encode_base(gradient(frames), 24), made, generative=False).poster.startswith(b"\xff\xd8")


def test_poster_scores_rank_what_people_rank() -> None:
    """Sharp over blurred, well exposed over dark and over burnt out."""
    picture = photo(96, 128, 3)
    blurred = np.asarray(Image.fromarray(picture).reduce(6).resize((128, 96)))

    def score(rgb: Frames) -> float:
        return poster_score(planar_array(Converter().to_yuv(rgb)))

    assert score(picture) > score(blurred)
    assert score(picture) > score((picture * 0.1).astype(np.uint8))
    assert score(picture) > score(np.clip(picture * 4.0, 0, 255).astype(np.uint8))


def test_a_storyboard_is_finished_whole() -> None:
    """What the CPU engine draws becomes a clip that plays, says what it is, and passes inspection."""
    captions = ("不锈钢保温杯", "保温 24 小时", "一键开盖")
    made = recipe(scene(width=320, height=240, frames=48, captions=captions), size=(640, 480))
    finished = finish(encode_base(storyboard(captions), 24), made, generative=False)
    assert inspect_file(finished.data, made).faults == ()
    assert check_labels(finished.data, made, generative=False) == []
    assert dict(read_tags(finished.data))["software"].startswith("skureel storyboard")
    assert "data" not in repr(finished)
