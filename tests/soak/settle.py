"""Waits until a run is over: every record read, every fan-out worked, every transaction ended. Bounded by progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka import admin as kafka_admin
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tests.harness import World
from tests.integration.stream.parts import read

PLANNED_FROM = ("product_created", "promo_changed")
LANES = ("clip_render", "clip_render_bulk", "clip_dress")
SAID = ("video_ready", "video_rejected")
READ_BY = {"planner": (*PLANNED_FROM, *SAID), "renderer": LANES}
"""Which role reads which topics."""
STILL = 150.0
"""Seconds without any movement after which what is left will never be done: longer than every timeout, pause between
tries and abandoned transaction of the settings, one after the other.
"""
EVERY = 1.0
OPEN_WORK = {
    "fan-outs": "SELECT count(*) FROM fan_outs WHERE state = 'PENDING'",
    "pages": "SELECT count(*) FROM fan_out_pages WHERE state = 'OPEN'",
    "unpublished batches": "SELECT count(*) FROM batches WHERE state = 'planned'",
    "promotions that are due": "SELECT count(*) FROM promos WHERE due_at <= :now",
}
"""What the planner has still to do of itself."""


@dataclass(frozen=True)
class Standing:
    """How far everything is. Equal standings: nothing moved."""

    ends: Mapping[tuple[str, int], int]
    """Offset after the last committed record, by topic and partition."""
    groups: Mapping[tuple[str, int], int]
    """Where the reading role stands."""
    left: tuple[str, ...]
    """What is still to be done, in words."""


def settle(world: World, over: threading.Event) -> list[str]:
    """Wait until nothing is left to do, or nothing moves any more; gives what is left then."""
    before: Standing | None = None
    moved = time.monotonic()
    while True:
        now = look(world)
        if now is not None:
            if before is None or now != before:
                moved = time.monotonic()
            elif not now.left:
                return []  # twice the same, with nothing left
            before = now
        if time.monotonic() - moved > STILL or over.is_set():
            return list(before.left) if before else ["the servers do not answer"]
        over.wait(EVERY)


def look(world: World) -> Standing | None:
    """How far everything is, looked at downstream; None while a server does not answer."""
    try:
        ends, groups = {}, {}
        left = list(_open_work(world))
        for role, topics in READ_BY.items():
            found = _ends(world, topics)
            where = _positions(world, f"{world.name}-{role}", found)
            left += [
                f"{role} read {topic}[{part}] up to {where[topic, part]} of {end}"
                for (topic, part), end in found.items()
                if where[topic, part] < end
            ]
            ends.update(found)
            groups.update(where)
        left += _open_transactions(world)
    except (KafkaException, SQLAlchemyError):
        return None
    return Standing(ends, groups, tuple(left))


def _open_work(world: World) -> Iterable[str]:
    engine = create_engine(world.database_url, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            for what, query in OPEN_WORK.items():
                count = connection.execute(text(query), {"now": int(time.time() * 1000)} if ":now" in query else {})
                if number := count.scalar_one():
                    yield f"{number} {what}"
    finally:
        engine.dispose()


def _ends(world: World, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Offset after the last committed record: not the log's end, where marks of transactions lie."""
    found: dict[tuple[str, int], int] = {}
    for topic in topics:
        found |= {(topic, number): 0 for number in range(world.partitions)}
        for message in read(world.kafka.bootstrap, world.topic(topic)):
            place = (topic, message.partition() or 0)
            found[place] = max(found[place], (message.offset() or 0) + 1)
    return found


def _positions(world: World, group: str, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Where a group stands; 0 where it committed nothing yet."""
    consumer = Consumer({"bootstrap.servers": world.kafka.bootstrap, "group.id": group, "log_level": 0})
    asked = list(places)
    try:
        answers = consumer.committed([TopicPartition(world.topic(topic), part) for topic, part in asked], timeout=10)
    finally:
        consumer.close()
    return {place: max(0, answer.offset) for place, answer in zip(asked, answers, strict=True)}


def _open_transactions(world: World) -> list[str]:
    """Partitions behind whose last stable offset a transaction is open: its records may still count."""
    latest = vars(kafka_admin)["OffsetSpec"].latest()  # exported, but not in words that mypy takes for it
    admin = kafka_admin.AdminClient({"bootstrap.servers": world.kafka.bootstrap, "log_level": 0})
    places = [TopicPartition(world.topic(topic), part) for topic in (*LANES, *SAID) for part in range(world.partitions)]

    def offsets(level: IsolationLevel) -> dict[tuple[str, int], int]:
        asked = admin.list_offsets(dict.fromkeys(places, latest), isolation_level=level)
        return {(place.topic, place.partition): future.result(10).offset for place, future in asked.items()}

    stable, all_of_it = offsets(IsolationLevel.READ_COMMITTED), offsets(IsolationLevel.READ_UNCOMMITTED)
    return [
        f"an open transaction in {topic}[{part}]"
        for (topic, part) in all_of_it
        if stable[topic, part] < all_of_it[topic, part]
    ]
