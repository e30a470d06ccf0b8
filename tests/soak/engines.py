"""The soak's engine: the storyboard, with a log of every shot that says when it was begun. Given as MODULE:FACTORY."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from model.engine import UNWATCHED, EngineError, Rendered, Shot, Watch
from model.storyboard.engine import Storyboard


class Logged(Storyboard):
    """Writes ``<scene digest> <pid> <seconds since 1970>`` to the file named by SKUREEL_TEST_RENDER_LOG."""

    def __init__(self) -> None:
        self._log = Path(os.environ["SKUREEL_TEST_RENDER_LOG"])

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """See Engine. The line comes first: a process killed in a render has begun it all the same."""
        with self._log.open("a", encoding="utf-8") as log:
            log.writelines(f"{shot.scene.digest} {os.getpid()} {time.time():.3f}\n" for shot in shots)
        return super().render(shots, watch)


def logged() -> Logged:
    """A new one."""
    return Logged()
