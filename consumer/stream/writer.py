"""What both ways of committing share: a producer, its delivery reports, and outputs that cannot be written."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from consumer.stream.failures import PURGED, UNPRODUCIBLE, kafka_error
from consumer.stream.options import StreamOptions
from consumer.stream.types import Output, Partition

Offsets = Mapping[Partition, int]

CLIENT_LOG = logging.getLogger("librdkafka")
"""Where the client library's own lines go, instead of to the standard error."""


CALL_TIMEOUT = 5.0
"""Seconds given to one call of the client; those that may be repeated are, as long as the attempt has time."""

HANG = 8.0
"""Seconds after which a call has ignored its timeout: send_offsets_to_transaction does while its coordinator is away
(librdkafka issue 5456)."""

FLUSH_GLANCE = 0.2
"""Seconds between two looks at the delivery reports while outputs are under way."""


class WriteError(Exception):
    """An attempt to write and commit failed."""


class AbortedError(WriteError):
    """Raised when nothing was committed, and the same may be tried again with the same producer."""


class BrokenError(WriteError):
    """Raised when the producer is of no use any more and the outcome is unknown."""


class RefusedError(WriteError):
    """Raised when nothing was committed because one output can never be written."""

    def __init__(self, index: int, reason: BaseException) -> None:
        super().__init__(f"output {index}: {reason}")
        self.index = index
        self.reason = reason


class Writer(Protocol):
    """Writes outputs and commits offsets. Used by one thread; no method takes longer than a few transaction timeouts,
    and none of the client's calls in it longer than CALL_TIMEOUT, unless the client hangs.
    """

    step: str
    """What it is at, for the log when it hangs."""
    step_since: float
    """When it began with that; monotonic seconds."""

    def at(self, step: str) -> None:
        """Say what comes now."""
        ...

    def open(self, seconds: float) -> None:
        """Get ready; transactions that a former life left open are ended. Raises AbortedError: try again."""
        ...

    def write(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        """Write and commit. ``valid`` is asked last thing before the offsets go out.

        Raises:
            AbortedError, BrokenError, RefusedError: nothing, or something unknown, was committed.
        """
        ...

    def committed(self, offsets: Offsets, seconds: float) -> bool:
        """Whether the group stands at these offsets or beyond. Raises AbortedError when nobody can say now."""
        ...

    def close(self) -> None:
        """Let go, without waiting for what is open."""
        ...


class ProducerWriter:
    """The shared half of both writers."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.step, self.step_since = "", time.monotonic()
        self._failures: list[KafkaError] = []
        self._careful = False
        self._deadline = 0.0
        self._producer: Producer | None = None

    @property
    def producer(self) -> Producer:
        """The producer, made at first use."""
        if self._producer is None:
            config: dict[str, Any] = {**self.options.producer(), "on_delivery": self._delivered, "logger": CLIENT_LOG}
            self._producer = Producer(config)
        return self._producer

    def committed(self, offsets: Offsets, seconds: float) -> bool:
        """See Writer. Asks the group as a stranger; offsets of a transaction under way are waited for."""
        config = {key: value for key, value in self.options.consumer().items() if not key.startswith("group.protocol")}
        # A consumer that never subscribes joins nothing, whatever the group's protocol.
        for key in ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"):
            config.pop(key, None)
        self.at("committed")
        asker = Consumer({**config, "logger": CLIENT_LOG})
        try:
            answer = asker.committed(positions(offsets, with_offsets=False), timeout=seconds)
        except KafkaException as error:
            raise AbortedError(f"committed offsets: {error}") from error
        finally:
            asker.close()
        if failed := next((position.error for position in answer if position.error), None):
            raise AbortedError(f"committed offsets: {failed}")
        return all(position.offset >= offsets[Partition(position.topic, position.partition)] for position in answer)

    def close(self) -> None:
        """See Writer."""
        if self._producer is not None:
            with contextlib.suppress(KafkaException, RuntimeError):
                self._producer.purge(blocking=False)
            self._producer = None

    def at(self, step: str) -> None:
        """Say what comes now: the watchdog counts from here."""
        self.step, self.step_since = step, time.monotonic()

    def remaining(self) -> float:
        """Seconds for the next call; never 0, which some calls take for 'for ever'."""
        return min(CALL_TIMEOUT, max(0.01, self._deadline - time.monotonic()))

    def flush(self) -> int:
        """Wait until all outputs are acknowledged, one has failed, or the time is up; returns how many are open."""
        while True:
            self.at("flush")
            left = self.producer.flush(FLUSH_GLANCE)
            if not left or self._failures or self.late:
                return left

    @property
    def late(self) -> bool:
        """Whether this attempt has used up its time."""
        return time.monotonic() >= self._deadline

    def begin(self) -> None:
        """A new attempt: the clock and the failures start anew."""
        self.at("produce")
        self._deadline = time.monotonic() + self.options.transaction_timeout
        self._failures.clear()

    def produce(self, outputs: Sequence[Output]) -> None:
        """Hand the outputs to the client. Raises RefusedError, or KafkaException as the client does."""
        careful, self._careful = self._careful, False
        if careful:
            self._one_by_one(outputs)
            return
        produce = self.producer.produce
        for index, (topic, key, value, headers, _) in enumerate(outputs):
            try:
                produce(topic, value, key, headers=list(headers) if headers else None)
            except BufferError:
                self._make_room(outputs[index])
            except (KafkaException, TypeError, ValueError, AttributeError) as error:
                raise self._refused(index, error) from error

    def failure(self) -> KafkaError | None:
        """The first delivery that failed. After one that no retry will mend the next attempt goes one by one, for the
        broker judges batches: only alone it is certain which record it refuses.
        """
        self._careful = self._careful or any(error.code() in UNPRODUCIBLE for error in self._failures)
        return next(iter(self._failures), None)

    def _one_by_one(self, outputs: Sequence[Output]) -> None:
        for index, output in enumerate(outputs):
            try:
                self._enqueue(output)
            except (KafkaException, TypeError, ValueError, AttributeError) as error:
                raise self._refused(index, error) from error
            self.flush()
            if self._failures:
                raise self._refused(index, KafkaException(self._failures[0]))
            if self.late:
                raise AbortedError("no answer from the broker within the transaction timeout")

    def _make_room(self, output: Output) -> None:
        """The client's queue is full: let it send, then try again."""
        while not self.late:
            self.at("produce")
            self.producer.poll(0.05)
            with contextlib.suppress(BufferError):
                self._enqueue(output)
                return
        raise AbortedError("the client's queue stayed full for the whole transaction timeout")

    def _enqueue(self, output: Output) -> None:
        self.producer.produce(output.topic, output.value, output.key, headers=list(output.headers) or None)

    @staticmethod
    def _refused(index: int, error: Exception) -> Exception:
        """RefusedError for what can never be written, anything else as it was."""
        inner = kafka_error(error)
        return RefusedError(index, error) if inner is None or inner.code() in UNPRODUCIBLE else error

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and error.code() not in PURGED:
            self._failures.append(error)


def positions(offsets: Offsets, *, with_offsets: bool = True) -> list[TopicPartition]:
    """Offsets as the client library wants them."""
    if with_offsets:
        return [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
    return [TopicPartition(topic, number) for topic, number in offsets]


@contextlib.contextmanager
def aborting(what: str) -> Iterator[None]:
    """Any error of the client inside means: nothing committed, try again."""
    try:
        yield
    except KafkaException as error:
        raise AbortedError(f"{what}: {error}") from error
