"""The engine beside stock diffusers: the same latents and frames; a batch as its single runs; every switch the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from model.engine import Shot
from model.wan.checkpoint import Checkpoint
from model.wan.runtime import Runtime
from tests.unit.model_wan.stock import HEIGHT, Stock, levels_apart, opened, photo, profile, rendered, scene

LATENTS = 1e-4
"""Largest difference of any latent in float32: rounding, carried through the steps."""

TEXT = Shot(scene=scene())
IMAGE = Shot(scene=scene(image=True), photo=photo(1))


class Listening:
    """Takes the latents that a runtime decodes."""

    def __init__(self, runtime: Runtime) -> None:
        self.latents: list[Tensor] = []
        decoder = runtime._ready_decoder()
        decode = decoder.decode

        def heard(latents: Tensor, **more: Any) -> Any:
            self.latents.append(latents.clone())
            return decode(latents, **more)

        decoder.decode = heard  # type: ignore[method-assign]


@pytest.mark.parametrize("shot", [TEXT, IMAGE], ids=["text", "image"])
@pytest.mark.parametrize(
    "changes",
    [{"steps": 4}, {"steps": 20, "shift": 5.0, "guidance": 5.0}, {"steps": 2, "shift": 8.0, "guidance": 1.0}],
    ids=["4 steps", "20 steps", "unguided"],
)
def test_equal_to_stock(tiny: Checkpoint, shot: Shot, changes: dict[str, Any]) -> None:
    """Latents within 1e-4 and frames within one level of WanPipeline and WanImageToVideoPipeline."""
    used = profile(**changes)
    runtime, stock = opened(tiny, used), Stock(tiny, used)
    heard = Listening(runtime)
    (found,) = rendered(runtime, [shot])
    assert (heard.latents[0] - stock.latents(shot)).abs().max() <= LATENTS
    assert levels_apart(found.frames, stock.frames(shot)) <= 1
    runtime.close()


def test_a_batch_of_different_words_equals_single_runs(tiny: Checkpoint) -> None:
    """Prompts of different lengths and languages, different seeds: each clip as it is alone."""
    runtime = opened(tiny, profile())
    shots = [
        Shot(scene=scene("a red kettle", seed=1)),
        Shot(scene=scene("木桌上的蓝色马克杯，晨光，镜头缓慢推进", seed=2, negative_prompt="")),
        Shot(scene=scene("a very long prompt " * 9, seed=2**62)),
    ]
    together = rendered(runtime, shots)
    for shot, found in zip(shots, together, strict=True):
        (alone,) = rendered(runtime, [shot])
        assert levels_apart(found.frames, alone.frames) <= 1
    runtime.close()


def test_a_batch_of_different_photos_equals_single_runs(tiny: Checkpoint) -> None:
    """Each clip starts from its own photo and comes out as it does alone, and as stock makes it."""
    used = profile()
    runtime, stock = opened(tiny, used), Stock(tiny, used)
    shots = [Shot(scene=scene(image=True, seed=n), photo=photo(n)) for n in range(3)]
    together = rendered(runtime, shots)
    for shot, found in zip(shots, together, strict=True):
        (alone,) = rendered(runtime, [shot])
        assert levels_apart(found.frames, alone.frames) <= 1
        assert levels_apart(found.frames, stock.frames(shot)) <= 1
    assert levels_apart(together[0].frames, together[1].frames) > 10
    runtime.close()


def test_shots_of_all_kinds_in_one_call(tiny: Checkpoint) -> None:
    """Words and photos, sizes and lengths in any order: grouped inside, given back in order."""
    runtime = opened(tiny, profile(layout={"batch": 2}))
    shots = [
        TEXT,
        IMAGE,
        Shot(scene=scene(width=64, height=64)),
        Shot(scene=scene(frames=5)),
        Shot(scene=scene(image=True, seed=3), photo=photo(3, (300, 100))),
        Shot(scene=scene(seed=11)),
        Shot(scene=scene(seed=12)),
    ]
    for shot, found in zip(shots, rendered(runtime, shots), strict=True):
        wanted = shot.scene
        assert found.frames.shape == (wanted.frames, wanted.height, wanted.width, 3)
        (alone,) = rendered(runtime, [shot])
        assert levels_apart(found.frames, alone.frames) <= 1
    runtime.close()


def test_the_same_scene_gives_the_same_frames(tiny: Checkpoint) -> None:
    """On one machine, in two runtimes: bit for bit."""
    frames = []
    for _ in range(2):
        runtime = opened(tiny, profile())
        frames.append([found.frames.tobytes() for found in rendered(runtime, [TEXT, IMAGE])])
        runtime.close()
    assert frames[0] == frames[1]


@pytest.mark.parametrize("change", [{"prompt": "a blue mug"}, {"seed": 8}, {"negative_prompt": "a blue mug"}])
def test_what_is_asked_is_what_is_seen(tiny: Checkpoint, change: dict[str, Any]) -> None:
    """Another prompt, seed or negative prompt gives other frames; so does another photo."""
    runtime = opened(tiny, profile())
    (one, other) = rendered(runtime, [TEXT, Shot(scene=scene(**change))])
    assert levels_apart(one.frames, other.frames) > 2
    (one, other) = rendered(runtime, [IMAGE, Shot(scene=IMAGE.scene, photo=photo(2))])
    assert levels_apart(one.frames, other.frames) > 10
    runtime.close()


@pytest.mark.parametrize(
    ("layout", "levels"),
    [
        ({"overlap": True, "batch": 1}, 0),
        ({"frames_at_once": 4}, 1),
        ({"channels_last": True}, 1),
        ({"batch": 3}, 1),
    ],
    ids=["overlap", "four frames at once", "channels last", "batch"],
)
def test_every_switch_gives_the_same_frames(tiny: Checkpoint, layout: dict[str, Any], levels: int) -> None:
    """How the work is laid out is not seen: at most one level of rounding, and none where nothing is reordered."""
    shots = [TEXT, Shot(scene=scene(seed=1)), IMAGE]
    plain, switched = opened(tiny, profile(layout={"batch": 1})), opened(tiny, profile(layout=layout))
    for expected, found in zip(rendered(plain, shots), rendered(switched, shots), strict=True):
        assert levels_apart(expected.frames, found.frames) <= levels
    plain.close()
    switched.close()


@pytest.mark.parametrize("memory", ["evict", "offload"])
def test_memory_modes_give_the_same_frames(tiny: Checkpoint, memory: str) -> None:
    """Where parts lie is not seen."""
    plain, moved = opened(tiny, profile()), opened(tiny, profile(), memory=memory)
    for expected, found in zip(rendered(plain, [TEXT, IMAGE]), rendered(moved, [TEXT, IMAGE]), strict=True):
        assert levels_apart(expected.frames, found.frames) == 0
    plain.close()
    moved.close()


def test_a_render_size_is_scaled_to_its_base(tiny: Checkpoint) -> None:
    """A bucket with another base size gives frames of that size, alike to what a scaled-down render shows."""
    runtime = opened(tiny, profile())
    (found,) = rendered(runtime, [Shot(scene=scene(width=96, height=48))])
    assert found.frames.shape == (9, 48, 96, 3)
    runtime.close()
    direct = opened(tiny, profile(buckets=[{"render": [128, 64]}]))
    (large,) = rendered(direct, [Shot(scene=scene(width=128, height=64))])
    assert abs(float(large.frames.mean()) - float(found.frames.mean())) < 2
    direct.close()


def test_an_idle_step_cache_changes_nothing(tiny: Checkpoint) -> None:
    """A threshold that nothing stays under runs every forward, and gives the frames of no cache."""
    plain, cached = opened(tiny, profile(steps=6)), opened(tiny, profile(steps=6, step_cache=1e-9))
    for expected, found in zip(rendered(plain, [TEXT, IMAGE]), rendered(cached, [TEXT, IMAGE]), strict=True):
        assert levels_apart(expected.frames, found.frames) <= 1
        assert found.figures["cached_forwards"] == 0
    plain.close()
    cached.close()


def test_a_working_step_cache_stays_near(tiny: Checkpoint) -> None:
    """It skips forwards, says how many, and its frames stay near; a batch skips what its single runs skip."""
    plain, cached = opened(tiny, profile(steps=12)), opened(tiny, profile(steps=12, step_cache=0.08))
    shots = [TEXT, Shot(scene=scene("another thing", seed=4))]
    expected, found = rendered(plain, shots), rendered(cached, shots)
    skipped = 0.0
    for shot, one, other in zip(shots, expected, found, strict=True):
        assert other.figures["cached_forwards"] > 0
        difference = abs(one.frames.astype(float) - other.frames.astype(float)).mean()
        assert difference < 6
        (alone,) = rendered(cached, [shot])
        assert levels_apart(alone.frames, other.frames) <= 1
        skipped += alone.figures["cached_forwards"]
    assert skipped == found[0].figures["cached_forwards"]
    plain.close()
    cached.close()


def test_prompts_are_embedded_once(tiny: Checkpoint) -> None:
    """The negative prompt once for all clips, a prompt that comes again not at all."""
    runtime = opened(tiny, profile())
    rendered(runtime, [Shot(scene=scene("one")), Shot(scene=scene("two")), Shot(scene=scene("one", seed=3))])
    assert runtime.prompts.misses == 3
    rendered(runtime, [Shot(scene=scene("two", seed=9))])
    assert runtime.prompts.misses == 3
    runtime.close()


def test_a_photo_of_another_shape_is_letterboxed_or_cropped(tiny: Checkpoint) -> None:
    """Policy decides; both differ from each other, and the first frame has the photo's colours."""
    wide = Shot(scene=scene(image=True), photo=photo(5, (400, HEIGHT)))
    frames = []
    for fit in ("letterbox", "crop"):
        runtime = opened(tiny, profile(photo_fit=fit))
        frames.append(rendered(runtime, [wide])[0].frames)
        runtime.close()
    assert levels_apart(frames[0], frames[1]) > 10


def test_bfloat16_stays_near(tiny: Checkpoint) -> None:
    """The whole engine in bfloat16 gives about the frames of float32."""
    exact, half = opened(tiny, profile()), opened(tiny, profile(dtype="bfloat16", decode={"dtype": "bfloat16"}))
    for expected, found in zip(rendered(exact, [TEXT, IMAGE]), rendered(half, [TEXT, IMAGE]), strict=True):
        assert abs(expected.frames.astype(float) - found.frames.astype(float)).mean() < 6
    exact.close()
    half.close()


def test_stages_and_figures_are_told(tiny: Checkpoint) -> None:
    """Every stage has its time, they make up the whole, and the work is that of the model's own shapes."""
    runtime = opened(tiny, profile(steps=3))
    text, image = rendered(runtime, [TEXT, IMAGE])
    assert set(text.stages) == {"text", "denoise", "decode"}
    assert set(image.stages) == {"text", "photo", "denoise", "decode"}
    for found in (text, image):
        assert found.seconds == pytest.approx(sum(found.stages.values()))
        assert found.figures["flops"] > 0
        assert found.figures["mfu_ratio"] > 0
    runtime.close()


def test_gradients_are_never_kept(tiny: Checkpoint) -> None:
    """No parameter wants a gradient, and none is recorded."""
    runtime = opened(tiny, profile())
    rendered(runtime, [TEXT])
    parts = runtime._parts
    for part in (parts.text_encoder, parts.transformer, parts.vae):
        assert not any(parameter.requires_grad for parameter in part.parameters())
    assert torch.is_grad_enabled()
    runtime.close()
