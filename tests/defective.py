"""An engine that spoils three clips of ten, and says of each by its digest alone what is wrong with it."""

from __future__ import annotations

import hashlib

from model.engine import Frames
from model.recipe import Scene
from tests.engines import TestEngine, moving_gradient
from tests.seeded.clips import Good
from tests.seeded.spoil import SPOILERS

SHARE = 0.3
"""Of the clips that are spoilt."""
KINDS = {
    "black": 0.7,
    "black first frame": 12.0,
    "nothing to see": 1.0,
    "frozen": 1.0,
    "flash": 60.0,
    "flicker": 30.0,
    "noise": 0.75,
    "coarse noise": 0.8,
    "hard cut": 1.0,
}
"""Defects, each at a strength that nobody would overlook."""
TOO_SHORT = "too short"
"""One frame is missing: a defect that no other seed mends."""
HOPELESS, JITTERY, STUBBY = "Zerrbild", "Wackler", "Stummel"
"""Names of products whose every clip is spoilt, spoilt unless little moves, or too short."""
CALM = ("stays fixed", "固定不动")
"""What the calmer prompts of the built-in templates say."""


def _chance(*words: object) -> float:
    """A number in 0…1 that these words decide."""
    hashed = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(hashed[:7], "big") / 2**56


def defect_of(scene: Scene) -> str | None:
    """What is wrong with the clip of a scene. Of one prompt it is always the same that goes wrong, if anything does."""
    prompt = scene.prompt
    if STUBBY in prompt:
        return TOO_SHORT
    doomed = HOPELESS in prompt or (JITTERY in prompt and not any(words in prompt for words in CALM))
    if not doomed and (JITTERY in prompt or _chance("whether", scene.digest) >= SHARE):
        return None
    kinds = [*KINDS] if doomed else [*KINDS, TOO_SHORT]
    return kinds[int(_chance("what", prompt) * len(kinds))]


def draw(scene: Scene) -> Frames:
    """The clip, spoilt or not."""
    good, defect = moving_gradient(scene), defect_of(scene)
    if defect is None:
        return good
    if defect == TOO_SHORT:
        return good[:-1]
    spoilt = SPOILERS[defect](Good(kind="gradient", name=scene.prompt, frames=good), KINDS[defect])
    assert spoilt is not None, f"{defect} cannot be seen in a gradient"
    return spoilt


def engine() -> TestEngine:
    """Spoils ``SHARE`` of what it draws."""
    return TestEngine(draw=draw)
