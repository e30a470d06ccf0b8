"""Outputs first, offsets after: what a crash in between leaves is written again. For brokers without transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaException, TopicPartition

from consumer.stream.failures import kafka_error
from consumer.stream.options import StreamOptions
from consumer.stream.types import Output
from consumer.stream.writer import AbortedError, BrokenError, Offsets, ProducerWriter, aborting, positions


class AtLeastOnce(ProducerWriter):
    """A Writer that commits by the consumer: ``commit`` commits offsets and returns when the group has them."""

    def __init__(self, options: StreamOptions, commit: Callable[[list[TopicPartition]], object]) -> None:
        super().__init__(options)
        self._commit = commit

    def open(self, seconds: float) -> None:
        """See Writer."""
        self.at("connect")
        with aborting("connect"):
            self.producer.list_topics(timeout=seconds)

    def write(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        """See Writer."""
        self.begin()
        try:
            self.produce(outputs)
            self._flush()
        except KafkaException as error:
            inner = kafka_error(error)
            kind = BrokenError if inner is None or inner.fatal() else AbortedError
            raise kind(f"{self.step}: {error}") from error
        if offsets:
            self._commit_offsets(offsets, valid)

    def _commit_offsets(self, offsets: Offsets, valid: Callable[[], bool]) -> None:
        if not valid():
            raise AbortedError("partitions left before the commit")
        self.at("commit")
        try:
            with aborting("commit"):
                self._commit(positions(offsets))
        except TimeoutError as error:
            raise AbortedError(f"commit: {error}") from error

    def _flush(self) -> None:
        """Wait until every output was acknowledged."""
        left = self.flush()
        failure = self.failure()
        if failure is not None and failure.fatal():
            raise BrokenError(f"delivery: {failure}")
        if failure is not None:
            raise AbortedError(f"delivery: {failure}")
        if left:
            self.producer.purge()
            raise AbortedError(f"{left} outputs were not acknowledged within the transaction timeout")
