"""Outputs and offsets in one Kafka transaction, opened when the results are there: it lasts milliseconds."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaException

from consumer.stream.failures import Verdict, kafka_error, verdict
from consumer.stream.options import StreamOptions
from consumer.stream.types import Output
from consumer.stream.writer import AbortedError, BrokenError, Offsets, ProducerWriter, RefusedError, positions

METADATA_MAGIC = b"CGMDv2:"
"""Head of librdkafka's serialized group metadata; generation (int32, little endian), group and member id follow."""

RETRY_PAUSE = 0.05
"""Seconds between two tries of a call that may be tried again."""

ABORT_TIMEOUT = 5.0
"""Seconds that an abort gets even when the attempt had used up its time: an abort that fails costs the producer."""


class ExactlyOnce(ProducerWriter):
    """A Writer over transactions. ``metadata`` gives the consumer's group metadata as it is now."""

    def __init__(self, options: StreamOptions, metadata: Callable[[], bytes]) -> None:
        super().__init__(options)
        self._metadata = metadata

    def open(self, seconds: float) -> None:
        """See Writer."""
        self.at("init_transactions")
        try:
            self.producer.init_transactions(seconds)
        except KafkaException as error:
            inner = kafka_error(error)
            if inner is None or verdict(inner) is not Verdict.RETRY:
                self.close()  # it will not come right; one that only timed out goes on where it was
            raise AbortedError(f"init_transactions: {error}") from error

    def write(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        """See Writer."""
        self.begin()
        try:
            self._call("begin_transaction", lambda _: self.producer.begin_transaction())
            self._transact(outputs, offsets, valid)
        except KafkaException as error:  # flush and poll too speak up once the producer is fenced
            raise BrokenError(f"{self.step}: {error}") from error

    def _transact(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        try:
            self._fill(outputs, offsets, valid)
            self._deliver()
            self._call("commit_transaction", self.producer.commit_transaction)
        except (AbortedError, RefusedError) as error:
            if isinstance(error, AbortedError):
                self.failure()
            self._deadline = max(self._deadline, time.monotonic() + ABORT_TIMEOUT)
            self._call("abort_transaction", self.producer.abort_transaction)
            raise

    def _fill(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        try:
            self.produce(outputs)
        except KafkaException as error:
            # Whatever it is, the transaction is open and can be aborted; if not, the abort will say so.
            raise AbortedError(f"produce: {error}") from error
        if offsets:
            metadata = self._membership()
            # Only now: a partition that left before this line is seen here, one that leaves after it makes the
            # metadata stale and the broker refuses it.
            if not valid():
                raise AbortedError("partitions left before the commit")
            self._call(
                "send_offsets_to_transaction",
                lambda seconds: self.producer.send_offsets_to_transaction(positions(offsets), metadata, seconds),
            )

    def _deliver(self) -> None:
        """Wait for the outputs. The commit would do so too, but goes on waiting after one has failed for good."""
        self.flush()
        if self._failures:
            raise AbortedError(f"delivery: {self._failures[0]}")

    def _membership(self) -> bytes:
        """The group metadata of a member. A consumer that was just expelled has neither generation nor id, and what
        it commits is taken for a stranger's, unfenced.
        """
        metadata = self._metadata()
        if not is_member(metadata):
            raise AbortedError("not a member of the group just now")
        return metadata

    def _call(self, what: str, call: Callable[[float], object]) -> None:
        """Call until it succeeds, or its error says otherwise, or the time is up."""
        while True:
            self.at(what)
            try:
                call(self.remaining())
            except KafkaException as error:
                inner = kafka_error(error)
                action = Verdict.REBUILD if inner is None else verdict(inner)
                if action is Verdict.ABORT and what != "abort_transaction":
                    raise AbortedError(f"{what}: {error}") from error
                if action is not Verdict.RETRY or self.late:
                    raise BrokenError(f"{what}: {error}") from error
                time.sleep(RETRY_PAUSE)
            else:
                return


def is_member(metadata: bytes) -> bool:
    """Whether group metadata is a live member's. What cannot be read is left for the broker to judge."""
    head, body = metadata[: len(METADATA_MAGIC)], metadata[len(METADATA_MAGIC) :]
    if head != METADATA_MAGIC or len(body) < 4:
        return bool(metadata)
    (generation,) = struct.unpack_from("<i", body)
    names = body[4:].split(b"\0")
    return bool(generation >= 0 and len(names) > 1 and names[1])
