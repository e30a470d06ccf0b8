"""Laws of the dresser: the same clips without an engine, and what needs one is handed over whole."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from consumer.events import ClipRequest, VideoReady, VideoRejected, Work
from consumer.observe import metrics as m
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes
from consumer.stream import headers
from consumer.stream.types import Output
from model.recipe import Photo, Recipe
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import CODEC, Bench, recipe, request
from tests.unit.renderer.test_renderer import PHOTOS, png

Make = Callable[..., Bench]
SIZE = (320, 240)
PLAIN = recipe(size=SIZE)


def dressed(one: Bench, wanted: ClipRequest, offset: int) -> list[Output]:
    """What a request on the dressers' topic led to."""
    one.send(wanted, offset, topic="clip-dress")
    return one.settler.outputs(offset)


def ready(one: Bench, wanted: ClipRequest, offset: int) -> VideoReady:
    """The announcement that it led to."""
    dressed(one, wanted, offset)
    event = one.settler.event(offset)
    assert isinstance(event, VideoReady)
    return event


def handed_over(outputs: list[Output]) -> ClipRequest:
    """The request that was handed over, as a renderer reads it."""
    (output,) = outputs
    assert output.topic == "clip-render-bulk"
    assert output.value is not None
    return ClipRequest.from_avro(CODEC.decode(output.topic, output.value, output.headers))


def work(event: VideoReady) -> Work:
    """What was done for it."""
    assert event.lineage is not None
    return event.lineage.work


def test_a_dresser_is_ready_at_once_and_makes_what_needs_no_engine(bench: Make) -> None:
    """Card, ribbon and what is there already, from what a renderer stored."""
    renderer = bench()
    renderer.send(request(revision=1, made_of=PLAIN), 0)
    renderer.settler.event(0)
    one = bench(dresser=True)
    assert one.renderer.ready.is_set()
    assert one.renderer.last_sign() is None
    changes = [recipe(size=SIZE, card="Sale"), recipe(size=SIZE, ribbon="20% off"), PLAIN]
    events = [ready(one, request(revision=n, made_of=made), n) for n, made in enumerate(changes, 2)]
    assert [work(event) for event in events] == [Work.SPLICE, Work.DRESS, Work.NONE]
    assert one.metrics.value(m.HAND_OVERS, reason="base") == 0


def test_a_missing_base_is_handed_over_and_a_renderer_answers_it(bench: Make) -> None:
    """The same request, id and revision; its trace goes on; one announcement in the end."""
    one = bench(dresser=True)
    wanted = request(revision=3, made_of=recipe(size=SIZE, ribbon="20% off"), work=Work.DRESS)
    outputs = dressed(one, wanted, 0)
    assert handed_over(outputs) == replace(wanted, work=Work.RENDER)
    assert outputs[0].key == b"p"
    told = headers.incoming(outputs[0].headers)
    assert (told.id, told.type) == (wanted.request_id, "skureel.clip-render-bulk")
    assert told.trace is not None
    assert one.metrics.value(m.HAND_OVERS, reason="base") == 1
    renderer = bench()
    renderer.send(handed_over(outputs), 0, topic="clip-render-bulk")
    event = renderer.settler.event(0)
    assert isinstance(event, VideoReady)
    assert (event.revision, work(event)) == (3, Work.RENDER)
    assert dressed(one, wanted, 1) == []
    assert one.metrics.value(m.SKIPS, role="dresser", reason="duplicate") == 1


def test_a_base_whose_bytes_are_gone_is_handed_over_too(bench: Make, store: FilesStore) -> None:
    """A record without its clip is no base."""
    renderer = bench()
    renderer.send(request(revision=1, made_of=PLAIN), 0)
    renderer.settler.event(0)
    store.delete(layout.base_key(PLAIN.base_digest))
    one = bench(dresser=True)
    changed = request(revision=2, made_of=recipe(size=SIZE, ribbon="20% off"))
    assert handed_over(dressed(one, changed, 1)).revision == 2


def test_a_photo_that_cannot_be_had_is_for_the_renderer_to_decide(bench: Make, store: FilesStore) -> None:
    """It has the policy and the engines; with the photo's digest planned, the dresser does not need the photo."""
    store.put("uploads/a.png", png(), Attributes(content_type="image/png"))
    photo = Photo(url="store:uploads/a.png")

    def pictured(made_of: Recipe, photo: Photo = photo) -> Recipe:
        return replace(made_of, scene=replace(made_of.scene, mode="image", photo=photo))

    renderer = bench(TestEngine(spec=PHOTOS))
    renderer.send(request(revision=1, made_of=pictured(PLAIN)), 0)
    renderer.settler.event(0)
    one = bench(dresser=True)
    assert work(ready(one, request(revision=2, made_of=pictured(recipe(size=SIZE, card="Sale"))), 1)) is Work.SPLICE
    store.delete("uploads/a.png")
    last = recipe(size=SIZE, card="Last")
    assert handed_over(dressed(one, request(revision=3, made_of=pictured(last)), 2)).revision == 3
    assert one.metrics.value(m.HAND_OVERS, reason="photo") == 1
    pinned = replace(photo, sha256=hashlib.sha256(png()).hexdigest())
    assert work(ready(one, request(revision=3, made_of=pictured(last, pinned)), 3)) is Work.SPLICE


def test_a_second_seed_is_found_again_and_a_rejection_told_again(bench: Make) -> None:
    """What an inspection decided holds for the dresser: it walks the same attempts."""
    planned = PLAIN.scene.seed
    renderer = bench(
        TestEngine(draw=lambda scene: moving_gradient(scene) * np.uint8(0 if scene.seed in {planned, 99} else 1))
    )
    renderer.send(request("p", 1, PLAIN), 0)
    renderer.settler.event(0)
    one = bench(dresser=True)
    event = ready(one, request("p", 2, recipe(size=SIZE, ribbon="20% off")), 1)
    assert event.lineage is not None
    assert (event.lineage.work, event.lineage.attempts) == (Work.DRESS, 2)
    assert event.lineage.seed != planned
    black = TestEngine(draw=lambda scene: np.zeros_like(moving_gradient(scene)))
    two = bench(black)
    two.send(request("q", 1, recipe(seed=7, size=SIZE)), 0)
    assert isinstance(two.settler.event(0), VideoRejected)
    dressed(one, request("q", 2, recipe(seed=7, size=SIZE, ribbon="20% off")), 2)
    assert isinstance(one.settler.event(2), VideoRejected)


def test_a_dresser_asks_nothing_of_the_engine_that_a_clip_was_planned_for(bench: Make) -> None:
    """It needs no engine setting: the base says what made it."""
    renderer = bench(TestEngine(spec=replace(PHOTOS, name="other")))
    renderer.send(request(revision=1, made_of=recipe(size=SIZE, engine="other")), 0)
    renderer.settler.event(0)
    one = bench(dresser=True)
    event = ready(one, request(revision=2, made_of=recipe(size=SIZE, engine="other", card="Sale")), 1)
    assert event.lineage is not None
    assert (event.lineage.work, event.lineage.engine) == (Work.SPLICE, "other")


@pytest.mark.parametrize("words", ["\U00013000", "word " * 300])
def test_words_that_cannot_be_drawn_are_a_dead_letter_of_the_dresser(bench: Make, words: str) -> None:
    """They would fail anywhere; its own topic of dead letters tells where it was."""
    renderer = bench()
    renderer.send(request(revision=1, made_of=PLAIN), 0)
    renderer.settler.event(0)
    one = bench(dresser=True)
    (letter,) = dressed(one, request(revision=2, made_of=recipe(size=SIZE, card=words)), 1)
    assert letter.topic == "clip-dress.g-dresser.dlq"
    assert b"end_card.headline" in (dict(letter.headers)["__dlq.errors.message"] or b"")


def test_the_dressers_code_imports_no_model_library() -> None:
    """A CPU pool is built from the core alone: a process that has all of the dresser's code has no torch."""
    code = (
        "import sys, consumer.service, consumer.renderer.renderer; "
        "print(sorted(name for name in sys.modules if name.split('.')[0] in {'torch', 'diffusers', 'transformers'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
