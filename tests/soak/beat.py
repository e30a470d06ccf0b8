"""When much happens at once: the instants of a workload's bursts, soon after which the nemesis strikes.

A fault that finds nobody at work finds nothing.
"""

from __future__ import annotations

import random

FIRST = 5.0
"""Seconds before the first burst, and before the first fault."""


def bursts(seed: int, seconds: float) -> list[float]:
    """Seconds from the beginning, ascending; the last one well before the end."""
    chance = random.Random(f"{seed}/bursts")
    found, at = [], FIRST
    while at < 0.9 * seconds:
        found.append(at)
        at += chance.uniform(12.0, 24.0)
    return found or [0.0]
