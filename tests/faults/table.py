"""A pytest plugin: runs the tests of the table of faults alone, prints the table, and keeps it in README.md.

Used by ``make faults``. The table is kept only when every row was run, or said to be open.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.rows import ROWS

NAME = re.compile(r"test_fault_(\d\d)_(\w+)")
README = Path(__file__).with_name("README.md")
ROOT = README.parents[2]
HEAD = """# Faults

What can happen, what is expected then, and the tests that prove it. Written by `make faults`, which runs them on a real
Kafka, MinIO and PostgreSQL. The figures are seconds on a small machine, all tests of a row together.

| row | fault | expected | tests | outcome | seconds |
| --- | --- | --- | --- | --- | --- |
"""


class Table:
    """Hears of each test as it ends."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = defaultdict(float)
        self.outcomes: dict[int, set[str]] = defaultdict(set)
        self.tests: dict[int, dict[str, str]] = defaultdict(dict)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of rows, and put them in the order of the table."""
        rows = {item: int(found[1]) for item in items if (found := NAME.match(item.name))}
        config.hook.pytest_deselected(items=[item for item in items if item not in rows])
        items[:] = sorted(rows, key=lambda item: rows[item])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test began, ran or ended."""
        found = NAME.match(report.nodeid.rpartition("::")[2])
        if found is None:
            return
        row = int(found[1])
        self.seconds[row] += report.duration
        self.tests[row][f"test_fault_{found[1]}_{found[2]}"] = report.nodeid.partition("::")[0]
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[row].add(report.outcome)

    def outcome(self, row: int) -> str:
        """What came of a row."""
        found = self.outcomes[row]
        return next((word for word in ("failed", "skipped", "passed") if word in found), "open")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table."""
        terminalreporter.section("faults")
        for number, row in ROWS.items():
            terminalreporter.line(
                f"{number:>2}  {self.outcome(number):<7} {self.seconds[number]:7.1f} s  {row.fault}: {row.expected}"
            )

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Keep the table of a run that went through."""
        if exitstatus == pytest.ExitCode.OK and all(self.outcome(number) == "passed" for number in ROWS):
            README.write_text(HEAD + "".join(map(self._line, ROWS)), encoding="utf-8")

    def _line(self, number: int) -> str:
        row = ROWS[number]
        tests = ", ".join(
            f"[{name.removeprefix(f'test_fault_{number:02}_').replace('_', ' ')}](../../{file})"
            for name, file in sorted(self.tests[number].items())
        )
        cells = (str(number), row.fault, row.expected, tests, self.outcome(number), f"{self.seconds[number]:.0f}")
        return "| " + " | ".join(cells) + " |\n"


def pytest_configure(config: pytest.Config) -> None:
    """Take part."""
    config.pluginmanager.register(Table(), "table-of-faults")
