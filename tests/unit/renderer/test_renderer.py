"""Laws of the renderer over a real files store: what is made, announced, skipped, rejected and never done twice."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from consumer.events import VideoReady, VideoRejected, Work
from consumer.observe import metrics as m
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes, StoreError, StoreUnavailableError
from model.engine import UNWATCHED, EngineError, EngineSpec, Frames, Watch
from model.probe import probe
from model.recipe import Photo, Scene
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import Bench, recipe, request

Make = Callable[..., Bench]
PHOTOS = EngineSpec(name="test", revision="1", generative=False, captions=False, photos=True)


def png(size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture."""
    target = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(target, "PNG")
    return target.getvalue()


def alias_bytes(store: FilesStore, product: str) -> bytes:
    """What the product's stable address shows."""
    return store.get(layout.alias_clip_key(product, "default"))[0]


def test_a_request_becomes_objects_then_an_alias_then_an_event_that_tells_the_truth(
    bench: Make, store: FilesStore
) -> None:
    """Every fact of the announcement is a fact of the bytes in the store."""
    one = bench()
    one.send(request(), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.clip is not None
    assert event.lineage is not None
    data, _ = store.get(event.clip.key)
    found = probe(data)
    assert hashlib.sha256(data).hexdigest() == event.clip.sha256
    assert (
        (found.width, found.height, found.frames)
        == (64, 48, 24)
        == (
            event.clip.width,
            event.clip.height,
            event.clip.frames,
        )
    )
    assert len(data) == event.clip.size
    assert found.faststart
    assert alias_bytes(store, "p") == data
    assert Image.open(io.BytesIO(store.get(layout.poster_key(event.clip.clip_id))[0])).size == (64, 48)
    assert event.lineage.work is Work.RENDER
    assert event.lineage.recipe_digest == recipe().digest
    assert event.purge_urls
    assert not any("clips/" in url for url in event.purge_urls)


def test_the_same_record_again_is_announced_again_word_for_word_and_not_rendered(bench: Make) -> None:
    """A crash between alias and commit costs a look-up, and readers who dedupe by id see one event."""
    first = bench()
    first.send(request(), 7)
    before = first.settler.event(7)
    second = bench()
    second.send(request(), 7)
    assert second.settler.event(7) == before
    assert isinstance(second.engine, TestEngine)
    assert second.engine.rendered == []


def test_fault_20_the_same_revision_from_another_record_is_skipped(bench: Make) -> None:
    """Published twice upstream: one announcement is enough."""
    one = bench()
    one.send(request(), 0)
    one.settler.event(0)
    one.send(request(), 1)
    assert one.settler.outputs(1) == []
    assert one.metrics.value(m.SKIPS, role="renderer", reason="duplicate") == 1


def test_fault_22_a_stale_revision_never_replaces_a_newer_clip(bench: Make, store: FilesStore) -> None:
    """An older request that comes late changes neither alias nor stream."""
    one = bench()
    one.send(request(revision=2, made_of=recipe(seed=2)), 0)
    one.settler.event(0)
    shown = alias_bytes(store, "p")
    one.send(request(revision=1, made_of=recipe(seed=1)), 1)
    assert one.settler.outputs(1) == []
    assert alias_bytes(store, "p") == shown
    assert one.metrics.value(m.SKIPS, role="renderer", reason="stale") == 1


def test_a_newer_revision_replaces_the_clip_and_names_what_it_supersedes(bench: Make, store: FilesStore) -> None:
    """The CDN learns which immutable address is no longer wanted."""
    one = bench()
    one.send(request(revision=1, made_of=recipe(seed=1)), 0)
    old = one.settler.event(0)
    one.send(request(revision=2, made_of=recipe(seed=2)), 1)
    new = one.settler.event(1)
    assert isinstance(old, VideoReady)
    assert isinstance(new, VideoReady)
    assert old.clip is not None
    assert new.clip is not None
    assert new.superseded_urls == (old.clip.url, old.clip.poster_url)
    assert alias_bytes(store, "p") == store.get(new.clip.key)[0]


def test_two_products_with_the_same_scene_share_one_render(bench: Make) -> None:
    """Cables and cases: the second waits for the first and then finds it stored."""
    one = bench(TestEngine(seconds=0.3))
    one.send(request("a"), 0)
    one.send(request("b"), 1)
    works = {one.settler.event(0).lineage.work, one.settler.event(1).lineage.work}  # type: ignore[union-attr]
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 1
    assert Work.RENDER in works
    assert works <= {Work.RENDER, Work.DRESS, Work.NONE}


def test_another_dressing_of_a_stored_base_needs_no_engine(bench: Make) -> None:
    """Only what changed is done again."""
    one = bench()
    one.send(request(revision=1, made_of=recipe(crf=28)), 0)
    one.settler.event(0)
    one.send(request(revision=2, made_of=recipe(crf=35)), 1)
    event = one.settler.event(1)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.work is Work.DRESS
    assert event.lineage.engine_seconds == 0
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 1


def test_retiring_takes_the_alias_down_and_a_late_request_does_not_bring_it_back(
    bench: Make, store: FilesStore
) -> None:
    """The alias record stays as a gravestone; the media are gone."""
    one = bench()
    one.send(request(revision=1), 0)
    one.settler.event(0)
    one.send(request(revision=2, work=Work.RETIRE), 1)
    event = one.settler.event(1)
    assert isinstance(event, VideoReady)
    assert event.status == "RETIRED"
    assert event.purge_mode == "HARD"
    assert event.superseded_urls
    assert store.stat(layout.alias_clip_key("p", "default")) is None
    assert store.stat(layout.alias_poster_key("p", "default")) is None
    one.send(request(revision=1), 2)
    assert one.settler.outputs(2) == []
    assert store.stat(layout.alias_clip_key("p", "default")) is None


def test_a_clip_that_fails_inspection_gets_a_new_seed_and_then_passes(bench: Make) -> None:
    """A stochastic failure costs one more render, and the event says so."""
    planned = recipe().scene.seed

    def black_at_first(scene: Scene) -> Frames:
        frames = moving_gradient(scene)
        return np.zeros_like(frames) if scene.seed == planned else frames

    one = bench(TestEngine(draw=black_at_first))
    one.send(request(), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.attempts == 2
    assert event.lineage.seed != planned


def test_a_clip_that_always_fails_is_rejected_quarantined_and_never_shown(bench: Make, store: FilesStore) -> None:
    """No alias, reasons in the event, bytes where a reviewer finds them; again: rejected without the engine."""
    engine = TestEngine(draw=lambda scene: np.zeros_like(moving_gradient(scene)))
    one = bench(engine)
    one.send(request(), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoRejected)
    assert event.attempts == 2
    assert "black" in {reason.check for reason in event.reasons}
    assert event.quarantine_key is not None
    assert store.stat(event.quarantine_key) is not None
    assert store.stat(layout.alias_key("p", "default")) is None
    again = bench(engine)
    again.send(request(), 0)
    assert isinstance(again.settler.event(0), VideoRejected)
    assert len(engine.rendered) == 2


def test_an_engine_that_refuses_one_shot_costs_a_dead_letter_and_nothing_else(bench: Make) -> None:
    """The product beside it gets its clip."""

    def picky(scene: Scene) -> Frames:
        if scene.seed == 13:
            raise EngineError("this one cannot be drawn", retryable=False)
        return moving_gradient(scene)

    one = bench(TestEngine(draw=picky, batch_size=2))
    one.send(request("bad", made_of=recipe(seed=13)), 0)
    one.send(request("good", made_of=recipe(seed=14)), 1)
    (letter,) = one.settler.outputs(0)
    assert letter.topic == "clip-render.g-renderer.dlq"
    assert dict(letter.headers)["__dlq.errors.message"] == b"this one cannot be drawn"
    assert isinstance(one.settler.event(1), VideoReady)


def test_an_engine_that_breaks_stops_the_loop(bench: Make) -> None:
    """An exception that escapes means a lost device: a supervisor must restart the process."""

    def broken(_: Scene) -> Frames:
        raise RuntimeError("device lost")

    one = bench(TestEngine(draw=broken))
    one.send(request(), 0)
    assert one.settler.wait(lambda s: bool(s.failures))
    assert str(one.settler.failures[0]) == "device lost"
    assert one.settler.settled == {}


def test_an_engine_that_cannot_start_stops_the_loop(bench: Make) -> None:
    """There is no renderer without an engine."""

    class Unloadable(TestEngine):
        __test__ = False

        def start(self, watch: Watch = UNWATCHED) -> None:  # noqa: ARG002 - refuses before there is anything to tell
            raise EngineError("no such checkpoint", retryable=False)

    one = bench(Unloadable())
    assert [str(error) for error in one.settler.failures] == ["no such checkpoint"]
    assert one.renderer.capacity() == 0


@pytest.mark.parametrize(
    ("value", "key", "stage"),
    [
        (b"", b"p", "decode"),
        (b"\x07garbage", b"p", "decode"),
        (b"\xc3\x01\x00", b"p", "decode"),
        (None, b"p", "validate"),
    ],
)
def test_a_record_that_is_no_request_becomes_a_dead_letter_with_its_bytes(
    bench: Make, value: bytes | None, key: bytes, stage: str
) -> None:
    """Nothing is lost and nothing stops."""
    one = bench()
    one.send(value, 0, key=key)
    (letter,) = one.settler.outputs(0)
    assert letter.value == value
    assert letter.key == key
    assert dict(letter.headers)["__dlq.errors.stage"] == stage.encode()
    one.send(request("fine"), 1)
    assert isinstance(one.settler.event(1), VideoReady)


def test_a_key_that_is_not_the_product_is_a_dead_letter(bench: Make) -> None:
    """Partitions keep the order of a product only when its id is the key."""
    one = bench()
    one.send(request("p"), 0, key=b"q")
    (letter,) = one.settler.outputs(0)
    assert b"product_id" in (dict(letter.headers)["__dlq.errors.message"] or b"")


def test_a_request_for_another_engine_is_a_dead_letter_that_says_what_to_do(bench: Make) -> None:
    """A clip must not be rendered by an engine it was not planned for."""
    one = bench()
    one.send(request(made_of=recipe(engine="wan")), 0)
    (letter,) = one.settler.outputs(0)
    assert b"planned for engine wan" in (dict(letter.headers)["__dlq.errors.message"] or b"")


def test_the_photo_decides_the_base_by_its_content(bench: Make, store: FilesStore) -> None:
    """The announcement names the photo's digest, and the same content at another address renders nothing."""
    store.put("uploads/a.png", png(), Attributes(content_type="image/png"))
    store.put("uploads/b.png", png(), Attributes(content_type="image/png"))
    one = bench(TestEngine(spec=PHOTOS))
    one.send(request("a", made_of=recipe(photo=Photo(url="store:uploads/a.png"))), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.photo_sha256 == hashlib.sha256(png()).hexdigest()
    one.send(request("b", made_of=recipe(photo=Photo(url="store:uploads/b.png"))), 1)
    one.settler.event(1)
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 1


@pytest.mark.parametrize(
    "url",
    [
        "store:uploads/missing.png",
        "store:base/aa/secret.mp4",
        "store:uploads/../base/x",
        "file:///etc/passwd",
        "http://images.example.com/a.png",
        "https://elsewhere.example.com/a.png",
        "https://user:secret@images.example.com/a.png",
        "https://[::1/a.png",
        "",
    ],
)
def test_a_photo_that_must_not_be_had_falls_back_to_words_visibly(bench: Make, url: str) -> None:
    """By the default policy the product still gets a clip, and the event says that no photo is in it."""
    one = bench(TestEngine(spec=PHOTOS))
    one.send(request(made_of=recipe(photo=Photo(url=url))), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.photo_sha256 is None
    assert one.metrics.value(m.FALLBACKS, kind="photo") == 1


def test_a_photo_that_must_not_be_had_is_a_dead_letter_by_policy(bench: Make) -> None:
    """Shops that want no clip without its photo say so."""
    one = bench(TestEngine(spec=PHOTOS), photo_policy="reject")
    one.send(request(made_of=recipe(photo=Photo(url="store:uploads/missing.png"))), 0)
    (letter,) = one.settler.outputs(0)
    assert dict(letter.headers)["__dlq.errors.stage"] == b"photo"


def test_a_generated_clip_without_labels_is_stopped(bench: Make) -> None:
    """Promise 4: a recipe that asks for no label of an engine that generates ends as a dead letter, not as a clip."""
    spec = replace(PHOTOS, generative=True)
    one = bench(TestEngine(spec=spec))
    one.send(request(), 0)
    (letter,) = one.settler.outputs(0)
    assert letter.topic.endswith(".dlq")


class Flaky(FilesStore):
    """A store that is out for its first ``outages`` calls of ``get``."""

    outages = 0
    error: type[Exception] = StoreUnavailableError

    def get(self, key: str) -> tuple[bytes, object]:  # type: ignore[override]
        if self.outages > 0:
            type(self).outages -= 1
            raise self.error("no route to host")
        return super().get(key)


def test_fault_19_an_outage_of_the_store_is_waited_for_and_costs_nothing(bench: Make, store: FilesStore) -> None:
    """Nothing is dead-lettered; the clip comes when the store is back."""
    flaky = type("Out", (Flaky,), {"outages": 3})(store.root)
    one = bench(TestEngine())
    one.renderer.close()
    two = Bench(flaky, TestEngine())
    try:
        two.send(request(), 0)
        assert isinstance(two.settler.event(0), VideoReady)
        assert two.metrics.value(m.OUTAGES, role="renderer", what="store") == 3
        assert list(two.renderer.unavailable()) == []
    finally:
        two.renderer.close()


def test_fault_19_a_store_that_says_no_stops_the_loop(store: FilesStore) -> None:
    """A missing bucket or a wrong key is the operator's to mend; records wait meanwhile."""
    refusing = type("No", (Flaky,), {"outages": 1, "error": StoreError})(store.root)
    one = Bench(refusing, TestEngine())
    try:
        one.send(request(), 0)
        assert one.settler.wait(lambda s: bool(s.failures))
        assert one.settler.settled == {}
    finally:
        one.renderer.close()


def test_capacity_shrinks_with_what_is_taken_and_grows_back(bench: Make) -> None:
    """The loop stops taking when the look-ahead buffer is full."""
    go = threading.Event()

    def wait(scene: Scene) -> Frames:
        go.wait(30)
        return moving_gradient(scene)

    one = bench(TestEngine(draw=wait), look_ahead=3)
    assert one.renderer.capacity() == 3
    for offset in range(3):
        one.send(request(f"p{offset}", made_of=recipe(seed=offset)), offset)
    assert one.renderer.capacity() == 0
    go.set()
    assert one.settler.wait(lambda s: len(s.settled) == 3)
    with one.renderer._changed:
        assert one.renderer._changed.wait_for(lambda: len(one.renderer._buffer) == 0, 30)
    assert one.renderer.capacity() == 3


def test_draining_finishes_what_the_engine_has_and_hands_the_rest_back(bench: Make) -> None:
    """A stopping pod loses no engine time and starts nothing new."""
    go, begun = threading.Event(), threading.Event()

    def wait(scene: Scene) -> Frames:
        begun.set()
        go.wait(30)
        return moving_gradient(scene)

    one = bench(TestEngine(draw=wait))
    for offset in range(4):
        one.send(request(f"p{offset}", made_of=recipe(seed=offset)), offset)
    assert begun.wait(30)
    assert not one.renderer.drain(0.05)
    go.set()
    assert one.renderer.drain(30)
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 1
    assert len(one.settler.settled) == 1
    assert one.settler.wait(lambda s: len(s.released) == 3)
    assert one.renderer.capacity() == 0


def test_revoked_partitions_are_not_begun_and_others_go_on(bench: Make) -> None:
    """What waits on a lost partition is handed back before it costs engine time."""
    go, begun = threading.Event(), threading.Event()

    def wait(scene: Scene) -> Frames:
        begun.set()
        go.wait(30)
        return moving_gradient(scene)

    one = bench(TestEngine(draw=wait))
    one.send(request("working", made_of=recipe(seed=1)), 0, partition=0)
    assert begun.wait(30)
    lost = [one.send(request(f"lost{n}", made_of=recipe(seed=10 + n)), n, partition=1) for n in range(1, 4)]
    kept = one.send(request("kept", made_of=recipe(seed=99)), 9, partition=0)
    with one.renderer._changed:
        assert one.renderer._changed.wait_for(lambda: not one.renderer._undecoded.total(), 30)
    one.renderer.revoked([lost[0].partition])
    go.set()
    assert isinstance(one.settler.event(9), VideoReady)
    assert kept not in one.settler.released
    assert one.settler.wait(lambda s: {id(lease) for lease in s.released} == {id(lease) for lease in lost})
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 2


def test_fault_21_a_superseded_request_is_counted_and_committed_without_work(bench: Make) -> None:
    """Fifty changes of one product while its clip renders cost one more render, not fifty."""
    go, begun = threading.Event(), threading.Event()

    def wait(scene: Scene) -> Frames:
        begun.set()
        go.wait(30)
        return moving_gradient(scene)

    one = bench(TestEngine(draw=wait), look_ahead=100)
    one.send(request(revision=1, made_of=recipe(seed=1)), 0)
    assert begun.wait(30)
    for revision in range(2, 51):
        one.send(request(revision=revision, made_of=recipe(seed=revision)), revision)
    assert one.settler.wait(lambda s: len(s.settled) == 48)
    go.set()
    event = one.settler.event(50)
    assert isinstance(event, VideoReady)
    assert event.revision == 50
    assert isinstance(one.engine, TestEngine)
    assert len(one.engine.rendered) == 2
    assert one.metrics.value(m.SKIPS, role="renderer", reason="superseded") == 48


def test_a_damaged_base_in_the_store_is_rendered_anew(bench: Make, store: FilesStore) -> None:
    """Half an object, or somebody's edit, is not published: its record's digest tells."""
    one = bench()
    one.send(request("a"), 0)
    one.settler.event(0)
    key = layout.base_key(recipe().base_digest)
    store.put(key, b"half", Attributes(content_type="video/mp4"))
    one.send(request("b", made_of=recipe(crf=40)), 1)
    event = one.settler.event(1)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.work is Work.RENDER
    assert store.get(key)[0] != b"half"
