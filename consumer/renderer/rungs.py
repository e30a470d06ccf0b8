"""The recipe of each attempt: the planned one, its calmer words, the product's picture drawn without a model. Pure.

Knows which ways there are for a clip; which of them is taken, and when, is the ladder's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from consumer.renderer.ladder import Fallback, Rung
from model.engine import EngineSpec
from model.recipe import Recipe, Scene

_CLAUSE = re.compile(r"[^,.;:!?\n，。；：！？、]+")


def seeded(scene: Scene, number: int) -> Scene:
    """The scene with the seed of the n-th attempt: the planned one first, then seeds derived from it."""
    if number == 0:
        return scene
    seed = hashlib.sha256(f"{scene.seed}/{number}".encode()).digest()
    return replace(scene, seed=int.from_bytes(seed[:7], "big"))


def drawn(recipe: Recipe, spec: EngineSpec, captions: tuple[str, ...], *, photo: bool = False) -> Recipe:
    """The same clip by another engine. It says of itself what is true: labels only where a model works.

    ``captions``: the words to draw, title first; none: the prompt's first clause. ``photo``: it starts from the scene's
    photo, if there is one and the engine can; else from words.
    """
    scene, dressing = recipe.scene, recipe.dressing
    words = captions or (first_clause(scene.prompt),)
    picture = scene.photo if photo and spec.photos else None
    stand_in = replace(
        scene,
        mode="image" if picture else "text",
        photo=picture,
        negative_prompt=scene.negative_prompt if spec.generative and spec.negative else "",
        captions=words if spec.captions else (),
        steps=spec.steps,
        guidance=spec.guidance,
        engine=spec.name,
        engine_revision=spec.revision,
    )
    if not spec.generative:
        dressing = replace(dressing, overlays=replace(dressing.overlays, label=None), producer=None)
    return Recipe(scene=stand_in, dressing=dressing)


def first_clause(prompt: str) -> str:
    """The words before the first punctuation: templates put the subject there."""
    return next((found.strip() for found in _CLAUSE.findall(prompt) if found.strip()), prompt.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Whatever a clip can be made of, besides as planned."""

    planned: Recipe
    """Its photo fixed, or what stands in for one that cannot be had."""
    calm: str | None
    """The prompt with less motion and a fixed camera, where the template has one."""
    captions: tuple[str, ...]
    """Words to draw."""
    pan: EngineSpec | None
    """What draws the product's picture without a model."""

    def rungs(self, fallbacks: Sequence[Fallback]) -> tuple[Rung, ...]:
        """The planned way, and those of ``fallbacks`` that there are for this clip and that are another clip."""
        scene = self.planned.scene
        possible = {
            "calm": bool(self.calm) and self.calm != scene.prompt and not self._is_drawn,
            "pan": self.pan is not None and not self._is_drawn,
        }
        return ("planned", *(each for each in fallbacks if possible[each]))

    @property
    def _is_drawn(self) -> bool:
        """Whether it is drawn as it is: then there is nothing simpler."""
        return self.pan is not None and self.pan.name == self.planned.scene.engine

    def at(self, rung: Rung, number: int) -> Recipe:
        """The recipe of the n-th attempt, on one of ``rungs``."""
        recipe = replace(self.planned, scene=seeded(self.planned.scene, number))
        if rung == "pan":
            assert self.pan is not None  # noqa: S101 - it is no rung then
            return drawn(recipe, self.pan, self.captions, photo=True)
        if rung == "calm":
            assert self.calm is not None  # noqa: S101 - it is no rung then
            return replace(recipe, scene=replace(recipe.scene, prompt=self.calm))
        return recipe
