"""``skureel verify``: MP4 files and addresses checked as a stranger would, with a table for people or JSON."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from consumer.operate.sources import RefusedError, Told, TooLargeError, UnreachableError, read
from model.probe import MAX_BYTES
from model.provenance import ProvenanceError, anchors_of
from model.verify import COMMON, Demand, Finding, Origin, Verdict, verify

STYLES = {"ok": "green", "note": "cyan", "fail": "bold red", "skipped": "yellow"}


class Ending(IntEnum):
    """What came of a file, or of all of them, by exit code."""

    HOLDS = 0
    FAILS = 1
    REFUSED = 2
    UNREACHABLE = 3


_GRAVEST = (Ending.REFUSED, Ending.FAILS, Ending.UNREACHABLE, Ending.HOLDS)
"""Of several files the first of these that occurs is the ending of all."""
_WORDS = {
    Ending.HOLDS: "holds",
    Ending.FAILS: "FAILS",
    Ending.REFUSED: "refused",
    Ending.UNREACHABLE: "cannot be read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One file or address: a verdict, or why there is none."""

    target: str
    ending: Ending
    verdict: Verdict | None = None
    problem: str = ""

    def plain(self) -> dict[str, object]:
        """For machines."""
        findings = [asdict(finding) for finding in self.verdict.findings] if self.verdict else []
        return {
            # A file's name need not be text.
            "target": self.target.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            "ending": self.ending.name.lower(),
            "problem": self.problem,
            "findings": findings,
            "facts": dict(self.verdict.facts) if self.verdict else {},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of every file. ``words`` are looked for beside the usual ones."""

    origin: Origin = "auto"
    words: Sequence[str] = ()
    demand: Demand = field(default_factory=Demand)
    private: bool = False
    """Addresses that are not public are followed, too."""


class TrustError(Exception):
    """Raised when the certificates that are to be trusted cannot be read."""


def demand_of(trust: Path | None, *, required: bool) -> Demand:
    """What the options ask of a signature. Raises TrustError."""
    try:
        return Demand(required=required, anchors=anchors_of(trust) if trust else None)
    except ProvenanceError as error:
        raise TrustError(f"--trust: {error}") from error


def judged(target: str, asked: Asked, told: Told) -> Outcome:
    """Read one file or address, and verify it."""
    try:
        data = read(target, MAX_BYTES, private=asked.private, told=told)
    except RefusedError as error:
        return Outcome(target=target, ending=Ending.REFUSED, problem=str(error))
    except UnreachableError as error:
        return Outcome(target=target, ending=Ending.UNREACHABLE, problem=str(error))
    except TooLargeError as error:
        return Outcome(target=target, ending=Ending.FAILS, problem=f"is no clip: {error}")
    words = tuple(dict.fromkeys((*asked.words, *COMMON)))
    verdict = verify(data, origin=asked.origin, words=words, demand=asked.demand)
    return Outcome(target=target, ending=Ending.HOLDS if verdict.holds else Ending.FAILS, verdict=verdict)


def run(targets: Sequence[str], asked: Asked, *, json: bool = False) -> Ending:
    """The command."""
    outcomes = []
    with _bar() as progress:
        for target in targets:
            task = progress.add_task(printable(target), total=None)

            def told(done: int, of: int | None, task: TaskID = task) -> None:
                progress.update(task, completed=done, total=of)

            outcomes.append(judged(target, asked, told))
            progress.remove_task(task)
    if json:
        print(jsonlib.dumps([outcome.plain() for outcome in outcomes], ensure_ascii=False))
    else:
        show(outcomes, Console())
    endings = {outcome.ending for outcome in outcomes}
    return next((ending for ending in _GRAVEST if ending in endings), Ending.HOLDS)


def _bar() -> Progress:
    """On standard error, where a person sits: what is being read or looked at, and how much of it has come."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """A table a file, and of several files how they stand in one line."""
    for outcome in outcomes:
        # Text objects, not markup: names and what files say are not ours to interpret.
        told = f"{printable(outcome.target)}: {_WORDS[outcome.ending]}"
        console.print(Text(f"{told}: {printable(outcome.problem)}" if outcome.problem else told), soft_wrap=True)
        if outcome.verdict is not None:
            console.print(_table(outcome.verdict.findings))
    if len(outcomes) > 1:
        counts = {ending: sum(outcome.ending is ending for outcome in outcomes) for ending in Ending}
        told = ", ".join(f"{count} {_WORDS[ending]}" for ending, count in counts.items() if count)
        console.print(told, highlight=False)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "check", "found", "why", box=box.SIMPLE_HEAD, pad_edge=False)
    made = [finding for finding in findings if finding.status != "skipped"]
    for finding in made:
        row = (finding.check.replace("_", " "), printable(finding.found), printable(finding.why))
        table.add_row(Text(finding.status, style=STYLES[finding.status]), *map(Text, row))
    if len(made) < len(findings):
        rest = f"{len(findings) - len(made)} more"
        table.add_row(Text("skipped", style=STYLES["skipped"]), Text(rest), Text("not looked at, for what fails above"))
    return table


def printable(text: str) -> str:
    """The text with what a terminal would act on written out: names and files are anybody's."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
