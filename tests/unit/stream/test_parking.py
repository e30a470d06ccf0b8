"""Laws of putting partitions off: each for a time of its own, until it gets through or leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.backoff import Backoff
from consumer.stream.parking import Parking
from consumer.stream.types import Partition

P, Q = Partition("a", 0), Partition("b", 1)


@given(moves=st.lists(st.tuples(st.sampled_from([P, Q]), st.booleans(), st.floats(0, 20)), max_size=30))
def test_a_partition_waits_only_after_its_own_failures(moves: list[tuple[Partition, bool, float]]) -> None:
    """Never longer than the longest pause; the number that is told is the number there is."""
    now, told = 0.0, list[float]()
    parking = Parking(Backoff(first=1.0, longest=8.0), lambda: now, told.append)
    last: dict[Partition, float] = {}
    for partition, fails, seconds in moves:
        now += seconds
        if fails:
            pause = parking.put(partition)
            assert 0 < pause <= 8.0
            last[partition] = now
        else:
            parking.forget([partition])
            last.pop(partition, None)
        assert parking.failed() == last.keys()
        assert parking.waiting() <= parking.failed()
        assert told[-1] == len(last)
    now += 8.0
    assert parking.waiting() == frozenset()


def test_pauses_grow_with_failures_in_a_row() -> None:
    """And begin anew after a success."""
    parking = Parking(Backoff(first=1.0, longest=100.0), lambda: 0.0)
    pauses = [parking.put(P) for _ in range(5)]
    assert all(later > earlier for earlier, later in zip(pauses[::2], pauses[2::2], strict=False))
    parking.forget([P])
    assert parking.put(P) <= 1.0
