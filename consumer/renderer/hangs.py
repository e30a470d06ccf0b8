"""The hang watch: a thread that looks whether an engine in this process still gives signs of life.

It can tell, not help: only the end of the process ends a native call. A call that hangs with the interpreter's own
lock stops this thread too; an engine in a process of its own (``model.hosted``) is watched from outside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from model.pulse import Looks, Pulse, Silence

LONGEST_LOOK = 1.0
"""Seconds between two looks at most."""


class HangWatch:
    """Calls ``hung`` once, on its own thread, when a silence is longer than is borne."""

    def __init__(self, name: str, pulse: Pulse, hung: Callable[[Silence], None], stopping: threading.Event) -> None:
        self._pulse, self._hung, self._stopping = pulse, hung, stopping
        self._thread = threading.Thread(target=self._run, name=f"skureel-hangs-{name}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def _run(self) -> None:
        looks = Looks(self._pulse)
        while not self._stopping.wait(min(LONGEST_LOOK, self._pulse.patience() / 4)):
            silence = looks.silence()
            if silence is not None:
                self._hung(silence)
                return
