"""Promise 7, for the inspection: the engine works on the next clip while one is inspected."""

from __future__ import annotations

import threading
from collections.abc import Callable

from consumer.events import VideoReady
from model.engine import Frames
from model.inspect import NOTHING, Expected, Inspector, Report
from model.recipe import Scene
from tests.engines import TestEngine, moving_gradient
from tests.unit.renderer.conftest import SECONDS, Bench, recipe, request

Make = Callable[..., Bench]


class Attentive(Inspector):
    """Waits with the first clip for the engine to be at the second, and tells when it has looked at the first."""

    begun, ended, busy = threading.Event(), threading.Event(), threading.Event()

    def frames(self, frames: Frames, scene: Scene, expected: Expected = NOTHING) -> Report:
        """See Inspector."""
        if not self.begun.is_set():
            self.begun.set()
            assert self.busy.wait(SECONDS), "the engine does not begin the next clip while one is inspected"
        report = super().frames(frames, scene, expected)
        self.ended.set()
        return report


def test_a_clip_is_inspected_from_beginning_to_end_while_the_next_is_rendered(bench: Make) -> None:
    """The engine is held in the second clip until the first one's inspection is over, and that one waits for the
    engine to be there: if either waited for the other's end, neither would come to one.
    """
    inspector, drawn = Attentive(), []

    def draw(scene: Scene) -> Frames:
        drawn.append(scene.seed)
        if len(drawn) == 2:
            inspector.busy.set()
            assert inspector.ended.wait(SECONDS), "no clip is inspected while the engine is at work"
        return moving_gradient(scene)

    worker = bench(TestEngine(draw=draw), inspector=inspector)
    for seed in (1, 2):
        worker.send(request(f"p{seed}", made_of=recipe(seed)), seed)
    assert all(isinstance(worker.settler.event(seed), VideoReady) for seed in (1, 2))
