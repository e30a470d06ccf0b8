"""Laws of interactive work beside bulk work in a whole renderer, in counts and orders, never in time."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from consumer.events import VideoReady, Work
from consumer.observe import metrics as m
from consumer.renderer.lanes import Lane
from consumer.stream.types import Partition
from model.engine import Frames
from model.recipe import Scene
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import SECONDS, Bench, recipe, request

Make = Callable[..., Bench]
BULK = "clip-render-bulk"


class Door(TestEngine):
    """Notes the prompts it is given; holds the first shot until ``go``."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(draw=self._held)
        self.begun, self.go = threading.Event(), threading.Event()
        self.prompts: list[str] = []

    def _held(self, scene: Scene) -> Frames:
        self.prompts.append(scene.prompt)
        self.begun.set()
        assert self.go.wait(SECONDS)
        return moving_gradient(scene)


def busy(bench: Make, **more: object) -> tuple[Bench, Door]:
    """A renderer whose engine is busy with its first shot."""
    door = Door()
    one = bench(door, **more)
    one.send(request("first", made_of=recipe(prompt="first")), 0)
    assert door.begun.wait(SECONDS)
    return one, door


def send(one: Bench, lane: str, number: int, offset: int) -> None:
    """A request of its own product and scene, to be known again by its prompt."""
    topic = BULK if lane == "bulk" else "clip-render"
    one.send(request(f"{lane}{number}", made_of=recipe(seed=offset, prompt=f"{lane} {number}")), offset, topic=topic)


def await_queue(one: Bench, jobs: int) -> None:
    """Wait until so many jobs wait for the engine."""
    queued = one.room._shots
    with queued._changed:
        assert queued._changed.wait_for(lambda: len(queued) == jobs, SECONDS)


@pytest.mark.parametrize(("share", "bulk"), [(0.0, 0), (0.1, 2), (0.25, 5), (0.5, 10)])
def test_of_the_shots_given_while_both_lanes_wait_bulk_gets_its_share(bench: Make, share: float, bulk: int) -> None:
    """Twenty shots with bulk waiting longest: the stated share of them, and interactive work has all the others."""
    one, door = busy(bench, look_ahead=40, bulk_share=share)
    for number in range(20):
        send(one, "bulk", number, 1 + number)
    await_queue(one, 20)
    for number in range(20):
        send(one, "single", number, 101 + number)
    await_queue(one, 40)
    door.go.set()
    assert one.settler.wait(lambda settler: len(settler.settled) == 41)
    assert sum(prompt.startswith("bulk") for prompt in door.prompts[1:21]) == bulk


def test_a_new_product_overtakes_a_promotions_backlog(bench: Make) -> None:
    """However many wait before it: the next shot is its."""
    one, door = busy(bench)
    for number in range(10):
        send(one, "bulk", number, 1 + number)
    await_queue(one, 10)
    send(one, "single", 0, 100)
    await_queue(one, 11)
    door.go.set()
    assert isinstance(one.settler.event(100), VideoReady)
    assert one.settler.wait(lambda settler: len(settler.settled) == 12)
    assert door.prompts[1] == "single 0"


def test_a_lane_takes_none_of_the_others_room(bench: Make) -> None:
    """A promotion fills its own look-ahead; there is room for single products all the same, and the other way round."""
    one, door = busy(bench, look_ahead=3)
    for number in range(3):
        send(one, "bulk", number, 1 + number)
    renderer = one.renderer
    rooms = [renderer.room_for(topic) for topic in ("clip-render", BULK, "clip-dress")]
    assert rooms == [2, 0, 0]
    assert renderer.capacity() == 0
    for number in range(2):
        send(one, "single", number, 101 + number)
    assert renderer.room_for("clip-render") == 0
    door.go.set()
    assert one.settler.wait(lambda settler: len(settler.settled) == 6)
    with renderer._changed:
        assert renderer._changed.wait_for(lambda: not len(renderer._buffer), SECONDS)
    assert {renderer.room_for(topic) for topic in ("clip-render", BULK, "clip-dress")} == {3}


@pytest.mark.parametrize(("older", "newer"), [(BULK, "clip-render"), ("clip-render", BULK)])
def test_a_newer_revision_supersedes_what_waits_for_the_engine_in_either_lane(
    bench: Make, older: str, newer: str
) -> None:
    """The older one is counted and committed, never rendered, and holds the newer one up nowhere."""
    one, door = busy(bench, bulk_share=0.0)
    one.send(request("p", 1, recipe(seed=1, prompt="old")), 1, topic=older)
    await_queue(one, 1)
    one.send(request("p", 2, recipe(seed=2, prompt="new")), 2, topic=newer)
    assert one.settler.outputs(1) == []
    assert one.metrics.value(m.SKIPS, role="renderer", reason="superseded") == 1
    door.go.set()
    event = one.settler.event(2)
    assert isinstance(event, VideoReady)
    assert event.revision == 2
    one.send(request("p", 1, recipe(seed=1, prompt="old")), 3, topic=older)
    assert one.settler.outputs(3) == []
    assert door.prompts == ["first", "new"]


def test_what_an_interactive_request_waits_for_does_not_wait_for_its_own_turn(bench: Make) -> None:
    """Two products of one scene: the bulk one that was there first is rendered at once when the other comes."""
    one, door = busy(bench, bulk_share=0.0)
    for number in range(3):
        send(one, "bulk", number, 1 + number)
    one.send(request("shared", made_of=recipe(seed=50, prompt="shared")), 50, topic=BULK)
    await_queue(one, 4)
    one.send(request("twin", made_of=recipe(seed=50, prompt="shared")), 51)
    send(one, "single", 0, 100)
    await_queue(one, 5)
    queued = one.room._shots
    with queued._changed:
        assert queued._changed.wait_for(lambda: len(queued._waiting[Lane.INTERACTIVE]) == 2, SECONDS)
    door.go.set()
    assert one.settler.wait(lambda settler: len(settler.settled) == 7)
    assert set(door.prompts[1:3]) == {"single 0", "shared"}
    event = one.settler.event(51)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.work in {Work.NONE, Work.DRESS}


def test_a_superseded_request_whose_partition_leaves_is_settled_once(bench: Make) -> None:
    """It was settled when it was superseded; the engine that comes to it later only lets it go."""
    one, door = busy(bench)
    lease = one.send(request("p", 1, recipe(seed=1, prompt="old")), 1, partition=7, topic=BULK)
    await_queue(one, 1)
    one.send(request("p", 2, recipe(seed=2, prompt="new")), 2)
    assert one.settler.outputs(1) == []
    one.renderer.revoked([Partition(BULK, 7)])
    door.go.set()
    assert isinstance(one.settler.event(2), VideoReady)
    assert lease not in one.settler.released


def test_draining_hands_back_what_waits_for_a_finisher(bench: Make) -> None:
    """Only what costs already is finished: a dressing that has not begun is its next owner's."""
    one = bench()
    one.send(request("p", 1, recipe(size=(320, 240))), 0)
    one.settler.event(0)
    one.renderer._draining = True
    lease = one.send(request("q", 1, recipe(size=(320, 240), card="Sale")), 1)
    assert one.settler.wait(lambda settler: lease in settler.released)
    assert one.renderer.drain(SECONDS)
