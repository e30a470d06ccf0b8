"""What an inspection found: faults, scores and the policy that judged them; and how scores become a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from model.inspect.policy import Action, Policy


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
    policy: str

    @property
    def passed(self) -> bool:
        """True when no fault rejects the clip."""
        return all(fault.action != "reject" for fault in self.faults)

    def __add__(self, other: Report) -> Report:
        """Both reports as one; where both scored a check, the later score stands."""
        return Report(faults=self.faults + other.faults, scores={**self.scores, **other.scores}, policy=self.policy)


@dataclass(frozen=True, slots=True)
class Score:
    """A check's number, and where in the clip it was found."""

    value: float
    where: str = ""


def judge(scores: Iterable[tuple[str, Score]], policy: Policy) -> Report:
    """Hold scores against the policy's rules. Raises KeyError for a check the policy has no rule for."""
    faults: list[Fault] = []
    values: dict[str, float] = {}
    for check, score in scores:
        rule = policy.rules[check]
        values[check] = round(score.value, 4)
        if rule.broken_by(score.value):
            text = rule.meaning.format(value=score.value, limit=rule.limit)
            message = f"{text}, {score.where}" if score.where else text
            faults.append(Fault(check, message, score.value, rule.limit, rule.action))
    return Report(faults=tuple(faults), scores=values, policy=policy.version)


def unusable(check: str, message: str, policy: Policy) -> Report:
    """The report of something that could not be measured at all."""
    return Report(faults=(Fault(check, message, 1.0, 0.0),), policy=policy.version)
