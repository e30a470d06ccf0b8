"""How the loop talks to its broker, as one frozen value, and the client configurations that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from consumer.stream.breaker import BreakerOptions
from consumer.stream.errors import OptionsError

Delivery = Literal["exactly_once", "at_least_once"]
Protocol = Literal["classic", "consumer"]
OffsetGone = Literal["error", "earliest"]

OURS = frozenset(
    {
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "error_cb",
        "group.id",
        "group.protocol",
        "isolation.level",
        "logger",
        "on_delivery",
        "partition.assignment.strategy",
        "transaction.timeout.ms",
        "transactional.id",
    }
)
"""librdkafka options that the loop's promises rest on: they follow from StreamOptions and are refused in ``client``."""

LARGEST_OUTPUT = 8 * 1024 * 1024
"""Bytes. The client's own limit on a record; above the broker's (1 MiB by default), which is the one that counts:
dead letters carry a record that the broker once took, and headers more."""

PREFETCHED_BATCHES = 5
"""Batches that the client fetches ahead: enough to hide a fetch, little enough to throw away on a pause."""


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Everything about one consumer group member. Times in seconds."""

    bootstrap: str
    group: str
    instance: str
    """Stable name of this replica; transactional.id is <group>-<instance>. Two replicas must never share it."""
    delivery: Delivery = "exactly_once"
    protocol: Protocol = "classic"
    """classic with cooperative-sticky assignment, or consumer (KIP-848, brokers from 4.0)."""
    client: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further librdkafka options for every client: security, sasl. Not in the repr: it may hold passwords."""
    batch: int = 2_000
    """Most records taken from the client at once."""
    fetch_bytes: int = 1024 * 1024
    """Most bytes of a partition fetched at once (one record always fits). Less where partitions are paused often, for
    pausing throws away what was fetched ahead."""
    fetch_wait: float = 0.5
    """How long the broker may hold a fetch that finds nothing. A partition that is resumed waits for the fetch that is
    under way without it: less where partitions are paused often."""
    uncommitted: int = 20_000
    """Records leased and not yet committed above which no more are taken: bounds memory when commits are slow."""
    transaction_records: int = 20_000
    """Records one transaction carries at most, when more became ready while the one before ran."""
    transaction_timeout: float = 30.0
    """After which the broker aborts a transaction, and we give up a call that hangs."""
    session_timeout: float = 15.0
    """Without heartbeat for so long a member is dead (classic protocol; under KIP-848 the broker sets it)."""
    poll_interval: float = 300.0
    """Without a poll for so long the member is expelled: it watches the polling thread, never the work."""
    revoke_timeout: float = 1.0
    """How long a partition that leaves may wait for its last commits; the group's other members wait as long."""
    drain_timeout: float = 60.0
    """How long a stopping worker may finish what it began at most; less where work was quick lately (``grace``)."""
    give_up: float = 300.0
    """How long commits may fail without a break before the loop stops with an error, for a supervisor to restart."""
    patience: float = 1.0
    """How long the polling thread waits for room before it pauses partitions: pausing throws prefetched data away."""
    breaker: BreakerOptions = field(default_factory=BreakerOptions)
    """When too many records become dead letters."""
    offset_gone: OffsetGone = "error"
    """When our next record was deleted by retention: stop, or go on with the earliest that is left."""

    def __post_init__(self) -> None:
        taken = sorted(OURS & set(self.client))
        if taken:
            raise OptionsError(f"librdkafka option {', '.join(taken)}: set by the loop itself; drop it")
        for name in ("bootstrap", "group", "instance"):
            if not getattr(self, name):
                raise OptionsError(f"{name}: must not be empty")
        for name in ("batch", "fetch_bytes", "uncommitted", "transaction_records"):
            if getattr(self, name) < 1:
                raise OptionsError(f"{name}: must be at least 1, is {getattr(self, name)}")
        for name in ("fetch_wait", "transaction_timeout", "session_timeout", "poll_interval", "give_up"):
            if getattr(self, name) <= 0:
                raise OptionsError(f"{name}: must be above 0 s, is {getattr(self, name)}")

    @property
    def exactly_once(self) -> bool:
        """Whether outputs and offsets commit in one transaction."""
        return self.delivery == "exactly_once"

    @property
    def transactional_id(self) -> str:
        """The producer's name, stable over restarts: its next life aborts what this one left open."""
        return f"{self.group}-{self.instance}"

    def _shared(self) -> dict[str, Any]:
        return {**self.client, "bootstrap.servers": self.bootstrap}

    def consumer(self) -> dict[str, Any]:
        """Configuration of the consumer."""
        config: dict[str, Any] = {
            "client.id": self.instance,
            "queued.min.messages": max(1_000, PREFETCHED_BATCHES * self.batch),
            "max.partition.fetch.bytes": self.fetch_bytes,
            "fetch.wait.max.ms": max(1, int(self.fetch_wait * 1000)),
            # With a second (the default) the queue above would run dry before it is filled again, ms.
            "fetch.queue.backoff.ms": 10,
            # Partitions that are added while we run are seen this soon, ms (librdkafka's default is 5 min).
            "topic.metadata.refresh.interval.ms": 30_000,
            "max.poll.interval.ms": int(max(self.poll_interval, self.session_timeout) * 1000),
            **self._shared(),
            "group.id": self.group,
            "group.protocol": self.protocol,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            # Reported to us, not acted upon: a group that is new and an offset that is gone are different things.
            "auto.offset.reset": "error",
        }
        if self.protocol == "classic":
            config["partition.assignment.strategy"] = "cooperative-sticky"
            config["session.timeout.ms"] = int(self.session_timeout * 1000)
            # A third of the session, so that two heartbeats may be lost.
            config["heartbeat.interval.ms"] = max(100, min(3_000, int(self.session_timeout * 1000 / 3)))
        return config

    def producer(self) -> dict[str, Any]:
        """Configuration of the producer."""
        timeout = int(self.transaction_timeout * 1000)
        config: dict[str, Any] = {
            "client.id": self.instance,
            "linger.ms": 5,
            "message.max.bytes": LARGEST_OUTPUT,
            "queue.buffering.max.messages": 500_000,
            # A message that is not out when its transaction has timed out never counts.
            "message.timeout.ms": timeout,
            **self._shared(),
            "enable.idempotence": True,
            "delivery.report.only.error": True,
        }
        if self.exactly_once:
            config["transactional.id"] = self.transactional_id
            config["transaction.timeout.ms"] = timeout
        return config
