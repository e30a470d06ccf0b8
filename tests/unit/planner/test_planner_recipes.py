"""Product to Recipe: deterministic, and free of everything the clip does not show."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Image, Price, Product, Tier
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import main_image, mode_of, recipe_of, seed_of
from model.engine import EngineSpec
from model.recipe import Recipe, RecipeError
from tests.unit.planner.samples import (
    DREAMER,
    STORYBOARD,
    Said,
    engines,
    ids,
    images,
    planning,
    prices,
    product,
    products,
    said,
    texts,
)

WORDS = Said("A kettle in morning light", captions=("Kettle", "Quiet"))


@given(products, said, engines)
def test_the_same_input_gives_the_same_recipe(item: Product, words: Said, engine: EngineSpec) -> None:
    """A recipe is a function of its input: no clock, no chance, no order of calls."""
    first = recipe_of(item, words, planning(engine))
    again = recipe_of(replace(item), replace(words), planning(engine))
    assert first == again
    assert first.digests == again.digests


@given(products, said, engines, prices, st.sampled_from(Tier), st.lists(texts).map(tuple), ids, st.integers(0, 99))
def test_what_the_clip_does_not_show_does_not_change_it(
    item: Product,
    words: Said,
    engine: EngineSpec,
    price: Price | None,
    tier: Tier,
    tags: tuple[str, ...],
    event_id: str,
    revision: int,
) -> None:
    """Price, tier, tags, revision and event id may change as they like: with the same words the clip is the same."""
    other = replace(item, price=price, tier=tier, tags=tags, event_id=event_id, revision=revision)
    assert recipe_of(other, words, planning(engine)).digest == recipe_of(item, words, planning(engine)).digest


@given(products, images, st.lists(texts).map(tuple))
def test_an_engine_without_photos_and_captions_ignores_both(
    item: Product, others: tuple[Image, ...], captions: tuple[str, ...]
) -> None:
    """Photos, captions and the locale they are set in cost no new clip where the engine cannot show them."""
    plain = recipe_of(item, WORDS, planning(DREAMER))
    other = recipe_of(
        replace(item, images=others, locale="zh-CN"), replace(WORDS, captions=captions), planning(DREAMER)
    )
    assert other.digest == plain.digest
    assert plain.scene.mode == "text"
    assert plain.scene.photo is None
    assert plain.scene.captions == ()


@given(st.none() | texts, st.none() | texts)
def test_labels_are_only_for_generated_pixels(label: str | None, producer: str | None) -> None:
    """Label and producer enter the recipe of a generative engine, and no other's."""
    made = recipe_of(product(), WORDS, planning(DREAMER, label=label, producer=producer)).dressing
    assert (made.overlays.label, made.producer) == (label, producer)
    drawn = recipe_of(product(), WORDS, planning(STORYBOARD, label=label, producer=producer))
    assert (drawn.dressing.overlays.label, drawn.dressing.producer) == (None, None)
    assert drawn.digest == recipe_of(product(), WORDS, planning(STORYBOARD)).digest


def different(recipe: Recipe, other: Recipe) -> bool:
    """Whether the clips differ."""
    return recipe.digest != other.digest


@pytest.mark.parametrize(
    "words",
    [replace(WORDS, prompt="x"), replace(WORDS, negative_prompt="x"), replace(WORDS, captions=("x",))],
)
def test_what_the_clip_shows_changes_it(words: Said) -> None:
    """Each word that reaches the engine is part of the recipe."""
    assert different(recipe_of(product(), WORDS, planning()), recipe_of(product(), words, planning()))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 480},
        {"height": 640},
        {"frames": 48},
        {"fps": 12},
        {"variant": "square"},
        {"engine": replace(STORYBOARD, revision="2")},
        {"engine": replace(STORYBOARD, name="other")},
    ],
)
def test_each_figure_of_the_planning_is_part_of_the_recipe(changes: dict[str, Any]) -> None:
    """Another size, length, rate, variant or engine is another clip."""
    assert different(recipe_of(product(), WORDS, planning()), recipe_of(product(), WORDS, planning(**changes)))


def test_the_photo_is_the_first_main_image_else_the_first() -> None:
    """The role decides before the order does."""
    detail, main, second = Image(url="d", role="DETAIL"), Image(url="m"), Image(url="m2")
    assert main_image((detail, main, second)) == main
    assert main_image((detail,)) == detail
    assert main_image(()) is None


@given(products, engines)
def test_a_scene_has_a_photo_exactly_in_image_mode(item: Product, engine: EngineSpec) -> None:
    """The engine starts from a photo when it can and there is one."""
    recipe = recipe_of(item, WORDS, planning(engine))
    assert recipe.scene.mode == mode_of(item, planning(engine))
    assert (recipe.scene.photo is not None) == (recipe.scene.mode == "image") == bool(engine.photos and item.images)


def test_a_photo_digest_may_be_in_capitals() -> None:
    """Hex digits are the same digest in either case, and recipes are compared by bytes."""
    low, high = (product(images=(Image(url="u", sha256=digest),)) for digest in ("ab" * 32, "AB" * 32))
    assert recipe_of(low, WORDS, planning()) == recipe_of(high, WORDS, planning())


def test_a_photo_digest_that_is_none_is_refused() -> None:
    """Nothing is rendered against a digest that no photo can have; engines without photos never look."""
    broken = product(images=(Image(url="u", sha256="not a digest"),))
    with pytest.raises(RecipeError, match=r"photo\.sha256"):
        recipe_of(broken, WORDS, planning())
    assert recipe_of(broken, WORDS, planning(DREAMER)).scene.mode == "text"


@given(ids, ids)
def test_seeds_are_stable_and_of_the_product_and_variant(product_id: str, variant: str) -> None:
    """A seed fits 63 bits, never changes, and is another one for another variant."""
    seed = seed_of(product_id, variant)
    assert 0 <= seed < 2**63
    assert seed == seed_of(product_id, variant)
    assert seed != seed_of(product_id, variant + "x")


def test_the_seed_of_a_product_is_for_ever() -> None:
    """A changed derivation would render every clip of a catalog again: this value is a promise."""
    assert seed_of("kettle-1", "default") == 3315084780740726283


@given(products)
def test_real_templates_make_recipes_of_any_product(item: Product) -> None:
    """Template syntax, control characters, emoji and direction marks are words like any other."""
    prompts = PROMPTS
    recipe = recipe_of(item, prompts.compose(item, mode_of(item, planning())), planning())
    assert recipe == recipe_of(item, prompts.compose(item, mode_of(item, planning())), planning())
    cheaper = replace(item, price=Price(amount=Decimal("0.0100"), currency="EUR"), revision=item.revision // 2)
    assert recipe_of(cheaper, prompts.compose(cheaper, mode_of(item, planning())), planning()).digest == recipe.digest


PROMPTS = Prompts.load()
