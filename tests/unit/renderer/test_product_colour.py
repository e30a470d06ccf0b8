"""The recorded colour on its way through a renderer: a model's clip of another colour is refused, and what could not be
compared says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from consumer.events import ProductColour, VideoReady, VideoRejected
from consumer.renderer.expecting import NOT_GENERATED
from model.engine import Frames
from model.recipe import Recipe, Scene
from tests.engines import SPEC, TestEngine
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.renderer.conftest import Bench, recipe, request

Make = Callable[..., Bench]
RED, NAVY = (211, 32, 39), (27, 42, 78)
ASKED = ProductColour(word="red", rgb=RED)


def thing(colour: tuple[int, int, int]) -> Callable[[Scene], Frames]:
    """Draws a lit disc of one colour that moves over a pale ground."""

    def draw(scene: Scene) -> Frames:
        y, x = np.mgrid[0 : scene.height, 0 : scene.width]
        clip = np.full((scene.frames, scene.height, scene.width, 3), 235, np.uint8)
        for index, frame in enumerate(clip):
            away = np.hypot(x - scene.width * (0.4 + 0.2 * index / scene.frames), y - scene.height / 2)
            inside = away < scene.height / 3
            frame[inside] = (np.array(colour) * (1.1 - 0.4 * away[inside, None] / scene.height)).clip(0, 255)
        return clip

    return draw


def generated() -> Recipe:
    """The recipe of a clip that a model generates."""
    plain = recipe(size=(320, 240))
    overlays = replace(plain.dressing.overlays, label="AI生成")
    return replace(plain, dressing=replace(plain.dressing, overlays=overlays, producer=PRODUCER))


def made(bench: Make, drawn: tuple[int, int, int], asked: ProductColour | None) -> VideoReady | VideoRejected:
    """What becomes of a request for a product of a colour, when a model draws it in another or the same."""
    worker = bench(TestEngine(draw=thing(drawn), spec=replace(SPEC, generative=True)))
    worker.send(replace(request(made_of=generated()), colour=asked), 0)
    return worker.settler.event(0)


def test_a_clip_of_the_wrong_colour_is_refused(bench: Make) -> None:
    """Nothing is announced; every attempt was looked at, and the reason names the check."""
    event = made(bench, NAVY, ASKED)
    assert isinstance(event, VideoRejected)
    assert event.attempts == 2
    assert {reason.check for reason in event.reasons} == {"colour"}
    assert event.scores["colour"] < 0.1


def test_a_clip_of_the_recorded_colour_is_announced(bench: Make) -> None:
    """With its score; the check is not among those that did not run."""
    event = made(bench, RED, ASKED)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.scores["colour"] > 0.9
    assert "colour" not in event.lineage.not_inspected


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (ProductColour(word="moonlit", rgb=None), "'moonlit' stands for no one colour"),
        (None, "no colour is recorded"),
    ],
)
def test_a_colour_that_nobody_knows_is_not_inspected(bench: Make, asked: ProductColour | None, why: str) -> None:
    """The clip is announced, and the event says that its colour was not looked at, and why."""
    event = made(bench, NAVY, asked)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.not_inspected["colour"] == why
    assert "colour" not in event.lineage.scores


def test_a_clip_that_no_model_made_is_not_held_against_the_record(bench: Make) -> None:
    """It shows the photo as it is, or words alone: neither has to have the product's colour."""
    worker = bench(TestEngine(draw=thing(NAVY)))
    worker.send(replace(request(), colour=ASKED), 0)
    event = worker.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.not_inspected["colour"] == NOT_GENERATED
