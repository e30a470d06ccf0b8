"""The storyboard engine: the Engine protocol over drawn scenes, on the CPU, without a model.

The fallback that never fails: it refuses only a photo that cannot be used, and says why.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from model.engine import UNWATCHED, EngineError, EngineSpec, Rendered, Shot, Watch
from model.photo import load_photo
from model.storyboard.scene import draw_scene
from model.storyboard.spec import SPEC
from model.typeset import FontError, check_fonts


class Storyboard:
    """Draws clips on one CPU core. Holds no state between shots, so several may work side by side."""

    @property
    def spec(self) -> EngineSpec:
        """Name, revision and abilities."""
        return SPEC

    @property
    def batch_size(self) -> int:
        """One: shots share no work, and a batch would only hold the first of them back."""
        return 1

    def start(self, watch: Watch = UNWATCHED) -> None:  # noqa: ARG002 - nothing takes long
        """Open the typeface. Raises EngineError, not retryable, when it is missing."""
        try:
            check_fonts()
        except FontError as error:
            raise EngineError(f"storyboard: {error}", retryable=False) from error

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """One result a shot, in order; an unusable photo gives its EngineError in place."""
        results = []
        for number, shot in enumerate(shots, 1):
            results.append(_rendered(shot))
            watch.beat("draw", number, len(shots))
        return results

    def close(self) -> None:
        """Nothing to free."""


def _rendered(shot: Shot) -> Rendered | EngineError:
    started = time.perf_counter()
    scene = shot.scene
    if scene.mode == "image" and shot.photo is None:
        return EngineError("storyboard: the scene starts from a photo and none was given", retryable=False)
    try:
        photo = load_photo(shot.photo, 2 * max(scene.width, scene.height)) if shot.photo is not None else None
        frames = draw_scene(scene, photo)
    except EngineError as error:
        return error
    except MemoryError:
        size = f"{scene.frames} frames of {scene.width}x{scene.height}"
        return EngineError(f"storyboard: no memory for {size}", retryable=True)
    return Rendered(frames=frames, seconds=time.perf_counter() - started)
