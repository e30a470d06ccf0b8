"""What can be seen of a run from the outside, as plain values that go into a file and back. Judges nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A record of an input topic: which item it is, and where it lies."""

    item: int
    topic: str
    partition: int
    offset: int
    key: str | None
    """In hexadecimal digits, as values."""
    value: str | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A committed clip request."""

    product: str
    revision: int
    work: str
    digest: str | None
    """Of the recipe."""
    lane: str


@dataclass(frozen=True, kw_only=True)
class Announced:
    """A committed ``video-ready``."""

    event_id: str
    product: str
    revision: int
    status: str
    digest: str | None = None
    work: str | None = None
    clip_key: str | None = None
    poster_key: str | None = None
    sha256: str | None = None
    size: int = 0
    frames: int = 0


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A committed dead letter."""

    topic: str
    """Of the record that it was."""
    partition: int
    offset: int
    group: str
    stage: str
    message: str
    key: str | None
    value: str | None
    item: str | None
    """The record's own header that says which item it is, where that came through."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object; ``frames`` None where nobody looked, -1 where it could not be decoded."""

    sha256: str
    size: int
    frames: int | None = None


@dataclass(frozen=True, kw_only=True)
class Alias:
    """What a product's stable address says, and what lies there."""

    revision: int
    digest: str
    status: str
    event_id: str
    video: str | None
    """The digest of ``current.mp4``; None where there is none."""
    poster: bool


@dataclass(frozen=True, kw_only=True)
class Glance:
    """A look at an alias in the middle of the run: ``at`` seconds since 1970."""

    at: float
    product: str
    revision: int


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A shot that an engine began."""

    digest: str
    pid: int
    at: float


@dataclass(frozen=True, kw_only=True)
class Lived:
    """A process: ``began`` in seconds since 1970, ``code`` as it ended (negative: by that signal)."""

    slot: str
    pid: int
    began: float
    code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the catalog knows of a product."""

    revision: int
    retired: bool
    plan: int | None
    """The number of its newest plan."""
    shown: int | None
    """The newest announcement that it heard of."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Everything."""

    inputs: list[Placed] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    announced: list[Announced] = field(default_factory=list)
    """In the order of their partitions."""
    rejected: list[tuple[str, int, str]] = field(default_factory=list)
    """Product, revision, reasons."""
    letters: list[Letter] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """What was still to be done when nothing moved any more."""
    objects: dict[str, Stored] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    glances: list[Glance] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    lives: list[Lived] = field(default_factory=list)
    seen_stored: dict[str, float] = field(default_factory=dict)
    """Base clips, and when each was first seen whole in the store."""
    catalog: dict[str, Row] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """As JSON."""
        file.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Observed:
        """From what ``save`` wrote."""
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        kinds = {
            "inputs": Placed,
            "requests": Request,
            "announced": Announced,
            "letters": Letter,
            "glances": Glance,
            "begun": Begun,
            "lives": Lived,
        }
        lists: dict[str, Any] = {name: [kind(**each) for each in found.pop(name)] for name, kind in kinds.items()}
        tables = {"objects": Stored, "aliases": Alias, "catalog": Row}
        maps: dict[str, Any] = {
            name: {key: kind(**each) for key, each in found.pop(name).items()} for name, kind in tables.items()
        }
        found["rejected"] = [tuple(each) for each in found["rejected"]]
        return cls(**lists, **maps, **found)
