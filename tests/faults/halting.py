"""Engines whose process stops for ever at one step, once: for tests that kill it there. Given as MODULE:FACTORY.

The second process finds the mark that the first one left beside the render log, and goes on as any other.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from consumer.stream.exactly_once import ExactlyOnce
from model.recipe import Scene
from tests.engines import TestEngine, moving_gradient

MARK = "halted"


def mark() -> Path:
    """The file that says that somebody stands still."""
    return Path(os.environ["SKUREEL_TEST_RENDER_LOG"]).with_name(MARK)


def stand_still() -> None:
    """For ever, but only the first time."""
    if not mark().exists():
        mark().touch()
        threading.Event().wait()


def in_a_render() -> TestEngine:
    """Stops with a clip half made."""

    def draw(scene: Scene) -> object:
        stand_still()
        return moving_gradient(scene)

    return TestEngine(draw=draw)  # type: ignore[arg-type]


def before_the_commit() -> TestEngine:
    """Stops when a clip is stored and its event about to be committed."""
    plain = ExactlyOnce._call

    def call(self: ExactlyOnce, what: str, function: object) -> None:
        if what == "commit_transaction" and "renderer" in self.options.group:
            stand_still()
        plain(self, what, function)  # type: ignore[arg-type]

    ExactlyOnce._call = call  # type: ignore[method-assign, assignment]
    return TestEngine()
