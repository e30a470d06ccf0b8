"""From options and a profile to a runtime that is ready: verify, load, self-test, choose where things lie, warm up."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any, Literal

import torch

from model.engine import CancelledError, EngineError, Watch
from model.wan.checkpoint import Checkpoint, CheckpointError, check_components, resolve, verify
from model.wan.decode import DecodeOptions, StreamDecoder, agreement
from model.wan.load import Parts, load_parts
from model.wan.memory import (
    MemoryShortError,
    Need,
    Placement,
    choose,
    decode_bytes,
    denoise_bytes,
    free_bytes,
    kernel_bytes,
    weight_bytes,
)
from model.wan.options import WanOptions
from model.wan.profile import FRAME_STEP, GRID, Layout, Profile
from model.wan.runtime import Runtime
from model.wan.timing import matrix_ceiling

_log = logging.getLogger(__name__)
PARTS = 4
"""Parts a load tells of."""


def open_runtime(options: WanOptions, profile: Profile, watch: Watch) -> Runtime:
    """Everything between a start and the first clip. Raises EngineError, not retryable, with the reason.

    CancelledError passes when the watch raises it.
    """
    device = choose_device(options.device)
    checkpoint = _verified(options, watch)
    done = iter(range(1, PARTS + 3))
    parts = load_parts(checkpoint, profile, lambda _: watch.beat("load", next(done), PARTS + 2))
    return build(parts, profile, options, device, watch)


def build(parts: Parts, profile: Profile, options: WanOptions, device: torch.device, watch: Watch) -> Runtime:
    """A warm runtime over loaded parts. Raises EngineError."""
    compiled = compiles(options.compile, profile, device)
    batch = options.batch or profile.layout.batch
    placement, overlap = _placed(parts, profile, options, device, batch)
    runtime = Runtime(
        parts,
        profile,
        placement,
        batch=batch,
        compiled=compiled,
        overlap=overlap,
        decoding=_decoding(parts, profile, placement, compiled=compiled),
        ceiling=matrix_ceiling(device, getattr(torch, profile.dtype)),
    )
    if profile.layout.warm_up:
        try:
            runtime.warm_up(_expected_frames(options, profile), watch)
        except CancelledError:
            raise
        except Exception as error:
            raise EngineError(f"wan: warm-up failed: {type(error).__name__}: {error}", retryable=False) from error
    return runtime


def _expected_frames(options: WanOptions, profile: Profile) -> int:
    """The length of the clips to come, as the model makes it."""
    wanted = min(options.clip_frames or profile.max_frames, profile.max_frames)
    return -(-(wanted - 1) // FRAME_STEP) * FRAME_STEP + 1


def choose_device(wanted: str) -> torch.device:
    """The device, logged with the reason. Raises EngineError where it is not to be had."""
    found = torch.cuda.is_available()
    name = wanted if wanted != "auto" else ("cuda:0" if found else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise EngineError(f"wan: device {wanted!r}: want auto, cpu or cuda:N", retryable=False) from error
    if device.type not in {"cpu", "cuda"}:
        raise EngineError(f"wan: device {wanted!r}: want auto, cpu or cuda:N", retryable=False)
    if device.type == "cuda" and not (found and (device.index or 0) < torch.cuda.device_count()):
        raise EngineError(
            f"wan: device {wanted!r}: no such GPU is visible to PyTorch {torch.__version__}", retryable=False
        )
    why = "as asked" if wanted != "auto" else ("the first GPU" if found else "no GPU is visible")
    described = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{os.cpu_count()} processors"
    _log.info("device %s (%s): %s", device, described, why)
    return device


def _verified(options: WanOptions, watch: Watch) -> Checkpoint:
    def told(done: int, total: int) -> None:
        watch.beat("verify", done, total)

    try:
        checkpoint = resolve(
            options.checkpoint,
            revision=options.revision,
            cache=options.cache,
            offline=options.offline,
            endpoint=options.hub_url,
            token=options.token,
            progress=told,
        )
        check_components(checkpoint)
        verify(checkpoint, digests=options.digests, progress=told)
    except CheckpointError as error:
        raise EngineError(f"wan: {error}", retryable=False) from error
    return checkpoint


def compiles(wanted: bool | None, profile: Profile, device: torch.device) -> bool:
    """Whether to compile: as wanted, else as the profile says, and then never on a CPU."""
    return profile.layout.compile and device.type == "cuda" if wanted is None else wanted


def plain_decoding(layout: Layout, *, compiled: bool) -> DecodeOptions:
    """Decoding in float32 as a profile lays it out."""
    return DecodeOptions(
        frames_at_once=layout.frames_at_once, channels_last=layout.channels_last, pairs=layout.pairs, compile=compiled
    )


def half_decoding(vae: Any, plain: DecodeOptions) -> tuple[DecodeOptions, float]:
    """The same in bfloat16, and how alike the two are, in dB. ``vae``: on the device that decodes."""
    half = replace(plain, dtype=torch.bfloat16)
    return half, agreement(*(StreamDecoder(vae, replace(each, compile=False)) for each in (plain, half)))


def _decoding(parts: Parts, profile: Profile, placement: Placement, *, compiled: bool) -> DecodeOptions:
    """Decode in bfloat16 where the profile wants it and the check finds it as good, else in float32."""
    wanted, plain = profile.decode, plain_decoding(profile.layout, compiled=compiled)
    if wanted.dtype == "float32":
        return plain
    placement.use("vae")
    half, found = half_decoding(parts.vae, plain)
    if found < wanted.parity_db:
        _log.warning("decode in float32: bfloat16 has %.1f dB beside it, %.1f asked", found, wanted.parity_db)
        return plain
    _log.info("decode in bfloat16: %.1f dB beside float32, at least %.1f asked", found, wanted.parity_db)
    return half


def _placed(
    parts: Parts, profile: Profile, options: WanOptions, device: torch.device, batch: int
) -> tuple[Placement, bool]:
    """Everything where it belongs, and whether decoding overlaps denoising. Raises EngineError."""
    modules: dict[Literal["text", "transformer", "vae"], Any] = {
        "text": parts.text_encoder,
        "transformer": parts.transformer,
        "vae": parts.vae,
    }
    need = _need(parts, profile, batch)
    free = free_bytes(device)
    if device.type == "cpu":
        free += need.text + need.transformer + need.vae  # they are in this memory already
    try:
        choice = choose(need, free, options.memory, overlap=profile.layout.overlap)
    except MemoryShortError as error:
        raise EngineError(f"wan: {error}", retryable=False) from error
    _log.info("memory: %s", choice.reason)
    placement = Placement(modules, device, choice.mode)
    placement.settle()
    return placement, choice.overlap


def _need(parts: Parts, profile: Profile, batch: int) -> Need:
    config, layout = parts.transformer.config, profile.layout
    pixels = max(bucket.render[0] * bucket.render[1] for bucket in profile.buckets)
    tokens = pixels // GRID**2 * ((profile.max_frames - 1) // FRAME_STEP + 1)
    width = config.num_attention_heads * config.attention_head_dim
    itemsize = getattr(torch, profile.decode.dtype).itemsize
    return Need(
        text=weight_bytes(parts.text_encoder),
        transformer=weight_bytes(parts.transformer),
        vae=weight_bytes(parts.vae),
        denoise=denoise_bytes(tokens, width, config.ffn_dim, batch),
        decode=decode_bytes(pixels, frames_at_once=layout.frames_at_once, itemsize=itemsize)
        + kernel_bytes(parts.vae.decoder, itemsize=itemsize, pairs=layout.pairs),
    )
