"""A thousand products on real Kafka, MinIO and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.harness import World
from tests.plenty import play, settings


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_products_become_a_thousand_clips_and_the_same_set_again_becomes_nothing(
    world: Callable[..., World],
) -> None:
    """Exactly one committed event a product, every object whole and as announced; the second time nothing happens."""
    play(world(**settings(3.0)), 1_000, 1_200)
