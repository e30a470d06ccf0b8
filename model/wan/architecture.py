"""The real Wan 2.2 TI2V-5B as data, and its modules with no weights or random ones: full size, without a download.

Each number is the public checkpoint's (Wan-AI/Wan2.2-TI2V-5B-Diffusers, Apache-2.0). Knows no files and no engine; a
checkpoint is loaded in ``load``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import Tensor, nn
from transformers import UMT5Config, UMT5EncoderModel

Component = Literal["transformer", "vae", "text_encoder"]

TRANSFORMER: Mapping[str, Any] = MappingProxyType(
    {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": 4096,
        "freq_dim": 256,
        "ffn_dim": 14336,
        "num_layers": 30,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
        "rope_max_seq_len": 1024,
    }
)
"""The diffusion transformer. From diffusers' scripts/convert_wan_to_diffusers.py."""

# The same in diffusers' scripts/convert_wan_to_diffusers.py and in the Wan 2.2 repository's wan/modules/vae2_2.py.
# fmt: off
LATENTS_MEAN: tuple[float, ...] = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557,
    -0.1382, 0.0542, 0.2813, 0.0891, 0.157, -0.0098, 0.0375, -0.1825,
    -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.123,
    -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.052, 0.3748,
    0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
"""Of the 48 latent channels: the VAE decodes ``latents·std + mean``."""

LATENTS_STD: tuple[float, ...] = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.499, 0.4818, 0.5013,
    0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978,
    0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093,
    0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887,
    0.3971, 1.06, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on

VAE: Mapping[str, Any] = MappingProxyType(
    {
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "dim_mult": (1, 2, 4, 4),
        "num_res_blocks": 2,
        "attn_scales": (),
        "temperal_downsample": (False, True, True),
        "dropout": 0.0,
        "latents_mean": LATENTS_MEAN,
        "latents_std": LATENTS_STD,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_temporal": 4,
        "scale_factor_spatial": 16,
    }
)
"""The VAE. From the same two files."""

TEXT_ENCODER: Mapping[str, Any] = MappingProxyType(
    {
        "vocab_size": 256384,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_decoder_layers": 24,
        "num_heads": 64,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "gated-gelu",
    }
)
"""UMT5-XXL's encoder. From google/umt5-xxl, which the checkpoint carries unchanged."""

SCHEDULER: Mapping[str, Any] = MappingProxyType(
    {
        "num_train_timesteps": 1000,
        "solver_order": 2,
        "solver_type": "bh2",
        "prediction_type": "flow_prediction",
        "predict_x0": True,
        "use_flow_sigmas": True,
        "flow_shift": 5.0,
        "lower_order_final": True,
        "disable_corrector": (),
        "final_sigmas_type": "zero",
        "timestep_spacing": "linspace",
    }
)
"""UniPCMultistepScheduler. From diffusers' scripts/convert_wan_to_diffusers.py and that class's defaults."""

_CONFIGURATIONS: Mapping[Component, Mapping[str, Any]] = MappingProxyType(
    {"transformer": TRANSFORMER, "vae": VAE, "text_encoder": TEXT_ENCODER}
)

# A prime, so that no two rows of a matrix come out the same when the pool is laid out again and again.
_POOL = 1_048_583


def build(
    component: Component,
    *,
    device: torch.device | str = "meta",
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    changes: Mapping[str, Any] | None = None,
) -> Any:
    """One component at full size, ready to infer: with shapes alone on ``meta``, elsewhere with random weights.

    The weights keep activations in bounds and make no pictures. They cost one pass over memory: a pool of random
    numbers, drawn from ``seed``, is laid out again and again. What diffusers keeps in float32 stays so, whatever the
    ``dtype``; tied weights are one tensor.

    Args:
        component: Which.
        device: Where.
        dtype: Of weights.
        seed: Of weights.
        changes: Other values for some entries of the configuration, to make it small.

    Returns:
        A WanTransformer3DModel, AutoencoderKLWan or UMT5EncoderModel.
    """
    device = torch.device(device)
    with torch.device("meta"):
        module = _bare(component, {**_CONFIGURATIONS[component], **(changes or {})})
    pool = (
        None if device.type == "meta" else torch.randn(_POOL, generator=torch.Generator().manual_seed(seed)).to(device)
    )
    kept = _kept(component, module, dtype)
    made: dict[nn.Parameter, nn.Parameter] = {}  # tied weights are met twice
    for prefix, owner in module.named_modules():
        for name, weight in list(owner.named_parameters(prefix, recurse=False)):
            if weight not in made:
                own = torch.float32 if kept & set(name.split(".")) else dtype
                value = torch.empty(weight.shape, dtype=own, device=device)
                if pool is not None:
                    _fill(value, name, pool)
                made[weight] = nn.Parameter(value, requires_grad=False)
            setattr(owner, name.rpartition(".")[2], made[weight])
    if component == "transformer" and pool is not None:
        # Its tables are computed when it is made, so they are not real yet.
        config = module.config
        rope = type(module.rope)(config.attention_head_dim, config.patch_size, config.rope_max_seq_len)
        module.rope = rope.to(device)
    return module.eval()


def parameter_count(module: nn.Module) -> int:
    """Parameters, tied ones once."""
    return sum(weight.numel() for weight in module.parameters())


def _bare(component: Component, values: Mapping[str, Any]) -> Any:
    # As they come from a checkpoint's JSON: the classes add lists to lists.
    config = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    if component == "transformer":
        return WanTransformer3DModel(**config)
    if component == "vae":
        return AutoencoderKLWan(**config)
    return UMT5EncoderModel(UMT5Config(**config))


def _kept(component: Component, module: Any, dtype: torch.dtype) -> set[str]:
    """Names of modules whose weights are loaded in float32 all the same: diffusers' always, transformers' for half."""
    if component == "text_encoder" and dtype != torch.float16:
        return set()
    return set(module._keep_in_fp32_modules or ())  # noqa: SLF001 - the class says it nowhere else


def _fill(weight: Tensor, name: str, pool: Tensor) -> None:
    """Biases 0, norms 1, matrices normal with the standard deviation that keeps the scale of what they multiply."""
    if name.endswith("bias"):
        weight.zero_()
        return
    if weight.numel() == weight.shape[0]:
        weight.fill_(1.0)
        return
    # Each weight begins elsewhere in the pool: layers are alike, not equal.
    own = pool.roll(zlib.crc32(name.encode()) % _POOL).mul_(1 / math.sqrt(math.prod(weight.shape[1:]))).to(weight.dtype)
    flat = weight.view(-1)
    whole = flat.numel() // _POOL * _POOL
    flat[:whole].view(-1, _POOL).copy_(own)
    flat[whole:].copy_(own[: flat.numel() - whole])
