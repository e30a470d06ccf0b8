"""The check of torn rows: a band of the picture displaced against the rest, as lost data leave it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.inspect.measures import Floats, Measures
from model.inspect.policy import Policy
from model.inspect.report import Score

_LEAST_SHIFT, _MOST_SHIFT = 4, 1 / 3
"""Displacements of rows looked for: from pixels up to a share of the width."""
_EXPLAINED, _AS_USUAL = 0.45, 1.3
"""A displacement explains a difference when at most this share of it is left, or no more than this many times what rows
differ by anyway."""
_AROUND = 3
"""Rows above and below with which a difference of rows is compared."""
_LASTS = 4
"""Frames before and after in which an edge of the picture is there too, and a tear is not in both."""
_PIECE = 16
"""Pixels of a piece of a row, by whose sums displacements are ruled out."""
_CLOSELY = 8
"""Frames whose rows are displaced on trial: those that differ most suddenly."""


def tear(measures: Measures, _: Policy) -> Score:
    """Levels by which a row fits better when it is displaced than where it is, against the row above it or against
    itself in the frame before.

    An edge in the picture makes two rows differ too, but no displacement mends it, and neither does a shift in
    brightness mend a tear. Things that move are displaced against the frame before; but they were so before already,
    and not from one row to the next.
    """
    _, height, width, _ = measures.frames.shape
    if height < 2 * _AROUND + 4 or width < 8 * _LEAST_SHIFT:
        return Score(0.0)
    found = max(_within_frames(measures), _between_frames(measures))
    return Score(found[0], f"at frame {found[1]}, row {found[2]}")


def _within_frames(measures: Measures) -> tuple[float, int, int]:
    """Score, frame and row of the worst tear against the row above."""
    apart = measures.rows_apart
    around = np.maximum(apart[:, : -2 * _AROUND], apart[:, 2 * _AROUND :])
    sudden = apart[:, _AROUND:-_AROUND] - np.maximum(around, _lasting_edges(apart)[:, _AROUND:-_AROUND])
    frames, rows = _worst(sudden)
    ground = around[frames, rows]
    upper, lower = (_rows(measures, frames, rows + _AROUND + by) for by in (0, 1))
    return _best(_gain(upper, lower, ground), frames, rows + _AROUND + 1)


def _between_frames(measures: Measures) -> tuple[float, int, int]:
    """Score, frame and row of the worst tear against the frame before."""
    changed = measures.rows_changed
    if len(changed) < 2:
        return 0.0, 0, 0
    # From one row to the next, and not in the frame before: things that move were moving then.
    sudden = np.abs(np.diff(changed, axis=1))
    sudden[1:] -= np.maximum(changed[:-1, 1:], changed[:-1, :-1])
    sudden[0] = 0
    steps, rows = _worst(sudden)
    lower = rows + (changed[steps, rows + 1] > changed[steps, rows])
    other = 2 * rows + 1 - lower
    ground = np.minimum(changed[steps, rows], changed[steps, rows + 1])
    gain = _gain(_rows(measures, steps, lower), _rows(measures, steps + 1, lower), ground)
    torn = gain > 0
    if torn.any():
        # Where the row beside it is displaced as well, that is the picture's own motion.
        beside, nowhere = other[torn], np.zeros(int(torn.sum()), np.float32)
        gain[torn] -= _gain(_rows(measures, steps[torn], beside), _rows(measures, steps[torn] + 1, beside), nowhere)
    return _best(np.clip(gain, 0, np.maximum(sudden[steps, rows], 0)), steps + 1, lower)


def _worst(sudden: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The frames with the most sudden differences, and the row of each."""
    rows = np.argmax(sudden, axis=1)
    frames = np.argsort(-sudden[np.arange(len(rows)), rows])[:_CLOSELY]
    return frames, rows[frames]


def _rows(measures: Measures, frames: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]) -> Floats:
    taken: Floats = measures.frames[frames, rows, :, 1].astype(np.float32)
    return taken


def _best(scores: Floats, frames: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]) -> tuple[float, int, int]:
    worst = int(np.argmax(scores))
    return float(scores[worst]), int(frames[worst]), int(rows[worst])


def _lasting_edges(apart: Floats) -> Floats:
    """Differences of rows that were there before and are there after, in this row or the next ones."""
    every = np.arange(len(apart))
    edges = np.minimum(apart[np.maximum(every - _LASTS, 0)], apart[np.minimum(every + _LASTS, len(apart) - 1)])
    wide = edges.copy()
    for by in (1, 2):
        np.maximum(wide[:, by:], edges[:, :-by], out=wide[:, by:])
        np.maximum(wide[:, :-by], edges[:, by:], out=wide[:, :-by])
    return wide


def _gain(upper: Floats, lower: Floats, ground: Floats) -> Floats:
    """By how much rows differ less when displaced than in place; 0 where that does not explain them: (frames,).

    ``ground`` is what such rows differ by anyway. In place means the same columns, so that nothing is gained by pushing
    what differs out of the picture, and with a shift in brightness allowed for.
    """
    columns = upper.shape[1]
    difference = upper - lower
    offset = np.abs(difference - np.median(difference, axis=1, keepdims=True)).mean(1)
    sums = np.cumsum(np.abs(difference), axis=1)
    shifts = np.arange(_LEAST_SHIFT, int(columns * _MOST_SHIFT))
    widths = (columns - shifts).astype(np.float32)
    left, right = sums[:, columns - shifts - 1] / widths, (sums[:, -1:] - sums[:, shifts - 1]) / widths
    in_place = np.minimum(np.minimum(left, right), offset[:, None])
    enough = np.maximum(_EXPLAINED * in_place, _AS_USUAL * ground[:, None])
    hope = np.where(in_place > ground[:, None], np.minimum(in_place, enough), -1)
    best: Floats = np.zeros(len(upper), np.float32)
    for one, other in ((upper, lower), (lower, upper)):
        hopeful = _at_least(one, other, shifts) <= hope
        for place in np.flatnonzero(hopeful.any(0)):
            frames, by = np.flatnonzero(hopeful[:, place]), shifts[place]
            displaced = np.abs(one[frames, by:] - other[frames, :-by]).mean(1)
            gain = in_place[frames, place] - np.maximum(displaced, ground[frames])
            explained = displaced <= enough[frames, place]
            best[frames] = np.maximum(best[frames], np.where(explained, gain, 0))
    return best


def _at_least(one: Floats, other: Floats, shifts: npt.NDArray[np.intp]) -> Floats:
    """What rows displaced by each of the shifts differ by at least: (frames, shifts).

    Pieces of a row differ by no less than their sums do, and those of all shifts are had at once; the rows themselves
    need to be compared only where this leaves hope, which is nearly nowhere.
    """
    columns = one.shape[1]
    pieces = []
    for row in (one, other):
        sums = np.pad(np.cumsum(row, axis=1), ((0, 0), (1, 0)))
        pieces.append(sums[:, _PIECE:] - sums[:, :-_PIECE])
    starts = np.arange(0, columns - _LEAST_SHIFT - _PIECE + 1, _PIECE)
    places = shifts[:, None] + starts
    within = places + _PIECE <= columns
    apart = np.abs(pieces[0][:, np.where(within, places, 0)] - pieces[1][:, None, starts])
    least: Floats = (apart * within).sum(2) / (columns - shifts).astype(np.float32)
    return least * np.float32(1 - 1e-5)
