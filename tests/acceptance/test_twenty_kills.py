"""kill -9 at random moments, twenty times a role."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import dresser_kills
from tests.harness import World
from tests.kills import SETTINGS, play


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", ["renderer", "planner"])
def test_kill_9_at_twenty_random_moments_loses_and_doubles_nothing(world: Callable[..., World], victim: str) -> None:
    """Exactly one event a product, no object missing, no stored base rendered again."""
    play(world(extra=SETTINGS), victim, 200, 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dresser_killed_at_twenty_random_moments_loses_and_doubles_nothing(world: Callable[..., World]) -> None:
    """One announcement a product and revision, none of them rendered again."""
    dresser_kills.play(world(extra=dresser_kills.APART), 200, 20)
