"""A stand-in for the stream loop alone: a log with committed offsets, and what was published. Planner, codec and
database are the real ones.

The loop's promise is kept to the letter: what a batch outputs and its offsets become visible together, or not at all.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import event

from consumer.events import ClipRequest, Product, Promo
from consumer.observe.metrics import Metrics
from consumer.planner.catalog import Catalog
from consumer.planner.planner import PlannerHandler
from consumer.planner.recipes import Planning
from consumer.planner.words import Composer
from consumer.settings import Topics
from consumer.stream.codec import Codec
from consumer.stream.types import Handled, Headers, Output, Partition, Record
from tests.unit.planner.samples import NOW, NameOnly, planning

TOPICS = Topics()
GROUP = "skureel-planner"
LANES = {TOPICS.clip_render, TOPICS.clip_render_bulk, TOPICS.clip_dress}
TABLES = (
    "plans", "products", "batches", "clips", "bases", "product_tags", "promos", "fan_outs", "fan_out_pages",
)  # fmt: skip
STEPS = ("before_cursor_execute", "after_cursor_execute", "commit")
"""Of a database transaction; a planner may die at each."""
TIME = 1_767_000_000_000


class Crash(BaseException):
    """The process died here. Not an Exception: nothing in the planner may catch it."""


class Mine:
    """Counts the boundaries between the planner's steps, and blows up at one of them."""

    def __init__(self, fuse: int | None = None) -> None:
        self.fuse = fuse
        self.passed = 0

    def boundary(self, *_: Any) -> None:
        """One more boundary. Raises Crash at the chosen one."""
        self.passed += 1
        if self.passed == self.fuse:
            raise Crash


class World:
    """A log, its committed offsets, what a read_committed reader sees, and at most one live planner."""

    def __init__(
        self, url: str, codec: Codec, *, composer: Composer | None = None, plan: Planning | None = None
    ) -> None:
        self.url = url
        self.codec = codec
        self.composer: Composer = composer or NameOnly()
        self.plan = plan or planning()
        self.metrics = Metrics()
        self.log: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
        self.committed: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.published: list[Output] = []
        self.now: Callable[[], datetime] = lambda: NOW
        self.mine = Mine()
        self.options: dict[str, Any] = {}
        """Further arguments of the planner."""
        self.catalog: Catalog | None = None
        """The live planner's."""
        self._known: Catalog | None = None
        self.planner: PlannerHandler | None = None

    def _clock(self) -> datetime:
        return self.now()

    def _boundary(self, *_: Any) -> None:
        self.mine.boundary()

    def append(
        self,
        value: bytes | None,
        key: bytes | None,
        *,
        topic: str = TOPICS.product_created,
        partition: int = 0,
        headers: Headers = (),
        timestamp: int | None = None,
    ) -> Record:
        """Write a record to the log."""
        log = self.log[topic, partition]
        stamp = TIME + len(log) if timestamp is None else timestamp
        log.append(Record(topic, partition, len(log), key, value, headers, stamp))
        return log[-1]

    def put(self, product: Product, **place: Any) -> Record:
        """Write a product to the log."""
        value, headers = self.codec.encode(TOPICS.product_created, product.to_avro())
        return self.append(value, product.product_id.encode(), **({"headers": headers} | place))

    def retire(self, product_id: str, **place: Any) -> Record:
        """Write a tombstone to the log."""
        return self.append(None, product_id.encode(), **place)

    def promote(self, promo: Promo, **place: Any) -> Record:
        """Write a promo to the log."""
        value, headers = self.codec.encode(TOPICS.promo_changed, promo.to_avro())
        place = {"topic": TOPICS.promo_changed, "headers": headers} | place
        return self.append(value, promo.promo_id.encode(), **place)

    def _database(self) -> Catalog:
        """The catalog, migrated once. Closed, it keeps nothing of a planner's life but how statements are worded, which
        takes longer to find out than to run them.
        """
        if self._known is None:
            self._known = Catalog.open(self.url)
        return self._known

    def start(self) -> PlannerHandler:
        """Start a planner (again) on the database and give it all partitions."""
        self.stop()
        self.catalog = self._database()
        for step in STEPS:
            event.listen(self.catalog.engine, step, self._boundary)
        self.planner = PlannerHandler(
            catalog=self.catalog,
            prompts=self.composer,
            planning=self.plan,
            codec=self.codec,
            topics=TOPICS,
            metrics=self.metrics,
            group=GROUP,
            clock=self._clock,
            **self.options,
        )
        return self.planner

    @property
    def partitions(self) -> list[Partition]:
        """Every partition there is."""
        return [Partition(topic, number) for topic, number in sorted(self.log)]

    def assign(self) -> None:
        """Give all partitions to the planner, and commit what it recovers."""
        assert self.planner is not None
        self.publish(self.planner.assigned(self.partitions))

    def restart(self) -> PlannerHandler:
        """A planner after a crash: started, and its partitions assigned."""
        planner = self.start()
        self.assign()
        return planner

    def stop(self) -> None:
        """Forget the planner without a word to it, as a crash does."""
        if self.catalog:
            for step in STEPS:
                event.remove(self.catalog.engine, step, self._boundary)
            self.catalog.close()
        self.catalog = self.planner = None

    close = stop

    def waiting(self, limit: int | None = None) -> list[Record]:
        """Records after the committed offsets, each partition's in order."""
        return [record for place, log in sorted(self.log.items()) for record in log[self.committed[place] :]][:limit]

    def commit(self, handled: Handled, records: Sequence[Record]) -> None:
        """The Kafka transaction: outputs and offsets at once."""
        self.published += handled.outputs
        for record in records:
            place = (record.topic, record.partition)
            self.committed[place] = max(self.committed[place], record.offset + 1)

    def publish(self, handled: Handled, records: Sequence[Record] = ()) -> None:
        """Commit, and tell the planner."""
        self.mine.boundary()
        self.commit(handled, records)
        self.mine.boundary()
        if handled.committed:
            handled.committed()
        self.mine.boundary()

    def step(self, limit: int | None = None) -> bool:
        """One batch, handled and committed. False when there was none."""
        records = self.waiting(limit)
        if not records:
            return False
        assert self.planner is not None
        self.publish(self.planner.handle(records), records)
        return True

    def piece(self) -> bool:
        """One piece of background work, done and committed. False when there was none."""
        assert self.planner is not None
        handled = self.planner.background(self.partitions)
        if handled is None:
            return False
        self.publish(handled)
        return True

    def run(self, size: int | None = None) -> None:
        """Batches until nothing waits, with a piece of background work after each as the worker does; then the rest of
        it, and the idle duties.
        """
        if self.planner is None:
            self.restart()
        while self.step(size):
            self.piece()
        while self.piece():
            pass
        assert self.planner is not None
        self.planner.idle()

    def crash_at(self, fuse: int, action: Callable[[], object]) -> bool:
        """Do ``action``; die at the ``fuse``-th boundary it passes. True when it died; then nothing is left but the
        database and the log.
        """
        self.mine = Mine(fuse)
        died = False
        try:
            action()
        except Crash:
            died = True
        self.mine = Mine()
        if died:
            self.stop()
            # A dead process holds no lock. Here the statement it died in lives on until it is collected.
            gc.collect()
        return died

    def clear(self) -> None:
        """Everything as in the beginning."""
        self.stop()
        self.log.clear()
        self.committed.clear()
        self.published.clear()
        catalog = self._database()
        with catalog.engine.begin() as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - names from this line
        catalog.close()

    def requests(self, outputs: Iterable[Output] | None = None) -> list[ClipRequest]:
        """The requests among what was published, decoded as the renderer would."""
        return [
            ClipRequest.from_avro(self.codec.decode(output.topic, output.value, output.headers))
            for output in (self.published if outputs is None else outputs)
            if output.topic in LANES and output.value is not None
        ]

    def dead_letters(self) -> list[Output]:
        """The dead letters among what was published."""
        return [output for output in self.published if output.topic.endswith(f".{GROUP}.dlq")]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds in the database."""
        catalog = self._database()
        try:
            with catalog.engine.begin() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(sql)]
        finally:
            if self.catalog is None:
                catalog.close()
