"""What the operator decides about a renderer or dresser. Plain values; reads no settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from consumer.renderer.ends import Addresses
from consumer.renderer.engine_room import Limits
from consumer.renderer.ladder import Fallback
from consumer.renderer.outages import TRIES
from consumer.renderer.templates import BreakerRules
from model.engine import EngineSpec
from model.inspect import Inspector
from model.provenance import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides about rendering."""

    attempts: int
    """Renders on each rung that may fail inspection, each with another seed; and tries of one scene at an engine that
    stumbles."""
    photo_policy: Literal["text", "storyboard", "reject"]
    """What a photo that cannot be had leads to: a clip from words alone by the same engine (by the fallback, where
    that engine makes none from words), one by the fallback engine, or a dead letter."""
    photo_tries: int = 3
    fallbacks: tuple[Fallback, ...] = ()
    """The rungs after the planned one, in their order."""
    pan: EngineSpec | None = None
    """What draws on the rung of that name; None: the fallback engine, where there are engines."""
    best_of: int = 1
    """Of so many clips that pass, the best is taken; 1 for engines that invent nothing."""
    breaker: BreakerRules = field(default_factory=BreakerRules)
    inspector: Inspector = field(default_factory=Inspector)
    """The policy a clip must pass, and the models it is shown to."""
    tries: int = TRIES
    """How often a request is tried again that alone suffers from what is out."""
    signer: Signer | None = None
    """Signs finished clips with C2PA; then none is published without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererOptions:
    """What the operator decides about the renderer."""

    addresses: Addresses
    cluster: str
    look_ahead: int
    """Requests taken ahead, in each lane."""
    finishers: int
    rules: Rules
    limits: Limits = field(default_factory=Limits)
    bulk_topics: frozenset[str] = frozenset()
    """Topics whose requests give way to the others'."""
    bulk_share: float = 0.1
    """What bulk requests get all the same (see ``LaneQueue``)."""
