"""Many products on real Kafka, MinIO and PostgreSQL, as few as show it."""

from __future__ import annotations

from collections.abc import Callable

from tests.harness import World
from tests.plenty import play, settings


def test_each_product_becomes_one_clip_and_the_same_set_again_becomes_nothing(world: Callable[..., World]) -> None:
    """Exactly one committed event a product, every object whole and as announced; the second time nothing happens."""
    play(world(**settings(0.5)), 120, 240)
