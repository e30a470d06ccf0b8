"""Floating-point operations of each model, from its own configuration and shapes: numbers only.

Counts what matrices, convolutions and attention multiply and add, two operations each, as torch's FlopCounterMode does;
norms, activations and rotary tables are left out. Imports no torch and measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

TEXT_TOKENS = 512
"""Length that prompts are padded to; without a mask, all of it is attended to."""

SPATIAL, TEMPORAL = 16, 4
"""Pixels a latent value stands for along each side, and frames behind the first: those of Wan 2.2's VAE."""


class Latents(NamedTuple):
    """Size of a clip's latents."""

    frames: int
    rows: int
    columns: int


def latents_of(frames: int, height: int, width: int, *, spatial: int = SPATIAL, temporal: int = TEMPORAL) -> Latents:
    """Size of the latents of a clip of so many frames and pixels.

    Raises:
        ValueError: the model makes no such clip.
    """
    if frames < 1 or (frames - 1) % temporal:
        raise ValueError(f"frames: a multiple of {temporal} and one more, not {frames}")
    for name, side in (("height", height), ("width", width)):
        if side < 1 or side % spatial:
            raise ValueError(f"{name}: a multiple of {spatial}, not {side}")
    return Latents((frames - 1) // temporal + 1, height // spatial, width // spatial)


def token_count(config: Any, frames: int, height: int, width: int) -> int:
    """Tokens of a clip of so many frames and pixels, by a transformer's configuration. Raises ValueError."""
    latents, patch = latents_of(frames, height, width), _of(config, "patch_size")
    for name, side, step in zip(("frames", "height", "width"), latents, patch, strict=True):
        if side % step:
            raise ValueError(f"{name}: {side} latent values are no multiple of the patch's {step}")
    return math.prod(side // step for side, step in zip(latents, patch, strict=True))


def transformer_flops(
    config: Any, frames: int, height: int, width: int, *, text_tokens: int = TEXT_TOKENS, timesteps: int = 1
) -> float:
    """One forward of a WanTransformer3DModel for one clip.

    Args:
        config: The transformer's (a mapping, or with attributes).
        frames: Of the clip; 4k+1.
        height: In pixels.
        width: In pixels.
        text_tokens: Length of the prompt's embeddings.
        timesteps: Values of the timestep that are embedded: 1 for text, 2 for a photo.

    Raises:
        ValueError: the model makes no such clip.
    """
    tokens = token_count(config, frames, height, width)
    dim = _of(config, "num_attention_heads") * _of(config, "attention_head_dim")
    ffn, layers, patch = _of(config, "ffn_dim"), _of(config, "num_layers"), math.prod(_of(config, "patch_size"))
    channels = _of(config, "in_channels"), _of(config, "out_channels") or _of(config, "in_channels")
    block = (
        _linear(tokens, dim, dim) * 4  # self-attention's q, k, v and output
        + _attention(tokens, tokens, dim)
        + _linear(tokens, dim, dim) * 2  # attention to the words: q and output
        + _linear(text_tokens, dim, dim) * 2  # its k and v
        + _attention(tokens, text_tokens, dim)
        + _linear(tokens, dim, ffn) * 2
    )
    ends = _linear(tokens, channels[0] * patch, dim) + _linear(tokens, dim, channels[1] * patch)
    words = _linear(text_tokens, _of(config, "text_dim"), dim) + _linear(text_tokens, dim, dim)
    times = (
        _linear(timesteps, _of(config, "freq_dim"), dim)
        + _linear(timesteps, dim, dim)
        + _linear(timesteps, dim, 6 * dim)
    )
    return float(layers * block + ends + words + times)


def text_flops(config: Any, tokens: int = TEXT_TOKENS) -> float:
    """Encoding one prompt of so many tokens with a UMT5EncoderModel of this configuration."""
    dim, inner = _of(config, "d_model"), _of(config, "num_heads") * _of(config, "d_kv")
    matrices = 3 if _of(config, "feed_forward_proj").startswith("gated-") else 2
    layer = (
        _linear(tokens, dim, inner) * 4
        + _attention(tokens, tokens, inner)
        + _linear(tokens, dim, _of(config, "d_ff")) * matrices
    )
    return float(_of(config, "num_layers") * layer)


def decode_flops(config: Any, latents: Latents) -> float:
    """Decoding one clip's latents with a residual AutoencoderKLWan (Wan 2.2's) of this configuration, as stock does.

    What a decoder leaves out or folds together on the way to the same pixels is counted all the same.

    Raises:
        ValueError: another kind of VAE.
    """
    if not _of(config, "is_residual"):
        raise ValueError("vae: is_residual: only Wan 2.2's kind of decoder is counted")
    base = _of(config, "decoder_base_dim") or _of(config, "base_dim")
    widths = [base * factor for factor in (_of(config, "dim_mult")[-1], *reversed(_of(config, "dim_mult")))]
    depth, z_dim = _of(config, "num_res_blocks") + 1, _of(config, "z_dim")
    doublings = [*reversed(_of(config, "temperal_downsample"))]
    frames, pixels = latents.frames, latents.rows * latents.columns

    total = _conv(frames * pixels, z_dim, z_dim, 1) + _conv(frames * pixels, z_dim, widths[0], 27)
    total += 2 * _residual(frames * pixels, widths[0], widths[0])
    total += _conv(frames * pixels, widths[0], 4 * widths[0], 1) + frames * _attention(pixels, pixels, widths[0])
    for number, (before, width) in enumerate(pairwise(widths)):
        total += _residual(frames * pixels, before, width) + (depth - 1) * _residual(frames * pixels, width, width)
        if number == len(widths) - 2:
            break
        if doublings[number]:
            # The first frame stays one; of each other come two, from a convolution over three.
            total += _conv((frames - 1) * pixels, width, 2 * width, 3)
            frames = 2 * frames - 1
        pixels *= 4
        total += _conv(frames * pixels, width, width, 9)
    return float(total + _conv(frames * pixels, widths[-1], _of(config, "out_channels"), 27))


def mfu(flops: float, seconds: float, ceiling: float) -> float:
    """Model FLOPs utilisation: the share of a device's measured FLOP a second that useful work amounts to.

    Raises:
        ValueError: no time, or no ceiling.
    """
    if seconds <= 0 or ceiling <= 0:
        raise ValueError(f"mfu: seconds and ceiling are above 0, not {seconds} and {ceiling}")
    return flops / seconds / ceiling


def _of(config: Any, name: str) -> Any:
    """One entry of a configuration: diffusers' and plain ones are mappings, transformers' has attributes."""
    return config[name] if isinstance(config, Mapping) else getattr(config, name)


def _linear(rows: int, inputs: int, outputs: int) -> int:
    return 2 * rows * inputs * outputs


def _attention(queries: int, keys: int, width: int) -> int:
    """Scores and their sum over values, all heads together."""
    return 4 * queries * keys * width


def _conv(outputs: int, channels: int, filters: int, kernel: int) -> int:
    """``outputs``: positions made. ``kernel``: its volume."""
    return 2 * outputs * channels * filters * kernel


def _residual(positions: int, before: int, width: int) -> int:
    """Two causal convolutions of 3×3×3, and a shortcut where the width changes."""
    shortcut = _conv(positions, before, width, 1) if before != width else 0
    return _conv(positions, before, width, 27) + _conv(positions, width, width, 27) + shortcut
