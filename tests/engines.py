"""Engines for tests: cheap, deterministic, honest about what they draw. Given to skureel as MODULE:FACTORY.

Every render appends a line ``<scene digest> <pid>`` to the file named by SKUREEL_TEST_RENDER_LOG, so that a test can
tell from the outside what was rendered, and how often, across killed processes.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np

from model.engine import UNWATCHED, CancelledError, EngineError, EngineSpec, Frames, Rendered, Shot, Watch
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


class Troubled(TestEngine):
    """Does to a shot, or to itself, what the scene's prompt says; draws where it says nothing it knows.

    ``TROUBLE`` or ``TROUBLE once PATH``: only while there is no file at PATH, which it then leaves. It beats before
    the trouble ("before", 1 of 1) and after every drawn shot.
    """

    __test__ = False

    def __init__(self, batch_size: int = 1, trouble_at_start: str = "", spec: EngineSpec = SPEC) -> None:
        super().__init__(batch_size=batch_size, spec=spec)
        self._at_start = trouble_at_start
        self.batches: list[int] = []
        self.stuck, self.go = threading.Event(), threading.Event()
        """``stuck`` is set when ``wait`` has begun to wait, for ``go``."""

    def start(self, watch: Watch = UNWATCHED) -> None:
        """Say hello to the log; then the trouble of the start, if any."""
        logging.getLogger("tests.troubled").warning("hello from %d", os.getpid())
        self._do(self._at_start, watch)
        watch.beat("load", 1, 1)

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """One result a shot."""
        self.batches.append(len(shots))
        results: list[Rendered | EngineError] = []
        for number, shot in enumerate(shots, 1):
            try:
                self._do(shot.scene.prompt, watch)
            except EngineError as error:
                results.append(error)
                continue
            start = time.perf_counter()
            frames = moving_gradient(shot.scene)
            self.rendered.append(shot.scene.digest)
            results.append(
                Rendered(
                    frames=frames,
                    seconds=time.perf_counter() - start,
                    stages={"denoise": 2.0, "decode": 0.5},
                    figures={"allocated_bytes": 1e9, "reserved_bytes": 2e9, "mfu_ratio": 0.6, "clocks_hertz": 1e9},
                )
            )
            watch.beat("draw", number, len(shots))
        return results

    def _do(self, words: str, watch: Watch) -> None:
        trouble, once, path = words.partition(" once ")
        if once and Path(path).exists():
            return
        with suppress(CancelledError) if trouble == "deaf" else nullcontext():
            watch.beat("before", 1, 1)
        if once:
            Path(path).touch()
        actions: dict[str, Callable[[], object]] = {
            "hang": self._hang,
            "deaf": lambda: time.sleep(3600),  # is killed long before
            "wait": self._wait,
            "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
            "leave": lambda: os._exit(7),
            "break": self._break,
            "stumble": lambda: self._refuse("no memory just now", retryable=True),
            "refuse": lambda: self._refuse("this one never", retryable=False),
        }
        if trouble in actions:
            actions[trouble]()
        if trouble == "steps":
            for step in range(1, 10_001):
                time.sleep(0.01)  # stands for a device at work: there is no event to await
                watch.beat("steps", step, 10_000)

    @staticmethod
    def _hang() -> None:
        """A native call that does not return and keeps the interpreter's lock: nothing of Python's runs any more."""
        ctypes.PyDLL(None).sleep(3600)

    def _wait(self) -> None:
        self.stuck.set()
        assert self.go.wait(60)

    @staticmethod
    def _break() -> None:
        raise RuntimeError("device lost")

    @staticmethod
    def _refuse(message: str, *, retryable: bool) -> None:
        raise EngineError(message, retryable=retryable)


class Unclosable(Troubled):
    """Hangs when it shall free its device."""

    __test__ = False

    def close(self) -> None:
        """Never ends."""
        self._hang()
