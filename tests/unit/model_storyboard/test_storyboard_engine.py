"""Laws of the storyboard engine: the right frames, the same frames, moving frames, and errors in their place."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.engine import Engine, EngineError, Rendered, Shot
from model.inspect import inspect_frames
from model.recipe import Scene
from model.storyboard import engine as engine_module
from model.storyboard.engine import Storyboard
from model.storyboard.spec import SPEC
from model.typeset import FontError
from tests.unit.model_storyboard.samples import EN, SIZES, ZH, busy, encoded, error_of, frames_of, product, scene, steps

PHOTOS = {"none": None, "plain": encoded(product()), "busy": encoded(busy(), "JPEG"), "tall": encoded(busy((200, 700)))}


def shot_scene(size: tuple[int, int], photo: bytes | None, captions: tuple[str, ...], frames: int) -> Scene:
    """A scene that fits the photo, or one without."""
    return scene(size, captions, mode="image" if photo else "text", frames=frames)


def test_the_engine_is_an_engine() -> None:
    """Storyboard satisfies the protocol, names itself by its specification, starts and closes as often as asked."""
    engine: Engine = Storyboard()
    assert engine.spec is SPEC
    assert engine.batch_size >= 1
    engine.start()
    engine.close()
    engine.close()


def test_the_specification_needs_no_imaging_library() -> None:
    """A planner imports it without Pillow; the engine draws captions and photos and invents nothing."""
    code = "import sys, model.storyboard.spec; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (SPEC.name, SPEC.generative, SPEC.captions, SPEC.photos, SPEC.steps) == ("storyboard", False, True, True, 0)


def test_a_missing_typeface_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is not ready without its font and says what to install."""

    def missing() -> str:
        raise FontError("install it")

    monkeypatch.setattr(engine_module, "check_fonts", missing)
    with pytest.raises(EngineError, match="install it") as caught:
        Storyboard().start()
    assert not caught.value.retryable


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("captions", [ZH, EN, ()], ids=["zh", "en", "none"])
def test_every_shape_passes_inspection(size: tuple[int, int], photo: str, captions: tuple[str, ...]) -> None:
    """Exact size and count, no black, no freeze, no flash, at every size, with and without photo and words."""
    wanted = shot_scene(size, PHOTOS[photo], captions, 12)
    frames = frames_of(wanted, PHOTOS[photo])
    assert frames.shape == (12, size[1], size[0], 3)
    assert frames.dtype == np.uint8
    assert inspect_frames(frames, wanted).faults == ()
    assert min(steps(frames)) > 0


@pytest.mark.parametrize("photo", PHOTOS)
def test_a_whole_clip_moves_gently_and_loops(photo: str) -> None:
    """Over four seconds every frame differs a little from the last, none by much, and the end leads into the start."""
    wanted = shot_scene((640, 480), PHOTOS[photo], ZH, 96)
    frames = frames_of(wanted, PHOTOS[photo])
    changes = steps(frames)
    assert min(changes) > 0.02
    assert max(changes) < 14
    assert steps(frames[[-1, 0]])[0] <= max(changes)
    assert inspect_frames(frames, wanted).faults == ()


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.0, 3.0, 6.0, 10.0])
def test_every_duration_from_half_a_second_to_ten(seconds: float) -> None:
    """Frames are counted by the scene; the motion stretches or hurries with it and never stops."""
    wanted = scene((320, 240), EN, frames=round(24 * seconds))
    frames = frames_of(wanted)
    assert len(frames) == round(24 * seconds)
    assert min(steps(frames)) > 0


def test_a_single_frame_is_a_picture_with_everything_on_it() -> None:
    """A clip of one frame shows title and points: there is nothing to wait for."""
    one = frames_of(scene(captions=EN, frames=1))
    bare = frames_of(scene(captions=EN[:1], frames=1))
    assert one.shape[0] == 1
    assert not np.array_equal(one, bare)


@pytest.mark.parametrize("photo", ["none", "plain", "busy"])
def test_the_same_scene_gives_the_same_frames_everywhere(photo: str) -> None:
    """Alone, in a batch, and on several threads at once: byte for byte the same."""
    data = PHOTOS[photo]
    wanted = shot_scene((320, 240), data, ZH, 6)
    alone = frames_of(wanted, data)
    batch = Storyboard().render([Shot(scene=scene(seed=1, frames=2)), Shot(scene=wanted, photo=data)])
    assert isinstance(batch[1], Rendered)
    assert np.array_equal(batch[1].frames, alone)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(frames, alone) for frames in pool.map(lambda _: frames_of(wanted, data), range(8)))


def test_another_seed_gives_another_clip() -> None:
    """The seed decides colours, sides and directions."""
    assert not np.array_equal(frames_of(scene(seed=1, frames=2)), frames_of(scene(seed=2, frames=2)))


def test_a_bad_shot_does_not_spoil_its_batch() -> None:
    """Errors come back in their shot's place, in order, and the others are rendered."""
    good = Shot(scene=scene((320, 240), frames=2))
    bad = Shot(scene=scene((320, 240), mode="image", frames=2), photo=b"GIF89a nonsense")
    results = Storyboard().render([good, bad, good])
    assert [type(result) for result in results] == [Rendered, EngineError, Rendered]
    assert all(result.seconds > 0 for result in results if isinstance(result, Rendered))


def test_no_shots_no_results() -> None:
    """An empty batch is lawful."""
    assert Storyboard().render([]) == []


def test_an_image_scene_without_its_photo_is_refused() -> None:
    """A card is not passed off as the photo that was asked for."""
    error = error_of(scene(mode="image"))
    assert "none was given" in str(error)
    assert not error.retryable


def test_want_of_memory_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for want of memory may succeed later, and the error names the size asked for."""

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(engine_module, "draw_scene", exhausted)
    error = error_of(scene())
    assert error.retryable
    assert "12 frames of 640x480" in str(error)


HOSTILE = [
    "{{ config.__class__ }} {% for x in y %}",
    "../../etc/passwd",
    "\u202eevil\u202c txt",
    "🎉🎊👍",
    "\0\x01\x1b[31mred",
    "x" * 1000,
    "很长的名字" * 200,
    "שלום عليكم",
    "a\u0300\u0301\u0302" * 40,
    "<script>alert(1)</script>",
    " ",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("size", [(640, 480), (480, 854)])
def test_hostile_captions_are_only_words(text: str, size: tuple[int, int]) -> None:
    """Template marks, controls, bidi, emoji and endless text give a lawful clip, with and without a photo."""
    for data in (None, PHOTOS["plain"]):
        wanted = shot_scene(size, data, (text, text, text), 3)
        frames = frames_of(wanted, data)
        assert min(steps(frames)) > 0
        assert frames[0].std() > 2


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.text(max_size=60), max_size=6),
    st.tuples(st.integers(16, 400), st.integers(16, 400)),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
def test_any_captions_at_any_size(captions: list[str], half: tuple[int, int], seed: int, with_photo: bool) -> None:
    """No caption, size or seed breaks the engine, down to 32 pixels and at any shape."""
    size = (2 * half[0], 2 * half[1])
    data = PHOTOS["plain"] if with_photo else None
    mode = "image" if with_photo else "text"
    frames = frames_of(scene(size, tuple(captions), seed=seed, frames=2, mode=mode), data)
    assert frames.shape == (2, size[1], size[0], 3)
