"""Laws of the committing thread's decisions, with a writer that fails by script; the real ones are tested on Kafka."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from consumer.observe.metrics import DEAD_LETTERS, OUTPUTS, RECORDS, TRANSACTIONS, Metrics
from consumer.stream import transaction
from consumer.stream.backoff import Backoff
from consumer.stream.deadletter import dead_letter
from consumer.stream.errors import BrokerError, FencedError, UndeliverableError
from consumer.stream.ledger import Ledger
from consumer.stream.options import StreamOptions
from consumer.stream.transaction import Committer
from consumer.stream.types import Lease, Output, Partition, Record, Settlement
from consumer.stream.writer import AbortedError, BrokenError, Offsets, RefusedError

P, Q = Partition("t", 0), Partition("t", 1)
SECONDS = 20.0
ROLE = "test"

Step = Callable[[], None]


def nothing() -> None:
    """A step that works."""


def raising(error: Exception) -> Step:
    """A step that fails."""

    def fail() -> None:
        raise error

    return fail


@dataclass
class Broker:
    """What scripted writers write to: it keeps what was committed."""

    outputs: list[Output] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)
    opens: list[Step] = field(default_factory=list)
    writes: list[Step] = field(default_factory=list)
    questions: list[Step] = field(default_factory=list)
    writers: int = 0
    attempts: list[list[Output]] = field(default_factory=list)

    def commit(self) -> None:
        """Take the last attempt."""
        self.outputs += self.attempts[-1]
        self.offsets |= self.last

    last: dict[Partition, int] = field(default_factory=dict)


class Scripted:
    """A Writer that does what its broker's script says, and works where that ends."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.step, self.step_since = "", time.monotonic()
        broker.writers += 1

    def at(self, step: str) -> None:
        """See Writer."""
        self.step, self.step_since = step, time.monotonic()

    def open(self, seconds: float) -> None:  # noqa: ARG002 - see Writer
        """See Writer."""
        if self.broker.opens:
            self.broker.opens.pop(0)()

    def write(self, outputs: Sequence[Output], offsets: Offsets, valid: Callable[[], bool]) -> None:
        """See Writer."""
        self.broker.attempts.append(list(outputs))
        self.broker.last = dict(offsets)
        if self.broker.writes:
            self.broker.writes.pop(0)()
        if not valid():
            raise AbortedError("partitions left")
        self.broker.commit()

    def committed(self, offsets: Offsets, seconds: float) -> bool:  # noqa: ARG002 - see Writer
        """See Writer."""
        if self.broker.questions:
            self.broker.questions.pop(0)()
        return all(self.broker.offsets.get(partition, 0) >= offset for partition, offset in offsets.items())

    def close(self) -> None:
        """See Writer."""


class Scene:
    """A ledger, a broker and a committer between them."""

    def __init__(self, **changes: float) -> None:
        self.options = StreamOptions(bootstrap="x", group="g", instance="i", **changes)  # type: ignore[arg-type]
        self.broker, self.ledger, self.metrics = Broker(), Ledger(), Metrics()
        self.errors: list[BaseException] = []
        self.failed = threading.Event()
        self.committer = Committer(
            self.ledger,
            lambda: Scripted(self.broker),
            self.options,
            dead_letter=lambda record, error: dead_letter(record, group="g", stage="produce", error=error),
            failed=self._fail,
            metrics=self.metrics,
            role=ROLE,
        )
        self.ledger.assign([P, Q])

    def _fail(self, error: BaseException) -> None:
        self.errors.append(error)
        self.failed.set()

    def lend(self, partition: Partition, *offsets: int) -> Lease:
        """A lease."""
        records = [Record("t", partition.number, offset, None, str(offset).encode(), (), 0) for offset in offsets]
        (lease,) = self.ledger.lend([(partition, records)])
        return lease

    def settle(self, *leases: Lease, committed: Callable[[], None] | None = None, causes: bool = True) -> None:
        """Settle as one group, one output a record."""
        outputs = [
            Output("out", None, record.value, (), record if causes else None)
            for lease in leases
            for record in lease.records
        ]
        self.ledger.settle([Settlement(leases[0], outputs, committed, leases[1:])])

    def quiet(self) -> None:
        """Wait until all that can commit has."""
        end = time.monotonic() + SECONDS
        while self.ledger.in_flight() or not self.ledger.quiet():
            assert time.monotonic() < end, "not committed in time"
            self.ledger.await_change(self.ledger.changes, 0.01)

    def fails(self) -> BaseException:
        """The error it ends with."""
        assert self.failed.wait(SECONDS)
        return self.errors[0]

    @property
    def values(self) -> list[bytes | None]:
        """What was committed."""
        return [output.value for output in self.broker.outputs]

    def result(self, result: str) -> float:
        """How many transactions ended so."""
        return self.metrics.value(TRANSACTIONS, role=ROLE, result=result)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "BACKOFF", Backoff(first=0.001, longest=0.002))


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A scene whose committer is stopped in the end."""
    scene = Scene()
    yield scene
    assert scene.committer.close(SECONDS)


def test_commits_are_counted_and_told(scene: Scene) -> None:
    """Records and outputs count when they are committed; so are callbacks called, once."""
    told: list[int] = []
    scene.settle(scene.lend(P, 0, 1), committed=lambda: told.append(1))
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"0", b"1"]
    assert scene.broker.offsets == {P: 2}
    scene.committer.close(SECONDS)
    assert told == [1]
    assert scene.metrics.value(RECORDS, role=ROLE, topic="t") == 2
    assert scene.metrics.value(OUTPUTS, role=ROLE, topic="out") == 2


def test_results_gather_while_a_transaction_runs(scene: Scene) -> None:
    """What becomes ready during one transaction leaves in the next, together."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert go_on.wait(SECONDS)

    scene.broker.writes = [slow]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    assert begun.wait(SECONDS)
    for offset in range(1, 6):
        scene.settle(scene.lend(P, offset))
    go_on.set()
    scene.quiet()
    assert [len(attempt) for attempt in scene.broker.attempts] == [1, 5]


def test_an_aborted_attempt_is_made_again(scene: Scene) -> None:
    """Nothing was committed: the same again."""
    scene.broker.writes = [raising(AbortedError("x")), raising(AbortedError("x"))]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"0"]
    assert scene.result("aborted") == 2
    assert not scene.committer.failing


def test_an_unknown_outcome_that_was_a_commit_is_not_repeated(scene: Scene) -> None:
    """The producer broke after the broker had committed: the group tells, and nothing is written twice."""

    def commit_and_break() -> None:
        scene.broker.commit()
        raise BrokenError("no answer")

    scene.broker.writes = [commit_and_break]
    scene.broker.questions = [raising(AbortedError("coordinator away"))]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"0"]
    assert scene.broker.writers == 2
    assert scene.result("rebuilt") == 1
    assert scene.metrics.value(RECORDS, role=ROLE, topic="t") == 1


def test_an_unknown_outcome_that_was_none_is_repeated(scene: Scene) -> None:
    """The producer broke before anything was committed: a new one does the same work."""
    scene.broker.writes = [raising(BrokenError("fenced"))]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"0"]
    assert scene.broker.writers == 2


def test_what_left_during_an_attempt_does_not_commit(scene: Scene) -> None:
    """Partitions that leave in mid-transaction take their outputs along; the rest goes on."""
    scene.broker.writes = [lambda: scene.ledger.revoke([P])]
    scene.settle(scene.lend(P, 0))
    scene.settle(scene.lend(Q, 5))
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"5"]
    assert scene.broker.offsets == {Q: 6}


def test_a_refused_output_becomes_the_dead_letter_of_its_cause(scene: Scene) -> None:
    """Of a batch, only the record whose output is refused is given up."""
    scene.broker.writes = [raising(RefusedError(1, ValueError("too large")))]
    scene.settle(scene.lend(P, 0, 1, 2))
    scene.committer.start()
    scene.quiet()
    assert [(output.topic, output.value) for output in scene.broker.outputs] == [
        ("out", b"0"),
        ("out", b"2"),
        ("t.g.dlq", b"1"),
    ]
    assert scene.metrics.value(DEAD_LETTERS, role=ROLE, topic="t", stage="produce") == 1


def test_without_a_cause_all_records_of_the_settlement_are_given_up(scene: Scene) -> None:
    """Nobody can tell which record it was: rather all dead letters than one lost."""
    scene.broker.writes = [raising(RefusedError(0, ValueError("too large")))]
    scene.settle(scene.lend(P, 0, 1), causes=False)
    scene.settle(scene.lend(Q, 7), causes=False)
    scene.committer.start()
    scene.quiet()
    assert sorted((output.topic, output.value) for output in scene.broker.outputs) == [
        ("out", b"7"),
        ("t.g.dlq", b"0"),
        ("t.g.dlq", b"1"),
    ]


def test_a_refused_output_of_no_record_is_dropped(scene: Scene) -> None:
    """Recovered outputs have no record to give up; the others go out."""
    scene.broker.writes = [raising(RefusedError(0, ValueError("too large")))]
    scene.ledger.settle([Settlement(None, [Output("out", None, b"large"), Output("out", None, b"small")])])
    scene.committer.start()
    scene.quiet()
    assert scene.values == [b"small"]


def test_a_refused_dead_letter_stops_everything(scene: Scene) -> None:
    """There is nowhere left to put the record: better to stop than to lose it."""
    scene.broker.writes = [raising(RefusedError(0, ValueError("too large")))] * 2
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    error = scene.fails()
    assert isinstance(error, UndeliverableError)
    assert "t.g.dlq" in str(error)
    assert scene.broker.outputs == []


def test_a_start_is_tried_again(scene: Scene) -> None:
    """Not ready until the writer is open."""
    go_on = threading.Event()

    def slow() -> None:
        assert go_on.wait(SECONDS)
        raise AbortedError("not yet")

    scene.broker.opens = [slow]
    scene.committer.start()
    assert not scene.committer.ready
    go_on.set()
    scene.settle(scene.lend(P, 0))
    scene.quiet()
    assert scene.committer.ready


def test_failing_for_too_long_is_an_error() -> None:
    """A supervisor has to know: after the budget the committer gives up, having lost nothing."""
    scene = Scene(give_up=0.05)
    scene.broker.writes = [raising(AbortedError("away"))] * 10_000
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    assert isinstance(scene.fails(), BrokerError)
    assert scene.committer.failing
    assert scene.committer.close(SECONDS)


def test_losing_producer_after_producer_is_an_error(scene: Scene) -> None:
    """Two replicas of one name would fence each other for ever: said so, and stopped."""
    scene.broker.writes = [raising(BrokenError("fenced"))] * 100
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    error = scene.fails()
    assert isinstance(error, FencedError)
    assert "'i'" in str(error)


def test_fault_12_a_call_that_hangs_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog leaves thread and producer behind; the next asks the group, and what the first says late is void."""
    monkeypatch.setattr(transaction, "HANG", 0.05)
    begun, wake = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert wake.wait(SECONDS)
        raise AbortedError("far too late")

    scene.broker.writes = [hang]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    first = scene.committer._life
    assert first is not None
    assert begun.wait(SECONDS)
    end = time.monotonic() + SECONDS
    while scene.committer._life is first and time.monotonic() < end:
        scene.committer.watch()
        time.sleep(0.01)
    scene.quiet()
    assert scene.values == [b"0"]
    assert scene.broker.writers == 2
    wake.set()
    first.join(SECONDS)
    assert not first.is_alive()
    assert scene.errors == []
    scene.settle(scene.lend(P, 1))
    scene.quiet()
    assert scene.values == [b"0", b"1"]


def test_a_hanging_commit_that_succeeded_late_counts_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction of the producer given up did commit: the next life finds it done."""
    monkeypatch.setattr(transaction, "HANG", 0.05)
    wake = threading.Event()

    def commit_and_hang() -> None:
        scene.broker.commit()
        assert wake.wait(SECONDS)
        raise AbortedError("far too late")

    scene.broker.writes = [commit_and_hang]
    scene.settle(scene.lend(P, 0))
    scene.committer.start()
    end = time.monotonic() + SECONDS
    while scene.ledger.in_flight() and time.monotonic() < end:
        scene.committer.watch()
        time.sleep(0.01)
    wake.set()
    assert scene.values == [b"0"]


def test_stopping_while_the_broker_is_away_ends_at_once(scene: Scene) -> None:
    """A stop does not wait for the next attempt."""
    tried = threading.Event()

    def away() -> None:
        tried.set()
        raise AbortedError("away")

    scene.broker.opens = [away] * 100_000
    scene.committer.start()
    assert tried.wait(SECONDS)
    assert scene.committer.close(SECONDS)
    assert scene.errors == []


def test_a_committer_that_never_started_closes() -> None:
    """A loop that fails early closes what it has."""
    assert Scene().committer.close(0)
