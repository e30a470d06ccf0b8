"""What is tried after an attempt: another seed, the next rung, a choice among good ones, or nothing. Pure decisions.

Attempts that failed twice in a row by the same check are systematic: other seeds of that rung would fail alike. Knows
no store, no engine and no recipe: the same history always leads to the same decision, whoever asks, however often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Fallback = Literal["calm", "pan"]
"""``calm``: the planned engine with the template's calmer words and a fixed camera. ``pan``: the product's photo, or
its words where it has none, drawn in gentle motion without a model."""
Rung = Literal["planned", "calm", "pan"]
"""Ways to make a clip, the planned one first."""

DETERMINISTIC = frozenset({"dtype", "shape", "frames", "size"})
"""Checks that fail by what was asked or by how an engine is built: no seed changes them, and nobody may look away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one attempt."""

    failed: frozenset[str] = frozenset()
    """Checks that it failed; none: it passed."""
    candidate: bool = False
    """It passed, and others may be compared with it before one is taken."""
    passed_over: bool = False
    """Nothing was rendered: the rung was left at once."""
    rank: tuple[float, ...] = ()
    """Of candidates: the greatest is taken, the earliest among equals."""


@dataclass(frozen=True, slots=True)
class Try:
    """Render on this rung. ``number`` attempts were rendered before, on whatever rungs: it decides the seed."""

    rung: Rung
    number: int


@dataclass(frozen=True, slots=True)
class Take:
    """The attempt at ``index`` of the history is the clip; ``rung`` is the one it was made on."""

    index: int
    rung: Rung
    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """No clip. ``deterministic``: other attempts would fail alike; ``exhausted``: all rungs were tried."""

    why: Literal["deterministic", "exhausted"]


Decision = Try | Take | Stop


@dataclass(slots=True)
class _Climb:
    """Where a history leads, step by step."""

    attempts: int
    best_of: int
    rung: int = 0
    rendered: int = 0
    failures: int = 0
    """On this rung."""
    last: frozenset[str] = frozenset()
    """Checks that the attempt just before failed, on this rung."""
    passed: list[tuple[int, int, tuple[float, ...]]] = field(default_factory=list)
    """Candidates of this rung: index in the history, number, rank."""

    def up(self) -> None:
        self.rung, self.failures, self.last = self.rung + 1, 0, frozenset()

    def failed(self, checks: frozenset[str]) -> bool:
        """Note a failure; whether this rung has nothing more to give."""
        self.failures += 1
        systematic, self.last = bool(checks & self.last), checks
        return systematic or self.failures >= self.attempts

    def best(self, rung: Rung) -> Take:
        index, number, _ = max(self.passed, key=lambda each: (each[2], -each[0]))
        return Take(index, rung, number)


def decide(history: Sequence[Seen], rungs: Sequence[Rung], *, attempts: int, best_of: int = 1) -> Decision:
    """What follows from the attempts so far, oldest first.

    Args:
        history: what became of each attempt. What comes after a clip was taken, or nothing more was to be tried, is
            not looked at.
        rungs: the ways there are for this clip; the first is the planned one.
        attempts: failures after which a rung is left, each with another seed.
        best_of: good attempts of a rung among which one is taken; fewer where the rung is left before.
    """
    climb = _Climb(attempts, best_of)
    for index, seen in enumerate(history):
        if climb.rung >= len(rungs):
            break
        rung, number = rungs[climb.rung], climb.rendered
        climb.rendered += not seen.passed_over
        if not (seen.failed or seen.passed_over):
            if not seen.candidate:
                return Take(index, rung, number)
            climb.passed.append((index, number, seen.rank))
            climb.last = frozenset()
            if len(climb.passed) >= best_of:
                return climb.best(rung)
        elif seen.failed & DETERMINISTIC:
            return climb.best(rung) if climb.passed else Stop("deterministic")
        elif seen.passed_over or climb.failed(seen.failed):
            if climb.passed:
                return climb.best(rung)
            climb.up()
    return Try(rungs[climb.rung], climb.rendered) if climb.rung < len(rungs) else Stop("exhausted")


def most_renders(rungs: Sequence[Rung], *, attempts: int, best_of: int = 1) -> int:
    """What a clip may cost at most, in renders."""
    return len(rungs) * (attempts + best_of - 1)
