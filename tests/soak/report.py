"""What a run came to, as one value: for people a table, for machines a line of JSON. Judges nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.soak.checker import Case, Violation
from tests.soak.slots import Life

TOLD = 20
"""Violations shown; all are in the report's file."""
LOGGED = {
    "revoked": "partitions handed on",
    "lost": "partitions lost",
    "commit_aborted": "transactions aborted",
    "producer_lost": "producers made anew",
    "outcome_resolved": "outcomes asked for",
    "commit_hangs": "commits given up by the watchdog",
    "requests recovered": "batches recovered",
    "read_again": "partitions read again",
    "waiting for an outage to end": "tries put off for an outage",
    "put_off": "partitions put off",
    "breaker_open": "breaker openings",
}
"""Lines of the processes' logs that are counted, and what they tell of."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One run. Durations in seconds."""

    seed: int
    replay: str
    """The command that makes the same input and the same faults again."""
    seconds: float
    settling: float
    ok: bool
    violations: list[str]
    faults: dict[str, int]
    lives: int
    exits: dict[str, int]
    """Ends of processes by code; negative ones are signals."""
    records: int
    poison: int
    requests: int
    announced: int
    skipped: int
    """Requests that ended neither as an announcement nor as a dead letter: by promise 5, counted skips."""
    dead_letters: int
    works: dict[str, int]
    renders: int
    logged: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For the run's folder."""
        return asdict(self)


def report(
    case: Case,
    violations: Iterable[Violation],
    *,
    seed: int,
    replay: str,
    seconds: float,
    settling: float,
    faults: Mapping[str, int],
    lives: Iterable[Life],
) -> Report:
    """Count."""
    found = list(violations)
    seen, lived = case.seen, list(lives)
    given_up = sum(letter.group == "renderer" and letter.item is None for letter in seen.letters)
    return Report(
        seed=seed,
        replay=replay,
        seconds=round(seconds, 1),
        settling=round(settling, 1),
        ok=not found,
        violations=list(map(str, found)),
        faults=dict(sorted(faults.items())),
        lives=len(lived),
        exits=dict(sorted(Counter(str(life.code) for life in lived).items())),
        records=len(case.items),
        poison=sum(bool(item.poison) for item in case.items),
        requests=len(seen.requests),
        announced=len(seen.announced),
        skipped=len(seen.requests) - len(seen.announced) - given_up,
        dead_letters=len(seen.letters),
        works=dict(sorted(Counter(event.work or event.status for event in seen.announced).items())),
        renders=len(seen.begun),
        logged=_logged(lived),
    )


def _logged(lives: Iterable[Life]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for life in lives:
        for line in Path(life.log).read_text(errors="replace").splitlines():
            try:
                event = json.loads(line).get("event")
            except (ValueError, AttributeError):
                continue
            if event in LOGGED:
                counts[LOGGED[event]] += 1
    return dict(sorted(counts.items()))


def show(found: Report, console: Console) -> None:
    """The table."""
    table = Table(title=f"soak, seed {found.seed}", show_header=False)
    table.add_row("run", f"{found.seconds:.0f} s under the nemesis, {found.settling:.0f} s until all was done")
    table.add_row("faults", _told(found.faults))
    table.add_row("processes", f"{found.lives}; ends by code: {_told(found.exits)}")
    table.add_row("input", f"{found.records} records, {found.poison} of them poison; {found.dead_letters} dead letters")
    table.add_row("requests", f"{found.requests}: {found.announced} announced, {found.skipped} skipped")
    table.add_row("clips by work", _told(found.works))
    table.add_row("renders begun", str(found.renders))
    table.add_row("in the logs", _told(found.logged))
    console.print(table)
    for violation in found.violations[:TOLD]:
        console.print(f"VIOLATION {violation}", markup=False, highlight=False, soft_wrap=True)
    if len(found.violations) > TOLD:
        console.print(f"… and {len(found.violations) - TOLD} more")
    console.print("no violation" if found.ok else f"{len(found.violations)} violations")
    console.print(f"the same again: {found.replay}", markup=False, highlight=False, soft_wrap=True)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
