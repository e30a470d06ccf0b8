"""Checks of colour against what is known of the product: the record's colour word, and the photo's colours.

Colours are told apart in OKLCH (Björn Ottosson, 2020), in which one hue stays one hue from dark to light.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.engine import EngineError, Frames
from model.inspect.expected import Expected
from model.inspect.measures import Flags, Floats, Measures, spread_over
from model.inspect.policy import Policy
from model.inspect.report import NotRun, Outcome, Score
from model.photo import load_photo

_LATE = 0.75
"""Where the late frames begin: the first ones are the photo itself whatever becomes of the clip."""
_FRAMES = 4
_GROUND = 30.0
"""Levels from the colour of the frame's edge at which a pixel is no longer the ground."""
_LEAST_SUBJECT = 0.01
_PHOTO_SIDE = 160
_BINS = (4, 12)
"""Lightness bins of colourless pixels, and hues of coloured ones."""
_COLOURED = 0.035
"""Chroma from which a pixel has a hue."""
_TURN, _LIGHT = 30.0, 0.27
"""Degrees of hue and lightness by which light and shade move a colour and its name is still the same."""
_NEXT_TO_NOTHING = 0.25
"""Part of the limit below which a photo does not have the recorded colour. In between, shades of grey may tip it."""
_MAY_SHRINK = 4.0
"""A photo may fill as little as this part of the frame: its colours then have that much less room."""

_LMS = np.array(
    [[0.4122214708, 0.2119034982, 0.0883024619], [0.5363325363, 0.6806995451, 0.2817188376],
     [0.0514459929, 0.1073969566, 0.6299787005]], np.float32
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 1.9779984951, 0.0259040371], [0.7936177850, -2.4285922050, 0.7827717662],
     [-0.0040720468, 0.4505937099, -0.8086757660]], np.float32
)  # fmt: skip


_SCALE = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_SCALE <= 0.04045, _SCALE / 12.92, ((_SCALE + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Light by level (IEC 61966-2-1)."""


@dataclass(frozen=True)
class Oklch:
    """Pixels by lightness 0…1, chroma 0…0.4 and hue in degrees, each of one shape."""

    lightness: Floats
    chroma: Floats
    hue: Floats


def oklch_of(pixels: npt.NDArray[np.uint8]) -> Oklch:
    """sRGB pixels (…, 3), uint8, in OKLCH."""
    lab = np.cbrt(_LINEAR[pixels] @ _LMS) @ _LAB
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    return Oklch(lab[..., 0], np.hypot(lab[..., 1], lab[..., 2]), hue)


def colour(measures: Measures, policy: Policy, expected: Expected) -> Outcome:
    """Share of the product's pixels that have the recorded colour, in the frame that has most of it.

    A photo that has next to nothing of it shows that the record means another thing, or is wrong: no clip of such a
    product could pass.
    """
    if expected.colour is None:
        return NotRun(expected.no_colour)
    wanted = oklch_of(np.array([expected.colour], np.uint8))
    known = _picture(expected.photo) if expected.photo is not None else None
    if known is not None and _share(known, wanted) < _NEXT_TO_NOTHING * policy.rules["colour"].limit:
        return NotRun("the photo does not have the recorded colour either")
    places = spread_over(len(measures.frames), _FRAMES)
    return Score(max(_share(measures.small[place], wanted) for place in places))


def photo_colours(measures: Measures, _: Policy, expected: Expected) -> Outcome:
    """Share of the photo's colours that the late frames have too, by area."""
    if expected.photo is None:
        return NotRun("there is no photo")
    known = _photo_histogram(expected.photo)
    if known is None:
        return NotRun("the photo cannot be read")
    start = int(len(measures.frames) * _LATE)
    places = start + spread_over(len(measures.frames) - start, _FRAMES)
    found = np.mean(np.stack([_histogram(measures.small[place]) for place in places]), axis=0)
    return Score(float(np.minimum(known, _MAY_SHRINK * found).sum() / known.sum()))


def _share(frame: Frames, wanted: Oklch) -> float:
    """Share of the subject's pixels that may be the wanted colour in light and shade."""
    subject = _subject(frame)
    seen = oklch_of(frame[subject] if subject.mean() >= _LEAST_SUBJECT else frame.reshape(-1, 3))
    strength, light = float(wanted.chroma[0]), float(wanted.lightness[0])
    if strength < _COLOURED:
        return float(((seen.chroma < _COLOURED + 0.015) & (np.abs(seen.lightness - light) < _LIGHT)).mean())
    turn = np.abs((seen.hue - wanted.hue[0] + 180) % 360 - 180)
    return float(((turn < _TURN) & (seen.chroma > _COLOURED) & (np.abs(seen.lightness - light) < 1.5 * _LIGHT)).mean())


def _subject(frame: Frames) -> Flags:
    """What differs from the frame's edge: the product, where the ground is plain."""
    edge = np.concatenate([frame[0], frame[-1], frame[:, 0], frame[:, -1]])
    ground = np.median(edge, axis=0)
    return cast("Flags", np.abs(frame.astype(np.float32) - ground).max(-1) > _GROUND)


def _histogram(frame: Frames) -> Floats:
    """Share of a picture by hue and by lightness of what has none; its plain ground left out."""
    subject = _subject(frame)
    seen = oklch_of(frame[subject])
    coloured = seen.chroma > _COLOURED
    hues = np.bincount((seen.hue[coloured] * _BINS[1] / 360).astype(int) % _BINS[1], minlength=_BINS[1])
    # Neighbouring hues lend each other a share, so that a colour on the border of two does not jump.
    hues = hues + 0.5 * (np.roll(hues, 1) + np.roll(hues, -1))
    greys = np.bincount(np.clip(seen.lightness[~coloured] * _BINS[0], 0, _BINS[0] - 1).astype(int), minlength=_BINS[0])
    around = np.convolve(greys, [0.5, 1, 0.5], "same")
    joined: Floats = (np.concatenate([hues, around]) / (frame.shape[0] * frame.shape[1])).astype(np.float32)
    return joined


@lru_cache(maxsize=64)
def _photo_histogram(photo: bytes) -> Floats | None:
    picture = _picture(photo)
    found = _histogram(picture) if picture is not None else None
    return found if found is not None and found.sum() > 0 else None


@lru_cache(maxsize=64)
def _picture(photo: bytes) -> Frames | None:
    """A photo as a picture of at most 160 pixels a side; None where it cannot be read."""
    try:
        picture = load_photo(photo, _PHOTO_SIDE)
    except EngineError:
        return None
    picture.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE), Image.Resampling.BOX)
    return np.asarray(picture.convert("RGB"))
