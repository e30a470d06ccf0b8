"""Laws of base shapes: what an engine makes is enough for what is wanted, and what it cannot make is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.engine import EngineSpec, ShapeError, Size, shape_for

PLAIN = {"name": "e", "revision": "1", "generative": False, "captions": False, "photos": False}
ANY = EngineSpec(**PLAIN)  # type: ignore[arg-type]

sides = st.integers(16, 2048).map(lambda half: 2 * half)
sizes = st.builds(Size, sides, sides)


@given(size=sizes, frames=st.integers(1, 1000), fps=st.integers(1, 60))
def test_an_engine_of_any_shape_makes_what_is_asked(size: Size, frames: int, fps: int) -> None:
    """Without limits the base clip is the clip."""
    assert shape_for(ANY, size, frames, fps) == (*size, frames)


@given(
    size=sizes,
    frames=st.integers(1, 200),
    offered=st.lists(sizes, min_size=1, max_size=5, unique=True).map(tuple),
    step=st.integers(2, 9),
)
def test_a_limited_engine_gives_at_least_what_is_asked(
    size: Size, frames: int, offered: tuple[Size, ...], step: int
) -> None:
    """The base has a size the engine offers, and the fewest frames of its kind that are enough."""
    spec = EngineSpec(**PLAIN, sizes=offered, frame_step=step, max_frames=1001)  # type: ignore[arg-type]
    width, height, whole = shape_for(spec, size, frames, 24)
    assert Size(width, height) in offered
    assert whole % step == 1
    assert frames <= whole < frames + step


@pytest.mark.parametrize(
    ("wanted", "base"),
    [
        (Size(640, 480), Size(736, 544)),  # nothing cut, although 832x480 is nearer in height
        (Size(854, 480), Size(832, 480)),
        (Size(480, 854), Size(480, 832)),
        (Size(480, 480), Size(640, 640)),
        (Size(832, 480), Size(832, 480)),
    ],
)
def test_the_least_cropped_base_is_chosen(wanted: Size, base: Size) -> None:
    """Shape comes first: what is cut away cannot be had back."""
    offered = (Size(832, 480), Size(480, 832), Size(736, 544), Size(640, 640))
    spec = EngineSpec(**PLAIN, sizes=offered)  # type: ignore[arg-type]
    assert shape_for(spec, wanted, 1, 24)[:2] == base


def test_a_large_base_is_taken_rather_than_a_small_one_enlarged() -> None:
    """Of two of one shape the smallest that is large enough."""
    spec = EngineSpec(**PLAIN, sizes=(Size(320, 240), Size(1280, 960), Size(640, 480)))  # type: ignore[arg-type]
    assert shape_for(spec, Size(480, 360), 1, 24)[:2] == (640, 480)
    assert shape_for(spec, Size(2560, 1920), 1, 24)[:2] == (1280, 960)


def test_what_cannot_be_made_is_told() -> None:
    """Rate and length beyond the engine's are refused with the setting's name and the limit."""
    spec = EngineSpec(**PLAIN, fps=24, max_frames=121, frame_step=4)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"clip\.fps: the e engine makes 24 frames a second, not 30"):
        shape_for(spec, Size(640, 480), 10, 30)
    with pytest.raises(ShapeError, match=r"clip.seconds: the e engine makes at most 121 frames \(5.0 s\), not 125"):
        shape_for(spec, Size(640, 480), 122, 24)
    assert shape_for(spec, Size(640, 480), 121, 24).frames == 121
