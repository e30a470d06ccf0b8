"""Pauses between attempts: doubling, with jitter, up to a cap. Knows no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before the next attempt. Seconds."""

    first: float = 0.1
    longest: float = 10.0
    """Also how late at most an outage's end is noticed."""

    def pause(self, failures: int) -> float:
        """The pause after so many failures in a row (from 1): half of it by chance, so that replicas spread out."""
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 32))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
