"""What an inspection found: faults, scores, what did not run and why, and the policy that judged; and how scores become
a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from model.inspect.policy import Action, Policy

Verdict = Literal["accept", "review", "reject"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule. ``value`` is the check's score, ``limit`` the policy's."""

    check: str
    message: str
    value: float
    limit: float
    action: Action = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcome of one inspection."""

    faults: tuple[Fault, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    """Every check's score, passed or not; empty where nothing could be measured."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Checks that did not run although the policy asks for them, and why."""
    policy: str
    """The policy's name: version and digest."""

    @property
    def verdict(self) -> Verdict:
        """The gravest of what the faults lead to."""
        actions = {fault.action for fault in self.faults}
        return "reject" if "reject" in actions else "review" if "review" in actions else "accept"

    @property
    def passed(self) -> bool:
        """True when no fault keeps the clip from being published."""
        return self.verdict == "accept"

    def __add__(self, other: Report) -> Report:
        """Both reports as one; where both scored a check, the later score stands."""
        scores = {**self.scores, **other.scores}
        skipped = {check: why for check, why in {**self.skipped, **other.skipped}.items() if check not in scores}
        return Report(faults=self.faults + other.faults, scores=scores, skipped=skipped, policy=self.policy)


@dataclass(frozen=True, slots=True)
class Score:
    """A check's number, and where in the clip it was found."""

    value: float
    where: str = ""


@dataclass(frozen=True, slots=True)
class NotRun:
    """What a check gives in place of a score where it has nothing to measure by: why."""

    reason: str


Outcome = Score | NotRun


def judge(outcomes: Iterable[tuple[str, Outcome]], policy: Policy) -> Report:
    """Hold scores against the policy's rules. Raises KeyError for a check the policy has no rule for."""
    faults: list[Fault] = []
    values: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for check, score in outcomes:
        rule = policy.rules[check]
        if isinstance(score, NotRun):
            skipped[check] = score.reason
            continue
        values[check] = round(score.value, 4)
        if rule.broken_by(score.value):
            text = rule.meaning.format(value=score.value, limit=rule.limit)
            message = f"{text}, {score.where}" if score.where else text
            faults.append(Fault(check, message, score.value, rule.limit, rule.action))
    return Report(faults=tuple(faults), scores=values, skipped=skipped, policy=policy.name)


def unusable(check: str, message: str, policy: Policy) -> Report:
    """The report of something that could not be measured at all."""
    return Report(faults=(Fault(check, message, 1.0, 0.0),), policy=policy.name)
