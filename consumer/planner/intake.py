"""Records to typed changes: decoding, validation, and the dead letters of what cannot be read. Decides nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from consumer.events import EventError, Product, Promo, VideoReady, VideoRejected, checked_id
from consumer.planner import payload
from consumer.planner.decisions import TOMBSTONE, Change
from consumer.settings import Topics
from consumer.stream.codec import Codec, DecodeError
from consumer.stream.deadletter import dead_letter
from consumer.stream.types import Output, Record

DECODE = "decode"
VALIDATE = "validate"
PLAN = "plan"
"""Stages at which a record may be given up."""

Announcement = VideoReady | VideoRejected

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Batch:
    """What a batch of records says."""

    changes: dict[str, list[Change[Product]]] = field(default_factory=dict)
    """By product, each product's in the order they were read."""
    promos: dict[str, list[Change[Promo]]] = field(default_factory=dict)
    """By promo, each promo's in the order they were read."""
    announcements: list[Announcement] = field(default_factory=list)
    given_up: list[Output] = field(default_factory=list)
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Dead letters by topic and stage."""
    skips: Counter[str] = field(default_factory=Counter)
    """Records that need no work, by reason."""


class Intake:
    """Reads records. Stateless. ``check_promo`` raises EventError for what no clip could show."""

    def __init__(self, codec: Codec, topics: Topics, group: str, check_promo: Callable[[Promo], None]) -> None:
        self._codec = codec
        self._check_promo = check_promo
        self._topics = topics
        self._group = group

    def read(self, records: Sequence[Record]) -> Batch:
        """Every record ends in one of the batch's fields. Raises UnavailableError when a schema cannot be had."""
        batch = Batch()
        for record in records:
            try:
                self._read(record, batch)
            except DecodeError as error:
                self.give_up(batch, record, error.stage, error)
            except EventError as error:
                self.give_up(batch, record, VALIDATE, error)
        return batch

    def give_up(self, batch: Batch, record: Record, stage: str, error: BaseException) -> None:
        """Add a dead letter to ``batch``."""
        log.warning(
            "dead letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            stage=stage,
            reason=str(error)[:300],
        )
        batch.given_up.append(dead_letter(record, group=self._group, stage=stage, error=error))
        batch.losses[record.topic, stage] += 1

    def _read(self, record: Record, batch: Batch) -> None:
        topics = self._topics
        if record.topic == topics.product_created:
            change, product_id = self._product(record)
            changes = batch.changes.get(product_id)
            if changes is None:
                batch.changes[product_id] = [change]
            else:
                changes.append(change)
        elif record.topic == topics.promo_changed:
            promo_change, promo_id = self._promo(record)
            batch.promos.setdefault(promo_id, []).append(promo_change)
        elif record.value is None:
            batch.skips[TOMBSTONE] += 1
        elif record.topic == topics.video_ready:
            batch.announcements.append(self._announced(record, record.value, VideoReady))
        elif record.topic == topics.video_rejected:
            batch.announcements.append(self._announced(record, record.value, VideoRejected))
        else:
            raise EventError("topic", f"{record.topic} is not one that the planner reads")

    def _product(self, record: Record) -> tuple[Change[Product], str]:
        if record.value is None:
            return Change(None, b"", record), checked_id("key", _key_text(record, "product_id"))
        value = self._codec.decode(record.topic, record.value, record.headers)
        product = Product.from_avro(value)
        _check_key(record, "product_id", product.product_id)
        return Change(product, payload.dump(value), record), product.product_id

    def _promo(self, record: Record) -> tuple[Change[Promo], str]:
        if record.value is None:
            return Change(None, b"", record), checked_id("key", _key_text(record, "promo_id"))
        value = self._codec.decode(record.topic, record.value, record.headers)
        promo = Promo.from_avro(value)
        _check_key(record, "promo_id", promo.promo_id)
        self._check_promo(promo)
        return Change(promo, payload.dump_promo(value), record), promo.promo_id

    def _announced(self, record: Record, value: bytes, kind: type[VideoReady | VideoRejected]) -> Announcement:
        event = kind.from_avro(self._codec.decode(record.topic, value, record.headers))
        checked_id("product_id", event.product_id)
        checked_id("variant", event.variant)
        _check_key(record, "product_id", event.product_id)
        return event


def _key_text(record: Record, name: str) -> str:
    """The key as text. Raises EventError."""
    if record.key is None:
        raise EventError("key", f"missing: records are keyed by {name}")
    try:
        return record.key.decode()
    except UnicodeDecodeError as error:
        raise EventError("key", f"not UTF-8: {error.reason} at byte {error.start}") from None


def _check_key(record: Record, name: str, identity: str) -> None:
    """Records of one product or promo must be in one partition, or their order is lost: so the key must be the id."""
    if record.key != identity.encode():
        found = _key_text(record, name)
        raise EventError("key", f"{found[:80]!r} is not the {name} {identity[:80]!r}")
