"""From scores of labelled clips to what a check is worth and the limit that suits it: counting only, no clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from model.inspect.policy import Rule

ALLOWED = 0.0
"""Share of good clips that a suggested limit may refuse, unless told otherwise: with few clips, one is too many."""


@dataclass(frozen=True, slots=True)
class Worth:
    """How a check judges labelled clips. A good clip is one without the check's own defect."""

    found: int
    missed: int
    wrongly: int
    """Good clips refused."""
    rightly: int
    """Good clips passed."""

    @property
    def recall(self) -> float:
        """Share of the defects that are found; NaN without any."""
        return self.found / (self.found + self.missed) if self.found + self.missed else math.nan

    @property
    def precision(self) -> float:
        """Share of the findings that are defects; NaN without any."""
        return self.found / (self.found + self.wrongly) if self.found + self.wrongly else math.nan

    @property
    def false_positives(self) -> float:
        """Share of the good clips that are refused; NaN without any."""
        return self.wrongly / (self.wrongly + self.rightly) if self.wrongly + self.rightly else math.nan

    def __add__(self, other: Worth) -> Worth:
        """Both counted together."""
        return Worth(
            self.found + other.found,
            self.missed + other.missed,
            self.wrongly + other.wrongly,
            self.rightly + other.rightly,
        )


NOTHING = Worth(0, 0, 0, 0)


def worth(rule: Rule, bad: Sequence[float], good: Sequence[float]) -> Worth:
    """What a rule makes of the scores of clips with its defect, and of those without."""
    found, wrongly = sum(map(rule.broken_by, bad)), sum(map(rule.broken_by, good))
    return Worth(found, len(bad) - found, wrongly, len(good) - wrongly)


def suggest(rule: Rule, bad: Sequence[float], good: Sequence[float], allowed: float = ALLOWED) -> float:
    """The limit that finds most while it refuses at most ``allowed`` of the good, in the middle of the gap it leaves.

    Where the present limit does as well on these clips, or there is nothing to go by, it stays.
    """
    if not bad or not good:
        return rule.limit
    sign = -1.0 if rule.least else 1.0
    lawful = sorted(sign * score for score in good)
    spare = math.floor(allowed * len(lawful))
    highest = lawful[len(lawful) - 1 - spare]
    beyond = sorted(sign * score for score in bad if sign * score > highest)
    if not beyond:
        return rule.limit
    # The lowest defect that can be told from the good; a limit halfway leaves room on both sides.
    limit = sign * _between(highest, beyond[0])
    mine, theirs = worth(rule, bad, good), worth(_at(rule, limit), bad, good)
    keeps = mine.found >= theirs.found and mine.wrongly <= max(theirs.wrongly, spare)
    return rule.limit if keeps else limit


def _between(low: float, high: float) -> float:
    """Halfway, by ratio where both are above nothing, to three digits where they fit in between."""
    # Root by root: the product of two very small scores is nothing, which would lie below both.
    middle = math.sqrt(low) * math.sqrt(high) if low > 0 else (low + high) / 2
    short = float(f"{middle:.3g}")
    return next((limit for limit in (short, middle) if low <= limit < high), low)


def _at(rule: Rule, limit: float) -> Rule:
    return Rule(limit, rule.meaning, rule.least, rule.action)
