"""The events as typed values, and their shape as Avro writes and reads it.

Field meanings are in ``schemas/*.avsc``, which this module follows name by name. It validates what a schema
cannot say (lengths, empty ids); it knows no framing, no topic and no broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, cast

from model.recipe import Dressing, Encoding, EndCard, Overlays, Photo, Recipe, RecipeError, Ribbon, Scene

Avro = dict[str, Any]
"""One Avro record as fastavro reads it."""

MAX_ID = 256
MAX_TEXT = 2_000
MAX_ITEMS = 200
"""Limits on ids and texts (characters) and on lists and maps (entries): far above real catalogs, far below abuse."""


class EventError(ValueError):
    """Raised when a decoded event breaks a rule its schema cannot express. ``field`` names where."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"{field_name}: {message}")
        self.field = field_name


class Tier(StrEnum):
    """How soon a clip is worth its cost."""

    HOT = "HOT"
    STANDARD = "STANDARD"
    LONG_TAIL = "LONG_TAIL"


class Work(StrEnum):
    """The least work a request needs, or the work done for an announcement."""

    RENDER = "RENDER"
    DRESS = "DRESS"
    SPLICE = "SPLICE"
    RETIRE = "RETIRE"
    NONE = "NONE"


def checked_id(name: str, value: str) -> str:
    """``value`` if it can be an id: not empty, bounded, no control characters. Raises EventError."""
    if not value or len(value) > MAX_ID:
        raise EventError(name, f"{len(value)} characters; 1…{MAX_ID} allowed")
    if not value.isprintable():
        raise EventError(name, f"{value[:40]!r} has control characters")
    return value


def checked_text(name: str, value: str) -> str:
    """``value`` if it is bounded. Raises EventError."""
    if len(value) > MAX_TEXT:
        raise EventError(name, f"{len(value)} characters; at most {MAX_TEXT} allowed")
    return value


def checked_items(name: str, values: Any) -> Any:
    """A list or map of texts if it and each entry are bounded. Raises EventError."""
    if len(values) > MAX_ITEMS:
        raise EventError(name, f"{len(values)} entries; at most {MAX_ITEMS} allowed")
    for value in values:
        if len(value) > MAX_TEXT:
            raise EventError(name, f"an entry has {len(value)} characters; at most {MAX_TEXT} allowed")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture of a product."""

    url: str
    role: str = "MAIN"
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """An exact price."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the catalog knows it (``product-created``)."""

    event_id: str
    occurred_at: datetime
    product_id: str
    revision: int
    name: str
    category: str
    locale: str = "en"
    brand: str | None = None
    colour: str | None = None
    selling_points: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    price: Price | None = None
    tier: Tier = Tier.STANDARD

    @classmethod
    def from_avro(cls, record: Avro) -> Product:
        """Raises EventError naming the field that breaks a rule."""
        price = record["price"]
        attributes = checked_items("attributes", record["attributes"])
        checked_items("attributes", attributes.values())
        if record["revision"] < 0:
            raise EventError("revision", f"{record['revision']} is negative")
        if not record["name"].strip():
            raise EventError("name", "is empty")
        images = checked_items("images", record["images"])
        return cls(
            event_id=checked_id("event_id", record["event_id"]),
            occurred_at=record["occurred_at"],
            product_id=checked_id("product_id", record["product_id"]),
            revision=record["revision"],
            name=checked_text("name", record["name"]),
            category=checked_text("category", record["category"]),
            locale=checked_text("locale", record["locale"]),
            brand=checked_text("brand", record["brand"] or "") or None,
            colour=checked_text("colour", record["colour"] or "") or None,
            selling_points=tuple(checked_items("selling_points", record["selling_points"])),
            attributes=attributes,
            tags=tuple(checked_items("tags", record["tags"])),
            images=tuple(
                Image(url=checked_text("images.url", i["url"]), role=i["role"], sha256=i["sha256"]) for i in images
            ),
            price=Price(amount=price["amount"], currency=price["currency"]) if price else None,
            tier=Tier(record["tier"]),
        )

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {
            "event_id": self.event_id,
            "occurred_at": self.occurred_at,
            "product_id": self.product_id,
            "revision": self.revision,
            "name": self.name,
            "category": self.category,
            "locale": self.locale,
            "brand": self.brand,
            "colour": self.colour,
            "selling_points": list(self.selling_points),
            "attributes": dict(self.attributes),
            "tags": list(self.tags),
            "images": [{"url": i.url, "role": i.role, "sha256": i.sha256} for i in self.images],
            "price": {"amount": self.price.amount, "currency": self.price.currency} if self.price else None,
            "tier": self.tier.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What led to a request or an announcement."""

    event_id: str
    product_revision: int
    promo_id: str | None = None
    promo_revision: int | None = None

    @classmethod
    def from_avro(cls, record: Avro) -> Cause:
        """The typed value of a decoded record."""
        return cls(**record)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {
            "event_id": self.event_id,
            "product_revision": self.product_revision,
            "promo_id": self.promo_id,
            "promo_revision": self.promo_revision,
        }


def recipe_to_avro(recipe: Recipe) -> Avro:
    """A recipe as the request schemas write it."""
    scene, dressing = recipe.scene, recipe.dressing
    over, card = dressing.overlays, dressing.end_card
    return {
        "scene": {
            "mode": scene.mode.upper(),
            "prompt": scene.prompt,
            "negative_prompt": scene.negative_prompt,
            "photo": {"url": scene.photo.url, "sha256": scene.photo.sha256} if scene.photo else None,
            "captions": list(scene.captions),
            "locale": scene.locale,
            "seed": scene.seed,
            "width": scene.width,
            "height": scene.height,
            "frames": scene.frames,
            "fps": scene.fps,
            "steps": scene.steps,
            "guidance": scene.guidance,
            "engine": scene.engine,
            "engine_revision": scene.engine_revision,
        },
        "overlays": {
            "width": over.width,
            "height": over.height,
            "ribbon": {
                "text": over.ribbon.text,
                "locale": over.ribbon.locale,
                "colour": over.ribbon.colour,
                "position": over.ribbon.position.upper(),
            }
            if over.ribbon
            else None,
            "label": over.label,
            "codec": over.encoding.codec,
            "crf": over.encoding.crf,
            "preset": over.encoding.preset,
            "gop": over.encoding.gop,
        },
        "end_card": {
            "headline": card.headline,
            "subline": card.subline,
            "locale": card.locale,
            "colour": card.colour,
            "seconds": card.seconds,
        }
        if card
        else None,
        "producer": dressing.producer,
    }


def recipe_from_avro(record: Avro) -> Recipe:
    """Raises EventError where a value is out of its range."""
    scene, over, card = dict(record["scene"]), dict(record["overlays"]), record["end_card"]
    photo, ribbon = scene.pop("photo"), over.pop("ribbon")
    try:
        return Recipe(
            scene=Scene(
                mode=cast("Literal['text', 'image']", scene.pop("mode").lower()),
                photo=Photo(**photo) if photo else None,
                captions=tuple(scene.pop("captions")),
                **scene,
            ),
            dressing=Dressing(
                overlays=Overlays(
                    width=over["width"],
                    height=over["height"],
                    label=over["label"],
                    ribbon=Ribbon(**(ribbon | {"position": ribbon["position"].lower()})) if ribbon else None,
                    encoding=Encoding(codec=over["codec"], crf=over["crf"], preset=over["preset"], gop=over["gop"]),
                ),
                end_card=EndCard(**card) if card else None,
                producer=record["producer"],
            ),
        )
    except RecipeError as error:
        raise EventError("recipe", str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """A clip to be made or taken down (``clip-render``, ``clip-render-bulk``, ``clip-dress``)."""

    request_id: str
    product_id: str
    variant: str = "default"
    revision: int
    work: Work
    recipe: Recipe | None
    cause: Cause
    requested_at: datetime

    @classmethod
    def from_avro(cls, record: Avro) -> ClipRequest:
        """Raises EventError naming the field that breaks a rule."""
        work = Work(record["work"])
        if record["recipe"] is None and work is not Work.RETIRE:
            raise EventError("recipe", f"missing, and the work is {work.value}")
        if record["revision"] < 1:
            raise EventError("revision", f"{record['revision']} is not a plan number")
        return cls(
            request_id=checked_id("request_id", record["request_id"]),
            product_id=checked_id("product_id", record["product_id"]),
            variant=checked_id("variant", record["variant"]),
            revision=record["revision"],
            work=work,
            recipe=recipe_from_avro(record["recipe"]) if record["recipe"] else None,
            cause=Cause.from_avro(record["cause"]),
            requested_at=record["requested_at"],
        )

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {
            "request_id": self.request_id,
            "product_id": self.product_id,
            "variant": self.variant,
            "revision": self.revision,
            "work": self.work.value,
            "recipe": recipe_to_avro(self.recipe) if self.recipe else None,
            "cause": self.cause.to_avro(),
            "requested_at": self.requested_at,
        }


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


def _fields(value: Any) -> Avro:
    """A flat dataclass as a dict, without the deep copies of ``asdict``."""
    return {name: getattr(value, name) for name in value.__slots__}


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
        values = _fields(self)
        for name in ("purge_urls", "surrogate_keys", "superseded_urls", "labels"):
            values[name] = list(values[name])
        values["cause"] = self.cause.to_avro()
        values["clip"] = _fields(self.clip) if self.clip else None
        if self.lineage:
            values["lineage"] = _fields(self.lineage) | {
                "scores": dict(self.lineage.scores),
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

    @classmethod
    def from_avro(cls, record: Avro) -> VideoRejected:
        """The typed value of a decoded record."""
        values = dict(record)
        values["cause"] = Cause.from_avro(record["cause"])
        values["reasons"] = tuple(Reason(**reason) for reason in record["reasons"])
        return cls(**values)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        values = _fields(self)
        values["cause"] = self.cause.to_avro()
        values["reasons"] = [{"check": r.check, "message": r.message} for r in self.reasons]
        values["scores"] = dict(self.scores)
        return values


def utc_now() -> datetime:
    """Now, UTC, in whole milliseconds: what an Avro timestamp-millis keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
