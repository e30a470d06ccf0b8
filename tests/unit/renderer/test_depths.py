"""Laws of the three depths of work: a change costs what it touches, and the announcement says what was done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from consumer.events import Clip, Lineage, VideoReady, Work
from consumer.observe import metrics as m
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes
from model.encode import encode_base
from model.finish import finish
from model.inspect import inspect_file
from model.recipe import Photo, Recipe
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import Bench, recipe, request
from tests.unit.renderer.test_renderer import PHOTOS, png

Make = Callable[..., Bench]
SIZE = (320, 240)
PLAIN = recipe(size=SIZE)
CARD = recipe(size=SIZE, card="Summer sale")
RIBBON = recipe(size=SIZE, ribbon="20% off")
BOTH = recipe(size=SIZE, ribbon="20% off", card="Summer sale")


class Shop:
    """One product whose recipe changes: each change is the next revision, sent as the next record."""

    def __init__(self, bench: Bench, product: str = "p") -> None:
        self.bench, self.product, self.revision = bench, product, 0

    def becomes(self, made_of: Recipe) -> VideoReady:
        """The announcement of the next revision."""
        self.revision += 1
        offset = len(self.bench.settler.settled)
        self.bench.send(request(self.product, self.revision, made_of), offset)
        event = self.bench.settler.event(offset)
        assert isinstance(event, VideoReady)
        return event

    def works(self, recipes: Iterable[Recipe]) -> list[Work]:
        """What was done for each."""
        return [lineage(self.becomes(each)).work for each in recipes]


def lineage(event: VideoReady) -> Lineage:
    """The lineage of a clip's announcement."""
    assert event.lineage is not None
    return event.lineage


def clip(event: VideoReady) -> Clip:
    """Its clip."""
    assert event.clip is not None
    return event.clip


def rendered(bench: Bench) -> int:
    """How often the engine was asked."""
    assert isinstance(bench.engine, TestEngine)
    return len(bench.engine.rendered)


def test_each_change_costs_what_it_touches(bench: Make) -> None:
    """Render once; a card is spliced, a ribbon dressed, and what was there before costs nothing."""
    shop = Shop(bench())
    other = recipe(size=SIZE, ribbon="20% off", card="Last day")
    found = shop.works([PLAIN, CARD, PLAIN, RIBBON, BOTH, other, CARD, PLAIN])
    assert found == [
        Work.RENDER,
        Work.SPLICE,
        Work.NONE,
        Work.DRESS,
        Work.SPLICE,
        Work.SPLICE,
        Work.NONE,
        Work.NONE,
    ]
    assert rendered(shop.bench) == 1


def test_a_card_first_and_then_none_is_spliced_from_the_stored_body(bench: Make, store: FilesStore) -> None:
    """The body of a clip with an end card is stored as such, with its poster and its record."""
    shop = Shop(bench())
    assert shop.works([CARD, PLAIN, recipe(size=SIZE, card="Another")]) == [Work.RENDER, Work.SPLICE, Work.SPLICE]
    for name in (layout.body_key, layout.body_poster_key, layout.body_record_key):
        assert store.stat(name(CARD.body_digest)) is not None


def test_a_clip_without_a_card_is_its_own_body_and_stored_once(bench: Make, store: FilesStore) -> None:
    """No second copy of the bytes, and the first end card is a splice all the same."""
    shop = Shop(bench())
    assert shop.works([PLAIN]) == [Work.RENDER]
    assert not [found.key for found in store.list("bodies/")]
    assert shop.works([CARD]) == [Work.SPLICE]


@pytest.mark.parametrize("way", [[CARD], [PLAIN, CARD], [RIBBON, CARD], [BOTH, PLAIN, CARD]])
def test_whatever_the_way_a_recipe_has_the_same_bytes(bench: Make, store: FilesStore, way: list[Recipe]) -> None:
    """Rendered, dressed or spliced from a body or from a clip: as if made in one go, and inspected by decoding."""
    shop = Shop(bench())
    events = [shop.becomes(each) for each in way]
    data = store.get(clip(events[-1]).key)[0]
    expected = finish(encode_base(moving_gradient(CARD.scene), CARD.scene.fps), CARD, generative=False)
    assert data == expected.data
    assert inspect_file(data, CARD).passed
    assert clip(events[-1]).sha256 == hashlib.sha256(data).hexdigest()
    assert clip(events[-1]).frames == CARD.frames


def test_nothing_rendered_is_no_engine_time_and_counts_as_saved(bench: Make) -> None:
    """The announcement tells of its own cost; the metric of what the base took when it was made."""
    shop = Shop(bench(TestEngine(seconds=0.1)))
    first = lineage(shop.becomes(PLAIN))
    assert first.engine_seconds >= 0.1
    for made_of, work in ((CARD, Work.SPLICE), (RIBBON, Work.DRESS), (PLAIN, Work.NONE)):
        found = lineage(shop.becomes(made_of))
        assert (found.work, found.engine_seconds) == (work, 0.0)
        assert shop.bench.metrics.value(m.SAVED_SECONDS, work=work.value) == pytest.approx(first.engine_seconds)
    assert shop.bench.metrics.value(m.SAVED_SECONDS, work="RENDER") == 0


def test_identical_recipes_of_different_products_share_everything(bench: Make) -> None:
    """Cables and cases: one render, one clip, and the saved time is counted."""
    one = bench()
    events = [Shop(one, f"p{number}").becomes(CARD) for number in range(4)]
    assert len({clip(event).key for event in events}) == 1
    assert [lineage(event).work for event in events] == [Work.RENDER, Work.NONE, Work.NONE, Work.NONE]
    saved = one.metrics.value(m.SAVED_SECONDS, work="NONE")
    assert saved == pytest.approx(3 * lineage(events[0]).engine_seconds)


def test_a_missing_base_is_rendered_where_a_ribbon_changes(bench: Make, store: FilesStore) -> None:
    """The record alone is not enough; the new base replaces it."""
    shop = Shop(bench())
    shop.works([PLAIN])
    store.delete(layout.base_key(PLAIN.base_digest))
    assert shop.works([RIBBON]) == [Work.RENDER]
    assert rendered(shop.bench) == 2
    assert shop.works([recipe(size=SIZE, ribbon="Other")]) == [Work.DRESS]


def test_a_missing_base_is_not_missed_where_only_the_card_changes(bench: Make, store: FilesStore) -> None:
    """The body stands for it."""
    shop = Shop(bench())
    shop.works([BOTH])
    store.delete(layout.base_key(PLAIN.base_digest))
    assert shop.works([recipe(size=SIZE, ribbon="20% off", card="Last day")]) == [Work.SPLICE]
    assert rendered(shop.bench) == 1


@pytest.mark.parametrize("name", [layout.body_key, layout.body_poster_key, layout.body_record_key])
@pytest.mark.parametrize("data", [None, b"half"])
def test_a_missing_or_damaged_body_is_dressed_anew(
    bench: Make, store: FilesStore, name: Callable[[str], str], data: bytes | None
) -> None:
    """Bytes that are not what the record says are not joined; the next card finds the body whole again."""
    shop = Shop(bench())
    shop.works([BOTH])
    key = name(BOTH.body_digest)
    if data is None:
        store.delete(key)
    else:
        store.put(key, data, Attributes(content_type="video/mp4"))
    cards = [recipe(size=SIZE, ribbon="20% off", card=words) for words in ("Last day", "Gone")]
    assert shop.works(cards) == [Work.DRESS, Work.SPLICE]
    assert rendered(shop.bench) == 1


def test_a_body_that_cannot_be_joined_is_dressed_from_the_base(bench: Make, store: FilesStore) -> None:
    """Whole as its record says, and no clip: the base is dressed, and the clip is right."""
    shop = Shop(bench())
    shop.works([BOTH])
    digest, junk = BOTH.body_digest, b"no clip at all"
    store.put(layout.body_key(digest), junk, Attributes(content_type="video/mp4"))
    record = store.get(layout.body_record_key(digest))[0].decode()
    sha256 = record.split('"sha256": "')[1][:64]
    changed = record.replace(sha256, hashlib.sha256(junk).hexdigest())
    store.put(layout.body_record_key(digest), changed.encode(), Attributes(content_type="application/json"))
    last = recipe(size=SIZE, ribbon="20% off", card="Last day")
    event = shop.becomes(last)
    assert lineage(event).work is Work.DRESS
    assert inspect_file(store.get(clip(event).key)[0], last).passed


@pytest.mark.parametrize("before", [[], [PLAIN], [RIBBON]])
@pytest.mark.parametrize(
    ("made_of", "field"),
    [
        (recipe(size=SIZE, ribbon="ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 20), "ribbon"),
        (recipe(size=SIZE, card="\U00013000"), "end_card.headline"),
        (recipe(size=SIZE, ribbon="20% off", card="word " * 300), "end_card.headline"),
    ],
)
def test_words_that_cannot_be_drawn_are_a_dead_letter_that_names_them(
    bench: Make, before: list[Recipe], made_of: Recipe, field: str
) -> None:
    """Whatever depth the request would have had, and without asking the engine for it."""
    shop = Shop(bench())
    shop.works(before)
    offset, renders = len(shop.bench.settler.settled), rendered(shop.bench)
    shop.bench.send(request("p", 9, made_of), offset)
    (letter,) = shop.bench.settler.outputs(offset)
    told = dict(letter.headers)
    assert told["__dlq.errors.stage"] == b"dress"
    assert field in (told["__dlq.errors.message"] or b"").decode()
    assert rendered(shop.bench) == renders


def test_a_photo_whose_digest_is_planned_is_fetched_only_to_render(bench: Make, store: FilesStore) -> None:
    """A promotion over a product whose photo has moved since changes its clip all the same."""
    store.put("uploads/a.png", png(), Attributes(content_type="image/png"))
    photo = Photo(url="store:uploads/a.png", sha256=hashlib.sha256(png()).hexdigest())
    shop = Shop(bench(TestEngine(spec=PHOTOS)))

    def pictured(made_of: Recipe) -> Recipe:
        return replace(made_of, scene=replace(made_of.scene, mode="image", photo=photo))

    assert shop.works([pictured(PLAIN)]) == [Work.RENDER]
    store.delete("uploads/a.png")
    assert shop.works([pictured(CARD), pictured(RIBBON)]) == [Work.SPLICE, Work.DRESS]
    store.delete(layout.base_key(pictured(PLAIN).base_digest))
    event = shop.becomes(pictured(recipe(size=SIZE, ribbon="New")))
    assert (lineage(event).work, lineage(event).photo_sha256) == (Work.RENDER, None)
    assert shop.bench.metrics.value(m.FALLBACKS, kind="photo") == 1
