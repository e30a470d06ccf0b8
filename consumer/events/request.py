"""``clip-render``, ``clip-render-bulk``, ``clip-dress``: a clip to be made, and its recipe in Avro."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from consumer.events.common import Avro, Cause, EventError, Work, checked_id
from model.recipe import Dressing, Encoding, EndCard, Overlays, Photo, Recipe, RecipeError, Ribbon, Scene


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


_RGB = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductColour:
    """A product's colour by its record."""

    word: str
    rgb: tuple[int, int, int] | None = None
    """As sRGB; None where the word stands for no one colour."""

    @classmethod
    def from_avro(cls, record: Avro) -> ProductColour:
        """Raises EventError for what is not ``#RRGGBB``."""
        rgb = record["rgb"]
        if rgb is not None and not _RGB.fullmatch(rgb):
            raise EventError("colour.rgb", f"{rgb[:20]!r} is not #RRGGBB")
        red, green, blue = bytes.fromhex(rgb[1:]) if rgb else (0, 0, 0)
        return cls(word=record["word"], rgb=(red, green, blue) if rgb else None)

    def to_avro(self) -> Avro:
        """The record a writer encodes."""
        return {"word": self.word, "rgb": f"#{bytes(self.rgb).hex()}" if self.rgb else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRequest:
    """A clip to be made or taken down (``clip-render``, ``clip-render-bulk``, ``clip-dress``)."""

    request_id: str
    product_id: str
    variant: str = "default"
    revision: int
    work: Work
    recipe: Recipe | None
    captions: tuple[str, ...] = ()
    """Words a fallback engine may draw, title first; not part of the recipe."""
    calm_prompt: str | None = None
    """The prompt with less motion and a fixed camera, for a clip that fails inspection; not part of the recipe."""
    template: str | None = None
    """Template of the prompt and its version, ``NAME@VERSION``; not part of the recipe."""
    colour: ProductColour | None = None
    """What a generated clip is held against; not part of the recipe."""
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
            captions=tuple(record["captions"]),
            calm_prompt=record["calm_prompt"],
            template=record["template"],
            colour=ProductColour.from_avro(record["colour"]) if record["colour"] else None,
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
            "captions": list(self.captions),
            "calm_prompt": self.calm_prompt,
            "template": self.template,
            "colour": self.colour.to_avro() if self.colour else None,
            "cause": self.cause.to_avro(),
            "requested_at": self.requested_at,
        }
