"""The tiny checkpoint's weights, written by rule so that untrained models make soft, slowly moving colours.

Knows the modules of diffusers' Wan classes by name; knows neither files nor tokenizers.

The rules, from noise to picture:

- Colour lives in three orthonormal directions of the 48 latent channels; the rest of the noise is seen by nobody.
- The transformer's first block looks from each patch along time at the patches of the same place, and most at those
  whose timestep is 0: a photo's. What it sees there, tinted by the prompt's words, is the clip it predicts: the
  velocity it returns is what is in the noise and not in that clip.
- The autoencoder carries colours, their negatives and a constant. Its norms divide colours by the constant, which
  undoes the darkening of zero padding; silu(x) - silu(-x) = x makes its activations linear for such pairs; smoothing
  kernels along time and between cells make the coarse latents a soft picture.
- Every other weight is small noise, so that each of them matters a little.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

LATENT = 48
"""Latent channels."""
CHANNELS = 8
"""Channels of the autoencoder: 3 colours, their negatives, a constant, one to spare."""
HEADS, HEAD = 2, 24
INNER = HEADS * HEAD
TEXT = 32

_NOISE = 0.02
"""Standard deviation of the weights no rule speaks of, times the root of the inputs they add up."""
_ANCHOR = 8.0
"""Size of the eight constants of each patch: with them, layer norms hardly depend on the rest."""
_CONTENT, _CLIP, _ANCHORS, _FLAG = range(12), range(12, 24), range(24, 32), 32
"""Where in the inner dimensions a patch keeps its four cells' colours, what is predicted, constants, and the mark."""
_CONSTANT = 8.0
"""The autoencoder's constant, large beside what the small noise adds to it and to the colours."""
_PIXEL, _WHITE = 0.25, 1.6
"""White in front of the encoder's norms, as a share of the constant; and as a latent colour."""
_COLOUR = 0.3
"""Latent colour to decoder, as a share of the constant."""
_CONTRAST = 2.1
"""Decoder to pixel values: white comes out a little below 1."""


@torch.no_grad()
def write_weights(transformer: nn.Module, vae: nn.Module, seed: int) -> None:
    """Overwrite all parameters in place. The same seed gives the same weights."""
    draw = torch.Generator().manual_seed(seed)
    for part in (transformer, vae):
        for name, value in part.named_parameters():
            if name.endswith(("gamma", "norm_q.weight", "norm_k.weight", "norm2.weight")):
                value.fill_(1.0)
            else:
                inputs = value[0].numel() if value.ndim > 1 else 25
                value.normal_(0.0, _NOISE * inputs**-0.5, generator=draw)
    colours = _directions()
    _transformer(transformer, colours, draw)
    _autoencoder(vae, colours)


@torch.no_grad()
def quiet_end(text_encoder: Any, end: int) -> None:
    """Give the token that ends a text a dimension of its own, which ``_words`` is blind to: no words, no tint."""
    shared = text_encoder.shared.weight
    shared[:, -1] = 0.0
    shared[end] = 0.0
    shared[end, -1] = 8.0


def _directions() -> Tensor:
    """Three orthonormal directions, one a colour, of cosines (DCT-II): (3, 48)."""
    turns = [[math.pi * (channel + 0.5) * wave / LATENT for channel in range(LATENT)] for wave in (5, 11, 17)]
    return torch.tensor([[math.sqrt(2 / LATENT) * math.cos(turn) for turn in row] for row in turns])


def latent_statistics() -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each latent channel: none alike, so that it shows when they are not used."""
    steps = [channel / (LATENT - 1) for channel in range(LATENT)]
    return [round(0.5 * math.sin(7 * step), 4) for step in steps], [round(0.7 + step, 4) for step in steps]


def _transformer(model: Any, colours: Tensor, draw: torch.Generator) -> None:
    first = model.blocks[0]
    # (inner, latent, 1, 2, 2): a cell's colours from its latent channels.
    for cell in range(4):
        for colour in range(3):
            model.patch_embedding.weight[_CONTENT[3 * cell + colour], :, 0, cell // 2, cell % 2] = colours[colour]
    for place, anchor in enumerate(_ANCHORS):
        model.patch_embedding.bias[anchor] = _ANCHOR if place % 2 else -_ANCHOR
    _timesteps(model.condition_embedder)
    _words(model.condition_embedder.text_embedder, first.attn2, draw)
    _look_along_time(first)
    for block in model.blocks:
        block.scale_shift_table[:, 2] += 1.0 if block is first else 0.1
        block.scale_shift_table[:, 5] += 0.1
        block.ffn.net[0].proj.weight.normal_(0.0, INNER**-0.5, generator=draw)
        block.ffn.net[2].weight.normal_(0.0, 0.05, generator=draw)
    # (4 cells x 48 channels, inner): what is in the noise and not in the clip.
    gain = math.sqrt((len(_ANCHORS) * _ANCHOR**2 + 18) / INNER)
    for cell in range(4):
        for colour in range(3):
            rows = slice(cell * LATENT, (cell + 1) * LATENT)
            model.proj_out.weight[rows, _CONTENT[3 * cell + colour]] += gain * colours[colour]
            model.proj_out.weight[rows, _CLIP[3 * cell + colour]] -= gain * colours[colour]


def _timesteps(embedder: Any) -> None:
    """Mark patches whose timestep is 0: there, and nowhere else, the cosines of all fast frequencies are 1."""
    half = embedder.time_embedder.linear_1.weight.shape[1] // 2
    fast = [place for place in range(half) if 10_000 ** (-place / half) > 0.05]
    embedder.time_embedder.linear_1.weight[_FLAG, fast] = 12.0 / len(fast)
    embedder.time_embedder.linear_1.bias[_FLAG] = -7.2
    embedder.time_embedder.linear_2.weight[_FLAG] = 0.0
    embedder.time_embedder.linear_2.weight[_FLAG, _FLAG] = 0.21
    # The first of six modulations is the shift before self-attention.
    embedder.time_proj.weight[_FLAG, _FLAG] = 1.4


def _look_along_time(block: Any) -> None:
    """Self-attention by place alone: with constant queries and keys, rotary embeddings leave cosines of distances."""
    attention = block.attn1
    axis = HEAD // 3
    # Score by distance: (first dimension of a pair, weight). Pairs of an axis turn by 1, 0.1, 0.01 and 0.001 a step.
    terms = {0: 1.5, axis: 10.0, axis + 2: 20.0, 2 * axis: 10.0, 2 * axis + 2: 20.0}
    query, key = torch.zeros(INNER), torch.zeros(INNER)
    for head in range(HEADS):
        for place, weight in terms.items():
            query[head * HEAD + place] = key[head * HEAD + place] = math.sqrt(weight * math.sqrt(HEAD))
        # The slowest pair of the time axis hardly turns: it finds marked patches at any distance.
        query[head * HEAD + axis - 2] = 4.0 * math.sqrt(HEAD)
        attention.to_k.weight[head * HEAD + axis - 2, _FLAG] = 1.0
    attention.to_q.bias.copy_(query)
    attention.to_k.bias.copy_(key)
    attention.norm_q.weight.fill_(float(query.square().mean().sqrt()))
    attention.norm_k.weight.fill_(float(key.square().mean().sqrt()))
    undo = math.sqrt((len(_ANCHORS) * _ANCHOR**2 + len(_CONTENT)) / INNER)
    for place in range(len(_CONTENT)):
        attention.to_v.weight[place, _CONTENT[place]] += undo
        attention.to_out[0].weight[_CLIP[place], place] += 1.0


def _words(embedder: Any, attention: Any, draw: torch.Generator) -> None:
    """Cross-attention to words, hardly to padding (zeros, whose key is zero): they tint all cells alike."""
    embedder.linear_1.weight.normal_(0.0, TEXT**-0.5, generator=draw)
    embedder.linear_1.weight[:, -1] = 0.0
    embedder.linear_1.bias.zero_()
    embedder.linear_2.weight.normal_(0.0, INNER**-0.5, generator=draw)
    # What all words have in common, the mean of GELU, must not tint.
    embedder.linear_2.weight -= embedder.linear_2.weight.mean(1, keepdim=True)
    embedder.linear_2.bias.zero_()
    # GELU is seldom negative: the sum is positive for every word.
    embedder.linear_2.weight[_FLAG] = 0.25
    attention.to_q.weight.normal_(0.0, 0.5, generator=draw)
    attention.to_k.weight.normal_(0.0, 0.2, generator=draw)
    attention.to_k.bias.zero_()
    for head in range(HEADS):
        attention.to_q.bias[head * HEAD] = 4.0
        attention.to_k.weight[head * HEAD, _FLAG] = 1.0
    attention.to_v.weight.normal_(0.0, INNER**-0.5, generator=draw)
    attention.to_v.weight[:, _FLAG] = 0.0
    attention.to_v.bias.zero_()
    tints = torch.randn(3, INNER, generator=draw) * 0.12
    for place in range(len(_CLIP)):
        attention.to_out[0].weight[_CLIP[place]] = tints[place % 3]


def _autoencoder(vae: Any, colours: Tensor) -> None:
    mean, std = (torch.tensor(values) for values in latent_statistics())
    encoder, decoder = vae.encoder, vae.decoder
    # Encoder: 12 values a cell of 2 x 2 pixels, colour by colour; the shortcuts average, the rest is noise.
    middle = (-1, 1, 1)
    for colour in range(3):
        for sign, row in ((1.0, colour), (-1.0, 3 + colour)):
            _at(encoder.conv_in.weight, middle)[row, 4 * colour : 4 * colour + 4] = sign * _PIXEL * _CONSTANT / 4
            _at(encoder.conv_out.weight, middle)[:LATENT, row] = (
                sign * colours[colour] * _WHITE / math.sqrt(CHANNELS) * math.sqrt(1 + 6 * _PIXEL**2) / _PIXEL
            )
            _at(decoder.conv_in.weight, middle)[row] = sign * _COLOUR * _CONSTANT * colours[colour]
            _at(decoder.conv_out.weight, middle)[4 * colour : 4 * colour + 4, row] = (
                sign * _CONTRAST / math.sqrt(CHANNELS)
            )
    encoder.conv_in.bias[6] = decoder.conv_in.bias[6] = _CONSTANT
    encoder.conv_out.bias[LATENT:] = -10.0  # log variance
    decoder.conv_out.bias += 0.08  # so that black is seen to move
    vae.quant_conv.weight[:, :, 0, 0, 0] = torch.diag(torch.cat([std, torch.ones(LATENT)]))
    vae.quant_conv.bias[:LATENT] = mean
    vae.post_quant_conv.weight[:, :, 0, 0, 0] = torch.diag(1 / std)
    vae.post_quant_conv.bias.copy_(-mean / std)
    _decoder_blocks(decoder)


def _decoder_blocks(decoder: Any) -> None:
    flat, box = torch.tensor([0.0, 0.0, 1.0]), torch.full((3,), 1 / 3)
    still, soft = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.25, 0.5, 0.25])
    norm = _CONSTANT
    for resnet in decoder.mid_block.resnets:
        norm = _smooth(resnet, flat, soft, norm)
    for number, block in enumerate(decoder.up_blocks):
        for resnet in block.resnets:
            norm = _smooth(resnet, box if number else flat, still, norm)
        if block.upsampler is None:
            continue
        # The shortcut repeats cells, which shows; its share is a tenth.
        kernel = torch.einsum("y,x->yx", soft, soft)
        for channel in range(CHANNELS - 1):
            block.upsampler.resample[1].weight[channel, channel] = 9.0 * kernel
            if number < 2:  # two frames from each
                for half in (0, CHANNELS):
                    block.upsampler.time_conv.weight[half + channel, channel] = flat.view(3, 1, 1)
        norm *= 10.0


def _smooth(resnet: Any, time: Tensor, space: Tensor, norm: float) -> float:
    """Make a residual block add three times its input's smoothed self. Returns the size of what comes out.

    ``time`` and ``space`` are kernels of three; time's last is now.
    """
    kernel = torch.einsum("t,y,x->tyx", time, space, space)
    here = torch.zeros(3, 3, 3)
    here[-1, 1, 1] = 3.0 * norm / math.sqrt(CHANNELS)
    for colour in range(3):
        for row in (colour, 3 + colour):
            for column in (colour, 3 + colour):
                sign = 1.0 if row == column else -1.0
                resnet.conv1.weight[row, column] = sign * kernel
                resnet.conv2.weight[row, column] = sign * here
    # silu of the constant after a norm, sqrt(8), is 0.944 of it.
    resnet.conv1.weight[6, 6] = kernel / 0.944
    resnet.conv2.weight[6, 6] = here / 0.944
    return 4.0 * norm


def _at(weight: Tensor, place: tuple[int, int, int]) -> Tensor:
    """A convolution's weights (out, in) at one place of its kernel, to be written to."""
    return weight[:, :, place[0], place[1], place[2]]
