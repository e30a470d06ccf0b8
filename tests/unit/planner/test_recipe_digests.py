"""The quick digests of recipes are the plain ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.recipe import (
    DIGEST_FORMAT,
    Digests,
    Dressing,
    Encoding,
    EndCard,
    Overlays,
    Photo,
    Recipe,
    RecipeError,
    Ribbon,
    Scene,
    canonical,
)
from tests.unit.planner.samples import texts

colours = st.sampled_from(["#ff0000", "#00FF7f"])
even = st.integers(16, 2048).map(lambda n: 2 * n)
photos = st.builds(Photo, url=texts, sha256=st.none() | st.just("0a" * 32))
scenes = st.builds(
    Scene,
    mode=st.just("text"),
    prompt=texts,
    negative_prompt=texts,
    photo=st.none() | photos,
    captions=st.lists(texts, max_size=3).map(tuple),
    locale=texts,
    seed=st.integers(0, 2**63 - 1),
    width=even,
    height=even,
    frames=st.integers(1, 1000),
    fps=st.integers(1, 120),
    steps=st.integers(0, 1000),
    guidance=st.floats(allow_nan=False, allow_infinity=False),
    engine=texts,
    engine_revision=texts,
)
dressings = st.builds(
    Dressing,
    overlays=st.builds(
        Overlays,
        width=even,
        height=even,
        ribbon=st.none()
        | st.builds(Ribbon, text=texts, locale=texts, colour=colours, position=st.sampled_from(["top", "bottom"])),
        label=st.none() | texts,
        encoding=st.builds(Encoding, codec=texts, crf=st.integers(0, 51), preset=texts, gop=st.integers(1, 99)),
    ),
    end_card=st.none()
    | st.builds(
        EndCard, headline=texts, subline=st.none() | texts, locale=texts, colour=colours, seconds=st.floats(0.5, 5)
    ),
    producer=st.none() | texts,
)


def plain(value: Any) -> str:
    """SHA-256 of sorted, compact JSON, as the definition has it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_digests(recipe: Recipe) -> Digests:
    """The three names, computed the long way."""
    scene = asdict(recipe.scene)
    photo = recipe.scene.photo
    if photo:
        scene["photo"] = {"sha256": photo.sha256} if photo.sha256 else {"url": photo.url}
    base = plain(scene | {"layer": "scene", "format": DIGEST_FORMAT})
    overlays = asdict(recipe.dressing.overlays)
    body = plain({"layer": "body", "format": DIGEST_FORMAT, "base": base, "overlays": overlays})
    card = asdict(recipe.dressing.end_card) if recipe.dressing.end_card else None
    clip = {"layer": "clip", "format": DIGEST_FORMAT, "body": body, "end_card": card}
    return Digests(base, body, plain(clip | {"producer": recipe.dressing.producer}))


@given(scenes, dressings)
def test_quick_digests_are_the_plain_ones(scene: Scene, dressing: Dressing) -> None:
    """Digests name objects that are stored for years: how fast they are made must not change what they are."""
    recipe = Recipe(scene=scene, dressing=dressing)
    expected = plain_digests(recipe)
    assert recipe.digests == expected
    assert (recipe.base_digest, recipe.body_digest, recipe.digest) == expected
    assert recipe.scene.digest == expected.base


def test_a_digest_is_for_ever() -> None:
    """The value of one recipe, written down: whoever changes it renders every catalog again."""
    recipe = Recipe(
        scene=Scene(
            mode="image",
            prompt="A kettle",
            photo=Photo(url="https://images.example/kettle.png"),
            captions=("Kettle", "电水壶"),
            seed=7,
            width=640,
            height=480,
            frames=96,
            fps=24,
            engine="storyboard",
            engine_revision="1",
        ),
        dressing=Dressing(overlays=Overlays(width=640, height=480, label="AI生成"), producer="P"),
    )
    assert recipe.digest == plain_digests(recipe).clip
    assert recipe.digest == "9337a6b1a3bf47b78595b609822fe0498702d987a6a4cfb73eefe5fdd8fa69c0"


@given(st.dictionaries(texts, st.none() | texts | st.integers() | st.lists(texts)))
def test_canonical_is_sorted_compact_json(value: dict[str, Any]) -> None:
    """One value, one byte string, whatever the order it was built in."""
    turned = dict(reversed(value.items()))
    assert canonical(turned) == canonical(value)
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("width", 32, 4096),
        ("height", 32, 4096),
        ("frames", 1, 1000),
        ("fps", 1, 120),
        ("seed", 0, 2**63 - 1),
        ("steps", 0, 1000),
    ],
)
def test_each_figure_of_a_scene_has_its_range(name: str, low: int, high: int) -> None:
    """Both ends are allowed, what lies beyond is refused by name."""
    figures: dict[str, Any] = {"seed": 1, "width": 64, "height": 64, "frames": 8, "fps": 8}

    def scene(value: int) -> Scene:
        return Scene(mode="text", prompt="p", engine="e", engine_revision="1", **(figures | {name: value}))

    assert getattr(scene(low), name) == low
    assert getattr(scene(high), name) == high
    for value in (low - 1, high + 1):
        with pytest.raises(RecipeError, match=rf"scene\.{name}: {value} is outside"):
            scene(value)
