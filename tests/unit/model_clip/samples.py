"""Clips, recipes and hand-built MP4 boxes for the tests of what turns frames into files."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from model.encode import encode_base
from model.engine import Frames, Rendered, Shot
from model.label import credit_check
from model.recipe import Dressing, Encoding, EndCard, Overlays, Recipe, Ribbon, Scene
from model.storyboard.engine import Storyboard
from model.storyboard.spec import SPEC

CREDIT = "91330100799655058"
PRODUCER = f"0011{CREDIT}{credit_check(CREDIT)}10001"
"""A well-formed producer code."""


def scene(
    *,
    width: int = 128,
    height: int = 96,
    frames: int = 24,
    fps: int = 24,
    captions: tuple[str, ...] = (),
    seed: int = 1,
) -> Scene:
    """A text scene of the storyboard engine."""
    return Scene(
        mode="text",
        prompt="a cup",
        captions=captions,
        seed=seed,
        width=width,
        height=height,
        frames=frames,
        fps=fps,
        engine=SPEC.name,
        engine_revision=SPEC.revision,
    )


def recipe(
    of: Scene | None = None,
    *,
    size: tuple[int, int] | None = None,
    label: str | None = None,
    producer: str | None = None,
    ribbon: Ribbon | None = None,
    end_card: EndCard | None = None,
    encoding: Encoding | None = None,
) -> Recipe:
    """A recipe whose output is as large as its scene unless told otherwise."""
    of = of or scene()
    width, height = size or (of.width, of.height)
    overlays = Overlays(width=width, height=height, label=label, ribbon=ribbon, encoding=encoding or Encoding())
    return Recipe(scene=of, dressing=Dressing(overlays=overlays, end_card=end_card, producer=producer))


def generated(of: Scene | None = None, *, size: tuple[int, int] | None = None, label: str = "AI生成") -> Recipe:
    """The recipe of a clip a model generated: visible label and producer."""
    return recipe(of, size=size, label=label, producer=PRODUCER)


def gradient(frames: int = 24, height: int = 96, width: int = 128, *, low: float = 30, high: float = 220) -> Frames:
    """A smooth gradient that drifts: the gentlest clip there is."""
    y, x = np.mgrid[0:height, 0:width]
    ramp = (x / width + 0.5 * y / height) * np.pi
    phase = np.linspace(0, np.pi / 2, frames)[:, None, None, None] + np.array([0, 1, 2])
    waves = np.sin(ramp[None, :, :, None] + phase) / 2 + 0.5
    clip: Frames = (low + (high - low) * waves).astype(np.uint8)
    return clip


def photo(height: int, width: int, seed: int, roughness: float = 1.1) -> Frames:
    """One picture with the spectrum of photographs (amplitude falls with frequency), shape (height, width, 3)."""
    rng = np.random.default_rng(seed)
    distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    distance[0, 0] = 1
    light, *tints = (_layer(rng, height, width, distance**power) for power in (roughness, 1.6, 1.6, 1.6))
    picture: Frames = np.clip(np.stack([45 * light + 15 * tint for tint in tints], -1) + 120, 0, 255).astype(np.uint8)
    return picture


def _layer(
    rng: np.random.Generator, height: int, width: int, falloff: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    layer = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / falloff, (height, width))
    scaled: npt.NDArray[np.float64] = (layer - layer.mean()) / layer.std()
    return scaled


def pan(frames: int = 24, height: int = 96, width: int = 128, *, seed: int = 1, step: int = 1) -> Frames:
    """A camera moving over a photo."""
    wide = photo(height, width + frames * step, seed)
    return np.stack([wide[:, i * step : i * step + width] for i in range(frames)])


def on_ground(ground: int, frames: int = 24, height: int = 96, width: int = 128, *, side: float = 0.35) -> Frames:
    """A product (a textured square) that drifts over a plain ground: white or black, as shops have them."""
    clip = np.full((frames, height, width, 3), ground, np.uint8)
    edge = int(side * min(height, width))
    product = photo(edge, edge, 5)
    for index in range(frames):
        left = (width - edge) // 2 + index // 3
        clip[index, (height - edge) // 2 : (height + edge) // 2, left : left + edge] = product[
            : (height + edge) // 2 - (height - edge) // 2
        ]
    return clip


@cache
def storyboard(
    captions: tuple[str, ...], width: int = 320, height: int = 240, frames: int = 48, seed: int = 1
) -> Frames:
    """What the storyboard engine draws for a title and selling points."""
    engine = Storyboard()
    engine.start()
    shot = Shot(scene=scene(width=width, height=height, frames=frames, captions=captions, seed=seed))
    (result,) = engine.render([shot])
    assert isinstance(result, Rendered)
    return result.frames


@cache
def base_of_gradient(frames: int = 24, width: int = 128, height: int = 96) -> bytes:
    """The encoded base of ``gradient``; cached, because many tests start from it."""
    return encode_base(gradient(frames, height, width), 24)


def box(kind: bytes, content: bytes = b"") -> bytes:
    """An MP4 box."""
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def meta(*tags: tuple[str, str]) -> bytes:
    """A ``meta`` box with keyed metadata, written from the format's description and not by the code under test."""
    names = b"".join(box(b"mdta", key.encode()) for key, _ in tags)
    keys = box(b"keys", bytes(4) + len(tags).to_bytes(4, "big") + names)
    items = b"".join(
        box(index.to_bytes(4, "big"), box(b"data", (1).to_bytes(4, "big") + bytes(4) + value.encode()))
        for index, (_, value) in enumerate(tags, 1)
    )
    handler = box(b"hdlr", bytes(8) + b"mdta" + bytes(12) + b"\0")
    return box(b"meta", bytes(4) + handler + keys + box(b"ilst", items))
