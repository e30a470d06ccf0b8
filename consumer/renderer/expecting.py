"""What a clip is held against besides its scene, from a request in the inspection's terms. Measures nothing."""

from __future__ import annotations

from consumer.events import ClipRequest
from model.inspect import Expected
from model.recipe import Scene

NOT_GENERATED = "no model made this clip: it shows the photo as it is, or words alone"


def expected_of(request: ClipRequest, scene: Scene, photo: bytes | None, *, generative: bool) -> Expected:
    """What is known of the product that the scene is about.

    A clip that no model generated has the colours of its photo, or shows no product: its colour says nothing.
    """
    colour = request.colour
    if not generative:
        rgb, why = None, NOT_GENERATED
    elif colour is None:
        rgb, why = None, "no colour is recorded"
    else:
        rgb, why = colour.rgb, f"{colour.word[:40]!r} stands for no one colour"
    return Expected(
        colour=rgb, no_colour=why, photo=photo if scene.photo else None, words=scene.captions, caption=scene.prompt
    )
