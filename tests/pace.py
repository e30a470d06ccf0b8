"""What keeps a test run short: one thread for small matrices, an order that keeps the cores busy to the end, and
tracing where it finds something. Knows tests by their files, not by what they are about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings

ROOT = Path(__file__).parent
UNIT = ROOT / "unit"
THREADS = "OMP_NUM_THREADS"
PROCESSES = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage finds its way into the processes that a test starts."""
UNTRACED = (
    "acceptance/",
    "faults/",
    "integration/docs/",
    "integration/pipeline/",
    "integration/planner/test_planner_crashes.py",
    "integration/planner/test_promo_crashes.py",
    "integration/playback/",
    "integration/test_services.py",
    "unit/docs/test_readme_runs.py",
)
"""Tests that start many processes, or do one thing again and again: what they run is traced elsewhere, in less time."""
LONGEST = (
    "pipeline/test_service.py",
    "planner/test_promo_crashes.py",
    "pipeline/test_three_depths.py",
    "integration/test_services.py",
    "pipeline/test_wan.py",
    "faults/test_kills.py",
    "pipeline/test_promo_burst.py",
    "stream/test_stream_loop.py",
    "planner/test_planner_crashes.py",
    "pipeline/test_hostile.py",
    "pipeline/test_plenty.py",
    "stream/test_stream_faults.py",
    "operate/test_demo.py",
    "planner/test_promo_races.py",
)
"""Files with services whose tests take longest, the longest first: none of them must be the last to begin."""
SHARE = 0.85
"""The part of a run in which the files with services begin; the last ones to begin are short."""


class Tracing:
    """Coverage, where the run is measured at all: off for the tests of some files and folders, on for all others."""

    def __init__(self, coverage: Coverage, off: tuple[str, ...]) -> None:
        self._coverage, self._on = coverage, True
        self._off = tuple(f"{ROOT.as_posix()}/{each}" for each in off)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace what the test runs, its fixtures and its processes included, or nothing of it."""
        named = item.path.as_posix().startswith(self._off)
        wanted = not named and item.get_closest_marker("untraced") is None
        if wanted and not self._on:
            self._coverage.start()
        elif self._on and not wanted:
            self._coverage.stop()
            os.environ.pop(PROCESSES, None)  # a start sets it again
        self._on = wanted
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is imported that would count the cores, where nobody gave a number; before the first example.

    Hypothesis would fail an example that takes 200 ms, which says how busy the machine is. A test's timeout remains.
    """
    os.environ.setdefault(THREADS, "1")
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
    if coverage := Coverage.current():
        config.pluginmanager.register(Tracing(coverage, UNTRACED))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for services among files that compute, so that workers who take them in turn do some of each."""
    files = [list(found) for _, found in groupby(items, key=lambda item: item.path)]
    waiting = sorted((file for file in files if not file[0].path.is_relative_to(UNIT)), key=_rank)
    computing = [file for file in files if file[0].path.is_relative_to(UNIT)]
    placed = [(SHARE * n / len(waiting), file) for n, file in enumerate(waiting)]
    placed += [(n / len(computing), file) for n, file in enumerate(computing)]
    items[:] = [item for _, file in sorted(placed, key=lambda pair: pair[0]) for item in file]


def _rank(file: list[pytest.Item]) -> int:
    name = file[0].path.as_posix()
    return next((n for n, longest in enumerate(LONGEST) if name.endswith(longest)), len(LONGEST))
