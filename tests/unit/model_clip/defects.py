"""Defects as engines make them, at a strength: what the inspection must find. And good clips it must let pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from model.engine import Frames
from tests.unit.model_clip.samples import gradient, on_ground, pan, photo, storyboard

Defect = Callable[[Frames, float], Frames]
_HEIGHT, _WIDTH, _FRAMES = 180, 240, 48


def good_clips() -> Iterator[tuple[str, Frames]]:
    """Clips a shop would publish, quiet and busy, dark and bright."""
    size = {"frames": _FRAMES, "height": _HEIGHT, "width": _WIDTH}
    yield "gradient", gradient(**size)
    yield "pale gradient", gradient(**size, low=215, high=250)
    yield "dark gradient", gradient(**size, low=5, high=60)
    yield "slow pan", pan(**size, seed=2)
    yield "fast pan", pan(**size, seed=3, step=5)
    yield "rough photo", np.stack([_rough()[:, i : i + _WIDTH] for i in range(_FRAMES)])
    yield "product on white", on_ground(255, **size)
    yield "small product on white", on_ground(255, **size, side=0.4)
    yield "product on black", on_ground(0, **size)
    yield "fade from white", _faded(pan(**size, seed=4), 255)
    yield "fade from grey", _faded(pan(**size, seed=5), 60)
    yield "sensor grain", _with_noise(pan(**size, seed=6), 6.0)
    yield "lamp switched on", _switched(pan(**size, seed=7))
    yield "slow zoom", _zoom(photo(_HEIGHT * 2, _WIDTH * 2, 8), 0.04)
    yield "storyboard, Chinese", storyboard(("不锈钢保温杯", "保温 24 小时", "一键开盖"))
    yield "storyboard, English", storyboard(("Wireless earbuds", "30 h battery", "Waterproof"), seed=2)
    yield "storyboard, long words", storyboard(("A very long title that runs over several lines", "One", "Two"), seed=3)
    yield "storyboard, one letter", storyboard(("A",), seed=4)


def _rough() -> Frames:
    return photo(_HEIGHT, _WIDTH + _FRAMES, 11, roughness=0.95)


def _faded(clip: Frames, start: int, frames: int = 10) -> Frames:
    share = np.clip(np.arange(1, len(clip) + 1) / frames, 0, 1)[:, None, None, None]
    return (clip * share + start * (1 - share)).astype(np.uint8)


def _switched(clip: Frames) -> Frames:
    out = clip.copy()
    out[: len(clip) // 2] = out[: len(clip) // 2] // 2
    return out


def _zoom(picture: Frames, share: float) -> Frames:
    image = Image.fromarray(picture)
    frames = []
    for index in range(_FRAMES):
        inset = share * index / _FRAMES / 2
        window = (image.width * inset, image.height * inset, image.width * (1 - inset), image.height * (1 - inset))
        frames.append(np.asarray(image.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC, window)))
    return np.stack(frames)


def _with_noise(clip: Frames, sigma: float) -> Frames:
    noise = np.random.default_rng(9).normal(0, sigma, clip.shape)
    noisy: Frames = np.clip(clip + noise, 0, 255).astype(np.uint8)
    return noisy


def _black(clip: Frames, share: float) -> Frames:
    out = clip.copy()
    length = max(1, round(len(clip) * share))
    out[10 : 10 + length] //= 32
    return out


def _black_first(clip: Frames, level: float) -> Frames:
    out = clip.copy()
    out[0] = np.random.default_rng(3).integers(0, round(level), clip.shape[1:])
    return out


def _black_last(clip: Frames, level: float) -> Frames:
    return _black_first(clip[::-1], level)[::-1]


def _flat(clip: Frames, share: float) -> Frames:
    out = clip.copy()
    out[: round(len(clip) * share)] = (120, 60, 30)
    return out


def _frozen(clip: Frames, share: float) -> Frames:
    out = clip.copy()
    start = len(clip) - round(len(clip) * share)
    out[start:] = out[start]
    return out


def _frozen_with_grain(clip: Frames, share: float) -> Frames:
    return _with_noise(_frozen(clip, share), 1.5)


def _flash(clip: Frames, levels: float) -> Frames:
    out = clip.astype(np.int16)
    out[20:22] += round(levels)
    return np.clip(out, 0, 255).astype(np.uint8)


def _flicker(clip: Frames, levels: float) -> Frames:
    out = clip.astype(np.int16)
    out[::2] += round(levels)
    return np.clip(out, 0, 255).astype(np.uint8)


def _overexposed(clip: Frames, gain: float) -> Frames:
    burnt: Frames = np.clip(clip.astype(np.float32) * gain + 60, 0, 255).astype(np.uint8)
    return burnt


def _noise(clip: Frames, share: float) -> Frames:
    noise = np.random.default_rng(4).integers(0, 256, clip.shape)
    mixed: Frames = (clip * (1 - share) + noise * share).astype(np.uint8)
    return mixed


def _coarse_noise(clip: Frames, share: float) -> Frames:
    small = np.random.default_rng(5).integers(0, 256, (len(clip), _HEIGHT // 4, _WIDTH // 4, 3))
    noise = small.repeat(4, axis=1).repeat(4, axis=2)
    mixed: Frames = (clip * (1 - share) + noise * share).astype(np.uint8)
    return mixed


DEFECTS: dict[str, tuple[Defect, frozenset[str], tuple[float, ...]]] = {
    "black": (_black, frozenset({"black"}), (0.1, 0.3, 0.7)),
    "black first frame": (_black_first, frozenset({"black_ends"}), (4, 12, 22)),
    "black last frame": (_black_last, frozenset({"black_ends"}), (4, 12, 22)),
    "flat": (_flat, frozenset({"flat", "frozen"}), (0.4, 0.6, 1.0)),
    "frozen": (_frozen, frozenset({"frozen"}), (0.6, 0.8, 1.0)),
    "frozen under grain": (_frozen_with_grain, frozenset({"frozen"}), (0.6, 0.8, 1.0)),
    "flash": (_flash, frozenset({"flash"}), (30, 50, -50, 90)),
    "flicker": (_flicker, frozenset({"flicker", "flash"}), (6, 15, 40)),
    # Only what is burnt out nearly everywhere: products on white are half white, and lawful. Where a few shadows
    # survive the burning they are left as scattered dots, which is what noise is.
    "overexposed": (_overexposed, frozenset({"overexposed", "flat", "noise", "grain"}), (12, 24, 50)),
    "noise": (_noise, frozenset({"noise", "grain"}), (0.7, 0.85, 1.0)),
    "coarse noise": (_coarse_noise, frozenset({"noise"}), (0.8, 1.0)),
}
"""Defect → how to make it, the checks of which one at least must find it, and the strengths tried."""
