"""Checks of light: black, black ends, nothing to see, burnt out, one colour over all, noise. Knows no motion."""

from __future__ import annotations

import numpy as np

from model.inspect.measures import Flags, Floats, Measures, longest_run, noise_ratio
from model.inspect.policy import Policy
from model.inspect.report import Score


def black(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch of black frames."""
    # No frame is brighter on average that has so many dark pixels, the others being white.
    flags = measures.means <= policy.dark * policy.dark_share + 255 * (1 - policy.dark_share) + 1
    flags[flags] = (measures.luma[flags] <= policy.dark).mean((1, 2)) >= policy.dark_share
    return lasting(flags, measures.fps)


def black_ends(measures: Measures, policy: Policy) -> Score:
    """Share of black pixels in the first or last frame, whichever has more: some marketplaces refuse such clips."""
    shares = [float((measures.luma[end] <= policy.dark).mean()) for end in (0, -1)]
    return Score(max(shares), "in the first frame" if shares[0] >= shares[1] else "in the last frame")


def flat(measures: Measures, policy: Policy) -> Score:
    """Seconds of the longest stretch of frames of one colour."""
    # Most pictures show so much that it needs no look at each colour: their regions alone differ more.
    flags = measures.contrast <= 2 * policy.flat
    flags[flags] = measures.spread(flags) <= policy.flat
    return lasting(flags, measures.fps)


def overexposed(measures: Measures, policy: Policy) -> Score:
    """Share of the median frame in which nothing of any size is left that is not burnt out.

    White grounds are lawful however small the product on them, so what counts is not how much is white but whether
    something solid is left: scattered shadows are not, a product is.
    """
    shares = []
    for place in measures.places:
        shown = measures.luma[place] < policy.blown
        shares.append(1.0 - float(_opened(shown).mean()))
    return Score(float(np.median(shares)))


def cast(measures: Measures, _: Policy) -> Score:
    """How strongly all pixels lean towards one colour, as a multiple of how much they differ in it.

    Mean distance from grey in the two colour-difference axes, over their deviation and two levels.
    """
    red, green, blue = measures.planes[measures.places].astype(np.float32).swapaxes(0, 1)
    light = (red + green + blue) / 3
    red -= light
    blue -= light
    lean, width = np.hypot(red.mean(), blue.mean()), np.hypot(red.std(), blue.std())
    return Score(float(lean / (width + 2)))


def noise(measures: Measures, policy: Policy) -> Score:
    """The noise ratio of the worst of a few frames at quarter size, by as much as the next frame is unlike it: pictures
    that are noise through and through, which is another in each frame. A page of small print looks like noise when it
    is made small, but it stays the same page.
    """
    luma, places = measures.luma, measures.places
    if len(luma) < 2:
        return Score(noise_ratio(luma[0], policy.grain_floor))
    ratios = []
    for place in places:
        other = place + 1 if place + 1 < len(luma) else place - 1
        ratios.append(noise_ratio(luma[place], policy.grain_floor) * _unlike(luma[place], luma[other]))
    worst = int(np.argmax(ratios))
    return Score(ratios[worst], f"at frame {places[worst]}")


def _unlike(one: Floats, other: Floats) -> float:
    """1 - correlation of two pictures, 0…1; two that show nothing are alike."""
    one, other = one - one.mean(), other - other.mean()
    both = float(np.sqrt((one * one).mean() * (other * other).mean()))
    return min(1.0, max(0.0, 1.0 - float((one * other).mean()) / both)) if both > 0 else 0.0


def grain(measures: Measures, policy: Policy) -> Score:
    """The median noise ratio of a few frames at full size: noise laid over a picture, which a small copy hides."""
    return Score(float(np.median([noise_ratio(luma, policy.grain_floor) for luma in measures.samples])))


def lasting(flags: Flags, fps: int) -> Score:
    """Seconds of the longest run of frames, and where it is."""
    start, length = longest_run(flags)
    return Score(seconds(length, fps, bool(flags.all())), where(start, length) if length else "")


def seconds(length: int, fps: int, throughout: bool) -> float:
    """Duration of a run of frames. One that fills its clip counts as two seconds at least, however short the clip."""
    return max(length / fps, 2.0) if throughout else length / fps


def where(start: int, length: int) -> str:
    """Frames of a run, for people."""
    return f"frames {start} to {start + length - 1}"


def _opened(mask: Flags) -> Flags:
    """The mask without what is narrower than three pixels: erosion, then dilation, by a 3 × 3 square."""
    inner = _windows(mask, np.logical_and)
    padded = np.pad(inner, 2)
    return _windows(padded, np.logical_or)


def _windows(mask: Flags, joined: np.ufunc) -> Flags:
    rows = joined(joined(mask[:-2], mask[1:-1]), mask[2:])
    out: Flags = joined(joined(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return out
