"""The soak, short: everything under the nemesis for less than a minute, and every law of the checker at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from tests.services import MissingProgram, environment
from tests.soak.run import Options, Run

SEED = 20260104


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_breaks_in_a_minute_nothing_is_lost_and_nothing_said_twice(tmp_path: Path) -> None:
    """What must exist by the input alone is what exists; ``make soak`` says the same of ten minutes."""
    options = Options(seed=SEED, seconds=50, products_a_minute=50, folder=tmp_path)
    print(options.replay)
    try:
        found = Run(options, Console(stderr=True)).go()
    except MissingProgram as missing:
        if environment.in_ci():
            raise
        pytest.skip(f"{missing}")
    assert found.violations == []
    assert found.faults
    assert found.announced > 40
