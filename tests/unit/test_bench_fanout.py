"""The arithmetic and the output of the fan-out's bench, on small made-up results: nothing is timed here."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from tests.bench.fanout import Found, between, line, p99, show
from tests.bench.figures import Growth, Mark, Round, Sample

MARKS = [Mark(100 * n, float(n), 0.5 * n) for n in range(1, 11)]
"""A hundred requests a second, half a second of CPU each second."""


def found(calm: float, late: float) -> Found:
    """A run at this rate, whose new products waited so long at worst."""
    return Found(
        products=1_000,
        fill_seconds=1.0,
        seconds=10.0,
        calm=Round(records=1_000, seconds=1_000 / calm, cpu=1.0),
        busy=None,
        bare=Round(records=1_000, seconds=1.0, cpu=0.1),
        growth=Growth(
            name="planner", samples=(Sample(100_000, 50.0), Sample(200_000, 51.0)), peak_mib=52.0, warm_up=0, aim=5.0
        ),
        idle_latencies=[0.01] * 100,
        busy_latencies=[0.01] * 90 + [late] * 10,
        page_seconds=0.01,
        transaction_seconds=0.005,
    )


def test_only_what_was_committed_in_between_counts() -> None:
    """From the first commit inside to the last one inside; too few of them say nothing."""
    inside = between(MARKS, 2.5, 6.5)
    assert inside is not None
    assert (inside.records, inside.seconds, inside.cpu) == (300, 3.0, 1.5)
    assert between(MARKS, 2.5, 4.5) is None


def test_the_99th_percentile_is_what_one_in_a_hundred_exceeds() -> None:
    """Of 0 to 100 it is 99."""
    assert p99([float(n) for n in range(101)]) == pytest.approx(99)


@pytest.mark.parametrize(("calm", "late", "rate_met", "wait_met"), [(600, 0.01, True, True), (400, 0.02, False, False)])
def test_the_line_judges_by_the_aims(calm: float, late: float, rate_met: bool, wait_met: bool) -> None:
    """One JSON document with figures, ratios, aims and what was met; the tables show the same."""
    one = found(calm, late)
    told = json.loads(line(one, {"hardware": {}}))
    assert told["ratios"] == {"requests": calm / 1_000, "latency_p99": round(late / 0.01, 3)}
    assert told["met"] == {"requests": rate_met, "latency_p99": wait_met, "slope_per_100k": True}
    assert told["requests"]["busy"] is None
    console = Console(width=140, file=io.StringIO())
    show(one, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{calm / 1_000:.3f}" in text
    assert "p99 ratio" in text
