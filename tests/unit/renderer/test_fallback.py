"""Laws of photos that cannot be had: what stands in for them, and that the clip says what is true of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from consumer.events import VideoReady, Work
from consumer.observe import metrics as m
from consumer.renderer.rungs import drawn, first_clause
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes
from model.engine import EngineError, EngineSpec, Frames
from model.inspect import inspect_file
from model.label import credit_check, read_labels
from model.recipe import Overlays, Photo, Recipe, Scene
from model.storyboard.engine import Storyboard
from model.storyboard.spec import SPEC as STORYBOARD
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import Bench, recipe, request

Make = Callable[..., Bench]
MODEL = EngineSpec(name="test", revision="1", generative=True, captions=False, photos=True, steps=30, guidance=5.0)
_CREDIT = "91310000MA1FL3LM2"
PRODUCER = f"0011{_CREDIT}{credit_check(_CREDIT)}10000"
MISSING = Photo(url="store:uploads/missing.png")


def planned(photo: Photo | None = MISSING, **more: object) -> Recipe:
    """A recipe as it is planned for a model: labelled, negative prompt, steps."""
    plain = recipe(photo=photo, prompt="A steel kettle, on a wooden table, morning light")
    scene = replace(
        plain.scene,
        width=320,
        height=240,
        negative_prompt="blurry",
        steps=30,
        guidance=5.0,
        **more,  # type: ignore[arg-type]
    )
    overlays = Overlays(width=320, height=240, label="AI生成", encoding=plain.dressing.overlays.encoding)
    return Recipe(scene=scene, dressing=replace(plain.dressing, overlays=overlays, producer=PRODUCER))


def ready(one: Bench, offset: int = 0) -> VideoReady:
    """The clip that a record became."""
    event = one.settler.event(offset)
    assert isinstance(event, VideoReady)
    return event


def model(**more: object) -> TestEngine:
    """The engine that clips are planned for."""
    return TestEngine(spec=replace(MODEL, **more))  # type: ignore[arg-type]


def test_a_clip_without_its_photo_is_drawn_and_says_so(bench: Make, store: FilesStore) -> None:
    """By the storyboard, without the model's labels, in lineage, file and metrics."""
    one = bench(model(), fallback=Storyboard(), photo_policy="storyboard")
    one.send(request(made_of=planned(), captions=("Steel kettle", "1.5 l")), 0)
    event = ready(one)
    lineage, clip = event.lineage, event.clip
    assert lineage is not None
    assert clip is not None
    assert (lineage.engine, lineage.engine_revision) == (STORYBOARD.name, STORYBOARD.revision)
    assert not lineage.generative
    assert lineage.photo_sha256 is None
    assert (lineage.steps, lineage.guidance, lineage.negative_prompt) == (0, 0.0, None)
    assert lineage.recipe_digest == planned().digest
    assert event.labels == ()
    assert clip.has_text
    data, _ = store.get(clip.key)
    found = read_labels(data)
    assert found.aigc is None
    assert found.value("comment") == "Made from catalog pictures and words; no generative model was used"
    assert inspect_file(data, drawn(planned(), STORYBOARD, ("Steel kettle", "1.5 l"))).passed
    assert one.metrics.value(m.FALLBACKS, kind="storyboard") == 1
    assert one.metrics.value(m.FALLBACKS, kind="photo") == 0
    assert one.metrics.value(m.RENDERS, engine="storyboard", result="ok") == 1
    assert isinstance(one.engine, TestEngine)
    assert one.engine.rendered == []


def test_a_drawn_clip_is_made_once(bench: Make) -> None:
    """Its layers have names of their own: another record of the same product finds them, without any engine."""
    one = bench(model(), fallback=Storyboard(), photo_policy="storyboard")
    one.send(request("a", made_of=planned(), captions=("Kettle",)), 0)
    first = ready(one)
    one.send(request("b", made_of=planned(), captions=("Kettle",)), 1)
    second = ready(one, 1)
    assert first.clip is not None
    assert second.clip is not None
    assert second.clip.clip_id == first.clip.clip_id
    assert second.lineage is not None
    assert second.lineage.work is Work.NONE
    one.send(request("c", made_of=planned(), captions=("Another",)), 2)
    third = ready(one, 2)
    assert third.clip is not None
    assert third.clip.clip_id != first.clip.clip_id


def test_with_its_photo_the_model_makes_the_clip(bench: Make, store: FilesStore) -> None:
    """The fallback is for photos that cannot be had, and for nothing else."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(picture, "PNG")
    store.put("uploads/a.png", picture.getvalue(), Attributes(content_type="image/png"))
    one = bench(model(), fallback=Storyboard(), photo_policy="storyboard")
    for offset, photo in enumerate((Photo(url="store:uploads/a.png"), None)):
        mode = "image" if photo else "text"
        one.send(request(f"p{offset}", made_of=planned(photo, mode=mode), captions=("Kettle",)), offset)
        event = ready(one, offset)
        assert event.lineage is not None
        assert event.lineage.engine == "test"
        assert event.labels == ("visible", "aigc")
    assert one.metrics.value(m.FALLBACKS, kind="storyboard") == 0


def test_by_the_words_policy_the_model_makes_it_from_words(bench: Make) -> None:
    """Although there is an engine that could stand in."""
    one = bench(model(), fallback=Storyboard(), photo_policy="text")
    one.send(request(made_of=planned(), captions=("Kettle",)), 0)
    event = ready(one)
    assert event.lineage is not None
    assert (event.lineage.engine, event.lineage.photo_sha256) == ("test", None)
    assert event.labels == ("visible", "aigc")
    assert one.metrics.value(m.FALLBACKS, kind="photo") == 1


def test_an_engine_that_needs_photos_leaves_words_to_the_fallback(bench: Make) -> None:
    """It makes no clip from words, so the words policy means the other engine."""
    one = bench(model(texts=False), fallback=Storyboard(), photo_policy="text")
    one.send(request(made_of=planned()), 0)
    event = ready(one)
    assert event.lineage is not None
    assert event.lineage.engine == "storyboard"
    assert one.metrics.value(m.FALLBACKS, kind="storyboard") == 1


def test_without_any_engine_for_words_it_is_a_dead_letter_that_says_so(bench: Make) -> None:
    """Not a scene that the engine cannot make."""
    one = bench(model(texts=False), photo_policy="text")
    one.send(request(made_of=planned()), 0)
    (letter,) = one.settler.outputs(0)
    headers = dict(letter.headers)
    assert headers["__dlq.errors.stage"] == b"photo"
    assert b"the test engine makes no clip from words" in (headers["__dlq.errors.message"] or b"")


def test_an_engine_that_draws_is_its_own_fallback(bench: Make) -> None:
    """The storyboard without a photo is the storyboard with words alone."""
    one = bench(Storyboard(), fallback=Storyboard(), photo_policy="storyboard")
    made = planned()
    made = replace(
        made,
        scene=replace(
            made.scene,
            engine="storyboard",
            engine_revision=STORYBOARD.revision,
            captions=("Kettle",),
            steps=0,
            guidance=0.0,
        ),
        dressing=replace(made.dressing, overlays=replace(made.dressing.overlays, label=None), producer=None),
    )
    one.send(request(made_of=made), 0)
    event = ready(one)
    assert event.lineage is not None
    assert event.lineage.engine == "storyboard"
    assert one.metrics.value(m.FALLBACKS, kind="photo") == 1


def test_a_policy_that_nobody_can_keep_is_refused_when_it_is_built(store: FilesStore) -> None:
    """Not with the first bad photo."""
    with pytest.raises(ValueError, match="needs a fallback engine"):
        Bench(store, model(), photo_policy="storyboard", wait=False)
    with pytest.raises(ValueError, match="cannot stand in"):
        Bench(
            store,
            model(),
            fallback=TestEngine(spec=replace(STORYBOARD, texts=False)),
            photo_policy="storyboard",
            wait=False,
        )


def test_a_fallback_that_cannot_start_stops_the_loop(bench: Make) -> None:
    """An installation without its typeface is found out at once."""

    class Unloadable(TestEngine):
        __test__ = False

        def start(self, watch: object = None) -> None:  # noqa: ARG002
            raise EngineError("no typeface", retryable=False)

    one = bench(model(), fallback=Unloadable(spec=STORYBOARD), photo_policy="storyboard")
    assert one.settler.wait(lambda s: bool(s.failures))
    assert str(one.settler.failures[0]) == "no typeface"


def test_a_drawn_clip_that_fails_inspection_gets_another_seed(bench: Make) -> None:
    """The fallback's clips are inspected as all others, and tried again by the same engine."""
    seeds: list[int] = []

    def black_at_first(scene: Scene) -> Frames:
        seeds.append(scene.seed)
        frames: Frames = moving_gradient(scene) * (1 if len(seeds) > 1 else 0)
        return frames

    fallback = TestEngine(spec=STORYBOARD, draw=black_at_first)
    one = bench(model(), fallback=fallback, photo_policy="storyboard")
    one.send(request(made_of=planned()), 0)
    event = ready(one)
    assert event.lineage is not None
    assert (event.lineage.engine, event.lineage.attempts) == ("storyboard", 2)
    assert len(set(seeds)) == 2


def test_a_stand_in_keeps_the_clip_and_drops_what_was_the_models() -> None:
    """Size, length, seed and encoding stay; photo, labels and the model's own numbers go."""
    made = drawn(planned(), STORYBOARD, ())
    was = planned().scene
    now = made.scene
    assert (now.width, now.height, now.frames, now.fps, now.seed, now.locale) == (
        was.width,
        was.height,
        was.frames,
        was.fps,
        was.seed,
        was.locale,
    )
    assert (now.mode, now.photo, now.negative_prompt, now.steps, now.guidance) == ("text", None, "", 0, 0.0)
    assert now.captions == ("A steel kettle",)
    assert made.dressing.overlays == replace(planned().dressing.overlays, label=None)
    assert made.dressing.producer is None


def test_a_stand_in_that_generates_keeps_its_labels() -> None:
    """What is true of it is said of it."""
    another = replace(MODEL, name="other")
    made = drawn(planned(), another, ("Kettle",))
    assert made.dressing == planned().dressing
    assert (made.scene.negative_prompt, made.scene.captions) == ("blurry", ())


@pytest.mark.parametrize(
    ("prompt", "clause"),
    [
        ("A kettle, on a table", "A kettle"),
        ("电水壶，放在木桌上。", "电水壶"),
        ("  ... A kettle", "A kettle"),
        ("A kettle", "A kettle"),
        ("…", "…"),
        ("", ""),
    ],
)
def test_the_first_clause_of_a_prompt(prompt: str, clause: str) -> None:
    """Up to the first punctuation of either script."""
    assert first_clause(prompt) == clause
