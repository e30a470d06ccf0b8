"""What the planner makes of a clip that was rejected and then approved, on both databases."""

from __future__ import annotations

from itertools import permutations

from consumer.events import VideoReady, VideoRejected
from consumer.planner.announcements import REJECTED
from tests.integration.planner.test_planner import announce, ready, rejected, skipped
from tests.integration.planner.world import World

CLIP = "SELECT revision, status, clip_id FROM clips"


def test_an_approved_clip_takes_the_place_of_its_rejection(world: World) -> None:
    """It has the revision of the rejection; a rejection that is read again after it does not bring that back."""
    announce(world, rejected(2))
    world.run()
    assert world.rows(CLIP) == [(2, REJECTED, None)]
    announce(world, ready(2))
    world.run()
    assert world.rows(CLIP) == [(2, "READY", "clip-2")]
    announce(world, rejected(2))
    world.run()
    assert world.rows(CLIP) == [(2, "READY", "clip-2")]
    assert skipped(world, "duplicate") == 1


def test_the_order_of_arrival_does_not_matter(world: World) -> None:
    """In one batch or in several: the highest revision, and of one revision the clip."""
    for number, order in enumerate(permutations(range(3))):
        for apart in (True, False):
            variant = f"{number}-{apart}"
            events: list[VideoReady | VideoRejected] = [
                rejected(2, variant=variant),
                ready(2, variant=variant),
                ready(1, variant=variant),
            ]
            for place in order:
                announce(world, events[place])
                if apart:
                    world.run()
    world.run()
    assert world.rows(CLIP) == [(2, "READY", "clip-2")] * 12
