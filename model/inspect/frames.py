"""The checks of decoded frames: black, flat, frozen, flash, flicker, burnt out, noise. Each one small function.

A check turns measures into a number; the policy says which numbers are faults. To add a check, write the function,
register it, and give the policy a rule of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from model.engine import Frames
from model.inspect.measures import Flags, Measures, longest_run, longest_still, noise_ratio
from model.inspect.policy import POLICY, Policy
from model.inspect.report import Report, Score, judge, unusable
from model.recipe import Scene

Check = Callable[[Measures, Policy], Score]

CHECKS: dict[str, Check] = {}
"""Every check of frames by name, in the order in which they are run and reported."""


def _check(name: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def inspect_frames(frames: Frames, scene: Scene, policy: Policy = POLICY) -> Report:
    """Inspect what an engine made of a scene. Never raises for bad frames: they are what it looks for.

    Frames of the wrong type, count or size are reported as such and not looked at further.
    """
    problem = _sanity(frames, scene)
    if problem:
        return unusable(*problem, policy)
    measures = Measures(frames, scene.fps)
    return judge(_scores(measures, policy), policy)


def _scores(measures: Measures, policy: Policy) -> Iterator[tuple[str, Score]]:
    for name, check in CHECKS.items():
        if name not in policy.off:
            yield name, check(measures, policy)


def _sanity(frames: Frames, scene: Scene) -> tuple[str, str] | None:
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
        return "dtype", f"frames are {getattr(frames, 'dtype', type(frames).__name__)}, not uint8"
    if frames.ndim != 4 or frames.shape[3] != 3:
        return "shape", f"frames have shape {frames.shape}, not (frames, height, width, 3)"
    if len(frames) != scene.frames:
        return "frames", f"{len(frames)} frames instead of the scene's {scene.frames}"
    if frames.shape[1:3] != (scene.height, scene.width):
        return "size", f"{frames.shape[2]}x{frames.shape[1]} instead of the scene's {scene.width}x{scene.height}"
    return None


@_check("black")
def black(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch of black frames."""
    return _lasting((measures.luma <= policy.dark).mean((1, 2)) >= policy.dark_share, measures.fps)


@_check("black_ends")
def black_ends(measures: Measures, policy: Policy) -> Score:
    """Share of black pixels in the first or last frame, whichever has more: some marketplaces refuse such clips."""
    shares = [float((measures.luma[end] <= policy.dark).mean()) for end in (0, -1)]
    return Score(max(shares), "in the first frame" if shares[0] >= shares[1] else "in the last frame")


@_check("flat")
def flat(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch of frames of one colour."""
    return _lasting(measures.spread <= policy.flat, measures.fps)


@_check("frozen")
def frozen(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch in which no region of the picture changes."""
    start, length = longest_still(measures.luma, policy.still)
    throughout = 0 < length == len(measures.luma) - 1
    return Score(_seconds(length, measures.fps, throughout), _where(start, length + 1) if length else "")


@_check("flash")
def flash(measures: Measures, _: Policy) -> Score:
    """Levels by which brightness leaves its course and returns within four frames, over a third of the picture.

    The course is a running median over nine frames, which fades and lasting changes follow and flashes do not.
    """
    regions = measures.regions
    if len(regions) < 3:
        return Score(0.0)
    span = min(9, len(regions) // 2 * 2 - 1)
    padded = np.pad(regions, ((span // 2, span // 2), (0, 0)), mode="edge")
    course = np.median(np.lib.stride_tricks.sliding_window_view(padded, span, axis=0), axis=-1)
    leaps = np.sort(np.abs(regions - course), axis=1)[:, -(-regions.shape[1] * 2 // 3)]
    worst = int(np.argmax(leaps))
    return Score(float(leaps[worst]), f"at frame {worst}")


@_check("flicker")
def flicker(measures: Measures, _: Policy) -> Score:
    """Levels by which the mean luma swings from frame to frame, in at least half of the clip."""
    means = measures.luma.mean((1, 2))
    if len(means) < 3:
        return Score(0.0)
    return Score(float(np.median(np.abs(means[:-2] - 2 * means[1:-1] + means[2:])) / 2))


@_check("overexposed")
def overexposed(measures: Measures, policy: Policy) -> Score:
    """Share of burnt-out pixels in the median frame. White backgrounds are lawful, so it must be nearly all."""
    return Score(float(np.median((measures.luma >= policy.blown).mean((1, 2)))))


@_check("noise")
def noise(measures: Measures, policy: Policy) -> Score:
    """The noise ratio of the worst frame at quarter size: pictures that are noise through and through."""
    ratios = [noise_ratio(luma, policy.grain_floor) for luma in measures.luma]
    worst = int(np.argmax(ratios))
    return Score(ratios[worst], f"at frame {worst}")


@_check("grain")
def grain(measures: Measures, policy: Policy) -> Score:
    """The median noise ratio of a few frames at full size: noise laid over a picture, which a small copy hides."""
    return Score(float(np.median([noise_ratio(luma, policy.grain_floor) for luma in measures.samples])))


def _lasting(flags: Flags, fps: int) -> Score:
    start, length = longest_run(flags)
    return Score(_seconds(length, fps, bool(flags.all())), _where(start, length) if length else "")


def _seconds(length: int, fps: int, throughout: bool) -> float:
    """Duration of a run of frames. One that fills its clip counts as two seconds at least, however short the clip."""
    return max(length / fps, 2.0) if throughout else length / fps


def _where(start: int, length: int) -> str:
    return f"frames {start} to {start + length - 1}"
