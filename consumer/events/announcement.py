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
    produce_id: str | None = None
    """ProduceID of the metadata label; None on clips no model generated."""
    producer: str | None = None
    """Its ContentProducer code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a person decided about a base clip."""

    reviewer: str
    at: datetime
    reason: str
    """A code of the written list."""
    policy: str | None = None
    """The inspection policy that had kept the clip back."""


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
    review: Review | None = None
    """Set where the inspection kept the base clip back and a person approved it."""
    template: str | None = None
    """Template of the prompt and its version, ``NAME@VERSION``."""
    fallback: str | None = None
    """How it was made where not as planned: ``photo``, ``storyboard``, ``calm``, ``pan``."""

    @classmethod
    def from_avro(cls, record: Avro) -> Lineage:
        """The typed value of a decoded record."""
        values = dict(record)
        values["work"] = Work(record["work"])
        values["review"] = Review(**record["review"]) if record.get("review") else None
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return flat(self) | {
            "scores": dict(self.scores),
            "not_inspected": dict(self.not_inspected),
            "work": self.work.value,
            "review": flat(self.review) if self.review else None,
        }


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
        values["lineage"] = Lineage.from_avro(lineage) if lineage else None
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        values = flat(self)
        for name in ("purge_urls", "surrogate_keys", "superseded_urls", "labels"):
            values[name] = list(values[name])
        values["cause"] = self.cause.to_avro()
        values["clip"] = flat(self.clip) if self.clip else None
        values["lineage"] = self.lineage.to_avro() if self.lineage else None
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
    engine_seconds: float = 0.0
    """Device time of all attempts."""
    recipe_digest: str | None = None
    base_digest: str | None = None
    tried: tuple[str, ...] = ()
    """Base clips of all attempts, those for a person to decide about after the others; ``base_digest`` is the last."""
    quarantine_key: str | None = None
    inspection_policy: str | None = None
    not_inspected: Mapping[str, str] = field(default_factory=dict)
    action: str = "REJECT"
    """``REJECT``: the inspection, or a wording rule, is sure. ``REVIEW``: a person is to decide."""

    @classmethod
    def from_avro(cls, record: Avro) -> VideoRejected:
        """The typed value of a decoded record."""
        values = dict(record)
        values["cause"] = Cause.from_avro(record["cause"])
        values["reasons"] = tuple(Reason(**reason) for reason in record["reasons"])
        values["tried"] = tuple(record["tried"])
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        values = flat(self)
        values["cause"] = self.cause.to_avro()
        values["reasons"] = [{"check": r.check, "message": r.message} for r in self.reasons]
        values["scores"] = dict(self.scores)
        values["tried"] = list(self.tried)
        values["not_inspected"] = dict(self.not_inspected)
        return values
