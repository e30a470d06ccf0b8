"""What can befall an engine besides its own refusals: it took too long, or its process was lost."""

from __future__ import annotations

from typing import Literal

from model.engine import EngineError

Loss = Literal["hang", "timeout", "crash", "start"]


class LateError(EngineError):
    """Raised or returned for shots whose batch took longer than it may; the engine itself is whole."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class LostError(EngineError):
    """Raised or returned for shots whose engine's process is gone; the next batch finds a new one.

    ``reason``: ``hang`` (silent for too long, killed), ``timeout`` (over its time and not to be stopped, killed),
    ``crash`` (it died or broke by itself), ``start`` (a new process did not come up).
    """

    def __init__(self, message: str, *, reason: Loss) -> None:
        super().__init__(message, retryable=True)
        self.reason: Loss = reason
