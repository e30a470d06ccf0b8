"""What others have published for Wan 2.2 5B, and our rows beside it. Their hardware is named with every figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from model.wan.measure_figures import Row, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A figure for one text clip of 121 frames at 720p (1280×704)."""

    who: str
    hardware: str
    what: Literal["denoise", "total"]
    steps: int
    seconds: float
    how: str


PUBLISHED = (
    Published(
        who="FastVideo", hardware="H200", what="denoise", steps=3, seconds=4.67, how="distilled, no guidance, plain"
    ),
    Published(who="FastVideo", hardware="H200", what="denoise", steps=3, seconds=2.64, how="with FA3 and compile"),
    Published(who="FastVideo", hardware="H200", what="total", steps=3, seconds=16.0, how="end to end"),
    Published(who="sglang", hardware="H200", what="total", steps=3, seconds=5.24, how="end to end"),
    Published(who="sglang", hardware="H200", what="total", steps=3, seconds=4.61, how="end to end, improved decode"),
    Published(who="TensorRT-LLM", hardware="B200", what="total", steps=3, seconds=3.47, how="end to end"),
    Published(who="Wan 2.2", hardware="RTX 4090", what="total", steps=50, seconds=534.7, how="official code"),
)
"""From the projects' own pages and issues; none of them was run here."""

_SIZES = ({1280, 704},)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Our seconds beside published ones."""

    published: Published
    seconds: float
    hardware: str
    """Ours."""

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return self.seconds / self.published.seconds

    def facts(self) -> dict[str, Any]:
        """For a line of JSON."""
        theirs = self.published
        return {
            "who": theirs.who,
            "how": theirs.how,
            "what": theirs.what,
            "their_hardware": theirs.hardware,
            "their_seconds": theirs.seconds,
            "our_hardware": self.hardware,
            "our_seconds": short(self.seconds),
            "ratio": short(self.ratio),
        }


def beside(rows: Iterable[Row], steps: dict[str, int], hardware: str) -> list[Beside]:
    """Our rows of the published workloads beside the figures, if there are any. ``steps``: by profile."""
    found = []
    for row in rows:
        case = row.case
        same = case.mode == "text" and case.frames == 121 and case.batch == 1 and {case.width, case.height} in _SIZES
        if not same or not row.ours.turns:
            continue
        for published in PUBLISHED:
            if published.steps == steps[case.profile]:
                stage = row.ours.series(
                    (lambda turn: turn.seconds) if published.what == "total" else (lambda turn: turn.stage("denoise"))
                )
                found.append(Beside(published=published, seconds=stage.p50, hardware=hardware))
    return found
