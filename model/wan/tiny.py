"""The tiny checkpoint: every class and file of the real one, one megabyte, made here; for tests and first tries.

Its weights are those of ``tiny_weights``; it is saved and sealed as a fetched one is, and loaded by the same code.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel
from transformers.utils import logging as transformers_logging

from model.wan import tiny_weights as weights
from model.wan.manifest import Checkpoint, CheckpointError, open_checkpoint, seal

LICENCE = "cc0-1.0"
_TOKENS = 512
"""The longest prompt, as the real one's."""


def make_tiny(folder: Path, *, seed: int = 0) -> Checkpoint:
    """Make and seal the tiny checkpoint: text and photos, multiples of 32 pixels, 4k+1 frames.

    The same seed gives the same bytes. Raises CheckpointError where the folder has files, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder}: is already there; name a new folder")
    aside = folder.parent / f".{folder.name}.making"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _without_bars():
            _pipeline(seed).save_pretrained(aside, safe_serialization=True)
        for path in aside.rglob("*"):
            # Weights come out readable by their owner alone; a container's user is another one.
            path.chmod(0o755 if path.is_dir() else 0o644)
        seal(aside, licence=LICENCE)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return open_checkpoint(folder)


@contextmanager
def _without_bars() -> Iterator[None]:
    """The library's bars for writing one megabyte are noise."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _pipeline(seed: int) -> Any:
    tokenizer = _tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder, transformer, vae = _text_encoder(len(tokenizer)), _transformer(), _vae()
    weights.quiet_end(text_encoder, tokenizer.eos_token_id)
    weights.write_weights(transformer, vae, seed)
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=vae,
        transformer=transformer,
        scheduler=scheduler,
        expand_timesteps=True,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    """Characters, and bytes of all that are not ASCII: every language, without a vocabulary of any."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    bytes_ = [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    characters = [("▁", -2.0), *((chr(code), -3.0) for code in range(33, 127))]
    tokenizer = Tokenizer(models.Unigram([*special, *bytes_, *characters], unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106 - tokens of text, here and below
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        model_max_length=_TOKENS,
    )


def _text_encoder(vocabulary: int) -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=vocabulary,
        d_model=weights.TEXT,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return UMT5EncoderModel(config).eval()


def _transformer() -> Any:
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=weights.HEADS,
        attention_head_dim=weights.HEAD,
        in_channels=weights.LATENT,
        out_channels=weights.LATENT,
        text_dim=weights.TEXT,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=256,
    )


def _vae() -> Any:
    mean, std = weights.latent_statistics()
    return AutoencoderKLWan(
        base_dim=weights.CHANNELS,
        decoder_base_dim=weights.CHANNELS,
        z_dim=weights.LATENT,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=mean,
        latents_std=std,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_temporal=4,
        scale_factor_spatial=16,
    )
