"""``video-ready`` and ``video-rejected``: what became of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from consumer.events.common import Avro, Cause, EventError, Work, flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The finished clip of an announcement."""

    clip_id: str
    url: str
    key: str
    poster_url: str
    sha256: str
    etag: str | None
    size: int
    width: int
    height: int
    frames: int
    fps: int
    duration: float
    content_type: str
    codec: str
    has_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an announced clip comes from."""

    recipe_digest: str
    base_digest: str
    prompt: str
    negative_prompt: str | None
    engine: str
    engine_revision: str
    generative: bool
    seed: int
    steps: int
    guidance: float
    photo_sha256: str | None
    scores: Mapping[str, float]
    inspection_policy: str | None
    engine_seconds: float
    work: Work
    attempts: int = 1
    not_inspected: Mapping[str, str] = field(default_factory=dict)
    """Checks that the policy asks for and that did not run, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReady:
    """A clip may be shown, or was retired (``video-ready``)."""

    event_id: str
    occurred_at: datetime
    product_id: str
    variant: str = "default"
    revision: int
    status: Literal["READY", "RETIRED"]
    cause: Cause
    clip: Clip | None
    alias_url: str
    alias_poster_url: str
    purge_urls: tuple[str, ...] = ()
    surrogate_keys: tuple[str, ...] = ()
    purge_mode: Literal["SOFT", "HARD"] = "SOFT"
    superseded_urls: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    labels: tuple[str, ...] = ()
    lineage: Lineage | None = None

    @classmethod
    def from_avro(cls, record: Avro) -> VideoReady:
        """Raises EventError when the status is not one this release knows."""
        if record["status"] not in {"READY", "RETIRED"}:
            raise EventError("status", f"{record['status']!r} is not READY or RETIRED")
        lineage = record["lineage"]
        values = dict(record)
        for name in ("purge_urls", "surrogate_keys", "superseded_urls", "labels"):
            values[name] = tuple(values[name])
        values["cause"] = Cause.from_avro(record["cause"])
        values["clip"] = Clip(**record["clip"]) if record["clip"] else None
        values["lineage"] = Lineage(**(lineage | {"work": Work(lineage["work"])})) if lineage else None
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        values = flat(self)
        for name in ("purge_urls", "surrogate_keys", "superseded_urls", "labels"):
            values[name] = list(values[name])
        values["cause"] = self.cause.to_avro()
        values["clip"] = flat(self.clip) if self.clip else None
        if self.lineage:
            values["lineage"] = flat(self.lineage) | {
                "scores": dict(self.lineage.scores),
                "not_inspected": dict(self.lineage.not_inspected),
                "work": self.lineage.work.value,
            }
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One failed check."""

    check: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRejected:
    """A clip failed inspection and is not shown (``video-rejected``)."""

    event_id: str
    occurred_at: datetime
    product_id: str
    variant: str = "default"
    revision: int
    cause: Cause
    reasons: tuple[Reason, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 1
    recipe_digest: str | None = None
    base_digest: str | None = None
    quarantine_key: str | None = None
    inspection_policy: str | None = None
    not_inspected: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_avro(cls, record: Avro) -> VideoRejected:
        """The typed value of a decoded record."""
        values = dict(record)
        values["cause"] = Cause.from_avro(record["cause"])
        values["reasons"] = tuple(Reason(**reason) for reason in record["reasons"])
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        values = flat(self)
        values["cause"] = self.cause.to_avro()
        values["reasons"] = [{"check": r.check, "message": r.message} for r in self.reasons]
        values["scores"] = dict(self.scores)
        values["not_inspected"] = dict(self.not_inspected)
        return values
