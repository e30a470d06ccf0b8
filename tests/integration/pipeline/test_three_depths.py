"""Laws of render, dress and splice, of dressers and of lanes, as processes on real Kafka and MinIO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import AdminClient

from consumer.events import Work
from consumer.storage import layout
from model.inspect import inspect_file
from tests.dresser_kills import APART, NO_ENGINE, play
from tests.harness import Reader, World, running, until
from tests.integration.pipeline.asked import Desk, recipe, request, works

Make = Callable[..., World]


@contextmanager
def reading(world: World, topic: str = "video_ready") -> Iterator[Reader]:
    """A reader of committed announcements."""
    reader = Reader(world.kafka.bootstrap, world.topic(topic))
    try:
        yield reader
    finally:
        reader.close()


def stored(world: World, key: str) -> bytes:
    """An object's bytes."""
    reply = world.s3.client().get_object(world.bucket, key)
    try:
        return bytes(reply.read())
    finally:
        reply.close()
        reply.release_conn()


def test_a_renderer_does_what_a_change_touches(world: Make) -> None:
    """Render, splice, dress, nothing; a base that is gone is rendered again; every file decodes to its end."""
    here = world()
    desk = Desk(here)
    plain = recipe(1)
    with running(here, "renderer") as process:
        process.wait_ready()
        with reading(here) as reader:
            changes = [
                ("clip_render", plain, Work.RENDER),
                ("clip_dress", recipe(1, card="Sale"), Work.SPLICE),
                ("clip_dress", recipe(1, card="Last day"), Work.SPLICE),
                ("clip_dress", recipe(1, ribbon="20% off"), Work.DRESS),
                ("clip_render_bulk", recipe(1, ribbon="20% off", card="Sale"), Work.SPLICE),
                ("clip_dress", plain, Work.NONE),
            ]
            for revision, (topic, made_of, work) in enumerate(changes, 1):
                desk.ask(topic, request(1, revision, made_of, Work.DRESS if work is Work.NONE else work))
                event = desk.ready(reader, revision)[-1]
                assert event.lineage is not None
                assert event.clip is not None
                assert (event.revision, event.lineage.work) == (revision, work)
                assert (event.lineage.engine_seconds > 0) == (work is Work.RENDER)
                assert inspect_file(stored(here, event.clip.key), made_of).passed
            here.s3.client().remove_object(here.bucket, layout.base_key(plain.base_digest))
            desk.ask("clip_dress", request(1, 7, recipe(1, ribbon="Gone"), Work.DRESS))
            assert works(desk.ready(reader, 7))[-1] is Work.RENDER
        assert here.renders() == [plain.base_digest] * 2
        for done in ("SPLICE", "DRESS", "NONE"):
            assert process.metric("skureel_saved_engine_seconds_total", work=done) > 0
        assert process.metric("skureel_dead_letters_total") == 0
        assert process.stop() == 0


def test_a_dresser_needs_no_engine_and_hands_over_what_does(world: Make) -> None:
    """Alone it answers what it can; the rest waits whole for a renderer, which answers it once."""
    here = world(extra=APART)
    desk = Desk(here)
    with running(here, "dresser", **NO_ENGINE) as dresser:
        dresser.wait_ready()
        assert dresser.get("/healthz")[0] == 200
        until(lambda: dresser.metric("skureel_assigned_partitions", role="dresser") == 4, 30, dresser.tail)
        letters = f"{here.topic('clip_dress')}.{here.name}-dresser.dlq"
        assert letters in AdminClient({"bootstrap.servers": here.kafka.bootstrap}).list_topics(timeout=30).topics
        with reading(here) as reader, reading(here, "clip_render_bulk") as bulk:
            wanted = [request(n, 1, recipe(n, ribbon="20% off"), Work.DRESS) for n in range(6)]
            desk.ask("clip_dress", *wanted)
            assert bulk.wait(6, 60) == 6, dresser.tail()
            assert dresser.metric("skureel_handed_over_requests_total", reason="base") == 6
            with running(here, "renderer") as renderer:
                renderer.wait_ready()
                assert works(desk.ready(reader, 6)) == [Work.RENDER] * 6
                desk.ask("clip_dress", *(request(n, 2, recipe(n, card="Sale"), Work.DRESS) for n in range(6)))
                events = desk.ready(reader, 12)
                assert works(events[6:]) == [Work.DRESS] * 6
                desk.ask("clip_dress", *(request(n, 3, recipe(n, card="Last day"), Work.SPLICE) for n in range(6)))
                assert works(desk.ready(reader, 18)[12:]) == [Work.SPLICE] * 6
                assert renderer.metric("skureel_records_total", topic=here.topic("clip_dress")) == 0
            assert bulk.wait(7, 1) == 6
            assert reader.wait(19, 1) == 18
        assert dresser.metric("skureel_dead_letters_total") == 0
        assert dresser.stop() == 0
    assert len(here.renders()) == 6


def test_requests_move_from_renderers_to_dressers_without_being_announced_twice(world: Make) -> None:
    """The dressers' group begins at the topic's start: what the renderers answered there is a duplicate to it."""
    here = world()
    desk = Desk(here)
    with running(here, "renderer") as renderer:
        renderer.wait_ready()
        with reading(here) as reader:
            desk.ask("clip_dress", *(request(n, 1, recipe(n), Work.DRESS) for n in range(5)))
            desk.ready(reader, 5)
    with running(here, "dresser", **APART, **NO_ENGINE) as dresser:
        dresser.wait_ready()
        with reading(here) as reader:
            desk.ask("clip_dress", *(request(n, 2, recipe(n, card="Sale"), Work.SPLICE) for n in range(5)))
            desk.ready(reader, 10)
            until(lambda: dresser.metric("skureel_records_total") == 10, 60, dresser.tail)
            events = desk.ready(reader, 10)
            assert reader.wait(11, 1) == 10
        assert Counter(event.revision for event in events) == {1: 5, 2: 5}
        assert dresser.metric("skureel_skipped_records_total", role="dresser") == 5


def test_all_roles_in_one_process_leave_no_topic_without_a_reader(world: Make) -> None:
    """Where renderers leave dressing to dressers, ``all`` runs one too."""
    here = world(extra=APART)
    with running(here) as process:
        process.wait_ready()
        until(lambda: process.metric("skureel_assigned_partitions", role="renderer") == 8, 30, process.tail)
        until(lambda: process.metric("skureel_assigned_partitions", role="dresser") == 4, 30, process.tail)
        assert process.stop() == 0


def test_a_promotions_backlog_does_not_delay_a_new_product(world: Make) -> None:
    """Of the clips announced after a product was asked for, few are the promotion's, however many wait."""
    bulk = 80
    here = world(extra={"SKUREEL_TEST_ENGINE_SECONDS": "0.1"})
    desk = Desk(here)
    desk.topics()
    desk.ask("clip_render_bulk", *(request(n, 1, recipe(n)) for n in range(bulk)))
    with running(here, "renderer") as process:
        process.wait_ready()
        with reading(here) as reader:
            desk.ready(reader, 10)
            for number in range(5):
                before = reader.wait(0, 0)
                desk.ask("clip_render", request(1000 + number, 1, recipe(1000 + number)))
                until(
                    lambda number=number: f"SKU-{1000 + number:05d}".encode() in {m.key() for m in reader.messages},  # type: ignore[misc]
                    60,
                    process.tail,
                )
                keys = [message.key() for message in reader.messages]
                ahead = keys.index(f"SKU-{1000 + number:05d}".encode()) - before
                print(f"{ahead} clips of the backlog came before new product {number}")
                assert ahead <= 12
                assert len(keys) < bulk, "the backlog was worked off before the measurement was over"
            assert reader.wait(bulk + 5, 120) == bulk + 5
        assert process.stop() == 0


def test_a_promotion_goes_on_under_constant_load_by_its_share(world: Make) -> None:
    """While both lanes wait, a quarter of the engine's clips are the promotion's where a quarter is its share."""
    here = world(extra={"SKUREEL_TEST_ENGINE_SECONDS": "0.1", "SKUREEL_RENDERER__BULK_SHARE": "0.25"})
    desk = Desk(here)
    desk.topics()
    desk.ask("clip_render_bulk", *(request(n, 1, recipe(n)) for n in range(40)))
    desk.ask("clip_render", *(request(1000 + n, 1, recipe(1000 + n)) for n in range(70)))
    with running(here, "renderer") as process:
        process.wait_ready()
        with reading(here) as reader:
            desk.ready(reader, 110)
        assert process.stop() == 0
    of_bulk = {recipe(n).base_digest for n in range(40)}
    both = [digest in of_bulk for digest in here.renders()[10:70]]
    print(f"{sum(both)} of {len(both)} shots were the promotion's")
    assert 12 <= sum(both) <= 18
    assert len(here.renders()) == 110


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dresser_killed_at_random_moments_loses_and_doubles_nothing(world: Make) -> None:
    """kill -9, four times: one announcement a product and revision, or the one of the newer that superseded it."""
    play(world(extra=APART), 60, 4)
