"""A customer of the planner: publishes a promotion, and new products one by one, each with the wait for its request."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.events import Creative, Promo, RibbonCreative, Scope
from consumer.settings import Topics
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.bench.events import PARTITIONS, product
from tests.services import KafkaAddress, unique

EVERY = 0.1
"""Seconds between two new products, on average."""
SEED = 20260301


class Customer:
    """Publishes new products one by one and waits for each request to be readable."""

    def __init__(self, kafka: KafkaAddress, topics: Topics) -> None:
        self._topics = topics
        self._codec = SingleObjectCodec(
            schemas.load(topics={topics.product_created: "product-created", topics.promo_changed: "promo-changed"})
        )
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "log_level": 2})
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "group.id": unique("bench-customer"),
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "log_level": 2,
            }
        )
        self._consumer.assign([TopicPartition(topics.clip_render, number, 0) for number in range(PARTITIONS)])
        self._chance = random.Random(SEED)
        self._sent: dict[bytes, float] = {}
        self._number = 0

    def promote(self) -> None:
        """Publish a ribbon over everything."""
        promo = Promo(
            event_id="bench-promo",
            occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
            promo_id="bench",
            revision=1,
            status="ACTIVE",
            scope=Scope(all=True),
            creative=Creative(ribbon=RibbonCreative(text={"en": "20% off", "zh-CN": "限时八折"})),
        )
        value, headers = self._codec.encode(self._topics.promo_changed, promo.to_avro())
        self._producer.produce(self._topics.promo_changed, value, b"bench", headers=list(headers))
        self._producer.flush(30)

    def latencies(self, count: int, seconds: float = 300.0) -> list[float]:
        """Seconds from produce() to the request, for ``count`` new products at random moments."""
        found: list[float] = []
        due, end = time.perf_counter(), time.perf_counter() + seconds
        sent = 0
        while len(found) < count:
            now = time.perf_counter()
            if now > end:
                raise TimeoutError(f"{len(found)} of {count} new products were requested within {seconds:.0f} s")
            if sent < count and now >= due:
                self._publish()
                sent += 1
                due = max(due + self._chance.expovariate(1 / EVERY), now)
            message = self._consumer.poll(max(0.0, min(0.05, due - time.perf_counter())) if sent < count else 0.05)
            if message is not None and message.error() is None:
                began = self._sent.pop(message.key() or b"", None)
                if began is not None:
                    found.append(time.perf_counter() - began)
        return found

    def _publish(self) -> None:
        self._number += 1
        value = product(10_000_000 + self._number)
        key = value["product_id"].encode()
        framed, headers = self._codec.encode(self._topics.product_created, value)
        self._sent[key] = time.perf_counter()
        self._producer.produce(self._topics.product_created, framed, key, headers=list(headers))
        self._producer.poll(0)

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()
