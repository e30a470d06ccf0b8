"""One round of one side: where from, where to, how much; and the marks it leaves. Shared by both sides."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from consumer.stream.options import StreamOptions
from tests.bench.figures import Mark, Round, window
from tests.services import unique

CE_TYPE, CE_SOURCE = "skureel.clip-render", "skureel/bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a side has to do in a round: all records of ``source``, exactly once, into ``target``."""

    bootstrap: str
    source: str
    target: str
    records: int
    """In the source, warm-up included."""
    warm_up: int
    """Records before the clock counts: joining the group, first fetches, first look-ups."""
    batch: int = 2_000
    headers: bool = False
    """Whether outputs carry CloudEvents and trace headers."""

    def options(self) -> StreamOptions:
        """Clients of a group of their own. Both sides' clients are configured by this, so that the loops differ only.

        ``transaction_records`` holds a transaction down to about a batch: the loop would otherwise commit more at once.
        """
        return StreamOptions(
            bootstrap=self.bootstrap,
            group=unique("bench-group"),
            instance="bench-0",
            batch=self.batch,
            transaction_records=self.batch,
        )


@dataclass(slots=True)
class Marks:
    """Counts what was committed, and when. One thread at a time."""

    marks: list[Mark] = field(default_factory=list)

    def add(self, records: int) -> int:
        """``records`` more were committed; gives how many that makes."""
        done = records + (self.marks[-1].done if self.marks else 0)
        self.marks.append(Mark(done, time.perf_counter(), time.process_time()))
        return done

    def round(self, warm_up: int, transactions: int) -> Round:
        """The steady state. Raises FiguresError."""
        steady = window(self.marks, warm_up)
        return Round(
            records=steady.records,
            seconds=steady.seconds,
            cpu=steady.cpu,
            transactions=transactions,
            transaction_records=self.marks[-1].done / transactions,
        )
