"""Turns: each side's rounds next to each other, so that what disturbs the machine disturbs both. Knows no side."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.figures import Round, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    rounds: int
    records: int
    """Of a round of the loop, warm-up included; a multiple of the batch."""
    products: int
    """Of a round of the planner, warm-up included."""
    warm_up: int
    clips: int
    """Of a round of the renderer, warm-up included."""
    warm_up_clips: int
    events: int
    """Of a run for memory."""
    warm_up_events: int
    every: int
    """Events between two samples of memory."""


FULL = Scale(
    rounds=5,
    records=60_000,
    products=30_000,
    warm_up=10_000,
    clips=130,
    warm_up_clips=10,
    events=200_000,
    warm_up_events=80_000,
    every=10_000,
)
QUICK = Scale(
    rounds=1,
    records=20_000,
    products=12_000,
    warm_up=4_000,
    clips=16,
    warm_up_clips=4,
    events=40_000,
    warm_up_events=20_000,
    every=5_000,
)


def take_turns(
    sides: Mapping[str, Callable[[], Round]],
    rounds: int,
    *,
    before: int = 1,
    settle: Callable[[], object] = gc.collect,
) -> dict[str, Series]:
    """Run every side ``rounds`` times, in turn, every other time in reverse; ``before`` turns more are not counted.

    The first turns warm what lives as long as the broker: its just-in-time compiler, its files. ``settle`` is called
    before every round, so that none pays for the garbage of another.
    """
    names = list(sides)
    found: dict[str, list[Round]] = {name: [] for name in names}
    for turn in range(-before, rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            settle()
            result = sides[name]()
            if turn >= 0:
                found[name].append(result)
    return {name: Series(tuple(results)) for name, results in found.items()}
