"""Base clip in, body frames out: cropped and scaled to the output size, with what the recipe lays over them.

Works on the stored YUV picture by picture, so memory does not grow with the clip and colours are converted once in a
clip's life. Knows no encoder settings, files or metadata.
"""

from __future__ import annotations

from collections.abc import Iterator

from model.colour import Converter, Planar, cropped
from model.encode import planar_frames_of
from model.endcard import lay_out
from model.plate import Plate
from model.recipe import Dressing, Overlays, Recipe, Scene
from model.ribbon import MovingRibbon, make_ribbon
from model.visible import make_label


def check_dressing(recipe: Recipe) -> None:
    """Whether label, ribbon and end card of a recipe can be drawn at its size; no clip is needed for that.

    Raises WordsError, whose ``field`` names the words and whose message says why not; DressError for the label.
    """
    check_words(recipe.dressing, recipe.scene.frames, recipe.scene.fps)


def check_words(dressing: Dressing, frames: int, fps: int) -> None:
    """The same for a dressing alone, over a base of so many frames at so many a second. Raises as it does."""
    overlays, card = dressing.overlays, dressing.end_card
    label, _ = _laid_over(overlays, frames, fps)
    if card is not None:
        lay_out(card, overlays.width, overlays.height, label)


def dress(base: bytes, overlays: Overlays, scene: Scene) -> Iterator[Planar]:
    """The body's pictures (I420), one by one: the base cover-cropped to the output size, ribbon and label over it.

    The scene says how long the body is, and so when its ribbon comes and goes. Raises WordsError and DressError for a
    ribbon or label that cannot be drawn at this size, and DecodeError when the base is damaged (while iterating).
    """
    label, ribbon = _laid_over(overlays, scene.frames, scene.fps)
    return _dressed(base, overlays, label, ribbon)


def ribbon_of(recipe: Recipe) -> MovingRibbon | None:
    """The recipe's ribbon, drawn; None where it has none. Raises as ``check_dressing`` does."""
    return _laid_over(recipe.dressing.overlays, recipe.scene.frames, recipe.scene.fps)[1]


def _laid_over(overlays: Overlays, frames: int, fps: int) -> tuple[Plate | None, MovingRibbon | None]:
    label = make_label(overlays.label, overlays.width, overlays.height) if overlays.label is not None else None
    return label, make_ribbon(overlays, frames, fps, label)


def _dressed(base: bytes, overlays: Overlays, label: Plate | None, ribbon: MovingRibbon | None) -> Iterator[Planar]:
    converter = Converter()
    for frame, picture in enumerate(planar_frames_of(base)):
        fitted = cover(picture, overlays.width, overlays.height, converter)
        if ribbon is not None:
            ribbon.lay_over(fitted, frame)
        if label is not None:
            label.lay_over(fitted)
        yield fitted


def cover(picture: Planar, width: int, height: int, converter: Converter) -> Planar:
    """The largest centred window of the picture that has the output's shape, scaled to its size."""
    rows, had_width = picture.shape
    had_height = rows * 2 // 3
    window = cover_window(had_width, had_height, width, height)
    if window != (0, 0, had_width, had_height):
        picture = cropped(picture, *window)
    return converter.scaled(picture, width, height)


def cover_window(had_width: int, had_height: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height, all even, of the window that fills the output without bars."""
    if had_width * height > width * had_height:
        wide, high = _even(had_height * width / height, had_width), had_height
    else:
        wide, high = had_width, _even(had_width * height / width, had_height)
    return (had_width - wide) // 4 * 2, (had_height - high) // 4 * 2, wide, high


def _even(length: float, most: int) -> int:
    return min(most, max(2, round(length / 2) * 2))
