"""Seeded defects in good clips of many kinds: what the inspection finds, and what it refuses wrongly.

`python -m tests.bench.defects [--quick] [--no-wan] [--no-ocr] [--json-only] [-o POLICY.toml]`. Limits come from one
half of the clips, figures from the other; beside them, the figures of the policy as it is shipped, over all clips.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from model.inspect import POLICY, Policy
from model.inspect.calibrate import NOTHING, Worth, suggest
from model.inspect.report import Report
from tests.bench import machine
from tests.seeded.clips import KINDS, TINY_MODEL, Good, good_clips
from tests.seeded.spoil import WRITTEN, Defect, inspected, spoilt

RECALL, FALSE_POSITIVES = 0.98, 0.02
"""The aims."""
SURE = frozenset({"finite", "dtype", "shape", "decode", "headers"})
"""Checks without a score: what they find cannot be measured any further."""
_READ_EVERY = 3
"""Of so many clips one is read by OCR, which takes longer than everything else together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One clip, as it is or spoilt, and its report."""

    clip: str
    half: int
    defect: Defect | None
    strength: float
    report: Report

    def found(self, policy: Policy) -> frozenset[str]:
        """Checks that refuse it under a policy."""
        hits = {fault.check for fault in self.report.faults if fault.check in SURE}
        for check, score in self.report.scores.items():
            rule = policy.rules[check]
            if rule.action in {"reject", "review"} and rule.broken_by(score):
                hits.add(check)
        return frozenset(hits)


@dataclass(slots=True)
class Figures:
    """What a policy is worth on some cases."""

    checks: dict[str, Worth] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    defects: dict[str, Worth] = field(default_factory=lambda: defaultdict(lambda: NOTHING))
    whole: Worth = NOTHING
    missed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def cases_of(clips: Iterable[Good], *, ocr: bool) -> Iterable[Case]:
    """Every clip as it is, and under every defect that can be seen in it. Halves alternate within each kind."""
    seen: dict[str, int] = defaultdict(int)
    for count, good in enumerate(clips):
        half = seen[good.kind] % 2
        # Print too small to be read is read differently in every frame: see docs/INSPECTION.md.
        read = ocr and count % _READ_EVERY == 0 and good.kind != "small print"
        seen[good.kind] += 1
        name = f"{good.kind}: {good.name}"
        yield Case(clip=name, half=half, defect=None, strength=0, report=inspected(good, ocr=read))
        for defect, strength, report in spoilt(good, ocr=read):
            yield Case(clip=name, half=half, defect=defect, strength=strength, report=report)


def figures(cases: Iterable[Case], policy: Policy) -> Figures:
    """Count. A defect is found when a check that is made for it refuses the clip; a good clip is refused by any."""
    out = Figures()
    for case in cases:
        hits = case.found(policy)
        if case.defect is None:
            out.whole += Worth(0, 0, bool(hits), not hits)
            for check in case.report.scores:
                out.checks[check] += Worth(0, 0, check in hits, check not in hits)
            if hits:
                out.refused.append(f"{case.clip}: {', '.join(sorted(hits))}")
            continue
        hit = bool(hits & set(case.defect.checks))
        out.whole += Worth(hit, not hit, 0, 0)
        out.defects[f"{case.defect.name}"] += Worth(hit, not hit, 0, 0)
        # What cannot be measured has no limit that could be calibrated: any such check will do.
        sure = next((check for check in case.defect.checks if check in hits & SURE), None)
        first = sure or case.defect.checks[0]
        out.checks[first] += Worth(first in hits, first not in hits, 0, 0)
        if not hit:
            out.missed.append(f"{case.defect.name} {case.strength:g} in {case.clip}")
    return out


def calibrated(cases: Sequence[Case], policy: Policy) -> Policy:
    """The policy with limits from these cases: each check's from the defects it is made for, and from the good."""
    bad: dict[str, list[float]] = defaultdict(list)
    good: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        if case.defect is None:
            for check, score in case.report.scores.items():
                good[check].append(score)
        elif (first := case.defect.checks[0]) in case.report.scores:
            bad[first].append(case.report.scores[first])
    limits = {check: suggest(policy.rules[check], bad[check], good[check]) for check in bad}
    return policy.with_limits("calibrated", limits)


def _table(title: str, rows: Mapping[str, Worth], *, good: bool) -> Table:
    table = Table(title=title)
    table.add_column("")
    for heading in ("defects", "found", "recall", *(("good", "refused", "false positives") if good else ())):
        table.add_column(heading, justify="right")
    for name, each in sorted(rows.items()):
        bad = each.found + each.missed
        cells = [str(bad), str(each.found), f"{each.recall:.3f}" if bad else ""]
        if good:
            lawful = each.wrongly + each.rightly
            cells += [str(lawful), str(each.wrongly), f"{each.false_positives:.3f}" if lawful else ""]
        table.add_row(name, *cells)
    return table


def _numbers(rows: Mapping[str, Worth]) -> dict[str, Any]:
    return {
        name: {"found": w.found, "missed": w.missed, "wrongly": w.wrongly, "rightly": w.rightly}
        for name, w in sorted(rows.items())
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Gives 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.defects", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every third clip: that it runs")
    parser.add_argument("--no-wan", action="store_true", help="without the tiny model's clips, which take a minute")
    parser.add_argument("--no-ocr", action="store_true", help="without invented text, which takes a minute")
    parser.add_argument("--json-only", action="store_true", help="the JSON line alone")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the calibrated policy")
    chosen = parser.parse_args(arguments)
    ocr = WRITTEN.usable() and not chosen.no_ocr
    kinds = [kind for kind in KINDS if kind != TINY_MODEL or not (chosen.no_wan or chosen.quick)]
    start = time.perf_counter()
    clips = list(good_clips(*kinds))[:: 3 if chosen.quick else 1]
    console = Console(width=None if sys.stdout.isatty() else 110)
    shown = track(clips, "inspecting", console=Console(stderr=True), transient=True, disable=chosen.json_only)
    cases = list(cases_of(shown, ocr=ocr))
    policy = calibrated([case for case in cases if case.half == 0], POLICY)
    proven = figures((case for case in cases if case.half == 1), policy)
    shipped = figures(cases, POLICY)
    took = time.perf_counter() - start
    if chosen.output:
        chosen.output.write_text(policy.to_toml(), encoding="utf-8")
    met = all(_met(each.whole) for each in (proven, shipped))
    if not chosen.json_only:
        console.print(_table("checks: limits from one half, figures from the other", proven.checks, good=True))
        console.print(_table("defects: the same", proven.defects, good=False))
        console.print(_table("defects: the policy as shipped, all clips", shipped.defects, good=False))
        for name, each in (("calibrated", proven), ("shipped", shipped)):
            _tell(console, name, each)
        console.print({check: rule.limit for check, rule in policy.rules.items() if rule != POLICY.rules[check]})
    document = {
        "bench": "defects",
        **machine.describe(),
        "facts": {
            "quick": chosen.quick,
            "clips": len(clips),
            "cases": len(cases),
            "defects": len({case.defect.name for case in cases if case.defect}),
            "ocr": ocr,
            "policy": POLICY.name,
            "seconds": round(took, 1),
        },
        "calibrated": {"recall": proven.whole.recall, "false_positives": proven.whole.false_positives},
        "shipped": {"recall": shipped.whole.recall, "false_positives": shipped.whole.false_positives},
        "checks": _numbers(proven.checks),
        "defects": _numbers(proven.defects),
        "aims": {"recall": RECALL, "false_positives": FALSE_POSITIVES},
        "met": met,
    }
    print(json.dumps(document, ensure_ascii=False))
    return 0 if met else 1


def _met(whole: Worth) -> bool:
    return whole.recall >= RECALL and whole.false_positives <= FALSE_POSITIVES


def _tell(console: Console, name: str, found: Figures) -> None:
    whole = found.whole
    console.print(
        f"[bold]{name}[/]: recall {whole.recall:.4f} of {whole.found + whole.missed} defects, false positives "
        f"{whole.false_positives:.4f} of {whole.wrongly + whole.rightly} good clips"
    )
    for line in (*(f"refused: {each}" for each in found.refused), *(f"missed: {each}" for each in found.missed)):
        console.print(f"  {line}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
