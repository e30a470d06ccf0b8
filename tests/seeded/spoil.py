"""Defects as engines, encoders and networks make them, each at several strengths: what the inspection must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
from PIL import Image

from model.encode import encode
from model.engine import Frames
from model.inspect import POLICY, Report, inspect_file, inspect_frames
from model.inspect.frames import NO_JUDGES
from model.inspect.judges import Judges, open_judges
from model.inspect.judges.writing import installed
from model.recipe import Dressing, Overlays, Recipe
from model.typeset.fonts import face
from tests.seeded.clips import FPS, Good, with_noise
from tests.unit.model_clip.samples import pan

F = TypeVar("F", bound=Callable[[Good, float], Frames | None])
G = TypeVar("G", bound=Callable[[Good, float], bytes])
_SEEN = 3.0
"""Mean difference in levels, over what it touches, below which nobody would call it a defect."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One way to be wrong. ``checks`` name what must find it: the first is made for it."""

    name: str
    checks: tuple[str, ...]
    strengths: tuple[float, ...]
    inspect: Callable[[Good, float], Report | None]
    """The inspection's report on the spoilt clip; None where the defect cannot be seen in this clip."""


DEFECTS: dict[str, Defect] = {}
SPOILERS: dict[str, Callable[[Good, float], Frames | None]] = {}
"""What spoils frames, by the name of its defect: for whoever wants the spoilt clip rather than a report on it."""
UNLABELLED = replace(POLICY, off=frozenset({"labels"}))
"""Labels are written when a clip is finished, which these are not."""


def _frames(name: str, checks: tuple[str, ...], *strengths: float) -> Callable[[F], F]:
    """Register what spoils frames; it gives None where it has nothing to spoil."""

    def register(spoil: F) -> F:
        def look(good: Good, strength: float) -> Report | None:
            spoilt = spoil(good, strength)
            return None if spoilt is None else inspect_frames(spoilt, good.scene, expected=good.expected)

        DEFECTS[name] = Defect(name, checks, strengths, look)
        SPOILERS[name] = spoil
        return spoil

    return register


def _bright(good: Good) -> bool:
    return float(good.frames[:, ::4, ::4].mean()) > 150


@_frames("black", ("black",), 0.1, 0.3, 0.7)
def _black(good: Good, share: float) -> Frames:
    out = good.frames.copy()
    length = max(1, round(len(out) * share))
    out[10 : 10 + length] //= 32
    return out


@_frames("black first frame", ("black_ends",), 4, 12, 22)
def black_first(good: Good, level: float) -> Frames:
    """Darkness as cameras and encoders have it: with a little noise."""
    out = good.frames.copy()
    out[0] = np.random.default_rng(3).integers(0, round(level), out.shape[1:])
    return out


@_frames("black last frame", ("black_ends",), 4, 12, 22)
def _black_last(good: Good, level: float) -> Frames:
    out = good.frames.copy()
    out[-1] = np.random.default_rng(3).integers(0, round(level), out.shape[1:])
    return out


@_frames("nothing to see", ("flat",), 0.35, 0.6, 1.0)
def _flat(good: Good, share: float) -> Frames:
    out = good.frames.copy()
    out[: round(len(out) * share)] = (120, 60, 30)
    return out


@_frames("frozen", ("frozen",), 0.55, 0.8, 1.0)
def _frozen(good: Good, share: float) -> Frames:
    out = good.frames.copy()
    start = len(out) - round(len(out) * share)
    out[start:] = out[start]
    return out


@_frames("frozen under grain", ("frozen",), 0.6, 0.8, 1.0)
def _frozen_with_grain(good: Good, share: float) -> Frames:
    return with_noise(_frozen(good, share), 1.5)


@_frames("flash", ("flash",), 30, 50, 90)
def _flash(good: Good, levels: float) -> Frames:
    out = good.frames.astype(np.int16)
    out[20:22] += -round(levels) if _bright(good) else round(levels)
    return np.clip(out, 0, 255).astype(np.uint8)


@_frames("flicker", ("flicker", "flash"), 6, 15, 40)
def _flicker(good: Good, levels: float) -> Frames:
    out = good.frames.astype(np.int16)
    out[::2] += -round(levels) if _bright(good) else round(levels)
    return np.clip(out, 0, 255).astype(np.uint8)


@_frames("overexposed", ("overexposed", "flat"), 12, 24, 50)
def _overexposed(good: Good, gain: float) -> Frames | None:
    """Sensor and sky: everything runs into white. A black ground gives no light, and stays."""
    if float((good.frames[::8, ::4, ::4].max(-1) < 24).mean()) > 0.02:
        return None
    burnt: Frames = np.clip(good.frames.astype(np.float32) * np.float32(gain) + 60, 0, 255).astype(np.uint8)
    return burnt


@_frames("noise", ("grain", "noise"), 0.5, 0.75, 1.0)
def _noise(good: Good, share: float) -> Frames:
    noise = np.random.default_rng(4).integers(0, 256, good.frames.shape, np.uint8)
    return _mixed(good.frames, noise, share)


@_frames("coarse noise", ("noise",), 0.6, 0.8, 1.0)
def _coarse_noise(good: Good, share: float) -> Frames:
    count, height, width, _ = good.frames.shape
    small = np.random.default_rng(5).integers(0, 256, (count, height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return _mixed(good.frames, small.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width], share)


def _mixed(clip: Frames, noise: Frames, share: float) -> Frames:
    whole = round(share * 256)
    mixed: Frames = ((clip.astype(np.uint16) * (256 - whole) + noise.astype(np.uint16) * whole) >> 8).astype(np.uint8)
    return mixed


@_frames("NaN", ("finite",), 1, 1000, 1e9)
def _nan(good: Good, count: float) -> Frames:
    """What a model's overflow leaves in its tensor, from one value to all of them."""
    out = good.frames.astype(np.float16)
    flat = out.reshape(-1)
    flat[:: max(1, flat.size // int(count))] = np.nan
    return out  # type: ignore[return-value] # that it is no uint8 is the defect


@_frames("torn rows", ("tear",), 0.06, 0.12, 0.25)
def _torn(good: Good, share: float) -> Frames | None:
    """A band of rows is displaced in some frames."""
    out = good.frames.copy()
    _, height, width, _ = out.shape
    by, top, bottom = max(4, round(width * share)), round(height * 0.37), round(height * 0.68)
    for index in (15, 16, 17):
        out[index, top:bottom] = np.roll(out[index, top:bottom], by, axis=1)
    seen = [_difference(out[15, row], good.frames[15, row]) for row in (top, bottom - 1)]
    return out if max(seen) > 2 * _SEEN else None


def _difference(row: Frames, other: Frames) -> float:
    """Levels between two rows, noise averaged away over eight columns."""
    whole = len(row) // 8 * 8
    apart = row[:whole].astype(float) - other[:whole]
    return float(np.abs(apart.reshape(-1, 8, 3).mean(1)).mean())


@_frames("hard cut", ("cut",), 1, 2, 3)
def _cut(good: Good, times: float) -> Frames | None:
    """Another scene from a frame on, and back, and on: as text-to-video models do."""
    out = good.frames.copy()
    count, height, width, _ = out.shape
    other = pan(count, height, width, seed=97)
    places = np.linspace(0, count, int(times) + 2).astype(int)[1:]
    for start, end in zip(places[::2], (*places[1::2], count), strict=False):
        out[start:end] = other[start:end]
    return out


@_frames("wrong colour", ("colour", "photo_colours"), 90, 135, 180)
def _wrong_colour(good: Good, degrees: float) -> Frames | None:
    """The product's hue is another; greys have none to be wrong."""
    colour = good.expected.colour
    if colour is None or max(colour) - min(colour) < 40:
        return None
    turned = round(degrees * 256 / 360)
    frames = []
    for frame in good.frames:
        hue, saturation, value = Image.fromarray(frame).convert("HSV").split()
        shifted = hue.point([(level + turned) % 256 for level in range(256)])
        frames.append(np.asarray(Image.merge("HSV", (shifted, saturation, value)).convert("RGB")))
    return np.stack(frames)


class Written:
    """Writing that nobody asked for, its height a share of the picture's; found by OCR, where it is installed."""

    texts = ("SALE NOW", "限时秒杀", "Gaurmet Prodct")

    @property
    def defect(self) -> Defect:
        """It as a defect."""
        return Defect("invented text", ("text",), (0.1, 0.15, 0.22), self.look)

    @staticmethod
    def usable() -> bool:
        """True when the ``ocr`` extra is there."""
        return installed()

    def judges(self) -> Judges:
        """The reader; loading it takes seconds."""
        return _reader()

    def look(self, good: Good, size: float) -> Report | None:
        """The report on the clip with writing on it; None where the writing would be too small to be read."""
        _, height, width, _ = good.frames.shape
        tall = round(height * size)
        text = self.texts[len(good.name) % len(self.texts)]
        if tall < 14 or face(tall, 700).advance(text) > 0.9 * width:
            return None
        judges = self.judges()
        return inspect_frames(self.on(good.frames, text, tall), good.scene, expected=good.expected, judges=judges)

    @staticmethod
    def on(frames: Frames, text: str, tall: int) -> Frames:
        """The clip with a word painted on it, dark on light or light on dark as it reads best."""
        _, height, width, _ = frames.shape
        mask = Image.new("L", (width, height))
        face(tall, 700).draw(mask, (0.05 * width, 0.55 * height), text)
        ink = np.asarray(mask, np.float32)[None, ..., None] / 255
        light = float(frames[:, int(0.4 * height) : int(0.6 * height)].mean())
        painted: Frames = (frames * (1 - ink) + (10 if light > 120 else 245) * ink).astype(np.uint8)
        return painted


WRITTEN = Written()


@cache
def _reader() -> Judges:
    return open_judges(ocr=True)


def recipe_of(good: Good) -> Recipe:
    """A recipe that asks for just this clip, as it is."""
    scene = good.scene
    return Recipe(scene=scene, dressing=Dressing(overlays=Overlays(width=scene.width, height=scene.height)))


def _encoded(good: Good, frames: Frames, fps: int = FPS) -> bytes:
    _, height, width, _ = frames.shape
    return encode(frames, (width, height), fps, recipe_of(good).dressing.overlays.encoding, {})


def _file(name: str, checks: tuple[str, ...], *strengths: float) -> Callable[[G], G]:
    def register(spoil: G) -> G:
        def look(good: Good, strength: float) -> Report:
            return inspect_file(spoil(good, strength), recipe_of(good), UNLABELLED)

        DEFECTS[name] = Defect(name, checks, strengths, look)
        return spoil

    return register


@_file("truncated file", ("decode", "headers"), 0.3, 0.8, 0.999)
def _truncated(good: Good, share: float) -> bytes:
    data = _encoded(good, good.frames)
    return data[: int(len(data) * share)]


@_file("wrong duration", ("duration", "frames"), 1, 6, 24)
def _short(good: Good, missing: float) -> bytes:
    return _encoded(good, good.frames[: -round(missing)])


@_file("wrong rate", ("fps", "duration"), 12, 25, 30)
def _rate(good: Good, fps: float) -> bytes:
    return _encoded(good, good.frames, round(fps))


def inspected(good: Good, *, ocr: bool = False) -> Report:
    """The good clip's own report, as frames and as a file."""
    judges = WRITTEN.judges() if ocr else NO_JUDGES
    report = inspect_frames(good.frames, good.scene, expected=good.expected, judges=judges)
    return report + inspect_file(_encoded(good, good.frames), recipe_of(good), UNLABELLED)


def spoilt(good: Good, *, ocr: bool = False) -> Iterator[tuple[Defect, float, Report]]:
    """Every defect at every strength, where it can be seen in the clip."""
    for defect in (*DEFECTS.values(), *((WRITTEN.defect,) if ocr else ())):
        for strength in defect.strengths:
            report = defect.inspect(good, strength)
            if report is not None:
                yield defect, strength, report
