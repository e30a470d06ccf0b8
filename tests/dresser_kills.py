"""A dresser killed with SIGKILL at random moments while it dresses what a renderer made: the play, of any size."""

from __future__ import annotations

import random
from collections import Counter

from tests.harness import Process, Reader, World, running
from tests.integration.pipeline.asked import Desk, recipe, request

APART = {"SKUREEL_RENDERER__DRESS": "false"}
"""What a world needs whose renderers leave dressing to dressers."""
NO_ENGINE = {"SKUREEL_ENGINE__NAME": "no-such-engine"}
"""A dresser must not so much as look at it."""
LATE = 5
"""Products that were never rendered: handed over to the renderer."""
SEED = 20260104


def play(here: World, count: int, kills: int) -> None:
    """Kill it again and again; all that must hold in the end.

    Args:
        here: a world ``APART``.
        count: of products.
        kills: how often it dies, each time a little further on.
    """
    chance = random.Random(SEED)
    desk, total = Desk(here), 2 * count + LATE
    with running(here, "renderer") as renderer:
        renderer.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        try:
            desk.ask("clip_render", *(request(n, 1, recipe(n)) for n in range(count)))
            desk.ready(reader, count)
            late = range(count, count + LATE)
            wanted = [request(n, 2, recipe(n, ribbon="20% off" if n % 2 else None, card="Sale")) for n in range(count)]
            desk.ask("clip_dress", *wanted, *(request(n, 1, recipe(n, ribbon="New")) for n in late))
            _kill(here, reader, [count + LATE + (kill + 1) * count // (kills + 2) for kill in range(kills)], chance)
            dresser = Process(here, "dresser", **NO_ENGINE)
            try:
                dresser.wait_ready()
                events = desk.ready(reader, total, 180)
                assert reader.wait(total + 1, 3) == total
            finally:
                dresser.kill()
        finally:
            reader.close()
        assert renderer.metric("skureel_dead_letters_total") == 0
    found = Counter((event.product_id, event.revision) for event in events)
    assert set(found.values()) == {1}
    assert len(found) == total
    assert len(here.renders()) == count + LATE


def _kill(here: World, reader: Reader, goals: list[int], chance: random.Random) -> None:
    """A dresser for each goal, which dies a little after so many announcements."""
    for goal in goals:
        dresser = Process(here, "dresser", **NO_ENGINE)
        try:
            dresser.wait_ready()
            with reader.changed:
                reader.changed.wait_for(lambda goal=goal: len(reader.messages) >= goal, 30)  # type: ignore[misc]
                reader.changed.wait_for(lambda: False, chance.uniform(0.0, 0.1))
        finally:
            dresser.kill()
