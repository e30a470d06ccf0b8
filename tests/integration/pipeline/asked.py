"""Clip requests published by hand, as a planner would, and the announcements that they led to."""

from __future__ import annotations

from dataclasses import dataclass, field

from confluent_kafka import Producer

from consumer.events import Cause, ClipRequest, VideoReady, Work, utc_now
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from model.recipe import Dressing, Encoding, EndCard, Overlays, Recipe, Ribbon, Scene
from tests.harness import EVENT_TOPICS, Reader, World


def recipe(seed: int, *, ribbon: str | None = None, card: str | None = None) -> Recipe:
    """A product's recipe for the test engine: its scene goes by the seed, its dressing by the promotion."""
    scene = Scene(
        mode="text",
        prompt="a kettle",
        seed=seed,
        width=160,
        height=120,
        frames=24,
        fps=24,
        engine="test",
        engine_revision="1",
    )
    overlays = Overlays(
        width=320,
        height=240,
        encoding=Encoding(crf=28),
        ribbon=Ribbon(text=ribbon, locale="en", colour="#c81e3c") if ribbon else None,
    )
    end_card = EndCard(headline=card, locale="en", colour="#1e3cc8", seconds=0.5) if card else None
    return Recipe(scene=scene, dressing=Dressing(overlays=overlays, end_card=end_card))


def request(number: int, revision: int, made_of: Recipe, work: Work = Work.RENDER) -> ClipRequest:
    """The request for product ``number`` at a plan number."""
    return ClipRequest(
        request_id=f"r-{number}-{revision}",
        product_id=f"SKU-{number:05d}",
        revision=revision,
        work=work,
        recipe=made_of,
        cause=Cause(event_id=f"e-{number}-{revision}", product_revision=1),
        requested_at=utc_now(),
    )


@dataclass
class Desk:
    """Publishes requests to a world's topics and reads its announcements."""

    world: World
    codec: SingleObjectCodec = field(init=False)

    def __post_init__(self) -> None:
        names = {self.world.topic(name): name.replace("_", "-") for name in EVENT_TOPICS}
        self.codec = SingleObjectCodec(schemas.load(topics=names))

    def topics(self) -> None:
        """Make the topics, for requests that are there before any process is."""
        self.world.kafka.create_topics({self.world.topic(name): self.world.partitions for name in EVENT_TOPICS})

    def ask(self, topic: str, *requests: ClipRequest) -> None:
        """Publish requests to one of our topics."""
        name = self.world.topic(topic)
        producer = Producer({"bootstrap.servers": self.world.kafka.bootstrap})
        for each in requests:
            value, headers = self.codec.encode(name, each.to_avro())
            producer.produce(name, key=each.product_id.encode(), value=value, headers=list(headers))
        assert producer.flush(60) == 0

    def ready(self, reader: Reader, count: int, seconds: float = 120.0) -> list[VideoReady]:
        """The announcements so far, once there are so many."""
        found = reader.wait(count, seconds)
        assert found >= count, f"{found} of {count} announcements"
        messages = list(reader.messages)
        return [
            VideoReady.from_avro(self.codec.decode(each.topic(), each.value(), each.headers() or ()))
            for each in messages
        ]


def works(events: list[VideoReady]) -> list[Work]:
    """What was done for each announcement."""
    assert all(event.lineage for event in events)
    return [event.lineage.work for event in events if event.lineage]
