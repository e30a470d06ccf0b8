"""What ``Prompts.compose`` makes of a product."""

from __future__ import annotations

import pytest

from consumer.planner.prompts import Prompts
from tests.unit.prompts.products import product


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    return Prompts.load()


def test_the_same_product_always_gets_the_same_words(prompts: Prompts) -> None:
    """A prompt is a pure function of the product and the templates."""
    assert prompts.compose(product()) == prompts.compose(product()) == Prompts.load().compose(product())
