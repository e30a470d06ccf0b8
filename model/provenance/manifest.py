"""What a clip's C2PA manifest says: who made the file, and where its pictures come from. Words only; signs nothing.

Nothing that identifies the product stands here: recipe and ProduceID are in the file's own metadata, which the
signature covers.
"""

from __future__ import annotations

from typing import Any

from model.recipe import Recipe

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""IPTC's vocabulary of digital source types."""
TRAINED = f"{SOURCES}trainedAlgorithmicMedia"
"""Made by a model that was trained on other media."""
ALGORITHMIC = f"{SOURCES}algorithmicMedia"
"""Made by an algorithm alone, with nothing that was trained."""
COMPOSITE = f"{SOURCES}composite"
"""Put together of several elements, whose origins it leaves open."""
CREATED, EDITED = "c2pa.created", "c2pa.edited"


def source_type(recipe: Recipe, *, generative: bool) -> str:
    """Where the base clip's pictures come from, as a term of IPTC's.

    A drawn clip with a photo is a composite: of a photo that the catalog gave, of whatever origin, and of drawing. One
    of words alone was made by an algorithm alone.
    """
    if generative:
        return TRAINED
    return COMPOSITE if recipe.scene.photo is not None else ALGORITHMIC


def laid_over(recipe: Recipe) -> tuple[str, ...]:
    """What was put over or after the base clip's pictures, in words."""
    overlays = recipe.dressing.overlays
    parts = {
        "visible AI label": overlays.label,
        "ribbon": overlays.ribbon,
        "end card": recipe.dressing.end_card,
    }
    return tuple(name for name, value in parts.items() if value is not None)


def manifest_of(recipe: Recipe, *, generative: bool, version: str) -> dict[str, Any]:
    """The manifest's definition: created (and by what kind of source), then edited where something was laid over."""
    scene = recipe.scene
    actions: list[dict[str, Any]] = [
        {
            "action": CREATED,
            "digitalSourceType": source_type(recipe, generative=generative),
            "softwareAgent": {"name": scene.engine, "version": scene.engine_revision},
        }
    ]
    if parts := laid_over(recipe):
        agent = {"name": "skureel", "version": version}
        actions.append({"action": EDITED, "softwareAgent": agent, "parameters": {"description": ", ".join(parts)}})
    return {
        "claim_version": 2,
        "claim_generator_info": [{"name": "skureel", "version": version}],
        "format": "video/mp4",
        "title": f"{recipe.digest}.mp4",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
