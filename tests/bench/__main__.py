"""`python -m tests.bench [loop planner renderer memory] [--quick] [--json-only]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from consumer.observe import logs
from tests.bench import loop, machine, memory, planner, renderer
from tests.bench.report import Report, line, show
from tests.bench.rounds import FULL, QUICK, Scale

BENCHES: dict[str, Callable[[Scale], Report]] = {
    "loop": loop.run,
    "planner": planner.run,
    "renderer": renderer.run,
    "memory": memory.run,
}
WIDTH = 140
"""Columns where there is no terminal to ask."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benches asked for (default: all). Gives 0 when they ran: a missed aim is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("bench", nargs="*", choices=[[], *BENCHES], help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="small and short: that it runs, not how fast")
    parser.add_argument("--json-only", action="store_true", help="the JSON lines alone")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns that are counted, for each side")
    chosen = parser.parse_args(arguments)
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    scale = QUICK if chosen.quick else FULL
    if chosen.rounds:
        scale = replace(scale, rounds=chosen.rounds)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    lines = []
    for name in chosen.bench or BENCHES:
        described = machine.describe()
        report = BENCHES[name](scale)
        if not chosen.json_only:
            show(report, console)
        lines.append(line(report, described))
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
