"""The layers of Wan 2.2's video decoder as functions over frames, and the weights they take from diffusers' modules.

Frames are images here, (frames, channels, height, width): what a causal convolution needs of earlier frames is handed
in and given back. Knows no latent statistics, no order of blocks in time, and no pixels' range.

Formulas are those of diffusers' ``AutoencoderKLWan`` (``is_residual``), rearranged so that the results agree to
rounding: see ``causal`` and ``risen``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.wan import pairs

Past = tuple[Tensor, ...]
"""What a causal convolution remembers; nothing before the first frame.

Frame by frame: what earlier frames add to its next result, and to the one after, each (1, out, height, width), without
the bias. In pairs: the two last frames, (1, in, height, width) each.
"""

EPSILON = 1e-12
"""Least length a vector is divided by: the default of torch's ``normalize``, which the original calls."""


class Layout(NamedTuple):
    """Where weights lie, and how."""

    device: torch.device
    dtype: torch.dtype
    channels_last: bool
    pairs: bool = False
    """Frames go through causal convolutions two at a time (``pairs``): two more kernels beside every three."""

    @property
    def memory(self) -> torch.memory_format:
        """Order of an image's values in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


class Plain(NamedTuple):
    """A 1×1 convolution."""

    weight: Tensor
    """(out, in, 1, 1)"""
    bias: Tensor


class Causal(NamedTuple):
    """A convolution over this frame and the two before it."""

    taps: Tensor
    """One 2D kernel for each age of frame, oldest first: (3, out, in, size, size)."""
    bias: Tensor
    sums: Tensor | None = None
    """Where frames go in pairs: the two kernels of ``pairs.mixed``."""


class Residual(NamedTuple):
    """Norm, SiLU, convolution, twice, and around it the shortcut: a projection where the width changes."""

    first: Tensor
    """Gains of the norm, (in, 1, 1)."""
    conv1: Causal
    second: Tensor
    conv2: Causal
    shortcut: Plain | None


class Attention(NamedTuple):
    """One head over the cells of one frame."""

    gain: Tensor
    qkv: Plain
    out: Plain


class Rise(NamedTuple):
    """Doubles height and width, and the number of frames where ``doubling`` is given."""

    doubling: Causal | None
    """Gives twice the channels: those of the first and of the second frame."""
    corners: Tensor
    """For each corner of the 2×2 pixels that a cell becomes, the kernel over cells: (2, 2, out, in, 2, 2)."""
    bias: Tensor


class Block(NamedTuple):
    """Residuals at one size, then the rise to the next (the last block has none)."""

    residuals: tuple[Residual, ...]
    rise: Rise | None


class Weights(NamedTuple):
    """The whole decoder."""

    post: Plain
    enter: Causal
    middle: tuple[Residual, Attention, Residual]
    blocks: tuple[Block, ...]
    gain: Tensor
    leave: Causal


def weights_of(vae: Any, layout: Layout) -> Weights:
    """The weights of a loaded AutoencoderKLWan's ``post_quant_conv`` and ``decoder``.

    Where device and dtype are the vae's own, nothing is held twice: the three-dimensional kernels are put in order of
    frames within the vae's own parameters, which keep shapes and values (only ``stride()`` changes). Otherwise they
    are copies, and the vae is left as it is. New either way: the kernels folded for doubling (36 M numbers at full
    size), and where frames go in pairs two for every three. Raises ValueError for another decoder than Wan 2.2's.
    """
    decoder = vae.decoder
    if not vae.config.is_residual:
        raise ValueError("decoder: only Wan 2.2's residual autoencoder (is_residual) is known")
    first, second = decoder.mid_block.resnets
    (attention,) = decoder.mid_block.attentions
    return Weights(
        post=_plain(vae.post_quant_conv, layout),
        enter=_causal(decoder.conv_in, layout),
        middle=(_residual(first, layout), _attention(attention, layout), _residual(second, layout)),
        blocks=tuple(_block(block, layout) for block in decoder.up_blocks),
        gain=_gain(decoder.norm_out, layout),
        leave=_causal(decoder.conv_out, layout),
    )


def _block(block: Any, layout: Layout) -> Block:
    residuals = tuple(_residual(each, layout) for each in block.resnets)
    if block.upsampler is None:
        return Block(residuals, None)
    conv, shortcut = block.upsampler.resample[1], block.avg_shortcut
    doubling = block.upsampler.time_conv if shortcut.factor_t == 2 else None
    if shortcut.factor % shortcut.repeats:
        raise ValueError(f"decoder: a shortcut from {shortcut.in_channels} to {shortcut.out_channels} channels")
    return Block(
        residuals,
        Rise(
            doubling=None if doubling is None else _causal(doubling, layout),
            corners=_laid(folded(conv.weight.detach()).to(layout.device, layout.dtype), layout),
            bias=_laid(conv.bias.detach(), layout),
        ),
    )


def _residual(block: Any, layout: Layout) -> Residual:
    return Residual(
        first=_gain(block.norm1, layout),
        conv1=_causal(block.conv1, layout),
        second=_gain(block.norm2, layout),
        conv2=_causal(block.conv2, layout),
        shortcut=None if isinstance(block.conv_shortcut, nn.Identity) else _plain(block.conv_shortcut, layout),
    )


def _attention(block: Any, layout: Layout) -> Attention:
    return Attention(_gain(block.norm, layout), _plain(block.to_qkv, layout), _plain(block.proj, layout))


def _plain(conv: Any, layout: Layout) -> Plain:
    weight = conv.weight.detach()
    return Plain(_laid(weight.reshape(*weight.shape[:2], 1, 1), layout), _laid(conv.bias.detach(), layout))


def _causal(conv: Any, layout: Layout) -> Causal:
    weight = conv.weight.detach()
    taps = _laid(weight.permute(2, 0, 1, 3, 4), layout)
    if taps.device == weight.device and taps.dtype == weight.dtype:
        conv.weight.data = taps.permute(1, 2, 0, 3, 4)
    sums = _laid(pairs.mixed(weight.permute(2, 0, 1, 3, 4)), layout) if layout.pairs else None
    return Causal(taps, _laid(conv.bias.detach(), layout), sums)


def _gain(norm: Any, layout: Layout) -> Tensor:
    gamma: Tensor = norm.gamma.detach().float() * norm.scale
    return _laid(gamma.reshape(-1, 1, 1), layout)


def _laid(weight: Tensor, layout: Layout) -> Tensor:
    """As the layout wants it: kernels, their last four dimensions, in its order of memory."""
    weight = weight.to(layout.device, layout.dtype)
    if layout.channels_last and weight.dim() >= 4:
        return weight.movedim(-3, -1).contiguous().movedim(-1, -3)
    return weight.contiguous()


def folded(weight: Tensor) -> Tensor:
    """A 3×3 kernel over pixels that were each doubled from a cell, as one 2×2 kernel over cells for each corner.

    The upper pixel of a cell sees the row above once and its own row twice, the lower one its own row twice and the
    row below once; columns likewise. (out, in, 3, 3) gives (2, 2, out, in, 2, 2). 16 products a cell in place of 36.
    """
    above, own, below = weight.float().unbind(-2)
    rows = torch.stack((torch.stack((above, own + below), -2), torch.stack((above + own, below), -2)))
    left, own, right = rows.unbind(-1)
    return torch.stack((torch.stack((left, own + right), -1), torch.stack((left + own, right), -1)), 1)


def causal(frames: Tensor, conv: Causal, past: Past) -> tuple[Tensor, Past]:
    """The convolution of each frame with the two before it, and what is to be added to the next two results.

    A kernel over three frames is the sum of three over one. So each frame is convolved at once for itself and for the
    two that follow, and no earlier frame has to be kept, joined or padded. ``past`` is used up: its memory goes into
    what is given back.
    """
    if conv.sums is not None:
        return pairs.causal(frames, conv.taps, conv.sums, conv.bias, past)
    pad = conv.taps.shape[-1] // 2
    oldest, older, own = conv.taps
    result = F.conv2d(frames, own, conv.bias, padding=pad)
    if frames.shape[0] == 1:
        if not past:
            return result, (F.conv2d(frames, older, padding=pad), F.conv2d(frames, oldest, padding=pad))
        result = _plus(past[0], result)
        following = _plus(past[1], F.conv2d(frames, older, padding=pad))
        return result, (following, F.conv2d(frames, oldest, padding=pad))
    for index, earlier in enumerate(past):
        result[index : index + 1] += earlier
    sums = F.conv2d(frames, older, padding=pad)
    result[1:] += sums[:-1]
    # A copy, for a slice would keep all the frames alive.
    following = sums[-1:].clone()
    del sums
    sums = F.conv2d(frames, oldest, padding=pad)
    result[2:] += sums[:-2]
    following += sums[-2:-1]
    return result, (following, sums[-1:].clone())


def _plus(used_up: Tensor, more: Tensor) -> Tensor:
    """The sum, in the first one's memory. (Compiled, the compiler sees to that.)"""
    return used_up + more if torch.compiler.is_compiling() else used_up.add_(more)


def _scale(frames: Tensor) -> Tensor:
    """One over each pixel's length, float32."""
    length: Tensor = torch.linalg.vector_norm(frames, dim=1, keepdim=True, dtype=torch.float32)
    return length.clamp_min(EPSILON).reciprocal()


def normed(frames: Tensor, gain: Tensor) -> Tensor:
    """Each pixel at length one, times the gains."""
    if torch.compiler.is_compiling():
        return (frames * _scale(frames) * gain).to(frames.dtype)
    return torch.mul(frames, _scale(frames), out=torch.empty_like(frames)).mul_(gain)


def activated(frames: Tensor, gain: Tensor) -> Tensor:
    """Norm and SiLU."""
    if torch.compiler.is_compiling():
        return F.silu(frames * _scale(frames) * gain).to(frames.dtype)
    return F.silu(normed(frames, gain), inplace=True)


def activated_(frames: Tensor, gain: Tensor) -> Tensor:
    """The same in the frames' own memory. (Compiled, the compiler sees to that.)"""
    if torch.compiler.is_compiling():
        return activated(frames, gain)
    return F.silu(frames.mul_(_scale(frames)).mul_(gain), inplace=True)


def residual(frames: Tensor, weights: Residual, pasts: tuple[Past, Past]) -> tuple[Tensor, tuple[Past, Past]]:
    """(frames, in, h, w) to (frames, out, h, w). Uses up ``pasts``, and gives those for the next frames."""
    result, first = causal(activated(frames, weights.first), weights.conv1, pasts[0])
    result, second = causal(activated_(result, weights.second), weights.conv2, pasts[1])
    result += frames if weights.shortcut is None else F.conv2d(frames, *weights.shortcut)
    return result, (first, second)


def attended(frames: Tensor, weights: Attention) -> Tensor:
    """Attention within each frame, added to it."""
    count, channels, height, width = frames.shape
    qkv = F.conv2d(normed(frames, weights.gain), *weights.qkv)
    tokens = qkv.reshape(count, 1, 3 * channels, height * width).transpose(2, 3).contiguous()
    query, key, value = tokens.chunk(3, dim=-1)
    seen = F.scaled_dot_product_attention(query, key, value)
    image = seen.squeeze(1).transpose(1, 2).reshape(count, channels, height, width)
    return frames + F.conv2d(image, *weights.out)


def doubled(frames: Tensor, conv: Causal, past: Past) -> tuple[Tensor, Past]:
    """Two frames for each, (n, channels, h, w) to (2n, channels, h, w); ``past`` as in ``causal``."""
    count, channels, height, width = frames.shape
    result, past = causal(frames, conv, past)
    return result.reshape(2 * count, channels, height, width), past


def risen(frames: Tensor, source: Tensor, weights: Rise) -> Tensor:
    """Double height and width, convolve, and add the block's input, copied to that shape.

    ``frames`` (n, channels, h, w) are what the block's residuals gave, doubled already where that is due; ``source``
    its input, as many frames or half of them. Gives (n, out, 2h, 2w). Neither the doubled frames nor the copies ever
    exist: each corner of the 2×2 pixels is computed from the cells, and cells are added to it.
    """
    corners = [(row, column) for row in (0, 1) for column in (0, 1)]
    if torch.compiler.is_compiling():
        parts = [_corner(frames, source, weights, *corner) for corner in corners]
        if pairs.layout_of(frames) == torch.channels_last:
            return _woven([part.movedim(1, -1) for part in parts], 1).movedim(-1, 1)
        return _woven(parts, 2)
    count, _, height, width = frames.shape
    result = torch.empty(
        (count, weights.bias.shape[0], 2 * height, 2 * width),
        dtype=frames.dtype,
        device=frames.device,
        memory_format=pairs.layout_of(frames),
    )
    for row, column in corners:
        result[:, :, row::2, column::2] = _corner(frames, source, weights, row, column)
    return result


def _woven(corners: list[Tensor], rows: int) -> Tensor:
    """The four corners of every cell, upper left first, as one picture; ``rows``: the dimension of a corner's rows."""
    upper, lower = torch.stack(corners[:2], rows + 2), torch.stack(corners[2:], rows + 2)
    return torch.stack((upper, lower), rows + 1).flatten(rows, rows + 1).flatten(rows + 1, rows + 2)


def _corner(frames: Tensor, source: Tensor, weights: Rise, row: int, column: int) -> Tensor:
    """One corner of each cell's pixels, (n, out, h, w).

    A frame of the source goes to both frames made of it; of more channels than are wanted, neighbours stand for the
    two frames, the two rows, the two columns, in this order, as far as they reach.
    """
    count, _, height, width = frames.shape
    out = weights.bias.shape[0]
    grown = F.conv2d(frames, weights.corners[row, column], weights.bias, padding=1)
    grown = grown[:, :, row : row + height, column : column + width]
    shares = source.shape[1] // out
    times = min(shares, 2) if weights.doubling is not None else 1
    rows = min(shares // times, 2)
    cells = torch.unflatten(source, 1, (out, times, rows, shares // times // rows))
    cells = cells[:, :, :, min(row, rows - 1), min(column, cells.shape[4] - 1)].transpose(1, 2)
    each = count // source.shape[0]
    if times > each:
        # The first latent frame becomes one frame: it is the second of the two.
        cells = cells[:, -each:]
    torch.unflatten(grown, 0, (-1, each)).add_(cells)
    return grown


def pixels(frames: Tensor, gain: Tensor, conv: Causal, past: Past) -> tuple[Tensor, Past]:
    """The picture, (frames, 3, 2h, 2w) in [-1, 1], float32. Uses up ``frames``; ``past`` as in ``causal``."""
    patches, past = causal(activated_(frames, gain), conv, past)
    # Channels are colour, column, row of a patch of 2×2 pixels.
    picture = torch.unflatten(patches.float(), 1, (-1, 2, 2)).transpose(2, 3).flatten(1, 3)
    return F.pixel_shuffle(picture, 2).clamp_(-1, 1), past
