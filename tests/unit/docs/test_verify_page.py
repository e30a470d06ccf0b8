"""docs/VERIFY.md tells what the command does."""

from __future__ import annotations

import re

from consumer.operate.sources import SECONDS
from consumer.operate.verify import Ending
from model.probe import MAX_BYTES
from model.verify import CHECKS
from model.verify.labels import LEAST_SECONDS
from model.visible import GLYPH_SHARE
from tests.unit.docs.pages import ROOT

PAGE = (ROOT / "docs" / "VERIFY.md").read_text(encoding="utf-8")


def test_the_page_has_a_row_for_every_check() -> None:
    """In the order of the table that the command prints."""
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == CHECKS


def test_the_page_has_a_row_for_every_exit_code() -> None:
    """0 to 3."""
    assert [int(code) for code in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)] == [ending.value for ending in Ending]


def test_the_pages_figures_are_the_codes() -> None:
    """Limits and shares as they are in force."""
    assert f"{MAX_BYTES // 2**20} MiB and five minutes" in PAGE
    assert SECONDS == 300
    assert f"at least {GLYPH_SHARE * 100:g} %" in PAGE
    assert LEAST_SECONDS == 2
