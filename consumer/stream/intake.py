"""The consumer's side of the loop: messages into records, records into runs, errors into decisions.

Every call is made by the polling thread. It knows the client library, and neither workers nor commits.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumer.stream.errors import BrokerError, OffsetGoneError
from consumer.stream.failures import kafka_error, stops_consumer
from consumer.stream.options import StreamOptions
from consumer.stream.types import Partition, Record
from consumer.stream.writer import CALL_TIMEOUT, CLIENT_LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

Runs = dict[Partition, list[Record]]
T = TypeVar("T")

LOOK = 0.1
"""Seconds after which the group metadata is looked at again: a new generation without a callback is seen so soon."""

TROUBLE = 12.0
"""Seconds for which a complaint about unreachable brokers counts: the client tries, and complains, every 10 s or so."""

QUIET = 30.0
"""Seconds before the same complaint is logged again: a client without a broker has dozens a second."""

COMMITTED_TIMEOUT = 10.0
"""Seconds for asking the group where it stands, when a partition has no valid offset."""


@dataclass(slots=True)
class _Commit:
    """A commit on its way through the polling thread."""

    offsets: list[TopicPartition]
    done: threading.Event = field(default_factory=threading.Event)
    error: KafkaError | None = None
    sent: bool = False

    def asked_for(self, positions: list[TopicPartition]) -> bool:
        """Whether an answer is to this one."""
        return {(p.topic, p.partition, p.offset) for p in positions} == {
            (p.topic, p.partition, p.offset) for p in self.offsets
        }


class Intake:
    """A consumer that is always told explicitly what to do with partitions that arrive."""

    def __init__(
        self,
        options: StreamOptions,
        topics: Sequence[str],
        *,
        assigned: Callable[[list[Partition]], None],
        revoked: Callable[[list[Partition]], None],
        lost: Callable[[list[Partition]], None],
    ) -> None:
        self.options = options
        self.topics = list(topics)
        self.log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(group=options.group)
        self.paused = False
        self._shut: frozenset[str] = frozenset()
        self._put_off: frozenset[Partition] = frozenset()
        self._on_assigned, self._on_revoked, self._on_lost = assigned, revoked, lost
        self._held: set[Partition] = set()
        self._left: set[Partition] = set()
        self._bounced: set[Partition] = set()
        self._callback_error: BaseException | None = None
        self._said: dict[tuple[int, str | None], float] = {}
        self._trouble = float("-inf")
        self._metadata = b""
        self._looked = float("-inf")
        self._commit: _Commit | None = None
        self._commit_lock = threading.Lock()
        config: dict[str, Any] = {
            **options.consumer(),
            "error_cb": self._client_error,
            "on_commit": self._answered,
            "logger": CLIENT_LOG,
        }
        self.consumer = Consumer(config)

    @property
    def broker_down(self) -> bool:
        """Whether the brokers were out of reach a moment ago: the client complains as long as they are."""
        return time.monotonic() - self._trouble < TROUBLE

    def subscribe(self) -> None:
        """Join the group."""
        self.consumer.subscribe(self.topics, on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose)

    def poll(self, most: int, seconds: float) -> Runs:
        """Up to ``most`` records by partition, in offset order; waits for the first only.

        Raises:
            StreamError: consumption cannot go on.
        """
        self._left.clear()
        self._bounced.clear()
        # consume() alone would wait until it has them all: here what came together is taken together.
        first = self._guard_read(lambda: self.consumer.poll(seconds), None)
        rest: list[Message] = []
        if first is not None and most > 1:
            rest = self._guard_read(lambda: self.consumer.consume(most - 1, 0), [])
        if self._callback_error is not None:
            error_, self._callback_error = self._callback_error, None
            raise error_
        if first is None:
            return {}
        self._trouble = float("-inf")
        runs, failures = split(first, rest)
        for message in failures:
            self._complaint(message)
        for partition in self._bounced:
            # It left and came back inside this call: its records may be of the time before.
            runs.pop(partition, None)
            self._restart(partition, OFFSET_STORED)
        return runs

    def _guard_read(self, read: Callable[[], T], nothing: T) -> T:
        """Read; an error that passes by itself reads nothing."""
        try:
            return read()
        except KafkaException as error:
            self._judge(error, kafka_error(error))
            return nothing

    def pause(self) -> None:
        """Fetch nothing more; what was prefetched is thrown away. Partitions that arrive are paused too."""
        self.paused = True
        self.consumer.pause(self._positions(self._held))

    def resume(self) -> None:
        """Fetch again, but of topics that are shut."""
        self.paused = False
        self.consumer.resume(self._positions(self._open(self._held)))

    def shut(self, topics: frozenset[str], partitions: frozenset[Partition] = frozenset()) -> None:
        """Fetch nothing more of these topics and partitions, and again of those that were shut before."""
        if (topics, partitions) == (self._shut, self._put_off):
            return
        before = set(self._open(self._held))
        self._shut, self._put_off = topics, partitions
        if not self.paused:
            now = set(self._open(self._held))
            self.consumer.pause(self._positions(before - now))
            self.consumer.resume(self._positions(now - before))

    def _open(self, partitions: Iterable[Partition]) -> list[Partition]:
        return [each for each in partitions if each.topic not in self._shut and each not in self._put_off]

    def rewind(self, partition: Partition, offset: int) -> None:
        """Read a partition again from an offset."""
        if partition not in self._held:
            return
        try:
            self.consumer.seek(TopicPartition(partition.topic, partition.number, offset))
        except KafkaException:  # not being fetched at the moment
            self._restart(partition, offset)

    def refresh(self) -> None:
        """Look at the group metadata, and send off a commit that waits; called by the polling thread all the time.

        The client serializes its calls: asked from another thread, the consumer would answer between two polls, or
        never when they follow closely.
        """
        if time.monotonic() - self._looked > LOOK:
            self._metadata = self.consumer.consumer_group_metadata()
            self._looked = time.monotonic()
        with self._commit_lock:
            waiting = self._commit
            if waiting is None or waiting.sent:
                return
            waiting.sent = True
        self.consumer.commit(offsets=waiting.offsets, asynchronous=True)

    def metadata(self) -> bytes:
        """The group metadata as it was a moment ago; any thread.

        However old, it was read in a generation that held its partitions, or before: if that is over the broker
        refuses it. What must not be is metadata younger than a loss that the caller has not seen; so callers ask
        whether the partitions are still theirs *after* this.
        """
        return self._metadata

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit offsets without a transaction, by way of the polling thread. Raises KafkaException or TimeoutError."""
        waiting = _Commit(offsets)
        with self._commit_lock:
            self._commit = waiting
        if not waiting.done.wait(CALL_TIMEOUT):
            raise TimeoutError("the group coordinator did not answer")
        if waiting.error is not None:
            raise KafkaException(waiting.error)

    def commit_now(self) -> None:
        """Inside a callback, where no answers arrive: commit what waits, and wait for it.

        One that was sent off already is sent again: it does no harm twice, and its answer would come too late.
        """
        with self._commit_lock:
            waiting = self._commit
            if waiting is None:
                return
            waiting.sent = True
        try:
            answer = self.consumer.commit(offsets=waiting.offsets, asynchronous=False)
        except KafkaException as error:
            self._answered(kafka_error(error), waiting.offsets)
        else:
            self._answered(None, answer)

    def close(self) -> None:
        """Leave the group. Partitions still held are given back by way of ``revoked``. Idempotent."""
        self.consumer.close()

    # Callbacks, called by the client inside poll() and close()

    def _assign(self, _consumer: Consumer, positions: list[TopicPartition]) -> None:
        partitions = partitions_of(positions)
        with self._guarded():
            self._held.update(partitions)
            self._bounced |= self._left & set(partitions)
            self._on_assigned(partitions)
            # Explicitly and in this order: paused before they are assigned they would fetch all the same, and
            # partitions that were paused when they left come back paused.
            self.consumer.incremental_assign(positions)
            self._conform(partitions)

    def _revoke(self, _consumer: Consumer, positions: list[TopicPartition]) -> None:
        self._leave(self._on_revoked, positions)

    def _lose(self, _consumer: Consumer, positions: list[TopicPartition]) -> None:
        self._leave(self._on_lost, positions)

    def _leave(self, tell: Callable[[list[Partition]], None], positions: list[TopicPartition]) -> None:
        partitions = partitions_of(positions)
        with self._guarded():
            tell(partitions)
        with self._guarded():
            self._held.difference_update(partitions)
            self._left.update(partitions)
            self.consumer.incremental_unassign(positions)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """An exception must not unwind through the client: it is raised once the poll is over."""
        self._looked = float("-inf")  # a callback means a new generation
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised by poll()
            self._callback_error = self._callback_error or error

    def _answered(self, error: KafkaError | None, positions: list[TopicPartition]) -> None:
        """A commit was answered."""
        with self._commit_lock:
            waiting = self._commit
            # The answer to one that was given up says nothing about the next.
            if waiting is None or not waiting.asked_for(positions):
                return
            self._commit = None
        waiting.error = error or next((position.error for position in positions if position.error), None)
        waiting.done.set()

    def _client_error(self, error: KafkaError) -> None:
        """What the client says outside of any partition."""
        if error.code() in {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT}:  # noqa: SLF001
            self._trouble = time.monotonic()
        if stops_consumer(error):
            self._callback_error = BrokerError(f"the broker refuses us: {error.str()}")
        elif self._news(error, None):
            self.log.warning("client_error", error=error.str(), code=error.name())

    def _complaint(self, message: Message) -> None:
        error = message.error()
        assert error is not None  # noqa: S101 - split() put it here for its error
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            self._no_offset(Partition(str(message.topic()), int(message.partition() or 0)), error)
        else:
            self._judge(KafkaException(error), error, message.topic())

    def _judge(self, cause: Exception, error: KafkaError | None, topic: str | None = None) -> None:
        if error is None or stops_consumer(error):
            raise BrokerError(f"cannot consume {topic or ', '.join(self.topics)}: {error or cause}") from cause
        if self._news(error, topic):
            self.log.warning("consumer_error", error=error.str(), code=error.name(), topic=topic)

    def _news(self, error: KafkaError, topic: str | None) -> bool:
        """Whether a complaint was not made just now."""
        now = time.monotonic()
        said = self._said.get((error.code(), topic), float("-inf"))
        if now - said < QUIET:
            return False
        self._said[error.code(), topic] = now
        return True

    def _no_offset(self, partition: Partition, error: KafkaError) -> None:
        """A partition has no offset to begin at: either none was ever committed, or what it names is gone."""
        position = TopicPartition(partition.topic, partition.number)
        try:
            (answer,) = self.consumer.committed([position], timeout=COMMITTED_TIMEOUT)
        except KafkaException as failure:
            self.log.warning("offset_unknown", topic=partition.topic, partition=partition.number, error=str(failure))
            self._restart(partition, OFFSET_STORED)  # which will complain again
            return
        if answer.offset >= 0:
            place = f"{partition.topic}[{partition.number}]"
            if self.options.offset_gone == "error":
                raise OffsetGoneError(
                    f"{place}: the group stands at offset {answer.offset}, which is gone ({error.str()}). Records may "
                    "be lost. Set offset_gone to 'earliest' to go on with what is left, or move the group's offset."
                )
            self.log.error("offset_gone", topic=partition.topic, partition=partition.number, offset=answer.offset)
        self._restart(partition, OFFSET_BEGINNING)

    def _restart(self, partition: Partition, offset: int) -> None:
        """Assign a partition anew at an offset: works in whatever state its fetching is."""
        if partition not in self._held:
            return
        position = TopicPartition(partition.topic, partition.number, offset)
        self.consumer.incremental_unassign([position])
        self.consumer.incremental_assign([position])
        self._conform([partition])

    def _conform(self, partitions: Sequence[Partition]) -> None:
        """Pause or resume partitions that were just assigned, as all others are."""
        flowing = [] if self.paused else self._open(partitions)
        self.consumer.pause(self._positions(partition for partition in partitions if partition not in flowing))
        self.consumer.resume(self._positions(flowing))

    @staticmethod
    def _positions(partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for topic, number in partitions]


def partitions_of(positions: Iterable[TopicPartition]) -> list[Partition]:
    """The client's partitions as ours."""
    return [Partition(position.topic, position.partition) for position in positions]


def split(first: Message, rest: Sequence[Message]) -> tuple[Runs, list[Message]]:
    """Records by partition, and the messages that are errors. The one loop that runs for every record."""
    runs: Runs = {}
    failures: list[Message] = []
    make = tuple.__new__  # a NamedTuple's own constructor costs twice as much
    last_topic: str | None = None
    last_number: int | None = None
    append: Callable[[Record], None] | None = None
    for message in (first, *rest):
        if message.error() is not None:
            failures.append(message)
            continue
        topic, number = message.topic(), message.partition()
        if append is None or number != last_number or topic != last_topic:
            last_topic, last_number = topic, number
            append = runs.setdefault(Partition(topic, number), []).append  # type: ignore[arg-type]
        append(
            make(
                Record,
                (
                    topic,
                    number,
                    message.offset(),
                    message.key(),
                    message.value(),
                    message.headers() or (),
                    message.timestamp()[1],
                ),
            )
        )
    return runs, failures
