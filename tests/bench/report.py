"""What the benchmarks print: a table for people, then one line of JSON a bench. Measures nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tests.bench.figures import Comparison, Growth


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one bench found."""

    bench: str
    method: str
    """In a sentence or two: what was compared, and how."""
    comparisons: tuple[Comparison, ...] = ()
    growths: tuple[Growth, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Sizes of the run: whatever else is needed to repeat it."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What could not be measured here, and why."""


def line(report: Report, machine: Mapping[str, Any]) -> str:
    """The whole report as one line of JSON."""
    judged: list[Comparison | Growth] = [*report.comparisons, *report.growths]
    document = {
        "bench": report.bench,
        **machine,
        "method": report.method,
        "facts": dict(report.facts),
        "figures": {
            **{each.name: _compared(each) for each in report.comparisons},
            **{each.name: _grown(each) for each in report.growths},
        },
        "ratios": {each.name: round(each.ratio, 3) for each in report.comparisons},
        "aims": {each.name: each.aim for each in judged},
        "met": {each.name: each.met for each in judged},
        "left_out": dict(report.left_out),
    }
    return json.dumps(document, ensure_ascii=False)


def _compared(comparison: Comparison) -> dict[str, Any]:
    figures: dict[str, Any] = {"unit": comparison.unit}
    for side, series in (("bare", comparison.bare), ("ours", comparison.ours)):
        figures[side] = {
            "median": round(series.rate, 3),
            "best": round(series.best, 3),
            "spread": round(series.spread, 3),
            "cpu_us_each": round(series.cpu_each, 2),
            "records_per_transaction": round(series.transaction_records),
            "rounds": [round(each.rate, 3) for each in series.rounds],
        }
    return figures | {
        "ratio": round(comparison.ratio, 3),
        "ratio_of_bests": round(comparison.best, 3),
        "ratios": [round(ratio, 3) for ratio in comparison.ratios],
    }


def _grown(growth: Growth) -> dict[str, Any]:
    return {
        "unit": "MiB",
        "peak": round(growth.peak_mib, 1),
        "slope_per_100k_events": round(growth.slope, 2),
        "warm_up_events": growth.warm_up,
        "samples": {sample.events: round(sample.mib, 1) for sample in growth.samples},
    }


def show(report: Report, console: Console) -> None:
    """The report for people."""
    parts: list[Any] = [Text(report.method)]
    if report.comparisons:
        parts.append(comparison_table(report))
    for growth in report.growths:
        parts += [growth_title(growth), growth_table(growth)]
    parts += [Text(f"{name}: left out, {why}", style="yellow") for name, why in report.left_out.items()]
    console.rule(f"[bold]{report.bench}")
    console.print(Group(*parts))


def comparison_table(report: Report) -> Table:
    """One row a side, the ratio on ours."""
    table = Table()
    for heading in ("what", "side"):
        table.add_column(heading)
    for heading in ("median", "best", "spread", "CPU µs each", "a transaction", "ratio", "of bests", "aim"):
        table.add_column(heading, justify="right")
    for each in report.comparisons:
        for side, series in (("bare", each.bare), ("ours", each.ours)):
            ours = side == "ours"
            table.add_row(
                f"{each.name}, {each.unit}" if not ours else "",
                side,
                f"{series.rate:,.2f}" if series.rate < 100 else f"{series.rate:,.0f}",
                f"{series.best:,.2f}" if series.best < 100 else f"{series.best:,.0f}",
                f"{series.spread:.0%}",
                f"{series.cpu_each:,.1f}",
                f"{series.transaction_records:,.0f}" if series.transaction_records else "",
                _verdict(f"{each.ratio:.3f}", met=each.met) if ours else "",
                f"{each.best:.3f}" if ours else "",
                f"≥ {each.aim}" if ours else "",
            )
    return table


def growth_title(growth: Growth) -> Text:
    """Peak and slope in words."""
    return Text.assemble(
        f"{growth.name}: peak {growth.peak_mib:.0f} MiB, ",
        _verdict(f"{growth.slope:+.2f} MiB", met=growth.met),
        f" per 100,000 events after {growth.warm_up:,} (aim ≤ {growth.aim})",
    )


def growth_table(growth: Growth) -> Table:
    """The samples in one row, under their events."""
    table = Table()
    for sample in growth.samples:
        table.add_column(f"{sample.events / 1000:.0f}k", justify="right")
    table.add_row(*(f"{sample.mib:.0f}" for sample in growth.samples))
    return table


def _verdict(text: str, *, met: bool) -> Text:
    return Text(text, style="green" if met else "red")
