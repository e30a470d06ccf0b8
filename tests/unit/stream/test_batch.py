"""Laws of work in batches: outages are waited out, poison is found and set apart, what left is dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import pytest

from consumer.observe.metrics import DEAD_LETTERS, OUTAGES, PARKED, PAUSED, RETRIES, Metrics
from consumer.stream.backoff import Backoff
from consumer.stream.batch import BatchOptions, BatchWorker
from consumer.stream.deadletter import read_dead_letter
from consumer.stream.errors import PoisonError
from consumer.stream.outcomes import Outcome
from consumer.stream.types import Handled, Lease, Output, Partition, Record, Settlement, UnavailableError

P, Q = Partition("t", 0), Partition("t", 1)
SECONDS = 20.0
ROLE = "test"


def lease(partition: Partition, *offsets: int) -> Lease:
    """A lease over records at these offsets."""
    records = [
        Record(partition.topic, partition.number, offset, None, str(offset).encode(), (), 0) for offset in offsets
    ]
    return Lease(partition, 1, records, offsets[-1] + 1)


class Desk:
    """A Settler that keeps what it gets."""

    def __init__(self) -> None:
        self.settled: list[Settlement] = []
        self.released: list[Lease] = []
        self.error: BaseException | None = None
        self._changed = threading.Condition()

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """See Settler."""
        with self._changed:
            self.settled += settlements
            self._changed.notify_all()

    def release(self, leases: Iterable[Lease]) -> None:
        """See Settler."""
        self.released += leases

    def fail(self, error: BaseException) -> None:
        """See Settler."""
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def wait(self, count: int) -> list[Settlement]:
        """The settlements, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.settled) >= count or self.error, SECONDS)
        if self.error is not None:
            raise self.error
        return self.settled

    def failure(self) -> BaseException:
        """The error, once there is one."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.error is not None, SECONDS)
        assert self.error is not None
        return self.error


class Script:
    """A BatchHandler whose every step a test may replace."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.idles = threading.Semaphore(0)
        self.on_handle: Callable[[Sequence[Record]], None] = lambda _: None
        self.on_assigned: Callable[[Sequence[Partition]], Handled] = lambda _: Handled()
        self.on_idle: Callable[[], None] = lambda: None

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """See BatchHandler."""
        return self.on_assigned(partitions)

    def handle(self, records: Sequence[Record]) -> Handled:
        """See BatchHandler."""
        self.batches.append([record.offset for record in records])
        self.on_handle(records)
        return Handled([Output("out", None, record.value) for record in records])

    def idle(self) -> None:
        """See BatchHandler."""
        self.idles.release()
        self.on_idle()


@pytest.fixture
def desk() -> Desk:
    """Where results arrive."""
    return Desk()


@pytest.fixture
def script() -> Script:
    """The handler."""
    return Script()


@pytest.fixture
def metrics() -> Metrics:
    """The metrics."""
    return Metrics()


@pytest.fixture
def worker(script: Script, metrics: Metrics) -> Iterator[BatchWorker]:
    """A worker with quick pauses; it is closed in the end."""
    options = BatchOptions(records=4, backoff=Backoff(first=0.001, longest=0.01), idle=0.01, breaker=6)
    worker = BatchWorker(script, metrics, role=ROLE, group="g", options=options)
    yield worker
    script.on_idle = lambda: None
    worker.close()


def values(settlement: Settlement) -> list[bytes | None]:
    """Values of its outputs."""
    return [output.value for output in settlement.outputs]


def test_leases_that_wait_become_one_batch(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Runs of several partitions are worked together and settled as one group, up to about a batch's records."""
    leases = [lease(P, 0, 1), lease(Q, 5), lease(P, 2, 3), lease(Q, 6)]
    worker.submit(leases)
    worker.start(desk)
    first, second = desk.wait(2)
    assert script.batches == [[0, 1, 5], [2, 3, 6]]
    assert list(first.leases) == leases[:2]
    assert list(second.leases) == leases[2:]
    assert values(first) == [b"0", b"1", b"5"]


def test_a_lease_larger_than_a_batch_is_worked_whole(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Leases are never cut."""
    worker.submit([lease(P, *range(9))])
    worker.start(desk)
    desk.wait(1)
    assert script.batches == [list(range(9))]


def test_room_is_what_is_not_settled_yet(worker: BatchWorker, desk: Desk) -> None:
    """Capacity counts records taken and not settled, so that two batches are ahead of the commits at most."""
    assert worker.capacity() == 8
    worker.submit([lease(P, 0, 1, 2)])
    assert worker.capacity() == 5
    worker.start(desk)
    desk.wait(1)
    assert worker.capacity() == 8


def test_what_a_predecessor_left_comes_first(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Recovered outputs are settled without a lease, before the records of the partitions that arrived."""
    script.on_assigned = lambda partitions: Handled([Output("out", None, partitions[0].topic.encode())])
    worker.assigned([P])
    worker.submit([lease(P, 0)])
    worker.start(desk)
    recovered, worked = desk.wait(2)
    assert recovered.leases == ()
    assert values(recovered) == [b"t"]
    assert values(worked) == [b"0"]


def test_an_outage_is_waited_out(worker: BatchWorker, script: Script, desk: Desk, metrics: Metrics) -> None:
    """Nothing is dead-lettered while something is out; the same records again, until they work; health can see it."""
    attempts = iter(range(100))
    seen: list[tuple[object, float]] = []

    def shaky(_: Sequence[Record]) -> None:
        if next(attempts) < 3:
            raise UnavailableError("store", "no answer")
        seen.append((tuple(worker.unavailable()), metrics.value(PAUSED, role=ROLE, reason="unavailable")))

    script.on_handle = shaky
    worker.submit([lease(P, 0, 1)])
    worker.start(desk)
    (settlement,) = desk.wait(1)
    assert script.batches == [[0, 1]] * 4
    assert values(settlement) == [b"0", b"1"]
    assert seen == [(("store",), 1.0)]
    assert worker.unavailable() == ()
    assert metrics.value(OUTAGES, role=ROLE, what="store") == 3
    assert metrics.value(PAUSED, role=ROLE, reason="unavailable") == 0


def test_partitions_that_leave_in_an_outage_take_their_records_along(
    worker: BatchWorker, script: Script, desk: Desk
) -> None:
    """What left is not tried again; what stayed is."""
    tried, gone = threading.Event(), threading.Event()

    def out(_: Sequence[Record]) -> None:
        tried.set()
        if not gone.is_set():
            raise UnavailableError("database", "away")

    script.on_handle = out
    stays, leaves = lease(P, 0), lease(Q, 1)
    worker.submit([stays, leaves])
    worker.start(desk)
    assert tried.wait(SECONDS)
    worker.revoked([Q])
    gone.set()
    (settlement,) = desk.wait(1)
    assert list(settlement.leases) == [stays]
    assert script.batches[-1] == [0]


def test_what_one_partition_waits_for_holds_up_no_other(
    worker: BatchWorker, script: Script, desk: Desk, metrics: Metrics
) -> None:
    """It alone is put off and held back, the others' batches go through meanwhile, and its own order is kept."""
    back = threading.Event()

    def one_is_out(records: Sequence[Record]) -> None:
        if any(record.partition == Q.number for record in records) and not back.is_set():
            raise UnavailableError("registry", "status 500")

    script.on_handle = one_is_out
    worker.submit([lease(P, 0), lease(Q, 10), lease(Q, 11)])
    worker.start(desk)
    desk.wait(1)
    for offset in range(1, 6):
        worker.submit([lease(P, offset)])
        desk.wait(1 + offset)
    assert [one.leases[0].partition for one in desk.settled] == [P] * 6
    assert worker.held_back() == {Q}
    assert worker.capacity() == 8, "what is put off takes no room"
    assert worker.unavailable() == (), "nothing is out for everybody"
    assert metrics.value(PARKED, role=ROLE) == 1
    back.set()
    settled = [record.offset for one in desk.wait(7) for each in one.leases for record in each.records]
    assert settled == [0, 1, 2, 3, 4, 5, 10, 11]
    assert worker.held_back() == frozenset()
    assert metrics.value(PARKED, role=ROLE) == 0
    assert metrics.value(RETRIES, stage="handle") > 0


def test_what_must_stop_is_no_poison(script: Script, metrics: Metrics, desk: Desk) -> None:
    """An error that the judge stops at costs no dead letter: the loop fails with it."""
    judge: dict[type[Exception], Outcome] = {ValueError: Outcome.STOP}
    worker = BatchWorker(script, metrics, role=ROLE, group="g", judge=lambda error: judge[type(error)])

    def denied(_: Sequence[Record]) -> None:
        raise ValueError("access denied")

    script.on_handle = denied
    worker.submit([lease(P, 0, 1)])
    worker.start(desk)
    assert str(desk.failure()) == "access denied"
    assert desk.settled == []
    worker.close()


def test_all_partitions_leaving_in_an_outage_end_the_attempt(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """The worker is free again at once, whatever is out."""
    tried = threading.Event()

    def out(_: Sequence[Record]) -> None:
        tried.set()
        raise UnavailableError("database", "away")

    script.on_handle = out
    worker.submit([lease(P, 0)])
    worker.start(desk)
    assert tried.wait(SECONDS)
    worker.revoked([P])
    assert script.idles.acquire(timeout=SECONDS), "it rests"
    assert worker.capacity() == 8
    assert desk.settled == []


def test_partitions_that_all_leave_while_their_batch_fails_end_the_attempt_after_a_success_too(
    worker: BatchWorker, script: Script, desk: Desk
) -> None:
    """Nothing is left that could be put off; the worker goes on with what comes next."""
    worker.submit([lease(P, 0)])
    worker.start(desk)
    desk.wait(1)

    def gone(_: Sequence[Record]) -> None:
        script.on_handle = lambda _: None
        worker.revoked([Q])
        worker.submit([lease(P, 1)])
        raise UnavailableError("database", "away")

    script.on_handle = gone
    worker.submit([lease(Q, 7)])
    assert [one.leases[0].records[0].offset for one in desk.wait(2)] == [0, 1]
    assert worker.capacity() == 8


def test_poison_is_found_and_set_apart(worker: BatchWorker, script: Script, desk: Desk, metrics: Metrics) -> None:
    """One bad record costs a few more calls, and nothing else: its neighbours are worked, it is dead-lettered."""

    class BadError(ValueError):
        stage = "decode"

    def picky(records: Sequence[Record]) -> None:
        if any(record.offset == 5 for record in records):
            raise BadError("no magic byte")

    script.on_handle = picky
    worker.submit([lease(P, *range(8))])
    worker.start(desk)
    (settlement,) = desk.wait(1)
    assert values(settlement) == [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"]
    (letter,) = [output for output in settlement.outputs if output.topic == "t.g.dlq"]
    back = read_dead_letter(Record(letter.topic, 0, 0, letter.key, letter.value, letter.headers, 0))
    assert (back.offset, back.stage, back.message) == (5, "decode", "no magic byte")
    assert len(script.batches) < 8, "halves, not one by one"
    assert metrics.value(DEAD_LETTERS, role=ROLE, topic="t", stage="decode") == 1


def test_callbacks_of_a_divided_batch_are_all_called(worker: BatchWorker, desk: Desk) -> None:
    """When a batch was worked in parts, the commit tells every part."""
    called: list[int] = []

    class Telling(Script):
        def handle(self, records: Sequence[Record]) -> Handled:
            """Each part wants to know."""
            super().handle(records)
            if len(records) > 1:
                raise ValueError("one at a time, please")
            return Handled([], lambda: called.append(records[0].offset))

    worker.handler = Telling()
    worker.submit([lease(P, 0, 1, 2)])
    worker.start(desk)
    (settlement,) = desk.wait(1)
    assert settlement.committed is not None
    settlement.committed()
    assert called == [0, 1, 2]


def test_nothing_but_poison_stops_consumption(
    worker: BatchWorker, script: Script, desk: Desk, metrics: Metrics
) -> None:
    """When record after record fails, the fault is ours: nothing is dead-lettered, the loop stops."""

    def always(_: Sequence[Record]) -> None:
        raise KeyError("a bad deploy")

    script.on_handle = always
    worker.submit([lease(P, *range(8))])
    worker.start(desk)
    error = desk.failure()
    assert isinstance(error, PoisonError)
    assert "6 records in a row" in str(error)
    assert desk.settled == []
    assert metrics.value(DEAD_LETTERS, role=ROLE, topic="t", stage="handle") == 0


def test_a_success_resets_the_breaker(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Poison in between good records never trips it."""

    def odd(records: Sequence[Record]) -> None:
        if any(record.offset % 2 for record in records):
            raise ValueError("odd")

    script.on_handle = odd
    for start in range(0, 40, 4):
        worker.submit([lease(P, *range(start, start + 4))])
    worker.start(desk)
    desk.wait(10)


def test_background_duties_run_while_nothing_waits(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Idle calls go on, and stop for records."""
    worker.start(desk)
    for _ in range(3):
        assert script.idles.acquire(timeout=SECONDS)
    worker.submit([lease(P, 0)])
    desk.wait(1)
    assert script.idles.acquire(timeout=SECONDS)


def test_records_interrupt_an_idle_outage(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """A background duty whose part is out does not hold up new records."""

    def out() -> None:
        raise UnavailableError("registry", "away")

    script.on_idle = out
    worker.start(desk)
    assert script.idles.acquire(timeout=SECONDS)
    worker.submit([lease(P, 0)])
    desk.wait(1)


def test_a_broken_duty_stops_the_loop(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """Background duties have no record to blame: their errors are the loop's."""

    def broken() -> None:
        raise ZeroDivisionError("duty")

    script.on_idle = broken
    worker.start(desk)
    assert isinstance(desk.failure(), ZeroDivisionError)


def test_recovery_survives_an_outage(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """What is owed is asked for again until it is there, and for partitions that arrived meanwhile as well."""
    asked: list[list[Partition]] = []
    first = threading.Event()

    def owed(partitions: Sequence[Partition]) -> Handled:
        asked.append(list(partitions))
        first.set()
        if len(partitions) < 2:
            raise UnavailableError("database", "away")
        return Handled([Output("out", None, b"owed")])

    script.on_assigned = owed
    worker.assigned([P])
    worker.start(desk)
    assert first.wait(SECONDS)
    worker.assigned([Q])
    desk.wait(1)
    assert asked[-1] == [P, Q]


def test_what_leaves_is_not_recovered(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """A partition that leaves during the outage is its next owner's business."""
    asked = threading.Event()

    def owed(_: Sequence[Partition]) -> Handled:
        asked.set()
        raise UnavailableError("database", "away")

    script.on_assigned = owed
    worker.assigned([P])
    worker.start(desk)
    assert asked.wait(SECONDS)
    worker.revoked([P])
    assert script.idles.acquire(timeout=SECONDS)


def test_draining_finishes_the_batch_and_hands_back_the_rest(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """What was begun is settled, what waits is released, nothing starts any more."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Sequence[Record]) -> None:
        begun.set()
        assert go_on.wait(SECONDS)

    script.on_handle = slow
    working, waiting = lease(P, 0, 1, 2, 3), lease(P, 4)
    worker.submit([working, waiting])
    worker.start(desk)
    assert begun.wait(SECONDS)
    assert not worker.drain(0.01), "the budget ends first"
    assert desk.released == [waiting]
    go_on.set()
    assert worker.drain(SECONDS)
    assert [list(one.leases) for one in desk.settled] == [[working]]
    worker.submit([lease(P, 5)])
    worker.close()
    assert len(script.batches) == 1


def test_draining_ends_an_outage(worker: BatchWorker, script: Script, desk: Desk) -> None:
    """A stop does not wait until something is back."""
    tried = threading.Event()

    def out(_: Sequence[Record]) -> None:
        tried.set()
        raise UnavailableError("store", "away")

    script.on_handle = out
    worker.submit([lease(P, 0)])
    worker.start(desk)
    assert tried.wait(SECONDS)
    assert worker.drain(SECONDS)
    assert desk.settled == []


def test_what_waits_is_released_when_its_partition_leaves(worker: BatchWorker, desk: Desk, script: Script) -> None:
    """The loop need not wait for what was never begun."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Sequence[Record]) -> None:
        begun.set()
        assert go_on.wait(SECONDS)

    script.on_handle = slow
    waiting = lease(Q, 9)
    worker.submit([lease(P, 0, 1, 2, 3), waiting])
    worker.start(desk)
    assert begun.wait(SECONDS)
    worker.revoked([Q])
    assert desk.released == [waiting]
    go_on.set()
    desk.wait(1)
    assert worker.capacity() == 8


def test_closing_calls_the_duties_once_more(script: Script, metrics: Metrics, desk: Desk) -> None:
    """The last of the background work is done before the end; that it is out then is no error. Twice is no harm."""
    worker = BatchWorker(script, metrics, role=ROLE, group="g", options=BatchOptions(idle=SECONDS))
    worker.start(desk)
    assert script.idles.acquire(timeout=SECONDS)

    def out() -> None:
        raise UnavailableError("store", "away")

    script.on_idle = out
    worker.close()
    worker.close()
    assert script.idles.acquire(timeout=0)
    assert desk.error is None


def test_a_handler_that_hangs_is_left_behind(script: Script, metrics: Metrics, desk: Desk) -> None:
    """The end does not wait for ever."""
    begun, go_on = threading.Event(), threading.Event()

    def hang(_: Sequence[Record]) -> None:
        begun.set()
        assert go_on.wait(SECONDS)

    script.on_handle = hang
    worker = BatchWorker(script, metrics, role=ROLE, group="g", options=BatchOptions(close=0.01))
    worker.submit([lease(P, 0)])
    worker.start(desk)
    assert begun.wait(SECONDS)
    worker.close()
    go_on.set()
    worker._thread.join(SECONDS)
    assert not worker._thread.is_alive()


def test_a_worker_that_never_started_closes() -> None:
    """A loop that fails before its start closes what it has."""
    BatchWorker(Script(), Metrics(), role=ROLE, group="g").close()


class Busy(Script):
    """A handler with long work of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Collection[Partition]] = []
        self.on_background: Callable[[], Handled | None] = lambda: None

    def background(self, held: Collection[Partition]) -> Handled | None:
        """See WorksInBackground."""
        self.held.append(held)
        return self.on_background()


@pytest.fixture
def busy(worker: BatchWorker) -> Busy:
    """The worker's handler, with work of its own."""
    handler = Busy()
    worker.handler = handler
    return handler


def test_background_work_is_published_without_offsets(worker: BatchWorker, busy: Busy, desk: Desk) -> None:
    """Piece by piece while no records wait, and no further ahead than what is being published."""
    pieces = iter(range(5))
    told: list[int] = []

    def piece() -> Handled | None:
        number = next(pieces, None)
        if number is None:
            return None
        return Handled([Output("out", None, b"%d" % number)], lambda: told.append(number))

    busy.on_background = piece
    worker.assigned([P])
    worker.start(desk)
    first, second = desk.wait(2)
    assert [values(one) for one in (first, second)] == [[b"0"], [b"1"]]
    assert (first.leases, second.leases) == ((), ())
    assert set(busy.held) == {frozenset([P])}
    assert busy.idles.acquire(timeout=SECONDS), "it rests until one is published"
    assert len(desk.settled) == 2
    for one in (first, second):
        assert one.committed is not None
        one.committed()
    assert [values(one) for one in desk.wait(4)[2:]] == [[b"2"], [b"3"]]
    assert told == [0, 1]


def test_a_piece_comes_between_two_batches(worker: BatchWorker, busy: Busy, desk: Desk) -> None:
    """Neither holds the other up: records do not wait for all of it, and it does not wait for all records."""
    order: list[str] = []
    busy.on_handle = lambda _: order.append("batch")
    remaining = iter(range(2))

    def piece() -> Handled | None:
        if next(remaining, None) is None:
            return None
        order.append("piece")
        return Handled()

    busy.on_background = piece
    worker.submit([lease(P, 0, 1, 2, 3), lease(P, 4, 5, 6, 7), lease(P, 8)])
    worker.start(desk)
    desk.wait(3)
    assert order == ["batch", "piece", "batch", "piece", "batch"]


def test_records_interrupt_background_work_that_cannot_go_on(worker: BatchWorker, busy: Busy, desk: Desk) -> None:
    """What it needs is out: new records are taken meanwhile, and it is tried again after them."""

    tried = threading.Semaphore(0)

    def out() -> Handled | None:
        tried.release()
        raise UnavailableError("database", "away")

    busy.on_background = out
    worker.assigned([P])
    worker.start(desk)
    assert tried.acquire(timeout=SECONDS)
    worker.submit([lease(P, 0), lease(P, 1, 2, 3, 4)])
    assert [values(one)[0] for one in desk.wait(2)] == [b"0", b"1"]
    assert tried.acquire(timeout=SECONDS)


def test_broken_background_work_stops_the_loop(worker: BatchWorker, busy: Busy, desk: Desk) -> None:
    """It has no record to blame either."""

    def broken() -> Handled | None:
        raise ZeroDivisionError("piece")

    busy.on_background = broken
    worker.start(desk)
    assert isinstance(desk.failure(), ZeroDivisionError)


def test_no_piece_begins_while_draining(worker: BatchWorker, busy: Busy, desk: Desk) -> None:
    """A stop does not wait for more of it."""
    begun, go_on = threading.Event(), threading.Event()
    pieces: list[int] = []

    def piece() -> Handled | None:
        pieces.append(1)
        begun.set()
        assert go_on.wait(SECONDS)
        return Handled()

    busy.on_background = piece
    worker.start(desk)
    assert begun.wait(SECONDS)
    assert not worker.drain(0.01)
    go_on.set()
    assert worker.drain(SECONDS)
    worker.close()
    assert len(pieces) == 1
