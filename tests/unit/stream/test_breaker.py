"""Laws of the circuit breaker: poison above a share stops consumption, and a probe that is well starts it again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.observe.metrics import BREAKER_OPENINGS, PAUSED, Metrics
from consumer.stream.breaker import LONGEST, Breaker, BreakerOptions

OPTIONS = BreakerOptions(share=0.5, window=60.0, minimum=20, pause=30.0, probe=5)


class Bench:
    """A breaker and its clock."""

    def __init__(self, options: BreakerOptions = OPTIONS) -> None:
        self.now, self.metrics = 0.0, Metrics()
        self.breaker = Breaker(options, self.metrics, role="r", clock=lambda: self.now)

    def open(self) -> None:
        """Poison it."""
        self.breaker.note(20, 20)
        assert self.breaker.allowance() == 0

    def probe(self, letters: int) -> None:
        """Wait for the probe, take it, and commit it with so many dead letters."""
        while self.breaker.allowance() == 0:
            self.now += 1.0
        self.breaker.took(OPTIONS.probe)
        assert self.breaker.allowance() == 0
        self.breaker.note(OPTIONS.probe, letters)


@given(counts=st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.floats(0, 30)), max_size=30))
def test_it_opens_when_and_only_when_the_window_holds_enough_and_the_share_is_reached(
    counts: list[tuple[int, float, float]],
) -> None:
    """By what was committed in the last seconds, and by nothing older."""
    bench = Bench()
    seen: list[tuple[float, int, int]] = []
    for records, share, seconds in counts:
        bench.now += seconds
        letters = int(records * share)
        seen.append((bench.now, records, letters))
        bench.breaker.note(records, letters)
        recent = [(r, n) for at, r, n in seen if at >= bench.now - OPTIONS.window]
        total, bad = sum(r for r, _ in recent), sum(n for _, n in recent)
        if total >= OPTIONS.minimum and bad >= OPTIONS.share * total:
            assert bench.breaker.allowance() == 0
            return
        assert bench.breaker.allowance() is None


def test_it_closes_by_itself_after_a_probe_that_is_well() -> None:
    """A few records are let through once its time is over; until they are judged no more are."""
    bench = Bench()
    bench.open()
    assert "20 of 20 records became dead letters; next try in 30 s" in (bench.breaker.reason() or "")
    assert bench.metrics.value(PAUSED, role="r", reason="breaker") == 1
    bench.now = 29.9
    assert bench.breaker.allowance() == 0
    bench.now = 30.0
    assert bench.breaker.allowance() == OPTIONS.probe
    bench.breaker.took(3)
    assert bench.breaker.allowance() == 2
    bench.breaker.took(2)
    bench.breaker.note(5, 2)
    assert bench.breaker.allowance() is None
    assert bench.breaker.reason() is None
    assert bench.metrics.value(PAUSED, role="r", reason="breaker") == 0
    assert bench.metrics.value(BREAKER_OPENINGS, role="r") == 1


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    """A topic full of poison costs few records an hour."""
    bench = Bench()
    bench.open()
    pauses = []
    for _ in range(8):
        began = bench.now
        bench.probe(OPTIONS.probe)
        pauses.append(bench.now - began)
    assert pauses == [min(30.0 * 2**n, LONGEST * 30.0) for n in range(8)]
    assert bench.metrics.value(BREAKER_OPENINGS, role="r") == 9
    bench.probe(0)
    bench.open()
    began = bench.now
    bench.probe(0)
    assert bench.now - began == 30.0, "after a success it begins anew"


def test_what_was_taken_before_it_opened_says_nothing() -> None:
    """Dead letters that are still on their way when it opens count neither for nor against the probe."""
    bench = Bench()
    bench.open()
    bench.breaker.note(100, 100)
    bench.probe(0)
    assert bench.breaker.allowance() is None


@pytest.mark.parametrize(("committed", "letters", "wanted"), [(0, 0, OPTIONS.probe), (2, 2, 0), (2, 0, None)])
def test_a_probe_that_does_not_end_is_judged_in_time(committed: int, letters: int, wanted: int | None) -> None:
    """Its records may have gone to another member: then by those there are, or with a new probe."""
    bench = Bench()
    bench.open()
    bench.now = 30.0
    assert bench.breaker.allowance() == OPTIONS.probe
    bench.breaker.took(OPTIONS.probe)
    bench.breaker.note(committed, letters)
    assert bench.breaker.allowance() == 0
    bench.now = 60.0
    assert bench.breaker.allowance() == wanted
