"""From a product, its composed words and the promo it shows to a Recipe: pure functions.

Knows no database, no topic and no template.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from consumer.events import Image, Product, Promo
from consumer.planner.creatives import dressed, phrased
from consumer.planner.words import Words
from model.engine import EngineSpec, Shape, Size, shape_for
from model.recipe import Dressing, Encoding, Mode, Overlays, Photo, Recipe, RecipeError, Scene

MAIN = "MAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What every clip has in common: the engine and the output. Sizes in pixels, ``fps`` in frames per second.

    ``label`` and ``producer`` are used for engines whose pixels a model invents, and only for those. Raises ShapeError
    where the engine makes no such clip.
    """

    engine: EngineSpec
    width: int
    height: int
    frames: int
    fps: int
    encoding: Encoding = field(default_factory=Encoding)
    label: str | None = None
    producer: str | None = None
    variant: str = "default"
    dressing: Dressing = field(init=False)
    """The same for all products that show no promo: made once, so that its digest is made once too."""
    base: Shape = field(init=False)
    """The base clip that the engine makes, from which the output is cropped and scaled."""

    def __post_init__(self) -> None:
        shape = shape_for(self.engine, Size(self.width, self.height), self.frames, self.fps)
        object.__setattr__(self, "base", shape)
        generative = self.engine.generative
        dressing = Dressing(
            overlays=Overlays(
                width=self.width,
                height=self.height,
                label=self.label if generative else None,
                encoding=self.encoding,
            ),
            producer=self.producer if generative else None,
        )
        object.__setattr__(self, "dressing", dressing)


def seed_of(product_id: str, variant: str) -> int:
    """A seed in 0…2^63-1 that is the product's own and stays: an unchanged scene must stay the same scene."""
    # Ids hold no control characters, so the separator makes the pair unambiguous.
    hashed = hashlib.sha256(f"{product_id}\0{variant}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") >> 1


def main_image(images: tuple[Image, ...]) -> Image | None:
    """The first image with the role MAIN, else the first of all."""
    for image in images:
        if image.role == MAIN:
            return image
    return images[0] if images else None


def mode_of(product: Product, planning: Planning) -> Mode:
    """``image`` when the engine can start from a photo and the product has one.

    Raises RecipeError where the engine can start from nothing that the product has.
    """
    if planning.engine.photos and product.images:
        return "image"
    if not planning.engine.texts:
        raise RecipeError(f"images: empty, and the {planning.engine.name} engine starts from photos only")
    return "text"


def photo_of(product: Product) -> Photo | None:
    """The photo to start from. Raises RecipeError when its digest is not one."""
    image = main_image(product.images)
    return Photo(url=image.url, sha256=image.sha256.lower() if image.sha256 else None) if image else None


def recipe_of(product: Product, words: Words, planning: Planning, promo: Promo | None = None) -> Recipe:
    """Everything that decides the product's clip. Raises RecipeError when the photo's digest is not one, or missing.

    What the engine does not use does not enter: a photo or a caption it cannot show must not cost a new clip.
    """
    engine = planning.engine
    mode = mode_of(product, planning)
    if promo is not None:
        words = phrased(words, promo.creative)
    return Recipe(
        scene=Scene(
            mode=mode,
            prompt=words.prompt,
            negative_prompt=words.negative_prompt if engine.negative else "",
            photo=photo_of(product) if mode == "image" else None,
            captions=words.captions if engine.captions else (),
            # Captions are in the product's own language, and it decides their type; without them, only words count.
            locale=product.locale if engine.captions else words.locale,
            seed=seed_of(product.product_id, planning.variant),
            width=planning.base.width,
            height=planning.base.height,
            frames=planning.base.frames,
            fps=planning.fps,
            steps=engine.steps,
            guidance=engine.guidance,
            engine=engine.name,
            engine_revision=engine.revision,
        ),
        dressing=dressed(planning.dressing, promo.creative, product.locale) if promo else planning.dressing,
    )
