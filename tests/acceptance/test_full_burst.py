"""The burst of promotions at full size: two thousand products, twenty revisions, ten planners killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.burst import SECONDS, SETTINGS, SIZE, Burst, play
from tests.harness import World


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_products_end_on_the_newest_state_though_ten_planners_are_killed(
    world: Callable[..., World],
) -> None:
    """Each product ends on the clip of the newest applicable state, recomputed from the events alone; no base is
    rendered twice; work that a newer revision overtook is counted; nothing is missing.
    """
    figures = play(
        world(size=SIZE, seconds=SECONDS, extra=SETTINGS), Burst(products=2_000, revisions=20, kills=10), 1800
    )
    assert figures.skipped["superseded"] > 0
    assert figures.fan_outs["SUPERSEDED"] > 0
