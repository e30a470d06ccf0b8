"""What a verification found: one finding a check, and the facts; plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "note", "fail", "skipped"]
"""``note``: worth knowing and no fault. ``skipped``: could not be looked at, for what failed before it."""

CHECKS = (
    "container",
    "codec",
    "pixels",
    "size",
    "pictures",
    "faststart",
    "sound",
    "key_frames",
    "decode",
    "origin",
    "visible_label",
    "metadata_label",
    "c2pa",
)
"""Every check, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and where it fails, why."""

    check: str
    status: Status
    found: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All findings of a file, and its facts for machines."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """True when every check was made and none fails."""
        return all(finding.status in ("ok", "note") for finding in self.findings)


def complete(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for every check, in order; those that are missing were skipped."""
    known = {finding.check: finding for finding in findings}
    return tuple(known.get(check, Finding(check, "skipped", "not looked at")) for check in CHECKS)
