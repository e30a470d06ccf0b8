"""One clip's layers, composed once, and its frames, drawn one after the other.

Knows where layers lie and when they move; decodes nothing and reports nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from model.engine import Frames
from model.recipe import Scene
from model.storyboard.backdrop import Backdrop
from model.storyboard.layout import Areas, Box, Words, areas, arrange
from model.storyboard.motion import Camera, Timetable
from model.storyboard.palette import Palette, photo_palette, seeded_palette
from model.storyboard.shapes import Shapes
from model.storyboard.sprite import Sprite, disc, rounded_bar
from model.storyboard.stage import compose
from model.typeset import mask

_GROUND_EVERY = 2
"""Frames that share one ground: it drifts by less than a level a frame, and enlarging it is a third of the work."""


def draw_scene(scene: Scene, photo: Image.Image | None) -> Frames:
    """All frames of a scene with its decoded photo, where it has one. The same input gives the same frames."""
    board = _Board(scene, photo)
    frames: Frames = np.empty((scene.frames, scene.height, scene.width, 3), dtype=np.uint8)
    for index in range(scene.frames):
        board.draw(frames[index], index)
    return frames


class _Board:
    """The layers of one scene."""

    def __init__(self, scene: Scene, photo: Image.Image | None) -> None:
        dice = random.Random(f"board-{scene.seed}")  # noqa: S311 - design, not secrets
        size = (scene.width, scene.height)
        palette = photo_palette(photo, scene.seed) if photo is not None else seeded_palette(scene.seed)
        area, words = _set_words(scene.captions, size, photo is not None, mirrored=dice.random() < 0.5)
        self._area, self._fps = area, scene.fps
        self._camera = Camera(scene.duration, dice.choice((0.0, math.pi)) + dice.uniform(-0.5, 0.5))
        self._stage = compose(photo, (area.photo.width, area.photo.height)) if photo and area.photo else None
        self._panel = _Panel(area.panel, palette, words, scene, shapes=photo is None) if area.panel else None

    def draw(self, frame: Frames, index: int) -> None:
        """Fill one frame (height, width, 3)."""
        seconds = index / self._fps
        if self._stage and self._area.photo:
            _put(frame, self._area.photo, self._stage.view(*self._camera.at(seconds)))
        if self._panel and self._area.panel:
            _put(frame, self._area.panel, self._panel.at(index))


def _set_words(
    captions: Sequence[str], size: tuple[int, int], photo: bool, *, mirrored: bool
) -> tuple[Areas, Words | None]:
    area = areas(size, photo=photo, words=True, mirrored=mirrored)
    words = arrange(captions, area)
    return (area, words) if words else (areas(size, photo=photo, words=False, mirrored=mirrored), None)


def _put(frame: Frames, box: Box, picture: Image.Image) -> None:
    frame[box.y : box.y + box.height, box.x : box.x + box.width] = np.asarray(picture)


class _Panel:
    """The moving ground with shapes and words on it. Its frames are asked for in order."""

    def __init__(self, box: Box, palette: Palette, words: Words | None, scene: Scene, *, shapes: bool) -> None:
        self._scene = scene
        self._backdrop = Backdrop(palette, (box.width, box.height), scene.seed)
        self._ground = self._backdrop.at(0.0)
        self._shapes = Shapes(palette, (box.width, box.height), scene, words) if shapes else None
        self._captions = _Captions(words, palette, scene.duration) if words else None

    def at(self, index: int) -> Image.Image:
        cycle = index / self._scene.frames
        if index % _GROUND_EVERY == 0:
            self._ground = self._backdrop.at(cycle)
        canvas = self._ground.copy()
        if self._shapes:
            self._shapes.draw(canvas, cycle)
        if self._captions:
            self._captions.draw(canvas, index / self._scene.fps)
        return canvas


class _Captions:
    """Accent bar, title and selling points, each rendered once and moved by the timetable."""

    def __init__(self, words: Words, palette: Palette, duration: float) -> None:
        self._words = words
        self._timetable = Timetable(duration, len(words.points))
        self._bar = rounded_bar(*words.bar, palette.accent)
        self._title = Sprite(mask(words.title), palette.ink)
        self._points = [Sprite(mask(block), palette.soft) for block in words.points]
        self._mark = disc(max(4, round(0.30 * words.unit)), palette.accent)

    def draw(self, canvas: Image.Image, seconds: float) -> None:
        words = self._words
        lower = words.alone * (1.0 - self._timetable.gathered(seconds))
        self._bar.draw(canvas, words.x, words.bar_y + lower)
        self._title.draw(canvas, words.x, words.title_y + lower)
        for index, (sprite, block, y) in enumerate(zip(self._points, words.points, words.point_ys, strict=True)):
            strength = self._timetable.point(index, seconds)
            at = y + 0.5 * words.unit * (1.0 - strength)
            sprite.draw(canvas, words.x + words.indent, at, strength)
            if words.indent:
                middle = at + block.leading * block.size / 2
                self._mark.draw(canvas, words.x + 1, middle - self._mark.height / 2, strength)
