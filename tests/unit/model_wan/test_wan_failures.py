"""What can go wrong with a batch: memory at each stage, numbers, shots, photos. Each costs what it must and no more."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from PIL import Image

from model.engine import UNWATCHED, CancelledError, EngineError, Rendered, Shot
from model.wan import conditions
from model.wan.checkpoint import Checkpoint
from model.wan.runtime import Runtime
from tests.unit.model_wan.stock import levels_apart, opened, photo, profile, rendered, scene

TEXTS = [Shot(scene=scene(seed=n)) for n in range(3)]


@pytest.fixture
def runtime(tiny: Checkpoint) -> Iterator[Runtime]:
    """Batches of up to four, decoded after they are denoised."""
    made = opened(tiny, profile())
    yield made
    made.close()


def short(*_: Any, **__: Any) -> Any:
    """What a device without memory does."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines follow.")


class Counted:
    """Calls of a function, some of which fail for want of memory."""

    def __init__(self, function: Callable[..., Any], fails: Callable[..., bool]) -> None:
        self.function, self.fails, self.calls = function, fails, 0

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls += 1
        return short() if self.fails(*given, **named) else self.function(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def refusals(results: list[Rendered | EngineError]) -> list[str]:
    """The messages of those that failed, all of them worth another try."""
    errors = [result for result in results if isinstance(result, EngineError)]
    assert all(error.retryable for error in errors)
    return [str(error) for error in errors]


def test_memory_short_for_a_batch_is_enough_for_each_clip(runtime: Runtime) -> None:
    """A batch that does not fit goes on clip by clip, and each comes out as it would have."""
    expected = rendered(runtime, TEXTS)
    runtime.forward = Counted(runtime.forward, lambda latents, *_, **__: len(latents) > 1)  # type: ignore[assignment]
    for one, other in zip(expected, rendered(runtime, TEXTS), strict=True):
        assert levels_apart(one.frames, other.frames) <= 1


def test_memory_short_for_words(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text encoder runs out: every clip fails for itself, may be tried again, and the next call works."""
    with monkeypatch.context() as patched:
        patched.setattr(runtime.prompts, "embed", short)
        found = refusals(runtime.render(TEXTS, UNWATCHED))
    assert found == ["wan: out of memory in denoising: CUDA out of memory. Tried to allocate 2.00 GiB."] * 3
    assert len(rendered(runtime, TEXTS)) == 3


def test_memory_short_for_a_photo_fails_that_clip_alone(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding one photo runs out: its clip fails, the others of its batch and of the call do not."""
    shots = [Shot(scene=scene(image=True, seed=n), photo=photo(n)) for n in range(3)]
    encode, broken = conditions.encode, conditions.fitted(photo(1), (96, 64), "letterbox")  # type: ignore[arg-type]

    def failing(vae: Any, picture: Image.Image, device: torch.device) -> Any:
        return short() if picture.tobytes() == broken.tobytes() else encode(vae, picture, device)

    monkeypatch.setattr(conditions, "encode", failing)
    results = runtime.render([*shots, TEXTS[0]], UNWATCHED)
    assert [isinstance(result, EngineError) for result in results] == [False, True, False, False]


def test_memory_short_in_decoding_never_denoises_again(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """The latents are kept and decoded in tiles; not one more forward is run."""
    expected = rendered(runtime, TEXTS)
    forwards = Counted(runtime.forward, lambda *_, **__: False)
    runtime.forward = forwards  # type: ignore[assignment]
    decoder = runtime._ready_decoder()
    decode = Counted(decoder.decode, lambda *_, **__: True)
    decode.__name__ = "decode"  # type: ignore[attr-defined]
    decoder.decode = decode  # type: ignore[method-assign]
    found = rendered(runtime, TEXTS)
    assert forwards.calls == 3 * 2, "three steps, with the prompt and against the negative one, for the whole batch"
    assert decode.calls == 3
    assert "out of memory in decode" in caplog.text
    for one, other in zip(expected, found, strict=True):
        assert abs(one.frames.astype(float) - other.frames.astype(float)).mean() < 8


def test_memory_short_in_the_middle_of_a_decode(runtime: Runtime) -> None:
    """Running out after some frames are done starts that clip's decode over, in tiles."""
    decoder = runtime._ready_decoder()
    decode = decoder.decode

    def breaking(latents: Any, **named: Any) -> Iterator[Any]:
        yield next(decode(latents, **named))
        short()

    decoder.decode = breaking  # type: ignore[method-assign]
    (found,) = rendered(runtime, TEXTS[:1])
    assert found.frames.shape == (9, 64, 96, 3)


def test_memory_short_in_tiles_too_fails_that_clip_alone(runtime: Runtime) -> None:
    """The last rung: the clip fails, may be tried again, and the others are there."""
    decoder = runtime._ready_decoder()
    turns = iter([False, True, True, False])
    for name in ("decode", "decode_tiled"):
        counted = Counted(getattr(decoder, name), lambda *_, **__: next(turns))
        counted.__name__ = name  # type: ignore[attr-defined]
        setattr(decoder, name, counted)
    results = runtime.render(TEXTS, UNWATCHED)
    assert [isinstance(result, EngineError) for result in results] == [False, True, False]
    assert refusals(results)[0].startswith("wan: out of memory in decoding, in tiles too: CUDA out of memory")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_fail_their_clip_alone(runtime: Runtime, bad: float) -> None:
    """NaN or Inf in the latents of one clip: it fails before it is decoded, the others are published."""
    forward = runtime.forward

    def spoilt(latents: torch.Tensor, *given: Any, **named: Any) -> torch.Tensor:
        velocity = forward(latents, *given, **named)
        velocity[1, 0, 0, 0, 0] = bad
        return velocity

    spoilt.words = forward.words  # type: ignore[attr-defined]
    runtime.forward = spoilt  # type: ignore[assignment]
    results = runtime.render(TEXTS, UNWATCHED)
    assert [isinstance(result, EngineError) for result in results] == [False, True, False]
    assert refusals(results) == ["wan: the latents are not finite (NaN or Inf)"]


class Watching:
    """Notes beats, and stops at one."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.beats: list[tuple[str, int, int]] = []
        self.stop = stop

    def beat(self, stage: str, done: int, total: int) -> None:
        """See Watch."""
        self.beats.append((stage, done, total))
        if (stage, done) == self.stop:
            raise CancelledError("stopped by the test")


def test_every_step_is_told(runtime: Runtime) -> None:
    """Words, photo, each step and each latent frame, in order."""
    watch = Watching()
    runtime.render([Shot(scene=scene(image=True), photo=photo())], watch)
    steps = [("denoise", n, 3) for n in (1, 2, 3)]
    frames = [("decode", n, 3) for n in (1, 2, 3)]
    assert watch.beats == [("text", 1, 1), ("photo", 1, 1), *steps, *frames]


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("stop", [("text", 1), ("denoise", 2), ("decode", 1)])
def test_a_batch_is_stopped_between_two_steps(tiny: Checkpoint, stop: tuple[str, int], overlap: bool) -> None:
    """Nothing runs after the stop, and the engine is whole: the same batch comes out afterwards as ever."""
    runtime = opened(tiny, profile(layout={"overlap": overlap}))
    expected = rendered(runtime, TEXTS)
    watch = Watching(stop)
    with pytest.raises(CancelledError, match="stopped by the test"):
        runtime.render(TEXTS, watch)
    assert watch.beats[-1][:2] == stop
    for one, other in zip(expected, rendered(runtime, TEXTS), strict=True):
        assert levels_apart(one.frames, other.frames) == 0
    runtime.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"width": 98}, "98x64 is no size of profile cpu-tiny: 96x64, 64x64, 96x48"),
        ({"frames": 8}, "8 frames: want a multiple of 4 and one more, at most 121"),
        ({"frames": 125}, "125 frames: want a multiple of 4 and one more, at most 121"),
        ({"fps": 25}, "25 frames a second: this profile makes 24"),
    ],
)
def test_wrong_shapes_are_refused(runtime: Runtime, changes: dict[str, Any], told: str) -> None:
    """Never rounded in silence: the shot is refused for good, and the others of the call are rendered."""
    results = runtime.render([TEXTS[0], Shot(scene=scene(**changes))], UNWATCHED)
    assert isinstance(results[0], Rendered)
    assert isinstance(results[1], EngineError)
    assert not results[1].retryable
    assert str(results[1]) == f"wan: {told}"


def test_a_mode_the_profile_has_not_is_refused(tiny: Checkpoint) -> None:
    """A text-only profile takes no photos."""
    used = profile(modes=["text"], sampler="few-step", steps=2, timesteps=[1000, 500], guidance=1.0)
    runtime = opened(tiny, used)
    (text, image) = runtime.render([TEXTS[0], Shot(scene=scene(image=True), photo=photo())], UNWATCHED)
    assert isinstance(text, Rendered)
    assert "mode image: profile cpu-tiny starts from text only" in str(image)
    runtime.close()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it is 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def transparent() -> bytes:
    """A dark disc on nothing."""
    picture = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    picture.paste((30, 60, 120, 255), (30, 20, 60, 44))
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "none was given"),
        (b"not a picture", "not a JPEG, PNG or WebP picture"),
        (photo()[:200], "broken data"),
        (bomb(), "more than 50,000,000 pixels"),
        (None, "the scene starts from a photo and none was given"),
    ],
    ids=["empty", "text", "cut off", "bomb", "none"],
)
def test_photos_that_cannot_be_used_are_refused(runtime: Runtime, data: bytes | None, told: str) -> None:
    """Each with its reason, for good, and alone."""
    results = runtime.render([Shot(scene=scene(image=True), photo=data), TEXTS[0]], UNWATCHED)
    assert isinstance(results[0], EngineError)
    assert not results[0].retryable
    assert told in str(results[0])
    assert isinstance(results[1], Rendered)


def test_a_transparent_photo_stands_on_white(runtime: Runtime) -> None:
    """What shows through a cut-out product is white, as on a shop page."""
    fitted = conditions.fitted(transparent(), (96, 64), "letterbox")  # type: ignore[arg-type]
    assert fitted.getpixel((2, 2)) == (255, 255, 255)
    assert len(rendered(runtime, [Shot(scene=scene(image=True), photo=transparent())])) == 1


def test_what_is_no_shortage_of_memory_breaks_the_engine(runtime: Runtime) -> None:
    """An unforeseen error is not dressed up as a clip's own: it escapes, and the process is restarted."""

    def lost(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    lost.words = runtime.forward.words  # type: ignore[attr-defined]
    runtime.forward = lost  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="illegal memory access"):
        runtime.render(TEXTS, UNWATCHED)
