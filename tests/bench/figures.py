"""The arithmetic of the benchmarks: rounds, medians, ratios, slopes. Pure; knows no broker, no clock and no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression, median


class FiguresError(ValueError):
    """Raised when there is too little to compute from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """So much was done by then. Seconds of a monotonic clock and of the process's CPU time, all threads together."""

    done: int
    wall: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One side's steady state in one round."""

    records: int
    seconds: float
    cpu: float
    """CPU seconds of our process; the broker's and the database server's are not in it."""
    transactions: int = 0
    """Of the whole round, warm-up included; 0 where there are none."""
    transaction_records: float = 0.0
    """Records a transaction carried, on average."""

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU microseconds a record."""
        return 1e6 * self.cpu / self.records


def window(marks: Sequence[Mark], warm_up: int) -> Round:
    """The steady state: from the first mark at or after ``warm_up`` to the last mark.

    Raises FiguresError when nothing was done after the warm-up.
    """
    first = next((mark for mark in marks if mark.done >= warm_up), None)
    if first is None or marks[-1].done <= first.done:
        raise FiguresError(f"nothing after the warm-up of {warm_up}: {len(marks)} marks")
    last = marks[-1]
    return Round(records=last.done - first.done, seconds=last.wall - first.wall, cpu=last.cpu - first.cpu)


@dataclass(frozen=True, slots=True)
class Series:
    """One side over all rounds."""

    rounds: tuple[Round, ...]

    def __post_init__(self) -> None:
        if not self.rounds:
            raise FiguresError("a series without rounds")

    @property
    def rate(self) -> float:
        """The median rate."""
        return median(each.rate for each in self.rounds)

    @property
    def best(self) -> float:
        """The best rate."""
        return max(each.rate for each in self.rounds)

    @property
    def spread(self) -> float:
        """Best less worst rate, over the median."""
        return (self.best - min(each.rate for each in self.rounds)) / self.rate

    @property
    def cpu_each(self) -> float:
        """The median CPU time of a record, in microseconds."""
        return median(each.cpu_each for each in self.rounds)

    @property
    def transaction_records(self) -> float:
        """Records a transaction carried, on average over the rounds."""
        return sum(each.transaction_records for each in self.rounds) / len(self.rounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sides measured in turn: round i of one beside round i of the other."""

    name: str
    unit: str
    bare: Series
    ours: Series
    aim: float

    def __post_init__(self) -> None:
        if len(self.bare.rounds) != len(self.ours.rounds):
            raise FiguresError(f"{self.name}: {len(self.bare.rounds)} rounds beside {len(self.ours.rounds)}")

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ours over bare, round by round: what disturbs the machine for longer than a round disturbs both."""
        return tuple(o.rate / b.rate for o, b in zip(self.ours.rounds, self.bare.rounds, strict=True))

    @property
    def ratio(self) -> float:
        """The figure that counts: the median of the rounds' ratios."""
        return median(self.ratios)

    @property
    def best(self) -> float:
        """Our best round over the best bare one."""
        return self.ours.best / self.bare.best

    @property
    def met(self) -> bool:
        """Whether the aim is reached."""
        return self.ratio >= self.aim


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory when so many events were through."""

    events: int
    mib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Memory over one run."""

    name: str
    samples: tuple[Sample, ...]
    peak_mib: float
    warm_up: int
    """Events after which it is to be flat: caches are full."""
    aim: float
    """MiB per 100,000 events that count as flat."""

    @property
    def slope(self) -> float:
        """MiB per 100,000 events after the warm-up, by least squares. Raises FiguresError."""
        steady = [sample for sample in self.samples if sample.events >= self.warm_up]
        if len(steady) < 2:
            raise FiguresError(f"{self.name}: {len(steady)} samples after the warm-up of {self.warm_up}")
        return 1e5 * linear_regression([s.events for s in steady], [s.mib for s in steady]).slope

    @property
    def met(self) -> bool:
        """Whether it is flat."""
        return self.slope <= self.aim
