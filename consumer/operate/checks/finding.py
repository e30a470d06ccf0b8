"""The doctor's vocabulary: what a check is and what it finds. Knows no part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was found of a part, and what to do about it."""

    part: str
    status: Status
    found: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A part to look at, on a thread of its own. ``look`` may find further checks that are then worth doing."""

    part: str
    look: Callable[[], Iterable[Finding | Check]]
    late: Status = "fail"
    """What it means when there is no answer in time."""
    advice: str = "is it reachable from here, and is its address right?"
    """What to do then."""


def ok(part: str, found: str) -> Finding:
    """All is well."""
    return Finding(part, "ok", found)


def warn(part: str, found: str, todo: str) -> Finding:
    """It works, but somebody should know."""
    return Finding(part, "warn", found, todo)


def fail(part: str, found: str, todo: str) -> Finding:
    """The service would not work."""
    return Finding(part, "fail", found, todo)
