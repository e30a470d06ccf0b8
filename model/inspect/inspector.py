"""The whole ladder as one part: a policy and the judges at hand, given to whoever inspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.engine import Frames
from model.inspect.expected import NOTHING, Expected
from model.inspect.files import inspect_file
from model.inspect.frames import NO_JUDGES, inspect_frames
from model.inspect.judges import Judges
from model.inspect.policy import POLICY, Policy
from model.inspect.report import Report
from model.recipe import Recipe, Scene


@dataclass(frozen=True, slots=True)
class Inspector:
    """Thread-safe, as its judges are."""

    policy: Policy = POLICY
    judges: Judges = NO_JUDGES

    def frames(self, frames: Frames, scene: Scene, expected: Expected = NOTHING) -> Report:
        """See ``inspect_frames``."""
        return inspect_frames(frames, scene, self.policy, expected, self.judges)

    def file(self, data: bytes, recipe: Recipe, *, parts: Sequence[bytes] = ()) -> Report:
        """See ``inspect_file``."""
        return inspect_file(data, recipe, self.policy, parts=parts)

    def without(self, *checks: str) -> Inspector:
        """The same without some checks."""
        return replace(self, policy=replace(self.policy, off=self.policy.off | set(checks)))
