"""Finds the records of a batch that fail alone, and makes dead letters of them. Knows no lease and no thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from consumer.observe.metrics import DEAD_LETTERS, Metrics
from consumer.stream.deadletter import dead_letter
from consumer.stream.errors import PoisonError
from consumer.stream.failures import place
from consumer.stream.outcomes import Outcome
from consumer.stream.telling import together
from consumer.stream.types import Handled, Output, Record, UnavailableError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Judge = Callable[[Exception], Outcome]
"""What becomes of the record at which an error was raised."""


def dead_letters_only(_: Exception) -> Outcome:
    """The judge of a handler that has nothing to say: whatever it raises, the record is to blame."""
    return Outcome.DEAD_LETTER


class Sieve:
    """Gives batches to a handler in ever smaller parts until those that raise are single records. One thread."""

    def __init__(self, metrics: Metrics, *, role: str, group: str, breaker: int, judge: Judge) -> None:
        """``breaker``: so many failures in a row are not the records' fault."""
        self._metrics, self._role, self._group, self._breaker, self._judge = metrics, role, group, breaker, judge
        self._log: FilteringBoundLogger = structlog.get_logger("consumer.stream").bind(role=role, group=group)
        self._poison = 0

    def through(self, handle: Callable[[Sequence[Record]], Handled], records: Sequence[Record]) -> Handled:
        """The outputs of all records, dead letters among them.

        Raises:
            UnavailableError: something is out; nothing of the batch counts.
            PoisonError: too many failed in a row.
            Exception: what the judge says stops.
        """
        outputs: list[Output] = []
        callbacks: list[Callable[[], None]] = []
        letters: list[Output] = []
        parts = [records]
        while parts:
            part = parts.pop()
            try:
                handled = handle(part)
            except UnavailableError:
                raise
            except Exception as error:
                if self._judge(error) is Outcome.STOP:
                    raise
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                letters.append(self._poisonous(part[0], error))
                outputs.append(letters[-1])
            else:
                self._poison = 0
                outputs.extend(handled.outputs)
                if handled.committed is not None:
                    callbacks.append(handled.committed)
        for letter in letters:
            self._count(letter)
        return Handled(outputs, together(callbacks))

    def _poisonous(self, record: Record, error: Exception) -> Output:
        """The dead letter of a record that raises even alone. Raises PoisonError when there were too many in a row."""
        self._poison += 1
        self._log.error(
            "record_failed",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=str(error),
            kind=type(error).__name__,
            at=place(error),
        )
        if self._poison >= self._breaker:
            raise PoisonError(
                f"{self._poison} records in a row failed, the last with {type(error).__name__}: {error}. Nothing of "
                "this batch was committed; mend the cause and start again"
            ) from error
        return dead_letter(record, group=self._group, stage=getattr(error, "stage", "handle"), error=error)

    def _count(self, letter: Output) -> None:
        assert letter.cause is not None  # noqa: S101 - a dead letter has one
        stage = next(value for name, value in letter.headers if name.endswith(".stage"))
        self._metrics.inc(
            DEAD_LETTERS, role=self._role, topic=letter.cause.topic, stage=(stage or b"").decode(errors="replace")
        )
