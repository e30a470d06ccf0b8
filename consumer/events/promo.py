"""``promo-changed``: a promotion starts, changes or ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from consumer.events.common import MAX_TEXT, Avro, EventError, checked_id, checked_items, checked_text

MAX_SCOPE = 10_000
"""Entries of one list of a scope; larger promotions name categories or tags."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

Status = Literal["ACTIVE", "ENDED"]
Position = Literal["TOP", "BOTTOM"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which products a promotion touches: the union of what is named."""

    all: bool = False
    product_ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RibbonCreative:
    """A ribbon over the clip; text by locale."""

    text: Mapping[str, str]
    colour: str = "#C8102E"
    position: Position = "BOTTOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCardCreative:
    """A closing card; texts by locale."""

    headline: Mapping[str, str]
    subline: Mapping[str, str] = field(default_factory=dict)
    colour: str = "#C8102E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Creative:
    """What a promotion shows. Phrases and style cost a render, a ribbon a dress, an end card a splice."""

    prompt_phrases: Mapping[str, str] = field(default_factory=dict)
    style: str | None = None
    ribbon: RibbonCreative | None = None
    end_card: EndCardCreative | None = None


def _texts(name: str, texts: Mapping[str, str]) -> dict[str, str]:
    checked_items(name, texts)
    checked_items(name, texts.values())
    return dict(texts)


def _colour(name: str, value: str) -> str:
    if not _COLOUR.fullmatch(value):
        raise EventError(name, f"{value[:20]!r} is not #RRGGBB")
    return value


def _names(name: str, values: list[str]) -> tuple[str, ...]:
    if len(values) > MAX_SCOPE:
        raise EventError(name, f"{len(values)} entries; at most {MAX_SCOPE} allowed")
    if any(len(value) > MAX_TEXT for value in values):
        raise EventError(name, f"an entry has more than {MAX_TEXT} characters")
    return tuple(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promo:
    """A promotion (``promo-changed``)."""

    event_id: str
    occurred_at: datetime
    promo_id: str
    revision: int
    status: Status
    scope: Scope
    priority: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    creative: Creative = field(default_factory=Creative)

    @classmethod
    def from_avro(cls, record: Avro) -> Promo:
        """Raises EventError naming the field that breaks a rule."""
        if record["status"] not in {"ACTIVE", "ENDED"}:
            raise EventError("status", f"{record['status']!r} is not ACTIVE or ENDED")
        if record["revision"] < 0:
            raise EventError("revision", f"{record['revision']} is negative")
        starts, ends = record["starts_at"], record["ends_at"]
        if starts is not None and ends is not None and ends <= starts:
            raise EventError("ends_at", f"{ends.isoformat()} is not after starts_at, {starts.isoformat()}")
        scope = record["scope"]
        return cls(
            event_id=checked_id("event_id", record["event_id"]),
            occurred_at=record["occurred_at"],
            promo_id=checked_id("promo_id", record["promo_id"]),
            revision=record["revision"],
            status=record["status"],
            scope=Scope(
                all=scope["all"],
                **{name: _names(f"scope.{name}", scope[name]) for name in ("product_ids", "categories", "tags")},
            ),
            priority=record["priority"],
            starts_at=starts,
            ends_at=ends,
            creative=_creative(record["creative"]),
        )

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        creative = self.creative
        ribbon, card = creative.ribbon, creative.end_card
        return {
            "event_id": self.event_id,
            "occurred_at": self.occurred_at,
            "promo_id": self.promo_id,
            "revision": self.revision,
            "status": self.status,
            "scope": {
                "all": self.scope.all,
                "product_ids": list(self.scope.product_ids),
                "categories": list(self.scope.categories),
                "tags": list(self.scope.tags),
            },
            "priority": self.priority,
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "creative": {
                "prompt_phrases": dict(creative.prompt_phrases),
                "style": creative.style,
                "ribbon": {"text": dict(ribbon.text), "colour": ribbon.colour, "position": ribbon.position}
                if ribbon
                else None,
                "end_card": {"headline": dict(card.headline), "subline": dict(card.subline), "colour": card.colour}
                if card
                else None,
            },
        }


def _creative(record: Avro) -> Creative:
    ribbon, card = record["ribbon"], record["end_card"]
    return Creative(
        prompt_phrases=_texts("creative.prompt_phrases", record["prompt_phrases"]),
        style=checked_text("creative.style", record["style"]) if record["style"] else None,
        ribbon=RibbonCreative(
            text=_texts("creative.ribbon.text", ribbon["text"]),
            colour=_colour("creative.ribbon.colour", ribbon["colour"]),
            position=ribbon["position"],
        )
        if ribbon
        else None,
        end_card=EndCardCreative(
            headline=_texts("creative.end_card.headline", card["headline"]),
            subline=_texts("creative.end_card.subline", card["subline"]),
            colour=_colour("creative.end_card.colour", card["colour"]),
        )
        if card
        else None,
    )
