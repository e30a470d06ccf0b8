"""Laws of the layout: words inside the safe area, apart from each other, large enough, and readable on their ground."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.recipe import Scene
from model.storyboard.layout import MOST_POINTS, SAFE, Box, Words, areas, arrange
from model.storyboard.motion import Timetable
from model.storyboard.palette import Palette, seeded_palette, tinted
from model.storyboard.scene import _Board, _Panel
from model.strips import strip
from model.typeset import Rgb, contrast
from tests.unit.model_storyboard.samples import EN, SIZES, ZH, product, scene

LONG = (
    "超长续航多功能便携式家用电动榨汁机料理机辅食机",
    "采用食品级不锈钢六叶刀头，高速旋转三十秒出汁，细腻无渣",
    "Rechargeable lithium battery with USB-C fast charging lasts thirty days",
    "一机多用",
)
CAPTIONS = {"zh": ZH, "en": EN, "long": LONG, "title": ZH[:1], "one": EN[:2], "many": (*ZH, *EN[1:])}


def board(size: tuple[int, int], captions: tuple[str, ...], *, photo: bool, seed: int = 3, frames: int = 96) -> _Board:
    """The composed layers of a scene."""
    return _Board(scene(size, captions, seed=seed, frames=frames), product() if photo else None)


def drawn(layers: _Board, wanted: Scene, index: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """One frame as signed numbers."""
    frame = np.zeros((wanted.height, wanted.width, 3), dtype=np.uint8)
    layers.draw(frame, index)
    return frame.astype(np.int16)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("captions", CAPTIONS)
@pytest.mark.parametrize("photo", [True, False])
def test_ink_stays_inside_the_safe_margins(size: tuple[int, int], captions: str, photo: bool) -> None:
    """Whatever words add to the picture, at any moment, lies five per cent or more from every edge."""
    wanted = scene(size, CAPTIONS[captions], frames=96)
    layers = board(size, wanted.captions, photo=photo)
    bare = board(size, wanted.captions, photo=photo)
    assert bare._panel is not None
    bare._panel._captions = None
    for index in (0, 8, 48, 90):
        changed = np.abs(drawn(layers, wanted, index) - drawn(bare, wanted, index)).max(axis=2) > 8
        rows, columns = np.nonzero(changed)
        assert len(rows)
        assert columns.min() >= SAFE * size[0]
        assert columns.max() < (1 - SAFE) * size[0]
        assert rows.min() >= SAFE * size[1]
        assert rows.max() < (1 - SAFE) * size[1]


@pytest.mark.parametrize("size", [*SIZES, (240, 426), (320, 240), (480, 600), (1280, 720)])
@pytest.mark.parametrize("captions", CAPTIONS)
@pytest.mark.parametrize("photo", [True, False])
def test_words_keep_off_the_strips_of_a_ribbon(size: tuple[int, int], captions: str, photo: bool) -> None:
    """A ribbon that a promotion lays over the clip later, at the top or at the bottom, covers no word at any moment."""
    area = areas(size, photo=photo, words=True, mirrored=False)
    words = arrange(CAPTIONS[captions], area)
    assert words is not None
    assert area.panel is not None
    for box in words.boxes():
        assert box.y + area.panel.y >= strip(*size)
        assert box.y + box.height + area.panel.y <= size[1] - strip(*size)


def words_of(size: tuple[int, int], captions: tuple[str, ...], *, photo: bool) -> tuple[Words, Box]:
    """The arranged words and the box they were given."""
    area = areas(size, photo=photo, words=True, mirrored=False)
    words = arrange(captions, area)
    assert words is not None
    return words, area.words


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("captions", CAPTIONS)
@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.0, 4.0, 10.0])
def test_words_never_overlap(size: tuple[int, int], captions: str, photo: bool, seconds: float) -> None:
    """At no moment does the moving title lie on a point that can be seen, nor a point on another."""
    words, _ = words_of(size, CAPTIONS[captions], photo=photo)
    timetable = Timetable(seconds, len(words.points))
    for moment in np.arange(0, seconds, 1 / 24):
        foot = words.title_y + words.title.height + words.alone * (1 - timetable.gathered(moment))
        boxes = []
        for index, (block, y) in enumerate(zip(words.points, words.point_ys, strict=True)):
            strength = timetable.point(index, moment)
            top = y + 0.5 * words.unit * (1 - strength)
            if strength > 0.15:
                assert foot <= top + 0.2 * block.size, f"title over point {index} at {moment:.2f} s"
                boxes.append((top, top + block.height))
        assert all(first[1] <= second[0] + 2 for first, second in combinations(boxes, 2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("captions", CAPTIONS)
@pytest.mark.parametrize("photo", [True, False])
def test_words_keep_their_hierarchy_and_can_be_read_on_a_phone(
    size: tuple[int, int], captions: str, photo: bool
) -> None:
    """The title is larger than the points, and no word smaller than 2.4 % of the width or 4 % of the short side."""
    words, box = words_of(size, CAPTIONS[captions], photo=photo)
    least = max(0.024 * size[0], 0.04 * min(size))
    assert words.title.size >= least
    for block in words.points:
        assert block.size >= least
        assert words.title.size >= 1.1 * block.size
    assert words.bar_y >= box.y
    last = words.point_ys[-1] + words.points[-1].height if words.points else words.title_y + words.title.height
    assert last <= box.y + box.height


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("captions", [ZH, EN])
def test_ordinary_captions_are_shown_whole(size: tuple[int, int], photo: bool, captions: tuple[str, ...]) -> None:
    """A title and three points of usual length fit every shape without an ellipsis."""
    words, _ = words_of(size, captions, photo=photo)
    assert not words.title.cut
    assert len(words.points) == 3
    assert not any(block.cut for block in words.points)


def test_too_many_points_are_limited() -> None:
    """The first points are shown, no more than can be read."""
    words, _ = words_of((480, 854), ("Title", *"abcdefgh"), photo=False)
    assert [block.lines for block in words.points] == [(letter,) for letter in "abcdefgh"[:MOST_POINTS]]


def test_captions_without_words_are_passed_over() -> None:
    """Emoji, marks and blanks take no place; the next caption becomes the title."""
    words, _ = words_of((640, 480), ("🎉", " ", "!!!", "Kettle", "Fast"), photo=False)
    assert words.title.lines == ("Kettle",)
    assert [block.lines for block in words.points] == [("Fast",)]
    assert arrange(("🎉", ""), areas((640, 480), photo=False, words=True, mirrored=False)) is None


def test_a_single_point_has_no_mark() -> None:
    """One line under the title is a subtitle, not a list."""
    assert words_of((640, 480), EN[:2], photo=False)[0].indent == 0
    assert words_of((640, 480), EN[:3], photo=False)[0].indent > 0


@given(st.integers(16, 2048), st.integers(16, 2048), st.booleans(), st.booleans(), st.booleans())
def test_areas_divide_the_frame(width: int, height: int, photo: bool, words: bool, mirrored: bool) -> None:
    """Photo and panel cover the frame exactly and do not overlap, at any shape."""
    size = (2 * width, 2 * height)
    area = areas(size, photo=photo, words=words, mirrored=mirrored)
    boxes = [box for box in (area.photo, area.panel) if box]
    assert sum(box.width * box.height for box in boxes) == size[0] * size[1]
    assert all(box.x >= 0 and box.x + box.width <= size[0] for box in boxes)
    assert all(box.y >= 0 and box.y + box.height <= size[1] for box in boxes)
    if area.panel:
        assert 0 <= area.words.x <= area.words.x + area.words.width <= area.panel.width
        assert 0 <= area.words.y <= area.words.y + area.words.height <= area.panel.height


def test_mirroring_swaps_the_sides() -> None:
    """The photo stands left or right, the words on the other side."""
    left = areas((640, 480), photo=True, words=True, mirrored=False)
    right = areas((640, 480), photo=True, words=True, mirrored=True)
    assert left.photo is not None
    assert right.photo is not None
    assert (left.photo.x, right.photo.x) == (0, 640 - right.photo.width)
    assert left.photo.width == right.photo.width


def worst_contrast(palette: Palette, ground: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ink: Rgb) -> float:
    """The least contrast of an ink with any colour of a ground."""
    seen = {(int(r), int(g), int(b)) for r, g, b in np.unique(ground.reshape(-1, 3)[::7], axis=0)}
    return min(contrast(ink, colour) for colour in {*seen, palette.base})


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("shapes", [True, False])
def test_words_read_on_every_part_of_the_ground(seed: int, shapes: bool) -> None:
    """Title and points reach 4.5 to 1 against each colour the ground takes, the pale disc included, over a cycle."""
    palette = seeded_palette(seed)
    panel = _Panel(Box(0, 0, 320, 240), palette, None, scene((320, 240), seed=seed, frames=96), shapes=shapes)
    if panel._shapes is not None:
        panel._shapes._ring = None  # ring and dot keep clear of words; that is another law
    for index in (0, 24, 48, 72):
        ground = np.asarray(panel.at(index))
        assert worst_contrast(palette, ground, palette.ink) >= 7
        assert worst_contrast(palette, ground, palette.soft) >= 4.5


@given(st.floats(0, 360), st.booleans(), st.floats(0, 1.6))
def test_palettes_read_at_every_hue(hue: float, dark: bool, vivid: float) -> None:
    """Roles keep their contrast whatever the hue: words 4.5 to 1, marks 3 to 1, on each colour of the ground."""
    palette = tinted(hue, dark=dark, vivid=vivid)
    for ground in (palette.base, palette.warm, palette.cool):
        assert contrast(palette.ink, ground) >= 7
        assert contrast(palette.soft, ground) >= 4.5
        assert contrast(palette.accent, ground) >= 3


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(SIZES), st.sampled_from(sorted(CAPTIONS)))
def test_ornaments_keep_clear_of_words(seed: int, size: tuple[int, int], captions: str) -> None:
    """The ring and its dot never touch a word's box, wherever title and points stand."""
    layers = board(size, CAPTIONS[captions], photo=False, seed=seed)
    panel = layers._panel
    assert panel is not None
    assert panel._shapes is not None
    assert panel._captions is not None
    shapes = panel._shapes
    if shapes._ring is None:
        return
    reach = shapes._radius + shapes._drift + shapes._dot.width / 2
    x, y = shapes._middle
    for box in panel._captions._words.boxes():
        across = max(box.x - x, 0, x - box.x - box.width)
        down = max(box.y - y, 0, y - box.y - box.height)
        assert np.hypot(across, down) >= reach - 1
