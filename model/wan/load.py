"""A checkpoint's parts loaded by diffusers and transformers, and tested before any clip is made with them.

Only safetensors, only local files, no code from the checkpoint. Knows no device: parts come to the host.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanPipeline, WanTransformer3DModel
from diffusers.utils import logging as diffusers_logging
from safetensors import safe_open
from transformers import AutoTokenizer, UMT5EncoderModel
from transformers.utils import logging as transformers_logging

from model.engine import EngineError
from model.wan.checkpoint import Checkpoint
from model.wan.options import DISTILLED
from model.wan.profile import FRAME_STEP, GRID, Adapter, Profile

_ADAPTER = "skureel"
_FIRST = (".lora_A.", ".lora_down.", ".lora.down.")


@dataclass(frozen=True, slots=True)
class Parts:
    """The model: tokenizer, UMT5 text encoder, diffusion transformer, VAE (always float32)."""

    tokenizer: Any
    text_encoder: Any
    transformer: Any
    vae: Any


def load_parts(checkpoint: Checkpoint, profile: Profile, told: Callable[[str], None]) -> Parts:
    """Load, lay adapters over, self-test. ``told`` is called with each part's name before it is loaded.

    Raises EngineError, not retryable, saying which part is wrong and what to do.
    """
    dtype = getattr(torch, profile.dtype)
    folder = checkpoint.folder
    transformers_logging.disable_progress_bar()  # ours tells of it; theirs would write over it
    diffusers_logging.disable_progress_bar()
    told("tokenizer")
    tokenizer = _loaded("tokenizer", lambda: AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True))
    told("text_encoder")
    text_encoder = _loaded("text_encoder", lambda: _from(UMT5EncoderModel, folder / "text_encoder", dtype=dtype))
    told("transformer")
    transformer = _loaded("transformer", lambda: _from(WanTransformer3DModel, folder / "transformer", dtype=dtype))
    told("vae")
    vae = _loaded("vae", lambda: _from(AutoencoderKLWan, folder / "vae", dtype=torch.float32))
    parts = Parts(tokenizer, text_encoder.eval(), transformer.eval(), vae.eval())
    for part in (parts.text_encoder, parts.transformer, parts.vae):
        part.requires_grad_(False)
    if profile.adapters:
        told("adapters")
        lay_adapters(parts.transformer, profile.adapters)
    if faults := [*self_test(parts, profile), *_pipeline_faults(folder, profile)]:
        raise EngineError(f"checkpoint {folder} failed its self-test: {'; '.join(faults)}", retryable=False)
    return parts


def _from(kind: Any, folder: Path, **how: Any) -> Any:
    return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, **how)


def _loaded(part: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        # The libraries raise whatever a broken file leads them to; each of them means that this part cannot be used.
        told = " ".join(str(error).split())[:500]
        raise EngineError(f"{part}: cannot be loaded ({type(error).__name__}: {told})", retryable=False) from error


def lay_adapters(transformer: Any, adapters: tuple[Adapter, ...]) -> None:
    """Add LoRA adapters to the transformer's weights for good: a forward then costs what it did without them.

    Raises EngineError where a file is missing, is not what its digest says, or does not fit the model.
    """
    carrier = WanPipeline(tokenizer=None, text_encoder=None, vae=None, scheduler=None, transformer=transformer)
    for adapter in adapters:
        _check_adapter(adapter)
        try:
            carrier.load_lora_weights(
                adapter.file.parent, weight_name=adapter.file.name, adapter_name=_ADAPTER, local_files_only=True
            )
        except Exception as error:
            raise EngineError(f"adapter {adapter.file.name}: does not fit: {error}", retryable=False) from error
        laid = sum(_ADAPTER in getattr(module, "lora_A", ()) for module in transformer.modules())
        held = _pairs(adapter.file)
        if laid != held:
            # diffusers passes over keys that fit no module with a line in the log.
            raise EngineError(
                f"adapter {adapter.file.name}: {laid} of its {held} pairs of matrices fit the transformer",
                retryable=False,
            )
        carrier.set_adapters([_ADAPTER], [adapter.weight])
        carrier.fuse_lora(components=["transformer"], adapter_names=[_ADAPTER])
        carrier.unload_lora_weights()


def _pairs(file: Path) -> int:
    """Pairs of low-rank matrices in a file, by whatever name its trainer gave the first of each."""
    with safe_open(file, framework="pt") as tensors:
        return sum(any(name in key for name in _FIRST) for key in tensors.keys())  # noqa: SIM118 - not a mapping


def _check_adapter(adapter: Adapter) -> None:
    if adapter.file.suffix != ".safetensors":
        raise EngineError(f"adapter {adapter.file}: only safetensors are loaded", retryable=False)
    try:
        with adapter.file.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(f"adapter {adapter.file}: {error.strerror or error}", retryable=False) from error
    if found != adapter.sha256:
        raise EngineError(
            f"adapter {adapter.file}: its sha256 is {found}, the profile says {adapter.sha256}", retryable=False
        )


def self_test(parts: Parts, profile: Profile) -> list[str]:
    """What is wrong with loaded parts; each of these would give garbage without an error."""
    return [*_text_faults(parts), *_precision_faults(parts.transformer), *_latent_faults(parts), *_grid(parts, profile)]


def _text_faults(parts: Parts) -> list[str]:
    encoder, faults = parts.text_encoder, []
    shared, used = encoder.shared.weight, encoder.encoder.embed_tokens.weight
    if used.data_ptr() != shared.data_ptr() and not torch.equal(used, shared):
        faults.append("text_encoder: encoder.embed_tokens is not tied to shared: prompts would mean nothing")
    if encoder.config.d_model != parts.transformer.config.text_dim:
        faults.append(
            f"text_encoder: embeddings are {encoder.config.d_model} wide, "
            f"the transformer takes {parts.transformer.config.text_dim}"
        )
    if len(parts.tokenizer) > len(shared):
        faults.append(f"tokenizer: {len(parts.tokenizer)} tokens, the text encoder knows {len(shared)}")
    return faults


def _precision_faults(transformer: Any) -> list[str]:
    """Modules that diffusers keeps in float32 whatever the dtype asked for: a plain ``.to(bfloat16)`` loses them."""
    kept = tuple(transformer._keep_in_fp32_modules or ())  # noqa: SLF001 - the class says it nowhere else
    lost = [
        name
        for name, value in transformer.named_parameters()
        if value.dtype != torch.float32 and any(part in name.split(".") for part in kept)
    ]
    return [f"transformer: {len(lost)} parameters are not in float32, {lost[0]} among them"] if lost else []


def _latent_faults(parts: Parts) -> list[str]:
    config, faults = parts.vae.config, []
    mean, std = torch.tensor(config.latents_mean or []), torch.tensor(config.latents_std or [])
    if not len(mean) == len(std) == config.z_dim == parts.transformer.config.in_channels:
        faults.append(
            f"vae: {len(mean)} latent means, {len(std)} deviations and {config.z_dim} channels for a transformer of "
            f"{parts.transformer.config.in_channels}"
        )
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
        faults.append("vae: latent statistics are not finite, or a deviation is not above 0")
    return faults


def _grid(parts: Parts, profile: Profile) -> list[str]:
    vae, transformer, faults = parts.vae.config, parts.transformer.config, []
    grid = vae.scale_factor_spatial * transformer.patch_size[1]
    if (grid, vae.scale_factor_temporal) != (GRID, FRAME_STEP):
        faults.append(
            f"shapes: this checkpoint works in steps of {grid} pixels and {vae.scale_factor_temporal} frames; the "
            f"engine is made for {GRID} and {FRAME_STEP}"
        )
        return faults
    longest = max(max(bucket.render) // grid for bucket in profile.buckets)
    latent_frames = (profile.max_frames - 1) // FRAME_STEP + 1
    if max(longest, latent_frames) > transformer.rope_max_seq_len:
        faults.append(
            f"buckets: {longest} patches a side and {latent_frames} latent frames; the transformer's positions end at "
            f"{transformer.rope_max_seq_len}"
        )
    return faults


def _pipeline_faults(folder: Path, profile: Profile) -> list[str]:
    pipeline = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get("_class_name")
    if pipeline == DISTILLED and profile.sampler != "few-step":
        return [f"profile {profile.name}: the checkpoint is distilled for few steps; use the profile fast"]
    return []
