"""A convolution over time two frames at a time, by four products where the plain sum takes six. Knows no decoder.

Winograd's minimal filtering F(2, 3) (S. Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray,
arXiv:1509.09308), along time alone. With kernels g0, g1, g2 over the frames x0, x1, x2, x3:

    m1 = (x0 - x2) g0                       y2 = g0 x0 + g1 x1 + g2 x2 = m1 + m2 + m3
    m2 = (x1 + x2) (g0 + g1 + g2) / 2       y3 = g0 x1 + g1 x2 + g2 x3 = m2 - m3 - m4
    m3 = (x2 - x1) (g0 - g1 + g2) / 2
    m4 = (x1 - x3) g2

A third of a convolution's multiplications falls away. Its sums are rounded once more: a bfloat16 picture comes out half
a dB further from the float32 one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mixed(taps: Tensor) -> Tensor:
    """The two kernels that are sums: (3, out, in, size, size), oldest first, gives (2, out, in, size, size)."""
    oldest, older, own = taps.float().unbind(0)
    ends, middle = (oldest + own) / 2, older / 2
    return torch.stack((ends + middle, ends - middle)).to(taps.dtype)


def causal(
    frames: Tensor, taps: Tensor, sums: Tensor, bias: Tensor, past: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The convolution of each frame with the two before it.

    Args:
        frames: (n, in, height, width), n = 1 or even. Not to be written to afterwards: they may be what is remembered.
        taps: One kernel for each age of frame, oldest first, (3, out, in, size, size), size odd.
        sums: From ``mixed``.
        bias: (out,)
        past: The two frames before, (1, in, height, width) each, older first; nothing before the first frame.

    Returns:
        (n, out, height, width), and the two last frames, for the next call.

    Raises:
        ValueError: an odd number of frames above 1.
    """
    count, pad = frames.shape[0], taps.shape[-1] // 2
    if count > 1 and count % 2:
        raise ValueError(f"frames: {count}: want 1 or an even number")
    if not past:
        nothing = torch.zeros_like(frames[:1])
        past = (nothing, nothing)
    if count == 1:
        result = F.conv2d(frames, taps[2], bias, padding=pad)
        for index, earlier in enumerate(past):
            result = result + F.conv2d(earlier, taps[index], padding=pad)
        return result, (past[1], frames)
    evens, odds = frames[0::2], frames[1::2]
    older, old = past
    if count > 2:
        older, old = torch.cat((older, evens[:-1])), torch.cat((old, odds[:-1]))
    first = F.conv2d(older - evens, taps[0], padding=pad)
    added = F.conv2d(old + evens, sums[0], bias, padding=pad)
    taken = F.conv2d(evens - old, sums[1], padding=pad)
    last = F.conv2d(old - odds, taps[2], padding=pad)
    # Slices of many frames would keep all of them alive.
    following = (frames[:1], frames[1:]) if count == 2 else (frames[-2:-1].clone(), frames[-1:].clone())
    if torch.compiler.is_compiling():
        even, odd = first + added + taken, added - taken - last
        in_turn = [each[n : n + 1] for n in range(count // 2) for each in (even, odd)]
        return torch.cat(in_turn), following
    result = torch.empty(
        (count, *first.shape[1:]), dtype=first.dtype, device=first.device, memory_format=layout_of(frames)
    )
    torch.add(first.add_(added), taken, out=result[0::2])
    torch.sub(added.sub_(taken), last, out=result[1::2])
    return result, following


def layout_of(frames: Tensor) -> torch.memory_format:
    """Order of the frames' values in memory."""
    return torch.contiguous_format if frames.is_contiguous() else torch.channels_last
