"""Small autoencoders of Wan 2.2's kind with random weights, and diffusers' own decode of them."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn import functional

CHANNELS = 48
NARROW: dict[str, Any] = {"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
"""Smallest: as the tiny checkpoint."""
WIDE: dict[str, Any] = {"base_dim": 3, "decoder_base_dim": 8, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2}
"""The full size's shape at a 32nd of its width: projections where the width changes, shortcuts of two kinds."""


def autoencoder(seed: int = 0, **shape: Any) -> Any:
    """Random weights, gains, and statistics of the latents, so that a mistake in any of them shows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vae = AutoencoderKLWan(
            **(
                {
                    "z_dim": CHANNELS,
                    "in_channels": 12,
                    "out_channels": 12,
                    "is_residual": True,
                    "patch_size": 2,
                    "scale_factor_spatial": 16,
                    "scale_factor_temporal": 4,
                    "temperal_downsample": [False, True, True],
                    "latents_mean": torch.randn(CHANNELS).tolist(),
                    "latents_std": (torch.rand(CHANNELS) + 0.5).tolist(),
                }
                | (shape or NARROW)
            )
        ).eval()
        with torch.no_grad():
            for name, weight in vae.named_parameters():
                if name.endswith("gamma"):
                    weight.add_(torch.randn_like(weight), alpha=0.3)
    return vae


def latents(frames: int, height: int = 3, width: int = 5, *, seed: int = 1) -> Tensor:
    """Noise, (1, 48, frames, height, width)."""
    return torch.randn((1, CHANNELS, frames, height, width), generator=torch.Generator().manual_seed(seed))


def smooth_latents(frames: int, height: int, width: int, *, seed: int = 1) -> Tensor:
    """The same that changes slowly over the picture, as a photo's does."""
    coarse = latents(frames, 3, 3, seed=seed)[0].transpose(0, 1)
    fine = functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return fine.transpose(0, 1)[None].contiguous()


def stock(vae: Any, normalised: Tensor) -> Tensor:
    """diffusers' decode, (frames, 3, height, width)."""
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.no_grad():
        clip: Tensor = vae.decode(normalised * std + mean).sample[0].transpose(0, 1)
    return clip
