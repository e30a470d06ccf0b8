"""Frames to bytes: rounded and scaled on the device, copied to the host while the next ones are decoded.

Knows no decoder: chunks come from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from model.engine import Frames, Size

HALF = 127.5
"""Half of the range of a byte: -1 becomes 0, and 1 becomes 255."""


class ChunkError(ValueError):
    """Raised when chunks do not make up the clip they should: too few frames, or too many."""


def to_uint8(chunk: Tensor, size: Size | None = None) -> Tensor:
    """(n, 3, H, W) in [-1, 1] to (n, height, width, 3) bytes on the same device, rounded half to even.

    Another ``size`` is reached before rounding, by antialiased bicubic: the mean over areas, its alternative, wavers in
    sharpness where the ratio is no whole number (704 to 480 lines), and lettering shows it. What bicubic overshoots at
    edges is cut off. The chunk itself is not changed.
    """
    if size is not None and (size.height, size.width) != chunk.shape[2:]:
        chunk = F.interpolate(chunk, size=(size.height, size.width), mode="bicubic", antialias=True)
    levels = torch.add(chunk, 1).mul_(HALF).round_().clamp_(0, 255).to(torch.uint8)
    return torch.stack(levels.unbind(1), -1)  # planes woven: permuting single bytes is slower


def collect(chunks: Iterable[Tensor], frames: int, size: Size | None = None) -> Frames:
    """All chunks as one array (frames, height, width, 3) of bytes in the host's memory.

    On CUDA the array is pinned, and each chunk is copied on a stream of its own while the next one is decoded; the
    pinned memory is given back with the array. Raises ChunkError when there are not exactly ``frames`` frames.
    """
    clip: Tensor | None = None
    copies: torch.cuda.Stream | None = None
    done = 0
    for chunk in chunks:
        levels = to_uint8(chunk, size)
        if clip is None:
            clip = torch.empty((frames, *levels.shape[1:]), dtype=torch.uint8, pin_memory=levels.is_cuda)
            copies = torch.cuda.Stream(levels.device) if levels.is_cuda else None  # type: ignore[no-untyped-call]
        if done + len(levels) > frames:
            raise ChunkError(f"chunks: more than {frames} frames")
        _copy(levels, clip[done : done + len(levels)], copies)
        done += len(levels)
    if clip is None or done < frames:
        raise ChunkError(f"chunks: {done} frames of {frames}")
    if copies is not None:
        copies.synchronize()
    return clip.numpy()


def _copy(levels: Tensor, place: Tensor, copies: torch.cuda.Stream | None) -> None:
    if copies is None:
        place.copy_(levels)
        return
    copies.wait_stream(torch.cuda.current_stream(levels.device))
    with torch.cuda.stream(copies):
        place.copy_(levels, non_blocking=True)
    # Without this the allocator could hand the bytes' memory to the next chunk while they are still being copied.
    levels.record_stream(copies)
