"""Which published clips are looked at by a person, and what was found: plain values and the choice among them.

The first clips of each template version, then a share of the rest, chosen by hash: the same for whoever asks.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from consumer.operate.review_records import Word

UNKNOWN = "unknown"
"""The template of clips whose announcement names none."""
Found = Literal["ok", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A published clip that may be looked at."""

    id: str
    """Of its announcement."""
    product: str
    template: str
    base_digest: str
    at: datetime
    url: str
    policy: str | None = None
    """The inspection policy that it passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What a person found."""

    base_digest: str
    template: str
    product: str
    first: bool
    """One of the first clips of its template version, or one of the share after them."""
    found: Found
    word: Word
    at: datetime
    url: str
    policy: str | None
    """The inspection policy that it had passed."""

    def to_json(self) -> dict[str, Any]:
        """As it is stored and as the command prints it."""
        return {
            "base_digest": self.base_digest,
            "template": self.template,
            "product_id": self.product,
            "first": self.first,
            "found": self.found,
            "reviewer": self.word.reviewer,
            "reason": self.word.reason,
            "note": self.word.note,
            "at": self.at.isoformat(),
            "url": self.url,
            "policy": self.policy,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Audit:
        """Raises KeyError, TypeError, ValueError where it is none."""
        return cls(
            base_digest=found["base_digest"],
            template=found["template"],
            product=found["product_id"],
            first=found["first"],
            found=found["found"],
            word=Word(reviewer=found["reviewer"], reason=found["reason"], note=found["note"]),
            at=datetime.fromisoformat(found["at"]),
            url=found["url"],
            policy=found["policy"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is to be looked at of one template version."""

    template: str
    clips: int
    """Published, as far as the log goes back."""
    left: tuple[tuple[Shown, bool], ...]
    """Still to be looked at, the oldest first; whether each is one of the first clips."""
    audits: tuple[Audit, ...]

    @property
    def bad(self) -> int:
        """How many were found bad."""
        return sum(audit.found == "bad" for audit in self.audits)


def chosen(digest: str, percent: float) -> bool:
    """Whether a clip belongs to the share: by its digest alone.

    >>> sum(chosen(str(number), 5.0) for number in range(10_000))
    510
    """
    drawn = int.from_bytes(hashlib.sha256(f"audit/{digest}".encode()).digest()[:8], "big")
    return drawn < percent / 100 * 2**64


def samples(clips: Iterable[Shown], audits: Iterable[Audit], *, first: int, percent: float) -> list[Sample]:
    """What is to be looked at, by template version. Firsts that the log has lost count as looked at."""
    by_template: defaultdict[str, dict[str, Shown]] = defaultdict(dict)
    for clip in sorted(clips, key=lambda each: (each.at, each.base_digest)):
        by_template[clip.template].setdefault(clip.base_digest, clip)
    known: defaultdict[str, list[Audit]] = defaultdict(list)
    for audit in audits:
        known[audit.template].append(audit)
    found: list[Sample] = []
    for template in sorted(by_template.keys() | known):
        here, done = list(by_template[template].values()), known[template]
        seen = {audit.base_digest for audit in done}
        lost = sum(audit.first and audit.base_digest not in by_template[template] for audit in done)
        firsts = max(0, first - lost)
        left = [
            (clip, number < firsts)
            for number, clip in enumerate(here)
            if clip.base_digest not in seen and (number < firsts or chosen(clip.base_digest, percent))
        ]
        found.append(Sample(template=template, clips=len(here), left=tuple(left), audits=tuple(done)))
    return found
