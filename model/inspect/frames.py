"""The rung of frames: what an engine made is sane, then every check of pixels on one set of measures.

A check turns measures into a number; the policy says which numbers are faults. To add a check: write the function,
name it in ``CHECKS`` and in the catalogue, and give it a limit in ``policy.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np

from model.engine import Frames
from model.inspect import exposure, hues, motion, tearing
from model.inspect.catalogue import checks_of
from model.inspect.expected import NOTHING, Expected
from model.inspect.judges import Judges
from model.inspect.measures import Measures
from model.inspect.policy import POLICY, Policy
from model.inspect.report import NotRun, Outcome, Report, judge, unusable
from model.recipe import Scene

NO_JUDGES = Judges()

Plain = Callable[[Measures, Policy], Outcome]
Compared = Callable[[Measures, Policy, Expected], Outcome]

PLAIN: Mapping[str, Plain] = MappingProxyType(
    {
        "black": exposure.black,
        "black_ends": exposure.black_ends,
        "flat": exposure.flat,
        "frozen": motion.frozen,
        "flash": motion.flash,
        "flicker": motion.flicker,
        "cut": motion.cut,
        "tear": tearing.tear,
        "overexposed": exposure.overexposed,
        "cast": exposure.cast,
        "noise": exposure.noise,
        "grain": exposure.grain,
    }
)
"""Checks of the pixels alone, in the order in which they are run and reported."""
COMPARED: Mapping[str, Compared] = MappingProxyType({"colour": hues.colour, "photo_colours": hues.photo_colours})
"""Checks of the pixels against what is known of the product; run after the plain ones."""


def inspect_frames(
    frames: Frames, scene: Scene, policy: Policy = POLICY, expected: Expected = NOTHING, judges: Judges = NO_JUDGES
) -> Report:
    """Inspect what an engine made of a scene. Never raises for bad frames: they are what it looks for.

    Frames of the wrong type, count or size, or with values that are no numbers, are reported as such and not looked
    at further; and frames that are refused for their pixels are not shown to ``judges``, which take longest.
    """
    problem = _sanity(frames, scene)
    if problem:
        return unusable(*problem, policy)
    report = judge(scores_of(Measures(frames, scene.fps), policy, expected), policy)
    if report.verdict == "reject":
        why = NotRun("the clip was rejected before")
        return report + judge([(check, why) for check in checks_of("models") if policy.runs(check)], policy)
    return report + judge(judges.outcomes(frames, policy, expected), policy)


def scores_of(measures: Measures, policy: Policy, expected: Expected) -> Iterator[tuple[str, Outcome]]:
    """Every check's outcome, one by one."""
    for name, check in PLAIN.items():
        if policy.runs(name):
            yield name, check(measures, policy)
    for name, compared in COMPARED.items():
        if policy.runs(name):
            yield name, compared(measures, policy, expected)


def _sanity(frames: object, scene: Scene) -> tuple[str, str] | None:
    if not isinstance(frames, np.ndarray):
        return "dtype", f"frames are {type(frames).__name__}, not an array"
    if np.issubdtype(frames.dtype, np.floating) and (broken := int(np.count_nonzero(~np.isfinite(frames)))):
        return "finite", f"{broken} of {frames.size} values are NaN or infinite"
    if frames.dtype != np.uint8:
        return "dtype", f"frames are {frames.dtype}, not uint8"
    if frames.ndim != 4 or frames.shape[3] != 3:
        return "shape", f"frames have shape {frames.shape}, not (frames, height, width, 3)"
    if len(frames) != scene.frames:
        return "frames", f"{len(frames)} frames instead of the scene's {scene.frames}"
    if frames.shape[1:3] != (scene.height, scene.width):
        return "size", f"{frames.shape[2]}x{frames.shape[1]} instead of the scene's {scene.width}x{scene.height}"
    return None
