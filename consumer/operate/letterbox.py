"""The dead letters on a broker: those that nobody has handled, and the handling of them, whole or not at all.

A letter is handled when a mark of it follows in its own partition. Record and mark are written in one transaction, so
an interrupted replay has done each letter once or not at all; and the transactional.id is one for the installation, so
whoever comes later ends what an earlier one left open before it looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException, Producer

from consumer.operate.broker import BrokerError, Complaints, open_client
from consumer.operate.reading import partitions_of, read
from consumer.stream.deadletter import DeadLetter, Handled, Mark, NotADeadLetterError, mark, read_dead_letter, read_mark
from consumer.stream.deadletter import replay as replayed
from consumer.stream.failures import PURGED, kafka_error
from consumer.stream.options import LARGEST_OUTPUT
from consumer.stream.types import Output, Partition, Record

CALL_SECONDS = 30.0
"""For a call of the producer: it may have to wait for the transaction of one that was killed."""
TRANSACTION_SECONDS = 30.0
"""After which the broker gives up a transaction of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter and where it lies."""

    record: Record
    """As it lies on the topic of dead letters."""
    dead: DeadLetter
    mark: Mark | None = None
    """How it was handled, if it was."""

    @property
    def id(self) -> str:
        """Its name on the command line."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"

    @property
    def origin(self) -> tuple[str, int, int]:
        """Where its record lay."""
        return self.dead.topic, self.dead.partition, self.dead.offset


def find(
    options: Mapping[str, Any], topics: set[str], told: Callable[[int, int], object] = lambda *_: None
) -> list[Letter]:
    """Every dead letter of these topics, in the order of their records. Topics that do not exist hold none.

    What is neither letter nor mark is passed over. Raises BrokerError, SettingsError.
    """
    starts = {
        Partition(topic, number): 0
        for topic, count in partitions_of(options, topics).items()
        for number in range(count)
    }
    found: dict[tuple[str, int, int], Letter] = {}
    for record in read(options, starts, told):
        seen = read_mark(record)
        if seen is None:
            try:
                dead = read_dead_letter(record)
            except NotADeadLetterError:
                continue
            found[record.topic, record.partition, record.offset] = Letter(record=record, dead=dead)
            continue
        place = record.topic, record.partition, seen.offset
        if place in found:
            found[place] = replace(found[place], mark=seen)
    return sorted(found.values(), key=lambda letter: letter.origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is to be done with a letter."""

    letter: Letter
    handled: Handled


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A letter that could not be handled, and why; it is as it was."""

    letter: Letter
    reason: str


class Handling:
    """A producer that handles letters; open it before looking for them. One thread.

    With ``transactions`` each batch is done whole or not at all. Without (the embedded broker, or delivery
    at_least_once) records go first and marks after: an interruption in between publishes a record twice.
    """

    def __init__(self, options: Mapping[str, Any], *, name: str, transactions: bool) -> None:
        """``name`` is the transactional.id. Raises SettingsError."""
        self._transactions = transactions
        self._name = name
        self._failed: list[str] = []
        own: dict[str, Any] = {
            "enable.idempotence": True,
            "message.max.bytes": LARGEST_OUTPUT,
            "on_delivery": self._delivered,
            "message.timeout.ms": int(TRANSACTION_SECONDS * 1000),
        }
        if transactions:
            own |= {"transactional.id": name, "transaction.timeout.ms": int(TRANSACTION_SECONDS * 1000)}
        self._producer: Producer
        self._complaints: Complaints
        self._producer, self._complaints = open_client(Producer, {**options, **own})
        self._counts: dict[str, int] = {}
        self._options = options

    def __enter__(self) -> Self:
        """End what an earlier one left open. Raises BrokerError."""
        if self._transactions:
            with _told(self._complaints, "init_transactions"):
                self._producer.init_transactions(CALL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.purge(blocking=False)

    def handle(self, deeds: Sequence[Deed]) -> list[Failure]:
        """Do a batch. Letters that the broker refuses are told; the others are done. Raises BrokerError."""
        topics = {deed.letter.dead.topic for deed in deeds if deed.handled is Handled.REPLAYED}
        if topics - self._counts.keys():
            self._counts |= partitions_of(self._options, topics)
        gone = [
            deed for deed in deeds if deed.handled is Handled.REPLAYED and deed.letter.dead.topic not in self._counts
        ]
        failures = [Failure(letter=deed.letter, reason=f"topic {deed.letter.dead.topic} is gone") for deed in gone]
        left = [deed for deed in deeds if deed not in gone]
        reason = self._attempt(left) if left else None
        if reason is None:
            return failures
        if len(left) == 1:
            return [*failures, Failure(letter=left[0].letter, reason=reason)]
        for deed in left:  # the broker judges batches: only alone it is certain which record it refuses
            failures += self.handle([deed])
        return failures

    def _attempt(self, deeds: Sequence[Deed]) -> str | None:
        """Write what the deeds ask for. None when it is done, else the reason why nothing was."""
        self._failed.clear()
        if not self._transactions:
            return self._publish(deeds) or self._note(deeds)
        with _told(self._complaints, "begin_transaction"):
            self._producer.begin_transaction()
        reason = self._publish(deeds) or self._note(deeds)
        if reason is not None:
            self._producer.purge()
            with _told(self._complaints, "abort_transaction"):
                self._producer.abort_transaction(CALL_SECONDS)
            return reason
        self._commit()
        return None

    def _commit(self) -> None:
        end = time.monotonic() + CALL_SECONDS
        while True:
            try:
                self._producer.commit_transaction(max(0.1, end - time.monotonic()))
            except KafkaException as error:
                inner = kafka_error(error)
                if inner is None or not inner.retriable() or time.monotonic() > end:
                    raise BrokerError(f"commit_transaction: {self._lost(inner)}") from None
            else:
                return

    def _publish(self, deeds: Sequence[Deed]) -> str | None:
        """Publish the records that are replayed, each to the partition that it came from, with its own time."""
        for deed in deeds:
            if deed.handled is not Handled.REPLAYED:
                continue
            dead, output = deed.letter.dead, replayed(deed.letter.dead)
            # By its key it might go to another partition than its producer chose, and lose its place in the order.
            partition = dead.partition if dead.partition < self._counts[dead.topic] else -1
            reason = self._produce(output, partition, dead.timestamp)
            if reason is not None:
                return reason
        return self._flushed()

    def _note(self, deeds: Sequence[Deed]) -> str | None:
        """Write the marks."""
        for deed in deeds:
            record = deed.letter.record
            output = mark(record, deed.handled)
            reason = self._produce(output, record.partition)
            if reason is not None:
                return reason
        return self._flushed()

    def _produce(self, output: Output, partition: int, timestamp: int = 0) -> str | None:
        """Hand a record to the client; ``timestamp`` 0 means now. Gives the reason why it never can."""
        while True:
            try:
                self._producer.produce(
                    output.topic,
                    output.value,
                    output.key,
                    partition,
                    headers=list(output.headers) or None,
                    timestamp=max(0, timestamp),
                )
            except BufferError:
                self._producer.flush(CALL_SECONDS)
            except KafkaException as error:
                inner = kafka_error(error)
                if inner is None or inner.fatal():
                    raise BrokerError(self._lost(inner)) from None
                return str(inner.str())
            else:
                return None

    def _flushed(self) -> str | None:
        try:
            left = self._producer.flush(TRANSACTION_SECONDS)
        except KafkaException as error:
            raise BrokerError(self._lost(kafka_error(error))) from None
        if self._failed:
            return self._failed[0]
        return f"{left} records were not acknowledged" if left else None

    def _lost(self, error: Any) -> str:
        return f"{self._complaints.why(error)}; another replay or drop may have taken over {self._name}"

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None and error.code() not in PURGED:
            self._failed.append(error.str())


@contextmanager
def _told(complaints: Complaints, what: str) -> Iterator[None]:
    """An error of the client inside is told in its own words. Raises BrokerError."""
    try:
        yield
    except KafkaException as error:
        raise BrokerError(f"{what}: {complaints.why(kafka_error(error))}") from None
