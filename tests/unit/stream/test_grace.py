"""Laws of the grace of a stop: by how long work took, within what the operator gave."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.grace import REMEMBERED, SHORTEST, TIMES, JobTimes
from consumer.stream.ledger import Ledger
from consumer.stream.types import Partition, Record, Settlement


@given(seconds=st.lists(st.floats(0, 1000), max_size=50), most=st.floats(0, 1000))
def test_a_stop_waits_twice_the_slowest_and_no_longer_than_it_may(seconds: list[float], most: float) -> None:
    """What takes longer hangs. Where nothing was measured, the whole time is given."""
    times = JobTimes()
    for each in seconds:
        times.add(each)
    grace = times.grace(most)
    assert grace <= most
    if not seconds:
        assert grace == most
    else:
        assert grace == min(most, max(SHORTEST, TIMES * max(seconds)))


def test_old_work_is_forgotten() -> None:
    """A slow hour does not lengthen every stop from then on."""
    times = JobTimes()
    times.add(100.0)
    for _ in range(REMEMBERED):
        times.add(0.1)
    assert times.grace(500.0) == SHORTEST


def test_the_ledger_measures_from_lending_to_settling() -> None:
    """A batch counts once; what does not count any more is not measured."""
    now = [0.0]
    ledger = Ledger(lambda: now[0])
    place = Partition("t", 0)
    ledger.assign([place])
    runs = [(place, [Record("t", 0, offset, None, None, (), 0)]) for offset in range(3)]
    first, second, third = ledger.lend(runs)
    now[0] = 40.0
    ledger.settle([Settlement(first, also=[second])])
    assert ledger.times.grace(500.0) == TIMES * 40.0
    ledger.revoke([place])
    now[0] = 90.0
    ledger.settle([Settlement(third)])
    assert ledger.times.grace(500.0) == TIMES * 40.0
