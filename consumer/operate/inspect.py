"""``skureel inspect`` and ``skureel inspect calibrate``: scores of clips, and what limits suit labelled ones."""

from __future__ import annotations

import json as json_lines
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

from consumer.operate import contact_sheet
from consumer.operate.clips import ClipFileError, Looked, Wanted, beside, clips_in, look
from consumer.renderer.configured import inspector_of
from consumer.settings import Settings
from model.inspect import Inspector, Policy, PolicyError
from model.inspect.calibrate import ALLOWED, Worth, suggest, worth
from model.inspect.catalogue import CATALOGUE
from model.inspect.judges import JudgeError

GOOD, BAD = "good", "bad"
T = TypeVar("T")


class InspectError(Exception):
    """Raised when nothing could be inspected; ``usage`` tells wrong usage from a part that is not there."""

    def __init__(self, message: str, *, usage: bool = True) -> None:
        super().__init__(message)
        self.usage = usage


def open_inspector(settings: Settings) -> Inspector:
    """The configured inspector. Raises InspectError."""
    try:
        return inspector_of(settings)
    except PolicyError as error:
        raise InspectError(str(error)) from error
    except JudgeError as error:
        raise InspectError(str(error), usage=False) from error


def files(settings: Settings, paths: Sequence[Path], wanted: Wanted, *, sheet: Path | None, json: bool) -> bool:
    """The command: inspect files, say what was found. True when every one may be published. Raises InspectError."""
    inspector = open_inspector(settings)
    found: list[Looked] = []
    try:
        for path in _tracked(paths):
            clip = look(path, inspector, wanted)
            # Pictures are kept for the sheet alone: a few seconds of 480p are a hundred megabytes.
            found.append(clip if sheet else replace(clip, frames=None))
        if sheet:
            contact_sheet.write(sheet, found)
    except ClipFileError as error:
        raise InspectError(str(error)) from error
    except OSError as error:
        raise InspectError(f"{sheet}: {error.strerror or error}") from error
    if json:
        for clip in found:
            print(json_lines.dumps(_facts(clip), ensure_ascii=False))
    else:
        for clip in found:
            _show(clip, inspector.policy)
    return all(clip.report.passed for clip in found)


def _facts(clip: Looked) -> dict[str, Any]:
    report, seen = clip.report, clip.probe
    return {
        "file": str(clip.path),
        "verdict": report.verdict,
        "faults": [
            {
                "check": fault.check,
                "action": fault.action,
                "value": round(fault.value, 4),
                "limit": fault.limit,
                "message": fault.message,
            }
            for fault in report.faults
        ],
        "scores": dict(report.scores),
        "not_run": dict(report.skipped),
        "policy": report.policy,
        "video": {
            "width": seen.width,
            "height": seen.height,
            "frames": seen.frames,
            "fps": seen.fps,
            "seconds": round(seen.duration, 3),
            "codec": seen.codec,
        }
        if seen
        else None,
    }


_STYLES = {"accept": "green", "review": "yellow", "reject": "red", "warn": "yellow"}


def _show(clip: Looked, policy: Policy) -> None:
    console = Console(highlight=False)
    report = clip.report
    title = f"{clip.path}: {report.verdict} (policy {report.policy})"
    table = Table(title=title, title_justify="left", title_style=f"bold {_STYLES[report.verdict]}")
    for heading in ("check", "score", "limit", "finding"):
        table.add_column(heading, justify="right" if heading in {"score", "limit"} else "left", overflow="fold")
    faults = {fault.check: fault for fault in report.faults}
    for check, fault in faults.items():
        if check not in report.scores:
            table.add_row(check, "", "", f"[red]{fault.action}[/]: {_plain(fault.message)}")
    for check, score in report.scores.items():
        rule = policy.rules[check]
        finding = ""
        if check in faults:
            action = faults[check].action
            finding = f"[{_STYLES[action]}]{action}[/]: {_plain(faults[check].message)}"
        table.add_row(check, f"{score:.4g}", f"{'≥' if rule.least else '≤'} {rule.limit:g}", finding)
    for check, why in report.skipped.items():
        table.add_row(check, "", "", f"[dim]not run: {_plain(why)}[/]")
    console.print(table)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


# Calibration.


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check over a labelled folder."""

    check: str
    now: Worth
    limit: float
    suggested: float
    then: Worth


def calibrate(
    settings: Settings, folder: Path, *, output: Path | None, version: str, allowed: float = ALLOWED, json: bool
) -> None:
    """The command: what each check is worth on a labelled folder, and a policy that suits it. Raises InspectError."""
    inspector = open_inspector(settings)
    good, bad = _labelled(folder, inspector)
    rows = list(_rows(inspector.policy, good, bad, allowed))
    policy = inspector.policy.with_limits(version, {row.check: row.suggested for row in rows})
    if output:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(policy.to_toml(), encoding="utf-8")
        except OSError as error:
            raise InspectError(f"{output}: {error.strerror or error}") from error
    clips = sum(map(len, bad.values()))
    if json:
        document = {
            "good": len(good),
            "bad": clips,
            "policy": inspector.policy.name,
            "checks": {row.check: _numbers(row) for row in rows},
            "suggested_policy": policy.name,
            "written": str(output) if output else None,
        }
        print(json_lines.dumps(document, ensure_ascii=False))
        return
    console = Console(highlight=False)
    table = Table(
        title=f"{len(good)} good clips, {clips} bad ones, policy {inspector.policy.name}", title_justify="left"
    )
    for heading in ("check", "bad", "recall", "precision", "good refused", "limit", "suggested", "recall then"):
        table.add_column(heading, justify="left" if heading == "check" else "right")
    for row in rows:
        changed = row.suggested != row.limit
        table.add_row(
            row.check,
            str(row.now.found + row.now.missed),
            _share(row.now.recall),
            _share(row.now.precision),
            _share(row.now.false_positives),
            f"{row.limit:g}",
            f"[bold]{row.suggested:g}[/]" if changed else "keep",
            _share(row.then.recall),
        )
    console.print(table)
    if output:
        console.print(f"written: {output} (name it in inspection.policy)", markup=False)


def _labelled(folder: Path, inspector: Inspector) -> tuple[list[Looked], dict[str, list[Looked]]]:
    """The reports of good/*.mp4 and of bad/CHECK/*.mp4. Raises InspectError."""
    wanted = f"{folder}: give a folder with good/*.mp4 and bad/CHECK/*.mp4, CHECK being one of {', '.join(CATALOGUE)}"
    if not (folder / GOOD).is_dir() or not (folder / BAD).is_dir():
        raise InspectError(wanted)
    kinds = sorted(each for each in (folder / BAD).iterdir() if each.is_dir())
    if unknown := [each.name for each in kinds if each.name not in CATALOGUE]:
        raise InspectError(f"{folder / BAD}: {', '.join(unknown)}: no such check. {wanted}")
    labelled = [(GOOD, path) for path in clips_in(folder / GOOD)]
    labelled += [(kind.name, path) for kind in kinds for path in clips_in(kind)]
    if not any(label == GOOD for label, _ in labelled):
        raise InspectError(f"{folder / GOOD}: no .mp4 files")
    good: list[Looked] = []
    bad: dict[str, list[Looked]] = defaultdict(list)
    try:
        for label, path in _tracked(labelled):
            clip = replace(look(path, inspector, beside(path)), frames=None)
            (good if label == GOOD else bad[label]).append(clip)
    except ClipFileError as error:
        raise InspectError(str(error)) from error
    return good, bad


def _rows(policy: Policy, good: list[Looked], bad: dict[str, list[Looked]], allowed: float) -> Iterator[Row]:
    for check, rule in policy.rules.items():
        lawful = [clip.report.scores[check] for clip in good if check in clip.report.scores]
        spoilt = bad.get(check, [])
        scored = [clip.report.scores[check] for clip in spoilt if check in clip.report.scores]
        if not lawful and not spoilt:
            continue
        limit = suggest(rule, scored, lawful, allowed)
        # What could not be measured at all was refused for that: a file that does not decode has no duration.
        sure = sum(1 for clip in spoilt if check not in clip.report.scores and not clip.report.passed)
        unscored = len(spoilt) - len(scored)
        extra = Worth(sure, unscored - sure, 0, 0)
        now = worth(rule, scored, lawful) + extra
        then = worth(replace(rule, limit=limit), scored, lawful) + extra
        yield Row(check=check, now=now, limit=rule.limit, suggested=limit, then=then)


def _numbers(row: Row) -> dict[str, Any]:
    def told(each: Worth) -> dict[str, Any]:
        shares = {"recall": each.recall, "precision": each.precision, "false_positives": each.false_positives}
        return {name: None if math.isnan(share) else round(share, 4) for name, share in shares.items()}

    return {
        "bad": row.now.found + row.now.missed,
        "good": row.now.wrongly + row.now.rightly,
        "limit": row.limit,
        **told(row.now),
        "suggested": row.suggested,
        "then": told(row.then),
    }


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _tracked(things: Sequence[T]) -> Iterator[T]:
    """The things one by one, with a bar on a terminal."""
    console = Console(stderr=True)
    return iter(track(things, "inspecting", console=console, transient=True, disable=not sys.stderr.isatty()))
