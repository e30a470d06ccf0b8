"""Laws of room by topic on a real broker: a topic without room is paused, the other flows, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from consumer.observe.metrics import Metrics
from consumer.stream.loop import Loop
from consumer.stream.types import Lease
from tests.integration.stream.parts import PATIENCE, ROLE, Hand, fill, numbers, options, read, wait_for
from tests.services import KafkaAddress
from tests.services.fixtures import Topics

ROOM = 8


@dataclass
class Ranks(Hand):
    """A hand with room for so many records of each topic."""

    done: set[int] = field(default_factory=set)

    def room_for(self, topic: str) -> int:
        """See RanksTopics."""
        return ROOM - len(self.waiting(topic))

    def waiting(self, topic: str) -> list[Lease]:
        """Leases of a topic that were not settled."""
        return [each for each in list(self.leases) if each.partition.topic == topic and id(each) not in self.done]

    def work(self, topic: str) -> None:
        """Settle what waits of a topic."""
        for lease in self.waiting(topic):
            self.done.add(id(lease))
            self.settle(lease)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_full_topic_holds_up_no_other_and_goes_on_where_it_was(
    kafka: KafkaAddress, topics: Topics, protocol: str
) -> None:
    """Of the full one no more is taken than there is room for; later every record of both comes once, in order."""
    made = topics("bulk", "single", "out")
    bulk, single = made["bulk"], made["single"]
    fill(kafka.bootstrap, bulk, 300)
    hand, metrics = Ranks(made["out"]), Metrics()
    chosen = options(kafka.bootstrap, f"{bulk}-g", protocol=protocol, batch=100, fetch_bytes=4096, fetch_wait=0.05)
    loop = Loop(chosen, [bulk, single], hand, metrics, role=ROLE, lease="record")
    loop.start()
    try:
        wait_for(loop, lambda: len(hand.waiting(bulk)) == ROOM)
        for start in range(0, 60, 4):
            fill(kafka.bootstrap, single, 4, start=1000 + start)
            wait_for(loop, lambda: len(hand.waiting(single)) == 4)
            hand.work(single)
        assert len(hand.waiting(bulk)) == ROOM

        def worked() -> bool:
            hand.work(bulk)
            return len(hand.leases) == 360

        wait_for(loop, worked)
        hand.work(bulk)
        wait_for(loop, lambda: loop.status().in_flight == 0)
    finally:
        loop.abandon()
        assert loop.join(PATIENCE)
    copies = Counter(numbers(read(kafka.bootstrap, made["out"])))
    assert copies == Counter([*range(300), *range(1000, 1060)])
    for topic in (bulk, single):
        offsets: dict[int, list[int]] = {}
        for lease in hand.leases:
            if lease.partition.topic == topic:
                offsets.setdefault(lease.partition.number, []).append(lease.records[0].offset)
        assert all(found == sorted(set(found)) for found in offsets.values())
