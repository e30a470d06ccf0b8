"""A product photo as the model's first frame: fitted to the render size, encoded to latents. Knows no sampler."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from model.engine import Size
from model.photo import load_photo

_BORDER = 0.02
"""Share of the shorter side that counts as a photo's border."""


def fitted(data: bytes, size: Size, fit: Literal["letterbox", "crop"]) -> Image.Image:
    """The photo, upright, in sRGB, exactly of this size.

    ``letterbox`` keeps all of it and fills the rest with the mean colour of its own border, which for a product on a
    plain ground cannot be told from more ground; ``crop`` fills the frame and cuts what stands over. Raises EngineError
    naming what is wrong with the photo.
    """
    photo = load_photo(data, 2 * max(size))
    if fit == "crop":
        return ImageOps.fit(photo, size, Image.Resampling.LANCZOS)
    return ImageOps.pad(photo, size, Image.Resampling.LANCZOS, color=_border_colour(photo))


def _border_colour(photo: Image.Image) -> tuple[int, int, int]:
    pixels = np.asarray(photo, dtype=np.float32)
    wide = max(1, round(_BORDER * min(photo.size)))
    ring = np.ones(pixels.shape[:2], bool)
    ring[wide:-wide, wide:-wide] = False
    red, green, blue = pixels[ring].mean(axis=0).round().astype(int)
    return int(red), int(green), int(blue)


def as_tensor(photo: Image.Image) -> Tensor:
    """(1, 3, 1, height, width), float32, -1…1."""
    pixels = torch.from_numpy(np.array(photo, dtype=np.float32))
    return pixels.permute(2, 0, 1)[None, :, None] / 127.5 - 1


def encode(vae: Any, photo: Image.Image, device: torch.device) -> Tensor:
    """The latents of a first frame, (1, channels, 1, rows, columns), float32, normalised as the transformer sees them.

    The distribution's mode, never a sample: the same photo gives the same latents.
    """
    pixels = as_tensor(photo).to(device, vae.dtype)
    latents = vae.encode(pixels).latent_dist.mode().float()
    shape = (1, -1, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=device).view(shape)
    std = torch.tensor(vae.config.latents_std, device=device).view(shape)
    normalised: Tensor = (latents - mean) / std
    return normalised
