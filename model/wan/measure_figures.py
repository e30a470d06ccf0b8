"""The arithmetic of measuring: rounds, medians, spreads, ratios, and what lies outside the models. Knows no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from model.recipe import Mode
from model.wan.measure_meter import Spent

STAGES = ("text", "photo", "denoise", "decode", "copy", "rest")
"""What a batch's time is made of. ``rest``: what no stage names, so that they always add up to the whole."""
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One workload. Sizes in pixels, as rendered."""

    profile: str
    mode: Mode
    width: int
    height: int
    frames: int
    batch: int

    def __str__(self) -> str:
        return f"{self.profile} {self.mode} {self.width}x{self.height} {self.frames} frames, batch {self.batch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One batch of one side."""

    clips: int
    total: Spent
    stages: Mapping[str, float]
    """Wall seconds of the batch by stage, without ``rest``."""
    inside: Mapping[str, Spent]
    """By module, what was spent within its own forward passes."""
    memory: Mapping[str, float] = field(default_factory=dict)

    @property
    def outside(self) -> Spent:
        """What was spent outside the modules' own forward passes: the engine's or the pipeline's own work."""
        within = Spent()
        for spent in self.inside.values():
            within = within.plus(spent)
        return self.total.less(within)

    def stage(self, name: str) -> float:
        """Seconds of a stage a clip; 0 for one that did not occur."""
        if name == "rest":
            return max(0.0, self.total.wall - sum(self.stages.values())) / self.clips
        return self.stages.get(name, 0.0) / self.clips

    @property
    def seconds(self) -> float:
        """A clip."""
        return self.total.wall / self.clips


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over the rounds."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Series:
        """Of one or more values. Raises ValueError for none."""
        series = cls(tuple(values))
        if not series.values:
            raise ValueError("a series without rounds")
        return series

    @property
    def p50(self) -> float:
        """The median."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """Largest less smallest, over the median; 0 where that is 0."""
        return (max(self.values) - min(self.values)) / self.p50 if self.p50 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """All rounds of one side: ours or stock."""

    turns: tuple[Turn, ...] = ()
    failed: str = ""
    """Why it has no figures, e.g. memory ran out."""
    notes: tuple[str, ...] = ()

    def series(self, figure: Callable[[Turn], float]) -> Series:
        """One figure of each round. Raises ValueError where there is none."""
        return Series.of(figure(turn) for turn in self.turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was found of a case: ours, and stock beside it where it was asked for."""

    case: Case
    ours: Side
    stock: Side | None = None
    flops: float = 0.0
    """Of the transformer, for one clip."""
    ceiling: float = 0.0
    """FLOP a second of a matrix product in the transformer's dtype; 0: not measured."""
    cpu: bool = False
    """On a CPU: there ``outside`` is compared by CPU time, which other programs on the machine disturb less."""

    def mfu(self, side: Side) -> float | None:
        """Model FLOPs of denoising over its time and the ceiling."""
        denoise = side.series(lambda turn: turn.stage("denoise")).p50
        return self.flops / denoise / self.ceiling if denoise and self.ceiling else None

    def outside(self, turn: Turn) -> float:
        """Seconds a clip outside the modules' forward passes."""
        return (turn.outside.cpu if self.cpu else turn.outside.wall) / turn.clips

    def ratio(self, figure: Callable[[Turn], float]) -> Series | None:
        """Ours over stock round by round; None where there is nothing to compare."""
        if self.stock is None:
            return None
        pairs = [(figure(one), figure(other)) for one, other in zip(self.ours.turns, self.stock.turns, strict=False)]
        ratios = [one / other for one, other in pairs if other > 0]
        return Series.of(ratios) if ratios else None

    def ratios(self) -> dict[str, Series]:
        """Ours over stock, by name: total, decode, denoise, outside; and our outside over stock's total."""
        wanted: dict[str, Callable[[Turn], float]] = {
            "total": lambda turn: turn.seconds,
            "denoise": lambda turn: turn.stage("denoise"),
            "decode": lambda turn: turn.stage("decode"),
            "outside": self.outside,
        }
        found = {name: ratio for name, figure in wanted.items() if (ratio := self.ratio(figure))}
        if share := self._outside_share():
            found["outside_of_total"] = share
        return found

    def _outside_share(self) -> Series | None:
        if self.stock is None:
            return None
        pairs = zip(self.ours.turns, self.stock.turns, strict=False)
        shares = [
            self.outside(one) / ((other.total.cpu if self.cpu else other.total.wall) / other.clips)
            for one, other in pairs
        ]
        return Series.of(shares) if shares else None

    def facts(self) -> dict[str, Any]:
        """For a line of JSON."""
        case = self.case
        return {
            "case": {name: getattr(case, name) for name in ("profile", "mode", "width", "height", "frames", "batch")},
            "flops_per_clip": self.flops,
            "ours": self._side(self.ours),
            "stock": self._side(self.stock) if self.stock else None,
            "ratios": {name: {"p50": short(s.p50), "spread": short(s.spread)} for name, s in self.ratios().items()},
        }

    def _side(self, side: Side) -> dict[str, Any]:
        told: dict[str, Any] = {"rounds": len(side.turns)}
        if side.failed:
            told["failed"] = side.failed
        if side.notes:
            told["notes"] = list(side.notes)
        if not side.turns:
            return told
        seconds = side.series(lambda turn: turn.seconds)
        told |= {
            "seconds_per_clip": {"p50": short(seconds.p50), "spread": short(seconds.spread)},
            "clips_per_gpu_hour": short(SECONDS_AN_HOUR / seconds.p50),
            "stages": {name: short(side.series(lambda t, n=name: t.stage(n)).p50) for name in STAGES},  # type: ignore[misc]
            "outside_ms": short(1000 * side.series(self.outside).p50),
            "outside_wall_ms": short(1000 * side.series(lambda turn: turn.outside.wall / turn.clips).p50),
            "memory": {name: max(turn.memory[name] for turn in side.turns) for name in side.turns[0].memory},
        }
        if (mfu := self.mfu(side)) is not None:
            told["mfu"] = short(mfu)
        return told


def short(value: float) -> float:
    """Four digits: more would be noise."""
    return float(f"{value:.4g}")
