"""Promoted clips as the dresser makes them: four kinds of dressing, in Chinese and English, wide and tall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from model.colour import Planar
from model.dress import ribbon_of
from model.encode import encode_base, planar_frames_of
from model.endcard import pictures, segment_of
from model.finish import dress_body, finish
from model.recipe import Dressing, EndCard, Overlays, Recipe, Ribbon, Scene
from model.storyboard.spec import SPEC
from model.visible import make_label
from tests.unit.model_clip.samples import PRODUCER, storyboard

FPS = 24
STANDS, SLIDES = 24, 49
"""Pictures of a body whose ribbon stands from first to last, and of one in which it comes and goes. The last picture of
the latter is a key frame, the harder seam."""

_CAPTIONS = {"zh": ("蓝色陶瓷马克杯", "保温四小时"), "en": ("Blue Stoneware Mug", "Keeps tea warm")}
_RIBBON = {
    "zh": Ribbon(text="限时八折", locale="zh", colour="#D0021B"),
    "en": Ribbon(text="20% off this week", locale="en", colour="#0B6E4F", position="top"),
}
_CARD = {
    "zh": EndCard(headline="双十一大促", subline="全场八折，今晚结束", locale="zh", colour="#8B0000", seconds=0.75),
    "en": EndCard(headline="Autumn sale", subline="Ends on Sunday", locale="en", colour="#1F3A5F", seconds=0.75),
}
_SIZES = {"wide": (480, 320), "tall": (320, 480)}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A finished clip and what it was made of."""

    name: str
    recipe: Recipe
    generative: bool

    @cached_property
    def base(self) -> bytes:
        """The base clip's file."""
        scene = self.recipe.scene
        return encode_base(storyboard(scene.captions, scene.width, scene.height, scene.frames), FPS)

    @cached_property
    def data(self) -> bytes:
        """The finished file."""
        return finish(self.base, self.recipe, generative=self.generative).data

    @cached_property
    def frames(self) -> list[Planar]:
        """Its pictures, by our decoder."""
        return list(planar_frames_of(self.data))

    @cached_property
    def base_frames(self) -> list[Planar]:
        """The base's pictures."""
        return list(planar_frames_of(self.base))

    @cached_property
    def undressed_frames(self) -> list[Planar]:
        """The base encoded for delivery with nothing laid over it: what the encoder alone makes of it."""
        scene, overlays = self.recipe.scene, self.recipe.dressing.overlays
        plain = Overlays(width=overlays.width, height=overlays.height, encoding=overlays.encoding)
        body = dress_body(self.base, Recipe(scene=scene, dressing=Dressing(overlays=plain)))
        return list(planar_frames_of(body.data))

    @property
    def card_frames(self) -> list[Planar]:
        """The end card's pictures before they were encoded; none without a card."""
        segment = segment_of(self.recipe)
        return list(pictures(segment)) if segment else []

    def untouched(self) -> npt.NDArray[np.bool_]:
        """The luma pixels, (height, width), that neither ribbon nor label ever covers."""
        overlays = self.recipe.dressing.overlays
        free = np.ones((overlays.height, overlays.width), np.bool_)
        ribbon = ribbon_of(self.recipe)
        label = make_label(overlays.label, overlays.width, overlays.height) if overlays.label else None
        for plate in (ribbon.plate if ribbon else None, label):
            if plate is not None:
                wide, high = plate.size
                free[plate.top : plate.top + high, plate.left : plate.left + wide] = False
        return free

    def bare(self) -> list[int]:
        """The pictures of the body on which no ribbon is yet, or any more."""
        ribbon = ribbon_of(self.recipe)
        body = range(self.recipe.scene.frames)
        return list(body) if ribbon is None else [frame for frame in body if ribbon.present(frame) == 0]


def _clip(
    kind: str, locale: str, shape: str, *, frames: int, ribbon: bool, card: bool, generative: bool = False
) -> Clip:
    width, height = _SIZES[shape]
    scene = Scene(
        mode="text",
        prompt="a mug",
        captions=_CAPTIONS[locale],
        locale=locale,
        seed=1,
        width=width,
        height=height,
        frames=frames,
        fps=FPS,
        engine=SPEC.name,
        engine_revision=SPEC.revision,
    )
    overlays = Overlays(
        width=width,
        height=height,
        ribbon=_RIBBON[locale] if ribbon else None,
        label={"zh": "AI生成", "en": "AI generated"}[locale] if generative else None,
    )
    dressing = Dressing(
        overlays=overlays, end_card=_CARD[locale] if card else None, producer=PRODUCER if generative else None
    )
    name = f"{kind}-{locale}-{shape}"
    return Clip(name=name, recipe=Recipe(scene=scene, dressing=dressing), generative=generative)


CLIPS = (
    _clip("standing-ribbon", "zh", "wide", frames=STANDS, ribbon=True, card=False),
    _clip("standing-ribbon", "en", "tall", frames=STANDS, ribbon=True, card=False),
    _clip("sliding-ribbon", "zh", "tall", frames=SLIDES, ribbon=True, card=False),
    _clip("sliding-ribbon", "en", "wide", frames=SLIDES, ribbon=True, card=False),
    _clip("card", "zh", "wide", frames=SLIDES, ribbon=False, card=True),
    _clip("card", "en", "tall", frames=STANDS, ribbon=False, card=True),
    _clip("both", "zh", "tall", frames=STANDS, ribbon=True, card=True),
    _clip("both-labelled", "en", "wide", frames=SLIDES, ribbon=True, card=True, generative=True),
)
"""Every kind in both languages and both shapes; language and shape in all four pairs."""
