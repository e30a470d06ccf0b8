"""What judging words costs: `python -m tests.bench.wording`. Products without a finding, nearly all of a catalog.

Composing, drafting without rules and drafting with them take turns, so that a machine's mood meets all three.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

from consumer.events import Product
from consumer.operate import samples
from consumer.planner.drafts import Drafter
from consumer.planner.promotions import Running
from consumer.planner.prompting import lint
from consumer.planner.prompting.lint import Linter
from consumer.planner.prompts import Prompts
from tests.unit.planner.samples import planning

COPIES, TURNS = 20, 25
"""Products of each sample, and turns of which the median counts."""


def products() -> list[Product]:
    """The sample catalog many times over, with names of their own."""
    found = []
    for line in samples.FILE.read_text(encoding="utf-8").splitlines():
        value = json.loads(line)
        value |= {"occurred_at": datetime.fromisoformat(value["occurred_at"]), "price": None, "images": []}
        found.append(Product.from_avro(value))
    return [
        replace(each, product_id=f"{each.product_id}-{number}", name=f"{each.name} {number}")
        for number in range(COPIES)
        for each in found
    ]


def main() -> None:
    """Print a table and a JSON line."""
    items, running, prompts = products(), Running(), Prompts.load()
    plain, judging = Drafter(prompts, planning()), Drafter(prompts, planning(), rules=Linter(lint.load()))
    sides: dict[str, Callable[[Product], object]] = {
        "compose": prompts.compose,
        "draft": lambda item: plain.draft(item, running),
        "draft, judged": lambda item: judging.draft(item, running),
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(TURNS + 1):
        for name, work in sides.items():
            started = perf_counter()
            for item in items:
                work(item)
            taken[name].append((perf_counter() - started) / len(items) * 1e6)
    figures = {name: median(times[1:]) for name, times in taken.items()}
    table = Table("", "µs a product", title=f"{len(items)} products")
    for name, value in figures.items():
        table.add_row(name, f"{value:.1f}")
    Console().print(table)
    ratio = median(b / a for a, b in zip(taken["draft"][1:], taken["draft, judged"][1:], strict=True))
    found = sum(bool(judging.draft(item, running).findings) for item in items)
    told = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps({"bench": "wording", "us": told, "judged_over_draft": round(ratio, 3), "with_findings": found}))


if __name__ == "__main__":
    main()
