"""kill -9 at random moments: exactly one event a product, no object missing, no stored base rendered again. The play
itself, with as many kills as one likes.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from typing import Any

from tests.harness import Process, Reader, World, until
from tests.products import product

SETTINGS = {"SKUREEL_TEST_ENGINE_SECONDS": "0.05", "SKUREEL_KAFKA__BATCH": "5"}
"""What a world needs whose processes are killed here: work that takes a while, in small batches."""
SEEDS = {"renderer": 20260102, "planner": 20260103}


def events_of(world: World, topic: str) -> list[dict[str, Any]]:
    """Every committed event of a topic, by the command that users have."""
    return [json.loads(line) for line in world.command("tail", world.topic(topic)).splitlines()]


def check_outcome(world: World, reader: Reader, count: int) -> None:
    """What must hold whatever was killed when."""
    events = events_of(world, "video_ready")
    per_product = Counter(event["product_id"] for event in events)
    assert len(per_product) == count
    assert set(per_product.values()) == {1}, [name for name, times in per_product.items() if times > 1]
    assert len(reader.messages) == count
    client = world.s3.client()
    for event in events:
        reply = client.get_object(world.bucket, event["clip"]["key"])
        try:
            assert hashlib.sha256(reply.read()).hexdigest() == event["clip"]["sha256"]
        finally:
            reply.close()
            reply.release_conn()
    assert events_of(world, "video_rejected") == []


def stored_bases(world: World) -> set[str]:
    """Scenes whose base clip is in the store, whole: their record is there."""
    found = world.s3.client().list_objects(world.bucket, prefix="base/", recursive=True)
    return {
        name.rsplit("/", 1)[1].removesuffix(".json")
        for each in found
        if (name := str(each.object_name)).endswith(".json")
    }


def wait_for_renders(world: World, count: int, process: Process) -> None:
    """Wait until so many scenes were rendered by whatever process."""
    until(lambda: len(world.renders()) >= count, 60, process.tail)


def wait_for_plans(process: Process, count: int) -> None:
    """Wait until the planner has worked off so many records of its present life; every share has as many new ones."""
    topic = process.world.topic("product_created")
    until(lambda: process.metric("skureel_records_total", role="planner", topic=topic) >= count, 60, process.tail)


def publish(world: World, numbers: range) -> None:
    """Publish products."""
    world.publish("product_created", map(product, numbers))


def play(here: World, victim: str, count: int, kills: int) -> None:
    """Kill one role again and again; all that must hold in the end.

    The victim is started again each time, as a supervisor would; the other role runs on. The planner dies while a
    share of the products comes in, the renderer while it works through all of them, each time at another step.

    Args:
        here: a world with ``SETTINGS``.
        victim: renderer or planner.
        count: of products.
        kills: how often the victim dies; it divides ``count``.
    """
    chance = random.Random(SEEDS[victim])
    print(f"seed {SEEDS[victim]}")
    other = Process(here, "planner" if victim == "renderer" else "renderer")
    process = Process(here, victim)
    snapshots: list[tuple[set[str], int]] = []
    try:
        other.wait_ready()
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        if victim == "renderer":
            publish(here, range(count))
        for kill in range(kills):
            # Somewhere in the work on the next few records, wherever in its steps the clock then finds it.
            if victim == "planner":
                share = count // kills
                publish(here, range(kill * share, (kill + 1) * share))
                wait_for_plans(process, chance.randrange(share))
            else:
                wait_for_renders(here, min(count, len(here.renders()) + chance.randrange(14)), process)
            with reader.changed:
                reader.changed.wait_for(lambda: False, chance.uniform(0.0, 0.4))
            process.kill()
            # What is stored is asked first: a scene is logged when rendered, which is before it is stored.
            snapshots.append((stored_bases(here), len(here.renders())))
            process = Process(here, victim)
            process.wait_ready()
        reader.wait(count, 180)
        until(lambda: len(reader.messages) >= count, 1, lambda: f"{len(reader.messages)} of {count}\n{process.tail()}")
        assert reader.wait(count + 1, 3) == count
        check_outcome(here, reader, count)
        renders = here.renders()
        print(f"{len(renders)} renders for {count} products; stored at the kills: {[len(s) for s, _ in snapshots]}")
        for stored, rendered_by_then in snapshots:
            assert stored & set(renders[rendered_by_then:]) == set()
    finally:
        for each in (process, other):
            each.kill()
