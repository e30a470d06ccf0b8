"""What people decided about rejected clips, as the store keeps it: one decision a clip, and the first one stands.

Knows the written list of reasons; publishes nothing and moves no clip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Literal

from consumer.events import Avro, VideoRejected
from consumer.settings import REVIEWER
from consumer.storage import layout
from consumer.storage.store import Absent, ConditionFailedError, Matches, ObjectNotFoundError, Store

READERS = 8
"""Decisions read at once: each is a call that waits on the network."""
NOTE = 1_000
"""Most characters of a note."""

APPROVE_REASONS = {
    "false-alarm": "what the inspection saw is not there",
    "intended": "it is there, and belongs to the product: a black lamp on black, a mirror, a strobe",
    "acceptable": "it is there, and visitors will not mind",
}
REJECT_REASONS = {
    "confirmed": "what the inspection saw is there",
    "wrong-product": "it shows something else",
    "wrong-colour": "it shows the product in another colour",
    "deformed": "the product is bent, torn, doubled or melts",
    "unsafe": "nakedness, violence, or what else has no place on a shop page",
    "text": "writing, logos or numbers that nobody asked for",
    "motion": "it flickers, jumps or stands still",
    "unattractive": "nothing is wrong with it, but it sells nothing",
}
"""The written list: codes and what they mean. ``other`` needs a note."""
OTHER = "other"


class ReviewError(Exception):
    """Raised when a command cannot be done: wrong usage, refused as things stand, or a part that is out."""

    def __init__(self, message: str, kind: Literal["usage", "refused", "out"] = "refused") -> None:
        super().__init__(message)
        self.kind = kind


class Verdict(StrEnum):
    """What was decided."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Who says so, and why: checked. Raises ReviewError naming the option."""

    reviewer: str
    reason: str
    note: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(REVIEWER, self.reviewer) or self.reviewer.endswith("\n"):
            raise ReviewError(
                f"--reviewer {self.reviewer[:80]!r}: an id of 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-', "
                "no name and no mail address",
                "usage",
            )
        if len(self.note) > NOTE:
            raise ReviewError(f"--note: {len(self.note):,} characters; at most {NOTE:,}", "usage")
        if not self.note.replace("\n", " ").isprintable():
            raise ReviewError("--note: has control characters", "usage")
        if self.reason == OTHER and not self.note.strip():
            raise ReviewError("--reason other: say which, with --note", "usage")


def check_reason(reason: str, known: dict[str, str]) -> None:
    """Raises ReviewError where the code is not on the list."""
    if reason != OTHER and reason not in known:
        raise ReviewError(f"--reason {reason[:80]}: choose one of {', '.join([*known, OTHER])}", "usage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A rejection that an approval answered: its request was published again."""

    place: str
    """Where the rejection lies in the log: TOPIC/PARTITION/OFFSET."""
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision about one clip."""

    base_digest: str
    """The clip that the rejection names: its last attempt."""
    verdict: Verdict
    word: Word
    at: datetime
    policy: str | None
    """The inspection policy that kept it back."""
    event: VideoRejected
    """The rejection that was decided about."""
    place: str
    """Where it lay."""
    attempt: str
    """The base clip that was approved: the one above, or an earlier attempt."""
    answers: tuple[Answer, ...] = field(default=())

    def answered(self, place: str) -> bool:
        """Whether the request behind the rejection at ``place`` was published again."""
        return any(each.place == place for each in self.answers)

    @property
    def told(self) -> str:
        """Who decided what, in words."""
        return (
            f"{self.verdict} by {self.word.reviewer} at {self.at.isoformat(timespec='seconds')} "
            f"({self.word.reason}{': ' + self.word.note if self.word.note else ''})"
        )

    def to_json(self) -> dict[str, Any]:
        """As it is stored and as commands print it."""
        event = self.event.to_avro()
        event["occurred_at"] = event["occurred_at"].isoformat()
        return {
            "base_digest": self.base_digest,
            "verdict": self.verdict.value,
            "reviewer": self.word.reviewer,
            "at": self.at.isoformat(),
            "reason": self.word.reason,
            "note": self.word.note,
            "policy": self.policy,
            "attempt": self.attempt,
            "place": self.place,
            "answers": [{"place": a.place, "revision": a.revision, "at": a.at.isoformat()} for a in self.answers],
            "event": event,
        }

    @classmethod
    def from_json(cls, found: Avro) -> Decision:
        """Raises KeyError, TypeError, ValueError where it is none."""
        event = dict(found["event"])
        event["occurred_at"] = datetime.fromisoformat(event["occurred_at"])
        return cls(
            base_digest=found["base_digest"],
            verdict=Verdict(found["verdict"]),
            word=Word(reviewer=found["reviewer"], reason=found["reason"], note=found["note"]),
            at=datetime.fromisoformat(found["at"]),
            policy=found["policy"],
            event=VideoRejected.from_avro(event),
            place=found["place"],
            attempt=found["attempt"],
            answers=tuple(
                Answer(place=a["place"], revision=a["revision"], at=datetime.fromisoformat(a["at"]))
                for a in found["answers"]
            ),
        )


class Decisions:
    """The decisions in one store. Raises the store's errors, and ReviewError for an object that is no decision."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, digest: str) -> tuple[Decision, str] | None:
        """The decision about a clip and its etag, if there is one."""
        key = layout.review_key(digest)
        try:
            data, stat = self._store.get(key)
        except ObjectNotFoundError:
            return None
        try:
            return Decision.from_json(json.loads(data)), stat.etag
        except (ValueError, KeyError, TypeError, ReviewError) as error:
            raise ReviewError(f"{key} is no decision ({error}); move it away to decide anew") from error

    def decide(self, decision: Decision) -> Decision:
        """The decision that stands: this one, or the one that somebody else made before."""
        try:
            self._put(decision, Absent())
        except ConditionFailedError:
            found = self.read(decision.base_digest)
            if found is None:  # removed by hand in the same moment
                raise ReviewError("another decision came and went meanwhile: try again") from None
            return found[0]
        return decision

    def answer(self, digest: str, answer: Answer) -> Decision:
        """Note that the request behind a rejection was published again."""
        while True:
            found = self.read(digest)
            if found is None:
                raise ReviewError(f"{layout.review_key(digest)} is gone")
            decision, etag = found
            if decision.answered(answer.place):
                return decision
            noted = replace(decision, answers=(*decision.answers, answer))
            try:
                self._put(noted, Matches(etag=etag))
            except ConditionFailedError:
                continue
            return noted

    def known(self) -> set[str]:
        """The clips about which there are decisions."""
        names = (PurePosixPath(stat.key).stem for stat in self._store.list(layout.REVIEWS))
        return {name for name in names if layout.is_digest(name)}

    def read_all(
        self, digests: Collection[str], told: Callable[[int, int], object] = lambda *_: None
    ) -> dict[str, Decision]:
        """The decisions about these clips. ``told`` hears how many were read, and of how many."""
        found: dict[str, Decision] = {}
        with ThreadPoolExecutor(READERS) as readers:
            for number, each in enumerate(readers.map(self.read, sorted(digests)), 1):
                if each is not None:
                    found[each[0].base_digest] = each[0]
                told(number, len(digests))
        return found

    def _put(self, decision: Decision, condition: Absent | Matches) -> None:
        data = json.dumps(decision.to_json(), ensure_ascii=False, indent=1).encode()
        key = layout.review_key(decision.base_digest)
        self._store.put(key, data, layout.review_attributes(), condition=condition)
