"""Engines for tests: cheap, deterministic, honest about what they draw. Given to skureel as MODULE:FACTORY.

Every render appends a line ``<scene digest> <pid>`` to the file named by SKUREEL_TEST_RENDER_LOG, so that a test can
tell from the outside what was rendered, and how often, across killed processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from model.engine import UNWATCHED, EngineError, EngineSpec, Frames, Rendered, Shot, Watch
from model.recipe import Scene

SPEC = EngineSpec(name="test", revision="1", generative=False, captions=False, photos=False)


def moving_gradient(scene: Scene) -> Frames:
    """A soft gradient that drifts: passes inspection, compresses well, differs by seed."""
    rng = np.random.default_rng(scene.seed)
    phase = rng.uniform(0, 2 * np.pi, 3)
    y, x = np.mgrid[0 : scene.height, 0 : scene.width]
    ramp = (x / scene.width + y / scene.height)[None, :, :, None] * np.pi
    shift = np.linspace(0, np.pi, scene.frames)[:, None, None, None]
    frames: Frames = (128 + 90 * np.sin(ramp + shift + phase)).astype(np.uint8)
    return frames


class TestEngine:
    """Draws ``moving_gradient``; ``seconds`` is how long a shot takes at least."""

    __test__ = False

    def __init__(
        self,
        seconds: float = 0.0,
        batch_size: int = 1,
        draw: Callable[[Scene], Frames] = moving_gradient,
        spec: EngineSpec = SPEC,
    ) -> None:
        self.spec = spec
        self.batch_size = batch_size
        self._seconds, self._draw = seconds, draw
        self._log = os.environ.get("SKUREEL_TEST_RENDER_LOG")
        self.rendered: list[str] = []

    def start(self, watch: Watch = UNWATCHED) -> None:
        """Nothing to load."""

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """One gradient a shot."""
        results = []
        for number, shot in enumerate(shots, 1):
            results.append(self._one(shot.scene))
            watch.beat("draw", number, len(shots))
        return results

    def _one(self, scene: Scene) -> Rendered | EngineError:
        start = time.perf_counter()
        self.rendered.append(scene.digest)
        try:
            frames = self._draw(scene)
        except EngineError as error:
            return error
        left = self._seconds - (time.perf_counter() - start)
        if left > 0:
            time.sleep(left)  # stands for a device at work: there is no event to await
        if self._log:
            with Path(self._log).open("a", encoding="utf-8") as log:
                log.write(f"{scene.digest} {os.getpid()}\n")
        return Rendered(frames=frames, seconds=time.perf_counter() - start)

    def close(self) -> None:
        """Nothing to free."""


def fast() -> TestEngine:
    """As fast as it draws, or SKUREEL_TEST_ENGINE_SECONDS a clip."""
    return TestEngine(seconds=float(os.environ.get("SKUREEL_TEST_ENGINE_SECONDS", "0")))


def slow() -> TestEngine:
    """200 ms a clip."""
    return TestEngine(seconds=0.2)


class Broken(TestEngine):
    """An engine whose checkpoint is not there."""

    __test__ = False

    def start(self, watch: Watch = UNWATCHED) -> None:  # noqa: ARG002 - refuses before there is anything to tell
        """Refuse."""
        raise EngineError("no such checkpoint", retryable=False)


def broken() -> Broken:
    """Cannot be started."""
    return Broken()
