"""Laws of the table of faults: every row is proved by a test that is named for it, and the page shows them all."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from tests.faults.rows import ROWS
from tests.unit.docs.documents import rows
from tests.unit.docs.pages import ROOT

README = ROOT / "tests" / "faults" / "README.md"


def files_by_row() -> dict[int, list[Path]]:
    """Where the tests of each row are."""
    found: dict[int, list[Path]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for number in re.findall(r"^def test_fault_(\d\d)_", file.read_text(encoding="utf-8"), re.MULTILINE):
            found[int(number)].append(file)
    return found


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    """A fault that nobody tests is a hope, and a number that is not in the table means nothing."""
    assert sorted(files_by_row()) == sorted(ROWS) == list(range(1, 31))


def test_the_page_shows_every_row_and_what_came_of_it() -> None:
    """Written by ``make faults`` after a run that went through."""
    shown = {int(row[0]): row for row in rows(README.read_text(encoding="utf-8")) if row[0].isdigit()}
    assert shown.keys() == ROWS.keys()
    for number, row in ROWS.items():
        assert tuple(shown[number][1:3]) == row
        assert shown[number][4] == "passed"
