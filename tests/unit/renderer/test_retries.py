"""Laws of clips that fail inspection: what is tried next, what is remembered of it, and what is said in the end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from consumer.events import ClipRequest, VideoReady, VideoRejected, Work
from consumer.observe import metrics as m
from consumer.renderer.rungs import seeded
from consumer.renderer.templates import BreakerRules
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes, StoreUnavailableError
from model.engine import Frames
from model.inspect import POLICY, Inspector
from model.recipe import Photo, Recipe, Scene
from model.storyboard.spec import SPEC as STORYBOARD
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import Bench, recipe, request
from tests.unit.renderer.test_fallback import MODEL
from tests.unit.renderer.test_fallback import planned as large

Make = Callable[..., Bench]
Draw = Callable[[Scene], Frames]
CALM = "A steel kettle. The camera stays fixed."
BOTH = ("calm", "pan")
KETTLE = "appliances@1.0.0"


def planned(photo: Photo | None = None, **more: object) -> Recipe:
    """A recipe as it is planned for an engine that needs no label: small, because many are made here."""
    made = recipe(photo=photo, prompt="A steel kettle, on a wooden table, morning light")
    return replace(made, scene=replace(made.scene, **more))  # type: ignore[arg-type]


def labelled(photo: Photo | None = None) -> Recipe:
    """One for an engine that invents what is seen: large enough for a label that can be read."""
    made = large(photo, mode="image" if photo else "text")
    return replace(made, scene=replace(made.scene, width=64, height=48))


def ribboned(made: Recipe) -> Recipe:
    """The same base in another dressing."""
    overlays = replace(made.dressing.overlays, ribbon=recipe(ribbon="20% off").dressing.overlays.ribbon)
    return replace(made, dressing=replace(made.dressing, overlays=overlays))


def black(scene: Scene) -> Frames:
    """Fails ``black`` and whatever goes with it."""
    return np.zeros_like(moving_gradient(scene))


def flash(scene: Scene) -> Frames:
    """Fails ``flash`` alone."""
    frames = moving_gradient(scene).astype(np.int16)
    frames[12:14] += 60
    return np.clip(frames, 0, 255).astype(np.uint8)


def in_turn(*draws: Draw) -> tuple[Draw, list[Scene]]:
    """Draws one after the other, and then well; and the scenes that were asked for."""
    scenes: list[Scene] = []

    def draw(scene: Scene) -> Frames:
        scenes.append(scene)
        return (draws[len(scenes) - 1] if len(scenes) <= len(draws) else moving_gradient)(scene)

    return draw, scenes


def asked(product: str = "p", revision: int = 1, made_of: Recipe | None = None, **more: object) -> ClipRequest:
    """A request as a planner makes it, with calmer words and its template."""
    plain = request(product, revision, made_of or planned(), captions=("Kettle",))
    return replace(plain, **({"calm_prompt": CALM, "template": KETTLE} | more))  # type: ignore[arg-type]


def ready(one: Bench, offset: int = 0) -> VideoReady:
    """The clip that a record became."""
    event = one.settler.event(offset)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    return event


def rejected(one: Bench, offset: int = 0) -> VideoRejected:
    """The rejection that a record became."""
    event = one.settler.event(offset)
    assert isinstance(event, VideoRejected)
    return event


def model(draw: Draw, *, generative: bool = False) -> TestEngine:
    """The engine that clips are planned for."""
    return TestEngine(draw=draw, spec=replace(MODEL, generative=generative))


def drawing(draw: Draw = moving_gradient) -> TestEngine:
    """The engine that draws without a model."""
    return TestEngine(draw=draw, spec=STORYBOARD)


def test_the_same_check_twice_leads_to_the_calmer_words(bench: Make) -> None:
    """The third seed is not burnt; the clip is the same engine's, says how it was made, and what it cost in all."""
    draw, scenes = in_turn(black, black)
    one = bench(model(draw), fallback=drawing(), attempts=3, fallbacks=BOTH)
    one.send(asked(), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    assert (lineage.fallback, lineage.attempts, lineage.engine) == ("calm", 3, "test")
    assert (lineage.prompt, lineage.template) == (CALM, KETTLE)
    assert [scene.prompt == CALM for scene in scenes] == [False, False, True]
    assert len({scene.seed for scene in scenes}) == 3
    assert one.metrics.value(m.FALLBACKS, kind="calm") == 1
    assert one.metrics.value(m.ATTEMPTS, rung="planned", result="rejected") == 2
    assert one.metrics.value(m.ATTEMPTS, rung="calm", result="accepted") == 1
    assert one.metrics.value(m.ATTEMPTS_NEEDED) == 1
    spent = one.metrics.value(m.ENGINE_SECONDS, engine="test")
    assert lineage.engine_seconds == pytest.approx(spent)
    assert 0 < one.metrics.value(m.REJECTED_SECONDS, rung="planned") < spent


def test_other_checks_each_time_are_chance_and_get_other_seeds(bench: Make) -> None:
    """Three attempts on the same rung, and the third is the planned clip with its third seed."""
    draw, scenes = in_turn(flash, black)
    one = bench(model(draw), fallback=drawing(), attempts=3, fallbacks=BOTH)
    one.send(asked(), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    assert (lineage.fallback, lineage.attempts, lineage.seed) == (None, 3, seeded(planned().scene, 2).seed)
    assert len(scenes) == 3


def test_what_no_seed_changes_is_rejected_at_once(bench: Make) -> None:
    """A clip of the wrong length is how the engine is, or what was asked: one render, no fallback, no second."""
    draw, scenes = in_turn(lambda scene: moving_gradient(scene)[:-1])
    one = bench(model(draw), fallback=drawing(), attempts=3, fallbacks=BOTH)
    one.send(asked(), 0)
    event = rejected(one)
    assert ([each.check for each in event.reasons], event.attempts, len(scenes)) == (["frames"], 1, 1)


def test_the_pan_shows_the_photo_and_says_that_no_model_made_it(bench: Make, store: FilesStore) -> None:
    """When calmer words fail as well: the other engine's clip of the photo that the model was given, without labels."""
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 60)).save(picture, "PNG")
    store.put("uploads/a.png", picture.getvalue(), Attributes(content_type="image/png"))
    made = labelled(photo=Photo(url="store:uploads/a.png"))
    drawn, scenes = in_turn()
    one = bench(model(black, generative=True), fallback=drawing(drawn), attempts=3, fallbacks=BOTH)
    one.send(asked(made_of=made), 0)
    event = ready(one)
    assert event.lineage is not None
    assert (event.lineage.fallback, event.lineage.attempts) == ("pan", 5)
    assert (event.lineage.engine, event.lineage.generative, event.labels) == ("storyboard", False, ())
    assert event.lineage.photo_sha256 is not None
    assert (scenes[0].mode, scenes[0].captions) == ("image", ("Kettle",))
    assert one.metrics.value(m.FALLBACKS, kind="pan") == 1


def test_without_a_photo_the_pan_draws_the_words(bench: Make) -> None:
    """There is something to show of every product."""
    drawn, scenes = in_turn()
    one = bench(model(black), fallback=drawing(drawn), attempts=2, fallbacks=("pan",))
    one.send(asked(), 0)
    assert ready(one).lineage.fallback == "pan"  # type: ignore[union-attr]
    assert (scenes[0].mode, scenes[0].photo, scenes[0].captions) == ("text", None, ("Kettle",))


def test_after_the_last_rung_it_is_rejected_with_all_attempts(bench: Make) -> None:
    """Two of each: planned, calm, pan; never announced."""
    one = bench(model(black), fallback=drawing(black), attempts=3, fallbacks=BOTH)
    one.send(asked(), 0)
    event = rejected(one)
    assert (event.attempts, len(event.tried), len(set(event.tried))) == (6, 6, 6)
    assert one.metrics.value(m.ATTEMPTS_NEEDED) == 0
    assert sum(one.metrics.value(m.FALLBACKS, kind=kind) for kind in BOTH) == 0


def test_a_request_without_calmer_words_goes_straight_to_the_pan(bench: Make) -> None:
    """As those of earlier planners do."""
    one = bench(model(black), fallback=drawing(), attempts=2, fallbacks=BOTH)
    one.send(asked(calm_prompt=None), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    assert (lineage.fallback, lineage.attempts) == ("pan", 3)


def test_an_engine_that_draws_has_nothing_simpler(bench: Make) -> None:
    """The storyboard's own clips get other seeds and are then rejected."""
    made = recipe(engine="storyboard")
    made = replace(made, scene=replace(made.scene, engine_revision=STORYBOARD.revision))
    one = bench(drawing(black), attempts=2, fallbacks=BOTH, pan=STORYBOARD)
    one.send(asked(made_of=made, calm_prompt=None), 0)
    assert rejected(one).attempts == 2


@pytest.mark.parametrize("known", [0, 1, 4])
def test_a_new_process_goes_on_where_the_records_end(bench: Make, store: FilesStore, known: int) -> None:
    """Whatever was stored when it died is not rendered again, and the clip is the one it would have been."""
    engine, pan = model(black), drawing()
    first = bench(engine, fallback=pan, attempts=3, fallbacks=BOTH)
    first.send(asked(), 0)
    told = ready(first)
    first.renderer.close()
    attempts = [*engine.rendered, *pan.rendered]
    assert len(attempts) == 5
    for digest in attempts[known:]:
        store.delete(layout.base_record_key(digest))
    store.delete(layout.alias_key("p", "default"))
    engine, pan = model(black), drawing()
    second = bench(engine, fallback=pan, attempts=3, fallbacks=BOTH)
    second.send(asked(), 1)
    again = ready(second, 1)
    assert again.lineage is not None
    assert again.clip == told.clip
    assert (again.lineage.fallback, again.lineage.attempts) == ("pan", 5)
    assert len(engine.rendered) + len(pan.rendered) == 5 - known


def test_a_dresser_climbs_the_same_rungs(bench: Make) -> None:
    """Another ribbon on a clip that fell back costs no engine, wherever it is dressed."""
    renderer = bench(model(black), fallback=drawing(), attempts=2, fallbacks=BOTH)
    renderer.send(asked(), 0)
    first = ready(renderer).lineage
    one = bench(dresser=True, attempts=2, fallbacks=BOTH, pan=STORYBOARD)
    one.send(asked(revision=2, made_of=ribboned(planned())), 1)
    second = ready(one, 1).lineage
    assert first is not None
    assert second is not None
    assert (second.work, second.base_digest, second.fallback) == (Work.DRESS, first.base_digest, "pan")
    assert second.engine_seconds == 0


def test_a_store_that_is_out_in_the_middle_of_it_costs_no_attempt(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was inspected is inspected once, for the scene it was made of, however often its record is looked for."""
    draw, scenes = in_turn(black)
    outages = [StoreUnavailableError("out"), StoreUnavailableError("out")]
    read = FilesStore.get

    def get(self: FilesStore, key: str) -> object:
        if scenes and outages and key.startswith("base/"):
            raise outages.pop()
        return read(self, key)

    monkeypatch.setattr(FilesStore, "get", get)
    one = bench(model(draw), attempts=3)
    one.send(asked(), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    assert (lineage.attempts, len(scenes)) == (2, 2)
    assert one.metrics.value(m.ATTEMPTS, rung="planned", result="rejected") == 1
    assert one.metrics.value(m.RENDERS, engine="test", result="ok") == 2
    assert outages == []


def test_a_rejection_tells_of_what_a_person_may_yet_approve(bench: Make) -> None:
    """Of several attempts the one that only a person can judge, though others came after it."""
    unsure = replace(POLICY, rules=dict(POLICY.rules) | {"flash": replace(POLICY.rules["flash"], action="review")})
    draw, _ = in_turn(flash, black)
    one = bench(model(draw), attempts=2, inspector=Inspector(unsure))
    one.send(asked(), 0)
    event = rejected(one)
    assert (event.action, [each.check for each in event.reasons], event.attempts) == ("REVIEW", ["flash"], 2)
    assert event.base_digest == planned().scene.digest


def test_a_check_that_only_warns_makes_no_failure_systematic(bench: Make) -> None:
    """It is told with the clip, and is not why it was rejected."""
    warned = replace(POLICY, rules=dict(POLICY.rules) | {"flicker": replace(POLICY.rules["flicker"], limit=-1.0)})
    warned = replace(warned, rules=dict(warned.rules) | {"flicker": replace(warned.rules["flicker"], action="warn")})
    draw, scenes = in_turn(flash, black)
    one = bench(model(draw), attempts=3, fallbacks=("calm",), inspector=Inspector(warned))
    one.send(asked(), 0)
    assert ready(one).lineage.fallback is None  # type: ignore[union-attr]
    assert len(scenes) == 3


def swinging(levels: dict[int, float]) -> Draw:
    """Flickers by so many levels in the n-th shot: the less, the farther from the limit."""
    calls: list[int] = []

    def draw(scene: Scene) -> Frames:
        frames = moving_gradient(scene).astype(np.float32)
        frames[::2] += levels.get(len(calls), 0.0)
        calls.append(1)
        return np.clip(frames, 0, 255).astype(np.uint8)

    return draw


def test_of_several_the_best_is_taken_and_stays_taken(bench: Make) -> None:
    """Three seeds, the calmest wins; another dressing, or more to choose from, renders nothing again."""
    engine = model(swinging({0: 1.6, 1: 0.8, 2: 1.2}), generative=True)
    one = bench(engine, attempts=2, best_of=3)
    one.send(asked(made_of=labelled()), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    assert (lineage.attempts, lineage.seed, lineage.work) == (3, seeded(labelled().scene, 1).seed, Work.RENDER)
    assert lineage.engine_seconds == pytest.approx(one.metrics.value(m.ENGINE_SECONDS, engine="test"))
    more = bench(engine, attempts=2, best_of=5)
    more.send(asked("q", made_of=labelled()), 1)
    other = ready(more, 1).lineage
    assert other is not None
    assert other.base_digest == lineage.base_digest
    assert len(engine.rendered) == 3


def test_a_process_that_dies_among_candidates_finds_them_again(bench: Make, store: FilesStore) -> None:
    """Two of three were stored: one render is left, and the choice is among all three."""
    first = bench(model(swinging({0: 1.6, 1: 0.4, 2: 1.2}), generative=True), attempts=2, best_of=3)
    first.send(asked(made_of=labelled()), 0)
    told = ready(first)
    first.renderer.close()
    assert told.lineage is not None
    third = seeded(labelled().scene, 2)
    chosen = layout.base_record_key(told.lineage.base_digest)
    data, _ = store.get(chosen)
    store.put(chosen, data.replace(b'"candidate": false', b'"candidate": true'), layout.base_record_attributes())
    for key in (layout.base_record_key(third.digest), layout.alias_key("p", "default")):
        store.delete(key)
    engine = model(swinging({0: 1.2}), generative=True)
    second = bench(engine, attempts=2, best_of=3)
    second.send(asked(made_of=labelled()), 1)
    assert ready(second, 1).clip == told.clip
    assert engine.rendered == [third.digest]


def test_engines_that_invent_nothing_are_not_asked_twice(bench: Make) -> None:
    """Their seeds differ in design, not in quality."""
    engine = TestEngine()
    one = bench(engine, attempts=2, best_of=4)
    one.send(request(), 0)
    assert ready(one).lineage.attempts == 1  # type: ignore[union-attr]
    assert len(engine.rendered) == 1


def test_a_damaged_base_among_several_is_rendered_anew_and_stays_the_one(bench: Make, store: FilesStore) -> None:
    """What was decided about the others stands."""
    one = bench(model(swinging({0: 1.6, 1: 0.8}), generative=True), attempts=2, best_of=2)
    one.send(asked(made_of=labelled()), 0)
    lineage = ready(one).lineage
    assert lineage is not None
    store.put(layout.base_key(lineage.base_digest), b"damaged", Attributes(content_type="video/mp4"))
    engine = model(moving_gradient, generative=True)
    again = bench(engine, attempts=2, best_of=2)
    again.send(asked(revision=2, made_of=ribboned(labelled())), 1)
    second = ready(again, 1).lineage
    assert second is not None
    assert second.base_digest == lineage.base_digest
    assert engine.rendered == [lineage.base_digest]


BREAKER = BreakerRules(window=20, minimum=5, baseline=0.1, pause=3600.0)


def test_a_template_that_fails_far_too_often_goes_straight_to_the_fallback(bench: Make) -> None:
    """Five bad clips, then none is rendered as planned; the page says so, and a new process knows what was made."""
    good_when_calm: Draw = lambda scene: (moving_gradient if scene.prompt == CALM else black)(scene)  # noqa: E731
    engine = model(good_when_calm)
    one = bench(engine, attempts=2, fallbacks=("calm",), breaker=BREAKER)
    for number in range(6):
        made = planned(seed=100 + number)
        one.send(asked(f"p{number}", made_of=made), number)
        ready(one, number)
    assert [ready(one, number).lineage.attempts for number in (4, 5)] == [3, 1]  # type: ignore[union-attr]
    assert len(engine.rendered) == 5 * 3 + 1
    assert list(one.renderer.notes()) == [KETTLE]
    assert one.metrics.value(m.TEMPLATE_PASSED_OVER, template=KETTLE) == 1
    other = bench(engine, attempts=2, fallbacks=("calm",), breaker=BREAKER)
    other.send(asked("q", made_of=planned(seed=105)), 6)
    assert ready(other, 6).lineage.work is Work.NONE  # type: ignore[union-attr]
    assert len(engine.rendered) == 5 * 3 + 1


def out_of_use(make: Make, **rules: object) -> Bench:
    """A renderer whose every clip was black so far."""
    one = make(model(black), attempts=1, **rules)
    for number in range(5):
        one.send(asked(f"p{number}", made_of=planned(seed=100 + number)), number)
        rejected(one, number)
    assert list(one.renderer.notes()) == [KETTLE]
    return one


def test_by_its_rule_clips_of_a_template_out_of_use_are_rejected_without_a_render(
    bench: Make, store: FilesStore
) -> None:
    """With the reason, no attempt, and no record: when it is back in use, the clip can be made."""
    one = out_of_use(bench, fallbacks=("calm",), breaker=replace(BREAKER, action="reject"))
    made = planned(seed=999)
    one.send(asked("late", made_of=made), 9)
    event = rejected(one, 9)
    assert (event.attempts, event.quarantine_key, event.tried) == (0, None, ())
    assert [each.check for each in event.reasons] == ["template"]
    assert KETTLE in event.reasons[0].message
    assert store.stat(layout.base_record_key(made.scene.digest)) is None
    assert one.metrics.value(m.TEMPLATE_PASSED_OVER, template=KETTLE) == 1


def test_clips_that_have_no_fallback_are_made_as_ever(bench: Make) -> None:
    """There is nothing else to make of them, and perhaps they are well."""
    one = out_of_use(bench, fallbacks=(), breaker=BREAKER)
    one.send(asked("late", made_of=planned(seed=999)), 9)
    assert rejected(one, 9).attempts == 1
    assert one.metrics.value(m.TEMPLATE_PASSED_OVER, template=KETTLE) == 0


def test_rules_that_need_an_engine_that_is_not_there_are_refused(store: FilesStore) -> None:
    """When the renderer is built, not with the first bad clip."""
    with pytest.raises(ValueError, match="'pan' needs a fallback engine"):
        Bench(store, model(black, generative=True), fallbacks=("pan",), wait=False)
