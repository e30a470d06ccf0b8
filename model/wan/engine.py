"""The wan engine: the Engine protocol over a Wan 2.2 TI2V-5B checkpoint. Imports torch only when it starts.

So a planner asks it for its spec on a machine that has neither torch nor weights.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from model.engine import UNWATCHED, EngineError, EngineSpec, Rendered, Shot, Watch
from model.wan.options import WanOptions, profile_of, spec_of

if TYPE_CHECKING:
    from model.wan.runtime import Runtime

OPENING = "model.wan.opening"
EXTRA = "pip install 'skureel[gpu]'"


class Wan:
    """Renders batches of scenes with one checkpoint and one profile on one device."""

    def __init__(self, options: WanOptions) -> None:
        """Cheap: reads the profile and the checkpoint's manifest. Raises EngineError, not retryable."""
        self._options = options
        self._profile = profile_of(options)
        self._spec = spec_of(options, self._profile)
        self._runtime: Runtime | None = None

    @property
    def spec(self) -> EngineSpec:
        """Name, revision and abilities."""
        return self._spec

    @property
    def batch_size(self) -> int:
        """Clips of a batch; twice as many where the next batch is denoised while one is decoded."""
        batch = self._options.batch or self._profile.layout.batch
        return 2 * batch if self._profile.layout.overlap else batch

    def start(self, watch: Watch = UNWATCHED) -> None:
        """Load, self-test and warm up. Raises EngineError with the reason."""
        if self._runtime is not None:
            return
        try:
            opening = importlib.import_module(OPENING)
        except ImportError as error:
            raise EngineError(f"wan: {error}: install what it needs: {EXTRA}", retryable=False) from error
        self._runtime = opening.open_runtime(self._options, self._profile, watch)

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """One result a shot, in order."""
        if self._runtime is None:
            raise EngineError("wan: not started", retryable=False)
        return self._runtime.render(shots, watch)

    def close(self) -> None:
        """Free the device."""
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None
