"""Promotions on real services, seen from the outside: a small burst of them, and a planner killed again and again."""

from __future__ import annotations

from collections.abc import Callable

from tests.burst import SECONDS, SETTINGS, SIZE, Burst, play
from tests.harness import World


def test_every_product_ends_on_the_newest_state_whatever_is_killed(world: Callable[..., World]) -> None:
    """Products and a burst of overlapping promotions; the planner is killed in the middle of fan-outs. In the end each
    product shows what the events call for, no base was rendered twice, and every request is accounted for.
    """
    burst = Burst(products=60, revisions=12, kills=2)
    figures = play(world(size=SIZE, seconds=SECONDS, extra=SETTINGS), burst, 120)
    # Whether a request of so few is overtaken before it is worked is chance; the full size asks for it.
    assert figures.fan_outs["SUPERSEDED"] > 0
