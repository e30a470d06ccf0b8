"""Laws of the look-ahead buffer: one job a product at a time, newest revision only, nothing lost."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Cause, ClipRequest, Work
from consumer.renderer.alias import Origin
from consumer.renderer.buffer import Buffer, Job
from consumer.renderer.lanes import Lane
from consumer.stream.types import Lease, Partition, Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(product: str, revision: int, offset: int, partition: int = 0) -> Job:
    """A job for a retirement: the buffer looks at product, revision and partition alone."""
    record = Record("clip-render", partition, offset, product.encode(), b"", (), 0)
    request = ClipRequest(
        request_id=f"{product}-{revision}",
        product_id=product,
        revision=revision,
        work=Work.RETIRE,
        recipe=None,
        cause=Cause(event_id="e", product_revision=1),
        requested_at=NOW,
    )
    origin = Origin(cluster="c", topic=record.topic, partition=partition, offset=offset)
    lease = Lease(Partition(record.topic, partition), 1, [record], offset + 1)
    return Job(lease=lease, record=record, request=request, origin=origin)


def test_the_first_job_of_a_product_begins_at_once_and_the_next_waits() -> None:
    """Requests of one product never run side by side: the second could overtake the first."""
    buffer = Buffer()
    first, second = job("p", 1, 0), job("p", 2, 1)
    assert buffer.admit(first) == (first, [])
    assert buffer.admit(second) == (None, [])
    assert buffer.finish(first) is second
    assert buffer.finish(second) is None
    assert len(buffer) == 0


def test_products_do_not_wait_for_each_other() -> None:
    """Another product begins although one is in work."""
    buffer = Buffer()
    buffer.admit(job("p", 1, 0))
    other = job("q", 1, 1)
    assert buffer.admit(other) == (other, [])


def test_only_a_strictly_newer_revision_supersedes_and_never_what_has_begun() -> None:
    """The job in work and an equal revision stay; older waiting ones go."""
    buffer = Buffer()
    working, waiting, equal, newest = job("p", 1, 0), job("p", 2, 1), job("p", 2, 2), job("p", 3, 3)
    buffer.admit(working)
    buffer.admit(waiting)
    assert buffer.admit(equal) == (None, [])
    assert buffer.admit(newest) == (None, [waiting, equal])
    assert buffer.finish(working) is newest


def test_what_waits_before_a_stage_is_superseded_though_it_has_begun() -> None:
    """A bulk request that waits for the engine does not hold up the newer one of its product."""
    buffer = Buffer()
    waiting, newer = job("p", 1, 0), job("p", 2, 1)
    buffer.admit(waiting)
    assert buffer.park(waiting)
    assert buffer.admit(newer) == (newer, [waiting])
    assert not buffer.unpark(waiting)
    assert buffer.finish(waiting) is None
    assert len(buffer) == 1
    assert buffer.unpark(newer)


def test_what_comes_to_wait_after_a_newer_one_came_is_superseded_then() -> None:
    """Between its steps a job cannot be taken back; before the next stage it can."""
    buffer = Buffer()
    working, newer = job("p", 1, 0), job("p", 2, 1)
    buffer.admit(working)
    assert buffer.admit(newer) == (None, [])
    assert not buffer.park(working)
    assert buffer.finish(working) is newer


def test_an_equal_or_older_revision_supersedes_nothing_that_waits() -> None:
    """A second publication is told apart by the alias; a late one is stale."""
    buffer = Buffer()
    waiting = job("p", 2, 0)
    buffer.admit(waiting)
    for other in (job("p", 2, 1), job("p", 1, 2)):
        assert buffer.admit(other) == (None, [])
    assert buffer.park(waiting)
    assert buffer.unpark(waiting)


def test_lanes_are_counted_apart_and_supersede_each_other() -> None:
    """Superseding goes by revision, whichever lane the requests came in."""
    buffer = Buffer()
    working, bulk, interactive = job("q", 1, 0), job("p", 1, 1), job("p", 2, 2)
    bulk.lane = working.lane = Lane.BULK
    buffer.admit(working)
    buffer.admit(bulk)
    assert (buffer.held(Lane.BULK), buffer.held(Lane.INTERACTIVE)) == (2, 0)
    assert buffer.park(bulk)
    assert buffer.admit(interactive) == (interactive, [bulk])
    assert (buffer.held(Lane.BULK), buffer.held(Lane.INTERACTIVE)) == (1, 1)


def test_dropping_partitions_removes_what_waits_and_marks_what_works() -> None:
    """A lost partition's jobs never begin; the one in work is marked so that it is not settled."""
    buffer = Buffer()
    working, waiting, kept = job("p", 1, 0), job("p", 2, 1), job("q", 1, 0, partition=1)
    for each in (working, waiting, kept):
        buffer.admit(each)
    assert buffer.drop({Partition("clip-render", 0)}) == [waiting]
    assert working.dropped
    assert not kept.dropped
    assert buffer.finish(working) is None
    assert len(buffer) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=40), st.randoms(use_true_random=False))
def test_every_admitted_job_ends_exactly_once(arrivals: list[tuple[str, int]], random: object) -> None:
    """Whatever the order, each job is superseded or worked, and the newest of each product is worked."""
    buffer, working, ended = Buffer(), [], []
    for offset, (product, revision) in enumerate(arrivals):
        begin, superseded = buffer.admit(job(product, revision, offset))
        ended += superseded
        working += [begin] if begin else []
        if working and random.random() < 0.5:  # type: ignore[attr-defined]
            done = working.pop(0)
            ended.append(done)
            following = buffer.finish(done)
            working += [following] if following else []
    worked = []
    while working:
        done = working.pop(0)
        worked.append(done)
        ended.append(done)
        following = buffer.finish(done)
        working += [following] if following else []
    assert len(ended) == len({id(each) for each in ended}) == len(arrivals)
    assert len(buffer) == 0
