"""The branch of settings of renderers and dressers: each with its type, range, default and meaning. Reads nothing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from consumer.settings.base import Tree


class TemplateBreaker(Tree):
    """When a template version is taken out of use, because its clips are rejected far more often than usual."""

    enabled: bool = True
    window: Annotated[int, Field(ge=5, le=10_000)] = 200
    """First attempts that the present share of rejections is taken from, in each process."""
    minimum: Annotated[int, Field(ge=2, le=10_000)] = 20
    """First attempts that are needed before a share says anything."""
    factor: Annotated[float, Field(gt=1, le=100)] = 2.0
    """It is taken out of use at so many times the usual share, unless that may be chance."""
    baseline: Annotated[float | None, Field(ge=0, lt=1)] = None
    """The usual share; by default learned from the attempts before the window, and a tenth until there are enough."""
    pause: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Seconds out of use, before a few of its clips are tried; twice as long after each probe that fails."""
    probe: Annotated[int, Field(ge=1, le=1_000)] = 10
    """First attempts that are tried then."""
    action: Literal["fallback", "reject"] = "fallback"
    """What its clips come to meanwhile: the first of renderer.fallbacks at once, where there is one for them, or a
    rejection."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.minimum > self.window:
            raise ValueError(f"minimum: {self.minimum} never fit into a window of {self.window}")
        return self


class Renderer(Tree):
    """The renderer's own, and the dresser's as far as it has the same."""

    look_ahead: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Requests taken ahead of the work, in each lane: what keeps the engine busy and superseding looks through."""
    bulk_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of the engine's clips, what promotions' requests get while requests of single products wait. 0: none; 1: the
    order of arrival."""
    dress: bool = True
    """Renderers also take the requests that need no engine (clip-dress). Turn it off where dressers run."""
    finishers: Annotated[int, Field(ge=1, le=64)] = 2
    """Threads that inspect, dress, encode and upload."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Renders that may fail inspection, each with a new seed, before the next way is taken; two that fail by the same
    check are enough. Also how often one scene is given to an engine that stumbles."""
    fallbacks: tuple[Literal["calm", "pan"], ...] = ("calm", "pan")
    """Ways to make a clip that inspection rejects as planned, in their order. calm: the same engine with the template's
    calmer words and a fixed camera; pan: the product's photo (its words, where there is none), drawn in gentle motion
    without a model. After the last one it is rejected, for review (docs/RETRIES.md)."""
    best_of: Annotated[int, Field(ge=1, le=8)] = 1
    """Of so many clips that pass, the one farthest from the limits is taken; the others stay as base clips. It costs
    the engine so many times, and is for engines that invent pixels only."""
    breaker: TemplateBreaker = TemplateBreaker()
    tries: Annotated[int, Field(ge=1, le=100)] = 6
    """How often a request is tried again that alone suffers from what is out, while others get through; then it becomes
    a dead letter. What everybody suffers from is waited for, however long."""
    photo_hosts: tuple[str, ...] = ()
    """Hosts from which product photos may be fetched by https; 'store:' addresses are always allowed."""
    photo_policy: Literal["text", "storyboard", "reject"] = "text"
    """What a photo that cannot be had leads to, visible in the lineage: a clip from words alone by the same engine, one
    drawn by the storyboard engine, or a dead letter."""

    @field_validator("fallbacks")
    @classmethod
    def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"{', '.join(value)}: each way can be taken once")
        return value
