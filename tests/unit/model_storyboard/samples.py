"""Scenes and drawn photos for the storyboard's tests."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from model.engine import EngineError, Frames, Shot
from model.recipe import Photo, Scene
from model.storyboard.engine import Storyboard

SIZES = [(640, 480), (720, 480), (854, 480), (640, 360), (480, 854), (480, 480)]
ZH = ("便携榨汁杯 350ml 一键清洗", "续航长达 30 天，随身带走", "六叶精钢刀头", "食品级材质，安心")
EN = (
    "Portable Blender Bottle",
    "USB-C charging in two hours",
    "Six steel blades crush ice",
    "BPA-free, dishwasher safe",
)


def scene(size: tuple[int, int] = (640, 480), captions: tuple[str, ...] = EN, **changes: Any) -> Scene:
    """A storyboard scene of half a second, or as changed."""
    values: dict[str, Any] = {
        "mode": "text",
        "prompt": "a bottle",
        "captions": captions,
        "seed": 7,
        "width": size[0],
        "height": size[1],
        "frames": 12,
        "fps": 24,
        "engine": "storyboard",
        "engine_revision": "1",
    }
    values.update(changes)
    if values["mode"] == "image":
        values["photo"] = Photo(url="https://shop.example/p.png")
    return Scene(**values)


def product(size: tuple[int, int] = (400, 400), ground: str = "white") -> Image.Image:
    """A red bottle on a plain ground."""
    width, height = size
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width * 0.4, height * 0.2, width * 0.6, height * 0.8), fill=(220, 40, 40))
    return picture


def busy(size: tuple[int, int] = (600, 400)) -> Image.Image:
    """A scene without a plain border: colours everywhere."""
    dice = np.random.default_rng(5)
    blocks = dice.integers(30, 230, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def frames_of(shot_scene: Scene, photo: bytes | None = None) -> Frames:
    """The frames of one shot; a test fails here when there are none."""
    (result,) = Storyboard().render([Shot(scene=shot_scene, photo=photo)])
    assert not isinstance(result, EngineError), result
    return result.frames


def error_of(shot_scene: Scene, photo: bytes | None = None) -> EngineError:
    """The error of one shot that must not render."""
    (result,) = Storyboard().render([Shot(scene=shot_scene, photo=photo)])
    assert isinstance(result, EngineError)
    return result


def steps(frames: Frames) -> list[float]:
    """Mean absolute difference of each frame from the one before it, in levels."""
    return [float(np.abs(later.astype(np.int16) - earlier).mean()) for earlier, later in pairwise(frames)]
