"""Labels: the metadata one is lawful in every field, the visible one is there from the start, long and high enough."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.colour import Planar
from model.encode import encode_base, planar_frames_of
from model.label import AIGC_FIELDS, aigc_value
from model.storyboard.spec import SPEC
from model.verify import verify
from model.verify.aigc import faults, read
from model.verify.sighting import COMMON, LabelWatch
from model.visible import make_label
from tests.unit.model_clip.samples import PRODUCER, pan, storyboard
from tests.unit.model_verify.files import FPS, HEIGHT, WIDTH, failing, finding, pictures, tagged

GOOD = json.loads(aigc_value(PRODUCER, "skureel-1"))


def text(**changed: object) -> str:
    """The good label with fields changed; None leaves one out."""
    return json.dumps({name: value for name, value in {**GOOD, **changed}.items() if value is not None})


def test_the_label_we_write_is_lawful() -> None:
    """And so is one by another propagator, and one of a clip that is only possibly generated."""
    assert faults([text()]) == []
    assert faults([text(PropagateID="other-2", Label="2", ReservedCode1="x y")]) == []
    assert faults([text(ContentPropagator=PRODUCER[:-1] + "7")]) == []


@pytest.mark.parametrize("name", AIGC_FIELDS)
def test_every_field_must_be_there_as_text(name: str) -> None:
    """The fault names the field."""
    assert faults([text(**{name: None})]) == [f"{name} is missing"]
    assert faults([text(**{name: 1})]) == [f"{name} is 1, not text"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Label": "4"}, "Label is '4'"),
        ({"Label": ""}, "Label is ''"),
        ({"ContentProducer": ""}, "ContentProducer: '' has 0 characters"),
        ({"ContentProducer": PRODUCER[:-1]}, "ContentProducer: "),
        ({"ContentPropagator": "x" * 1000}, "ContentPropagator: "),
        ({"ProduceID": "a b"}, "ProduceID is 'a b'"),
        ({"PropagateID": "\x1b[31m"}, r"PropagateID is '\x1b[31m'"),
        ({"Extra": "1"}, "'Extra' is no field"),
    ],
)
def test_unlawful_values_are_named(changed: dict[str, object], said: str) -> None:
    """Shortly, and with nothing in it that a terminal would act on."""
    (fault,) = faults([text(**changed)])
    assert fault.startswith(said)
    assert fault.isprintable()
    assert len(fault) < 200


def test_a_field_that_stands_there_twice_is_no_label() -> None:
    """Two readers could read different values."""
    doubled = text()[:-1] + ',"Label":"2"}'
    assert read(doubled) is None
    assert "each field once" in faults([doubled])[0]


@given(st.text(max_size=60) | st.builds(lambda depth: "[" * depth, st.integers(0, 100_000)))
def test_any_text_gets_an_answer(value: str) -> None:
    """What is no label is a fault, never an error, and however long it is not repeated."""
    (fault,) = faults([value])
    assert len(fault) < 200


def test_none_and_several_are_faults() -> None:
    """Exactly one."""
    assert faults([]) == ["the AIGC key is missing"]
    assert faults([text(), text()]) == ["the AIGC key occurs 2 times, not once"]


def planes_of(clip: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[Planar]:
    """A clip's pictures as they come out of a base clip."""
    return list(planar_frames_of(encode_base(clip, FPS)))


@pytest.mark.parametrize("size", [(320, 240), (480, 854), (160, 120)])
def test_pictures_without_the_words_show_none(size: tuple[int, int]) -> None:
    """Photos, noise and other writing are not taken for a label."""
    width, height = size
    noise = np.random.default_rng(1).integers(0, 255, (2, height, width, 3), dtype=np.uint8)
    captions = (SPEC.name, "Keeps tea warm", "蓝色陶瓷马克杯")
    for clip in (pan(2, height, width), noise, storyboard(captions, width, height, 2)):
        watch = LabelWatch(COMMON, size, FPS)
        for picture in planes_of(clip):
            watch.see(picture)
        assert watch.sighting is None


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        ([False] + [True] * 59, "not on the first picture"),
        ([True] * 30 + [False] * 30, "shown for 2 s"),
        ([True] * 48 + [False] * 12, ""),
        ([True] * 60, ""),
    ],
    ids=["late", "short", "long-enough", "whole"],
)
def test_a_label_is_there_from_the_start_and_for_two_seconds(shown: list[bool], fault: str) -> None:
    """GB 45438-2025, 5.4. Pictures without it are told apart from those with it."""
    found = finding(verify(tagged(pictures(shown))), "visible_label")
    assert (found.status == "fail") == bool(fault)
    assert fault in found.why
    if shown[0]:
        assert f"for {sum(shown) / FPS:.2f} of 2.50 s" in found.found


def test_a_label_that_became_too_small_is_no_label() -> None:
    """A clip laid into a larger picture has its label shrunk, and off its place: the law's height is of the whole."""
    shrunk = []
    for picture in pictures([True] * 24):
        luma = Image.fromarray(picture[:HEIGHT]).resize((WIDTH // 2, HEIGHT // 2))
        larger = np.full_like(picture, 128)
        larger[: HEIGHT // 2, WIDTH // 2 :] = np.asarray(luma)
        shrunk.append(larger)
    assert failing(verify(tagged(shrunk))) == ["visible_label"]


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5])
def test_a_label_survives_the_scaling_of_a_whole_clip(scale: float) -> None:
    """A CDN's smaller or larger rendition still shows it, at the same share of the height."""
    size = (round(640 * scale), round(480 * scale))
    watch = LabelWatch(COMMON, size, FPS)
    picture = np.full((720, 640), 100, np.uint8)
    make_label("AI生成", 640, 480).lay_over(picture)
    scaled = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    scaled[: size[1]] = np.asarray(Image.fromarray(picture[:480]).resize(size, Image.Resampling.LANCZOS))
    watch.see(scaled)
    assert watch.sighting is not None
    assert watch.sighting.text == "AI生成"
    assert watch.sighting.share == pytest.approx(0.052, abs=0.008)


def test_words_of_ones_own_are_found_when_named() -> None:
    """Beside the usual ones, of which none stands at the same place."""
    frames = pictures([True] * 24, "AI生成内容")
    assert failing(verify(tagged(frames))) == ["visible_label"]
    assert failing(verify(tagged(frames), words=["AI生成内容", *COMMON])) == []
