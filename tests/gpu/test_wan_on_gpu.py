"""Laws of the wan engine on a real GPU, with the tiny checkpoint: parity, memory running out, streams, ends."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest
import torch

from model.engine import UNWATCHED, CancelledError, Rendered, Shot
from model.hosted import Hosted
from model.wan.checkpoint import Checkpoint
from model.wan.decode import DecodeOptions, StreamDecoder, agreement
from model.wan.engine import Wan
from model.wan.forward import Forward
from model.wan.load import Parts, load_parts
from model.wan.opening import build
from model.wan.options import WanOptions
from model.wan.profile import Profile
from model.wan.runtime import Runtime
from tests.unit.model_wan.stock import levels_apart, photo, profile, rendered, scene

TEXTS = [Shot(scene=scene(seed=n)) for n in range(3)]
PHOTOS = [Shot(scene=scene(image=True, seed=n), photo=photo(n)) for n in range(2)]


def loaded(tiny: Checkpoint, used: Profile) -> Parts:
    """The tiny modules, on the host."""
    return load_parts(tiny, used, lambda _: None)


def opened(tiny: Checkpoint, used: Profile, **options: Any) -> Runtime:
    """A runtime on the GPU."""
    return build(loaded(tiny, used), used, WanOptions(device="cuda:0", **options), torch.device("cuda:0"), UNWATCHED)


@torch.inference_mode()
def test_the_forward_equals_diffusers_own(tiny: Checkpoint, device: torch.device) -> None:
    """Velocities within 1e-4 in float32."""
    transformer = loaded(tiny, profile()).transformer.to(device)
    forward, latents = Forward(transformer), torch.randn(2, 48, 3, 4, 6, device=device)
    embeddings = torch.randn(2, 16, 32, device=device)
    tokens = torch.full((2, 3 * 2 * 3), 757.0, device=device)
    stock = transformer(hidden_states=latents, timestep=tokens, encoder_hidden_states=embeddings, return_dict=False)[0]
    assert (forward(latents, 757.0, forward.words(embeddings)) - stock).abs().max() <= 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("at_once", "pairs"), [(1, False), (4, False), (4, True)])
def test_the_decoder_equals_diffusers_own(
    tiny: Checkpoint, device: torch.device, at_once: int, channels_last: bool, pairs: bool
) -> None:
    """Pixels within 1e-4 in float32."""
    vae = loaded(tiny, profile()).vae.to(device)
    decoder = StreamDecoder(vae, DecodeOptions(frames_at_once=at_once, channels_last=channels_last, pairs=pairs))
    latents = torch.randn(1, 48, 3, 4, 6, device=device)
    own = torch.cat(list(decoder.decode(latents)))
    scaled = latents * torch.tensor(vae.config.latents_std, device=device).view(1, -1, 1, 1, 1)
    scaled += torch.tensor(vae.config.latents_mean, device=device).view(1, -1, 1, 1, 1)
    stock = vae.decode(scaled, return_dict=False)[0][0].transpose(0, 1).clamp(-1, 1)
    assert (own - stock).abs().max() <= 1e-4


@pytest.mark.parametrize("overlap", [False, True])
def test_a_batch_equals_its_single_runs(tiny: Checkpoint, overlap: bool) -> None:
    """Words and photos, decoded behind the next denoise or after it: within one level."""
    runtime = opened(tiny, profile(layout={"batch": 2, "overlap": overlap}))
    together = [*rendered(runtime, TEXTS + PHOTOS)]
    for shot, one in zip(TEXTS + PHOTOS, together, strict=True):
        assert levels_apart(one.frames, rendered(runtime, [shot])[0].frames) <= 1
    assert together[0].figures["allocated_bytes"] > 0
    runtime.close()


def test_the_same_scene_gives_the_same_bytes(tiny: Checkpoint) -> None:
    """Twice in one process, and in two engines."""
    first, second = (opened(tiny, profile()) for _ in range(2))
    expected = rendered(first, TEXTS[:1])[0].frames
    for runtime in (first, second):
        assert levels_apart(expected, rendered(runtime, TEXTS[:1])[0].frames) == 0
    first.close()
    second.close()


@pytest.mark.parametrize("memory", ["evict", "offload"])
def test_parts_that_take_turns_make_the_same_frames(tiny: Checkpoint, memory: Any) -> None:
    """Where parts lie decides nothing that is seen; and off the device is really off it."""
    resident, moving = opened(tiny, profile(), memory="resident"), opened(tiny, profile(), memory=memory)
    for shot in (TEXTS[0], PHOTOS[0]):
        expected = rendered(resident, [shot])[0].frames
        assert levels_apart(expected, rendered(moving, [shot])[0].frames) == 0
    resident.close()
    moving.close()


def test_memory_that_really_runs_out_in_decoding_costs_no_denoising(
    tiny: Checkpoint, device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    """With less memory than a plain decode takes, and more than one in tiles: the clip comes, denoised once."""
    size = {"buckets": [{"render": [1280, 704]}], "max_frames": 9}
    runtime = opened(tiny, profile(**size))
    shot = Shot(scene=scene(width=1280, height=704))
    rendered(runtime, [shot])
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    plain, tiled = (_peak(runtime, way, device) for way in ("decode", "decode_tiled"))
    assert tiled < plain
    total = torch.cuda.get_device_properties(device).total_memory
    steps: list[int] = []

    class Watching:
        def beat(self, stage: str, done: int, total: int) -> None:  # noqa: ARG002
            steps.extend([done] if stage == "denoise" else [])

    torch.cuda.set_per_process_memory_fraction((plain + tiled) / 2 / total, device)
    try:
        with caplog.at_level(logging.WARNING):
            (result,) = runtime.render([shot], Watching())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    assert isinstance(result, Rendered)
    assert result.frames.shape == (9, 704, 1280, 3)
    assert steps == [1, 2, 3]
    assert "out of memory in decode" in caplog.text
    runtime.close()


@torch.inference_mode()
def _peak(runtime: Runtime, way: str, device: torch.device) -> int:
    """Bytes reserved at most while a clip of that size is decoded."""
    latents = torch.randn(1, 48, 3, 44, 80, device=device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    for _ in getattr(runtime._ready_decoder(), way)(latents):
        pass
    return torch.cuda.max_memory_reserved(device)


def test_a_batch_is_stopped_between_two_steps(tiny: Checkpoint) -> None:
    """What the watch raises ends it, and the next batch works."""

    class Stopping:
        def beat(self, stage: str, done: int, total: int) -> None:  # noqa: ARG002
            if (stage, done) == ("denoise", 1):
                raise CancelledError("the partitions left")

    runtime = opened(tiny, profile())
    with pytest.raises(CancelledError):
        runtime.render(TEXTS, Stopping())
    assert len(rendered(runtime, TEXTS)) == 3
    runtime.close()


@torch.inference_mode()
def test_compiled_blocks_equal_plain_ones(tiny: Checkpoint, device: torch.device) -> None:
    """By the real compiler, for words and photos, for two sizes: within 1e-4."""
    transformer = loaded(tiny, profile()).transformer.to(device)
    plain, compiled = Forward(transformer), Forward(transformer, compile=True)
    for rows in (4, 8):
        latents, embeddings = torch.randn(1, 48, 3, rows, 6, device=device), torch.randn(1, 16, 32, device=device)
        words = plain.words(embeddings)
        for first in (False, True):
            expected = plain(latents, 757.0, words, first_frame=first)
            assert (compiled(latents, 757.0, words, first_frame=first) - expected).abs().max() <= 1e-4


def test_a_compiled_decoder_equals_a_plain_one(tiny: Checkpoint, device: torch.device) -> None:
    """By the real compiler, with everything that profiles switch on but bfloat16: 80 dB and more."""
    vae = loaded(tiny, profile()).vae.to(device)
    best = DecodeOptions(compile=True, channels_last=True, frames_at_once=4, pairs=True)
    assert agreement(StreamDecoder(vae, best), StreamDecoder(vae)) >= 80


def test_the_device_is_free_when_the_hosted_engine_is_closed(tiny: Checkpoint, device: torch.device) -> None:
    """The process that held it is gone, and its memory with it."""
    before = torch.cuda.mem_get_info(device)[0]
    options = WanOptions(checkpoint=str(tiny.folder), profile="cpu-tiny", device="cuda:0")
    engine = Hosted(partial(Wan, options))
    shot = Shot(scene=scene(width=160, height=96))
    engine.start()
    (result,) = engine.render([shot])
    assert isinstance(result, Rendered)
    assert torch.cuda.mem_get_info(device)[0] < before - 2**27
    engine.close()
    assert torch.cuda.mem_get_info(device)[0] >= before - 2**27
