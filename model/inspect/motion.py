"""Checks of what changes from frame to frame: frozen, flash, flicker, hard cuts."""

from __future__ import annotations

import numpy as np

from model.inspect.exposure import seconds, where
from model.inspect.measures import Floats, Measures, longest_still
from model.inspect.policy import Policy
from model.inspect.report import Score

_NEIGHBOURS = 3
"""Frames on either side with which a change is compared."""


def frozen(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch in which no region of the picture changes."""
    start, length = longest_still(measures.luma, measures.regions, policy.still)
    throughout = 0 < length == len(measures.luma) - 1
    return Score(seconds(length, measures.fps, throughout), where(start, length + 1) if length else "")


def flash(measures: Measures, _: Policy) -> Score:
    """Levels by which brightness leaves its course and returns within four frames, over a third of the picture.

    The course is a running median over nine frames, which fades and lasting changes follow and flashes do not.
    """
    regions = measures.regions
    if len(regions) < 3:
        return Score(0.0)
    leaps = np.sort(np.abs(regions - _course(regions, 9)), axis=1)[:, -(-regions.shape[1] * 2 // 3)]
    worst = int(np.argmax(leaps))
    return Score(float(leaps[worst]), f"at frame {worst}")


def flicker(measures: Measures, _: Policy) -> Score:
    """Levels by which the mean luma swings from frame to frame, in at least half of the clip."""
    means = measures.means
    if len(means) < 3:
        return Score(0.0)
    return Score(float(np.median(np.abs(means[:-2] - 2 * means[1:-1] + means[2:])) / 2))


def cut(measures: Measures, _: Policy) -> Score:
    """How much more one pair of neighbouring frames differs than the pairs around it: 0 alike, near 1 unrelated.

    Compared is where the picture is light and dark, whatever its exposure, so that a lamp that is switched on is no
    cut. Fast motion differs from frame to frame throughout, and so is none either.
    """
    layout = measures.layout
    if len(layout) < 3:
        return Score(0.0)
    steps = ((layout[1:] - layout[:-1]) ** 2).mean(1) / 2
    excess = steps - _course(steps[:, None], 2 * _NEIGHBOURS + 1)[:, 0]
    worst = int(np.argmax(excess))
    return Score(max(0.0, float(excess[worst])), f"at frame {worst + 1}")


def _course(values: Floats, span: int) -> Floats:
    """The running median of each column over ``span`` rows (fewer where there are fewer), edges repeated."""
    span = min(span, (len(values) - 1) // 2 * 2 + 1)
    padded = np.pad(values, ((span // 2, span // 2), (0, 0)), mode="edge")
    course: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, span, axis=0), axis=-1)
    return course
