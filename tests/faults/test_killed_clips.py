"""A renderer killed at two very moments: with a clip half made, and with one stored and not yet announced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.halting import MARK
from tests.harness import Process, Reader, World, until
from tests.kills import publish

Make = Callable[..., World]


def killed_once(world: World) -> int:
    """Publish a product, kill the process where it stands still, start another; gives how often it was rendered."""
    first = Process(world)
    try:
        first.wait_ready()
        reader = Reader(world.kafka.bootstrap, world.topic("video_ready"))
        publish(world, range(1))
        until((world.folder / MARK).exists, 60, first.tail)
        assert reader.wait(1, 0.5) == 0, "a reader of committed records sees nothing yet"
    finally:
        first.kill()
    second = Process(world)
    try:
        assert reader.wait(1, 90) == 1, second.tail()
        assert reader.wait(2, 1.0) == 1, "and no second one"
    finally:
        reader.close()
        second.kill()
    clips = [each.object_name for each in world.s3.client().list_objects(world.bucket, prefix="clips/", recursive=True)]
    assert len([name for name in clips if str(name).endswith(".mp4")]) == 1
    return len(world.renders())


@pytest.mark.timeout(240)
def test_fault_01_a_renderer_killed_in_a_render_makes_the_clip_again_and_announces_it_once(world: Make) -> None:
    """What was half made is lost, and only that."""
    assert killed_once(world(engine="tests.faults.halting:in_a_render")) == 1, "the first one never ended"


@pytest.mark.timeout(240)
def test_fault_02_a_renderer_killed_before_its_commit_renders_nothing_again(world: Make) -> None:
    """The stored clip is found, and announced once."""
    assert killed_once(world(engine="tests.faults.halting:before_the_commit")) == 1
