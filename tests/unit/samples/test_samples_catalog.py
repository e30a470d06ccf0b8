"""What the sample catalog promises whoever plays it."""

from __future__ import annotations

import re
from datetime import UTC

import pytest

from consumer.events import Product, Tier
from consumer.operate import samples
from consumer.operate.samples.shapes import SHAPES
from consumer.planner.prompts import Prompts

PRODUCTS = samples.products()


def test_there_are_enough_products_in_both_languages_and_every_category() -> None:
    """Thirty and more, no language rare, each template used, and some that none knows."""
    prompts = Prompts.load()
    assert len(PRODUCTS) >= 30
    assert min(sum(p.locale == tag for p in PRODUCTS) for tag in ("zh-CN", "en")) >= 12
    assert {prompts.compose(p).template for p in PRODUCTS} == set(prompts.versions)


def test_events_follow_the_schema_and_are_fixed() -> None:
    """They are what a catalog would send, and the same at every call."""
    assert samples.load() == samples.load()
    assert [p.product_id for p in PRODUCTS] == [event["product_id"] for event in samples.load()]
    for product in PRODUCTS:
        assert product.occurred_at.tzinfo == UTC
        assert Product.from_avro(product.to_avro()) == product


def test_no_two_events_share_an_id() -> None:
    """Each is a product of its own, first revision."""
    assert len({p.event_id for p in PRODUCTS}) == len({p.product_id for p in PRODUCTS}) == len(PRODUCTS)
    assert {p.revision for p in PRODUCTS} == {1}
    assert all(re.fullmatch(r"[a-z]+-\d{4}", p.product_id) for p in PRODUCTS)


def test_every_tier_occurs_and_prices_are_exact() -> None:
    """Decimals come through JSON unharmed, in the currency of the language."""
    assert {p.tier for p in PRODUCTS} == set(Tier)
    for product in PRODUCTS:
        assert product.price is not None
        assert product.price.amount > 0
        assert product.price.currency == ("CNY" if product.locale == "zh-CN" else "USD")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.product_id)
def test_a_sample_makes_full_captions_and_a_prompt_of_its_own_colour(product: Product) -> None:
    """Nothing of the sample texts is lost on the way to a clip."""
    made = Prompts.load().compose(product)
    assert made.captions == (product.name, *product.selling_points)
    assert made.locale == product.locale
    assert product.brand is None or product.brand.lower() not in made.prompt.lower()
    assert all(ord(char) < 128 or char in "×°–" for char in made.prompt) == (product.locale == "en")


def test_about_half_have_a_photo_that_can_be_drawn() -> None:
    """A photo's key is the product's, and the product's tags say what to draw."""
    with_photo = [p for p in PRODUCTS if p.images]
    assert 0.4 <= len(with_photo) / len(PRODUCTS) <= 0.6
    for product in with_photo:
        assert [(i.url, i.role) for i in product.images] == [(f"store:samples/{product.product_id}.png", "MAIN")]
        assert sum(tag in SHAPES for tag in product.tags) >= 1


def test_photos_come_with_the_keys_the_events_name() -> None:
    """Whoever stores them makes every address of the catalog good."""
    keys = {image.url.removeprefix("store:") for product in PRODUCTS for image in product.images}
    drawn = dict(samples.photos())
    assert set(drawn) == keys
    assert all(data.startswith(b"\x89PNG") for data in drawn.values())
    assert len(set(drawn.values())) == len(drawn)
