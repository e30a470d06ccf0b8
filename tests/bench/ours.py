"""skureel's side: any batch handler through Loop and BatchWorker, watched from the outside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.observe.metrics import TRANSACTIONS, Metrics
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.codec import Codec
from consumer.stream.headers import outgoing
from consumer.stream.loop import Loop
from consumer.stream.types import BatchHandler, Handled, Output, Partition, Record
from tests.bench.figures import Round
from tests.bench.request import request_of
from tests.bench.task import CE_SOURCE, CE_TYPE, Marks, Task

ROLE = "bench"
LIMIT = 600.0
"""Seconds a round may take."""


class Requests:
    """A BatchHandler that does what the bare loop does: decode, build, encode."""

    def __init__(self, codec: Codec, task: Task) -> None:
        self._codec = codec
        self._task = task

    def assigned(self, partitions: Sequence[Partition]) -> Handled:  # noqa: ARG002 - see BatchHandler
        """Nothing is owed."""
        return Handled()

    def handle(self, records: Sequence[Record]) -> Handled:
        """One request a record."""
        return Handled([self._request(record) for record in records])

    def idle(self) -> None:
        """No duties."""

    def _request(self, record: Record) -> Output:
        codec, topic = self._codec, self._task.target
        assert record.value is not None
        request = request_of(codec.decode(record.topic, record.value, record.headers))
        value, headers = codec.encode(topic, request)
        if not self._task.headers:
            return Output(topic, record.key, value, (), record)
        headers = outgoing(
            headers,
            ce_id=request["request_id"],
            ce_type=CE_TYPE,
            source=CE_SOURCE,
            time=request["requested_at"],
        )
        return Output(topic, record.key, value, headers, record)


@dataclass(slots=True)
class Watched:
    """Any handler, with a call for every batch that was committed (on the committing thread)."""

    handler: BatchHandler
    committed: Callable[[int], None]

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """See BatchHandler."""
        return self.handler.assigned(partitions)

    def handle(self, records: Sequence[Record]) -> Handled:
        """See BatchHandler."""
        handled = self.handler.handle(records)
        told, count = handled.committed, len(records)

        def committed() -> None:
            if told is not None:
                told()
            self.committed(count)

        return Handled(handled.outputs, committed)

    def idle(self) -> None:
        """See BatchHandler."""
        self.handler.idle()


def run(task: Task, handler: BatchHandler, *more_topics: str, each: Callable[[int], None] | None = None) -> Round:
    """Consume everything through the loop. ``each`` is told how many records are committed, after every batch.

    Raises what the loop failed with, or TimeoutError.
    """
    options, metrics, marks, ended = task.options(), Metrics(), Marks(), threading.Event()

    def committed(records: int) -> None:
        done = marks.add(records)
        if each is not None:
            each(done)
        if done >= task.records:
            ended.set()

    worker = BatchWorker(
        Watched(handler, committed),
        metrics,
        role=ROLE,
        group=options.group,
        options=BatchOptions(records=task.batch),
    )
    loop = Loop(options, [task.source, *more_topics], worker, metrics, role=ROLE)
    loop.start()
    try:
        for _ in range(int(LIMIT / 0.25)):
            if ended.wait(0.25) or loop.join(0):
                break
        else:
            raise TimeoutError(f"{marks.marks[-1:]} of {task.records} records after {LIMIT:.0f} s")
    finally:
        loop.stop()
        loop.join(LIMIT)
    return marks.round(task.warm_up, int(metrics.value(TRANSACTIONS, role=ROLE, result="committed")))
