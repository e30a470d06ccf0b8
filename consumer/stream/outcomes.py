"""How a record can end, and the rules that lead from an error to an end. Knows no error by name.

Which errors there are is said in one table above all that raises them: ``consumer.policy``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How the attempt at a record ends. Every record ends as done, skipped or a dead letter, or it is not committed."""

    DONE = "done"
    """Its outputs are committed together with its offset."""
    SKIP = "skipped"
    """There is nothing to do and nothing to say: counted by its reason, and committed."""
    RETRY = "retry"
    """Nothing is wrong with the record: the same again after a pause. Its offset waits."""
    DEAD_LETTER = "dead letter"
    """It can never be worked as it is: bytes and reason go to TOPIC.GROUP.dlq, and the offset moves on."""
    STOP = "stop"
    """Nobody can go on: the role stops without committing anything more, and the process ends with exit code 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table."""

    error: type[BaseException]
    outcome: Outcome
    when: str
    """What happened, for people."""
    then: str
    """What is done about it, and for how long."""
    only: Callable[[BaseException], bool] | None = None
    """Narrows the row to some errors of its class."""

    def covers(self, error: BaseException) -> bool:
        """Whether the row is about this error."""
        return isinstance(error, self.error) and (self.only is None or self.only(error))


@dataclass(frozen=True, slots=True)
class Policy:
    """The table; the first row that covers an error decides. Its last row covers every ``Exception``."""

    rules: Sequence[Rule]

    def __post_init__(self) -> None:
        last = self.rules[-1] if self.rules else None
        if last is None or last.error is not Exception or last.only is not None:
            raise ValueError("the last rule must be about every Exception")

    def rule(self, error: Exception) -> Rule:
        """The row that decides about an error."""
        return next(rule for rule in self.rules if rule.covers(error))

    def judge(self, error: Exception) -> Outcome:
        """How a record ends at which this error was raised."""
        return self.rule(error).outcome
