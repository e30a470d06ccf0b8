"""What ``skureel bench engine`` shows people: rows as they are found, under one heading a table. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from model.wan.measure import Ceilings
    from model.wan.measure_figures import Row, Side
    from model.wan.measure_gains import Gain
    from model.wan.measure_published import Beside

STAGES = ("text", "photo", "denoise", "decode", "copy", "rest")
"""As ``model.wan.measure_figures.STAGES``, which needs torch."""
WIDTH = 160


class _Column(NamedTuple):
    title: str
    width: int
    right: bool = True


CASES = (
    _Column("case", 44, right=False),
    _Column("side", 6, right=False),
    _Column("s a clip", 8),
    _Column("spread", 6),
    *(_Column(stage, 7) for stage in STAGES),
    _Column("outside ms", 10),
    _Column("MFU", 6),
    _Column("peak MiB", 8),
)
GAINS = (
    _Column("switch", 20, right=False),
    _Column("beside", 52, right=False),
    _Column("off ms", 9),
    _Column("on ms", 9),
    _Column("on/off", 7),
    _Column("spread", 6),
    _Column("predicted", 9),
    _Column("memory", 14),
)
THEIRS = (
    _Column("published", 44, right=False),
    _Column("theirs, on", 24, right=False),
    _Column("ours, on", 44, right=False),
    _Column("ratio", 6),
)


class Screen:
    """Prints row by row, under one heading a table."""

    def __init__(self, console: Console, *, cpu: bool) -> None:
        self._console, self._cpu = console, cpu
        self._columns: tuple[_Column, ...] = ()

    def begin(self, facts: dict[str, Any]) -> None:
        """What is measured, on what."""
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items() if number)
        self._say(f"{facts['weights']} on {facts['device']} ({facts['kind']}), {versions}")
        self._say(f"{facts['processors']} processors, {facts['threads']} threads, load {facts['load']}")

    def ceilings(self, ceilings: Ceilings) -> None:
        """First of all."""
        products = ", ".join(f"{flops / 1e12:.3g} TFLOP/s in {dtype}" for dtype, flops in ceilings.flops.items())
        self._say(f"ceilings: matrix product {products}; copy {ceilings.copy / 1e9:.3g} GB/s")

    def row(self, row: Row) -> None:
        """Ours, stock, and how they compare."""
        self._side(str(row.case), "ours", row, row.ours)
        if row.stock is None:
            return
        self._side("", "stock", row, row.stock)
        ratios = row.ratios()
        if "total" in ratios:
            told = [f"{name} {ratios[name].p50:.3g}" for name in ("total", "denoise", "decode") if name in ratios]
            if "outside" in ratios:
                share = ratios["outside_of_total"].p50
                told.append(f"outside the models {ratios['outside'].p50:.3g} ({share:.1%} of stock's time)")
            self._say(f"  ours over stock: {', '.join(told)}", style="bold")

    def _side(self, title: str, name: str, row: Row, side: Side) -> None:
        if side.turns:
            total, mfu = side.series(lambda turn: turn.seconds), row.mfu(side)
            stages = [side.series(lambda turn, stage=stage: turn.stage(stage)).p50 for stage in STAGES]  # type: ignore[misc]
            peak = max(
                turn.memory.get("allocated_bytes", turn.memory.get("resident_bytes", 0.0)) for turn in side.turns
            )
            self._add(
                CASES,
                title,
                name,
                f"{total.p50:.3f}",
                f"{total.spread:.0%}",
                *(f"{seconds:.4f}" if self._cpu else f"{seconds:.3f}" for seconds in stages),
                f"{1000 * side.series(row.outside).p50:.2f}",
                "" if mfu is None else f"{mfu:.2f}",
                f"{peak / 2**20:,.0f}",
            )
        elif title:
            self._add(CASES, title, name, *[""] * (len(CASES) - 2))
        for note in (*([side.failed] if side.failed else ()), *side.notes):
            self._say(f"  {name}: {note}", style="yellow")

    def gain(self, gain: Gain) -> None:
        """One switch."""
        memory = ""
        if gain.memory and gain.memory[0] > 0:
            memory = f"{gain.memory[1] / gain.memory[0]:.2f} ({gain.switch.memory})"
        self._add(
            GAINS,
            gain.switch.name,
            gain.switch.beside,
            f"{1000 * gain.off.p50:.2f}",
            f"{1000 * gain.on.p50:.2f}",
            f"{gain.ratio.p50:.2f}",
            f"{gain.ratio.spread:.0%}",
            f"{gain.predicted:.2f}",
            memory,
        )

    def published(self, found: Sequence[Beside]) -> None:
        """Beside what others say."""
        for each in found:
            theirs = each.published
            self._add(
                THEIRS,
                f"{theirs.who}, {theirs.steps} steps, {theirs.what}, {theirs.how}",
                f"{theirs.seconds:.2f} s, {theirs.hardware}",
                f"{each.seconds:.2f} s, {each.hardware}",
                f"{each.ratio:.2f}",
            )

    def end(self, left_out: Mapping[str, str], *, stopped: bool) -> None:
        """What there is not."""
        for what, why in left_out.items():
            self._say(f"left out: {what}: {why}", style="yellow")
        if stopped:
            self._say("stopped", style="yellow")

    def _add(self, columns: tuple[_Column, ...], *cells: str) -> None:
        table = Table(box=None, show_header=columns is not self._columns, pad_edge=False)
        self._columns = columns
        for column in columns:
            table.add_column(
                column.title,
                width=column.width + 1,  # rich counts the gap in
                justify="right" if column.right else "left",
                no_wrap=True,
                overflow="ellipsis",
            )
        table.add_row(*map(Text, cells))
        self._console.print(table)
        self._console.file.flush()

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)
        self._console.file.flush()
