"""Latents to pixels, one latent frame at a time: the order of the decoder's blocks in time, and its switches.

Knows nothing of layers (``decoder.py``), of what becomes of the pixels (``pixels.py``), or of engines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.wan import decoder
from model.wan.decoder import Block, Causal, Layout, Past, Residual, Weights
from model.wan.tiles import Tile, blended, cut

FRAMES = 4
"""Frames that every latent frame after the first becomes: two doublings of time."""
CELL = 16
"""Pixels a side that a latent cell becomes: three doublings of size, then patches of two."""
RANGE = 2.0
"""From -1 to 1: what the ratio of ``agreement`` refers to."""
RECOMPILES = 64
"""Shapes compiled for before an error: six a size of clip, and as many again for each other count of frames."""

OnFrame = Callable[[int, int], None]
"""Called after each latent frame with how many are done, of how many. What it raises ends the decode."""


def _unwatched(done: int, total: int) -> None:
    """Nobody looks on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """Switches of a decoder. Each is tested against the plain setting; what they do to the picture is said here."""

    frames_at_once: int = 1
    """1, 2 or 4 frames go through the blocks behind a doubling of time together: 4 fills a device better, 1 needs the
    least memory. Same picture (to 1e-5)."""
    dtype: torch.dtype = torch.float32
    """float32, or bfloat16 for half the memory of everything: check with ``agreement`` first."""
    channels_last: bool = False
    """Channels next to each other in memory, as tensor cores like them. Same picture (to 1e-5)."""
    compile: bool = False
    """Compile the blocks' functions, for each shape once. Same picture (to 1e-5)."""
    backend: str = "inductor"
    """What compiles: any backend that torch.compile knows."""

    def __post_init__(self) -> None:
        if self.frames_at_once not in {1, 2, 4}:
            raise ValueError(f"frames_at_once: {self.frames_at_once}: 1, 2 or 4")
        if self.dtype not in {torch.float32, torch.bfloat16}:
            raise ValueError(f"dtype: {self.dtype}: float32 or bfloat16")


class Kernels(NamedTuple):
    """The functions of a decode, compiled or plain."""

    residual: Callable[[Tensor, Residual, tuple[Past, Past]], tuple[Tensor, tuple[Past, Past]]]
    attended: Callable[[Tensor, decoder.Attention], Tensor]
    doubled: Callable[[Tensor, Causal, Past], tuple[Tensor, Past]]
    risen: Callable[[Tensor, Tensor, decoder.Rise], Tensor]
    pixels: Callable[[Tensor, Tensor, Causal, Past], tuple[Tensor, Past]]


PLAIN = Kernels(decoder.residual, decoder.attended, decoder.doubled, decoder.risen, decoder.pixels)


class StreamDecoder:
    """Decodes the latents of one clip at a time into frames as they become ready.

    Made from a loaded AutoencoderKLWan, whose decoder's weights it shares where device and dtype are the same (see
    ``weights_of``); it never calls the autoencoder, which may encode photos in another thread meanwhile. All that a
    decode remembers lives in its own iterator: one that is dropped, or ends in an error (out of memory, say), leaves
    nothing behind, and the decoder can be used again.

    Equal to ``AutoencoderKLWan.decode``, clamped, within 1e-5 in float32.
    """

    def __init__(
        self, vae: Any, options: DecodeOptions | None = None, *, device: torch.device | str | None = None
    ) -> None:
        """``device``: where to decode; None: where the vae is. Raises ValueError for another kind of autoencoder."""
        self.options = options or DecodeOptions()
        first = vae.post_quant_conv.weight
        self.device = first.device if device is None else torch.device(device)
        self._layout = Layout(self.device, self.options.dtype, self.options.channels_last)
        self._weights = decoder.weights_of(vae, self._layout)
        self._kernels = _compiled(self.options.backend) if self.options.compile else PLAIN
        self._mean = torch.tensor(vae.config.latents_mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(vae.config.latents_std, device=self.device).view(-1, 1, 1)

    def decode(self, latents: Tensor, *, on_frame: OnFrame = _unwatched) -> Iterator[Tensor]:
        """The frames of a clip, in order, in chunks: one frame, then four for each further latent frame.

        ``latents``: (1, 48, F, h, w), normalised as the transformer gives them, any device and float dtype. Each chunk
        is (n, 3, 16h, 16w), float32 in [-1, 1], on the decoder's device and nobody else's; 4(F-1)+1 frames in all. The
        work of a chunk begins when it is asked for. Raises ValueError for latents of another shape, at once.
        """
        self._check(latents)
        return self._chunks(latents, on_frame)

    def decode_tiled(
        self,
        latents: Tensor,
        *,
        tile: tuple[int, int] | None = None,
        overlap: int = 6,
        on_frame: OnFrame = _unwatched,
    ) -> Iterator[Tensor]:
        """The same from overlapping tiles: for when memory is short.

        ``tile``: height and width in latent cells; None: two by two tiles, which need a third of the memory and a
        third more work at 832×480 (less than a third would take narrower tiles, whose overlap costs more than it
        saves). ``overlap``: cells shared by neighbours, blended linearly.

        Tiles are decoded one after the other through the whole clip, and gathered in the host's memory (float32), for
        most of what a decode holds is what it remembers of earlier frames: to hold that for every tile at once would
        save nothing. So chunks come only when all tiles are done, while ``on_frame`` counts the latent frames of each.

        Equal to ``decode`` where one tile covers everything, otherwise alike: convolutions and attention end at a
        tile's edge. Raises ValueError for a tile that is not larger than the overlap.
        """
        self._check(latents)
        height, width = latents.shape[-2:]
        tile = tile or ((height + overlap + 1) // 2, (width + overlap + 1) // 2)
        return self._tiled(latents, cut(height, width, tile, overlap), on_frame)

    def _check(self, latents: Tensor) -> None:
        channels = self._mean.shape[0]
        if latents.dim() != 5 or latents.shape[:2] != (1, channels) or 0 in latents.shape:
            raise ValueError(f"latents: {tuple(latents.shape)}: wanted (1, {channels}, frames, height, width)")

    @torch.no_grad()
    def _chunks(self, latents: Tensor, on_frame: OnFrame) -> Iterator[Tensor]:
        cells = latents[0].transpose(0, 1).to(self.device, torch.float32) * self._std + self._mean
        stream = _Stream(self._weights, self._kernels, self.options)
        total = cells.shape[0]
        for index in range(total):
            cell = cells[index : index + 1].to(self.options.dtype).contiguous(memory_format=self._layout.memory)
            pieces = list(stream.frames(cell))
            chunk = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
            del pieces
            on_frame(index + 1, total)
            yield chunk

    @torch.no_grad()
    def _tiled(self, latents: Tensor, tiles: list[Tile], on_frame: OnFrame) -> Iterator[Tensor]:
        count, height, width = latents.shape[2:]
        shape = (FRAMES * (count - 1) + 1, 3, CELL * height, CELL * width)
        decodes = (
            (tile, self._chunks(latents[..., tile.rows, tile.columns], _after(on_frame, index, len(tiles))))
            for index, tile in enumerate(tiles)
        )
        clip = blended(decodes, shape, CELL)
        for start in (0, *range(1, shape[0], FRAMES)):
            stop = start + FRAMES if start else 1
            yield clip[start:stop].to(self.device)


def _after(on_frame: OnFrame, before: int, tiles: int) -> OnFrame:
    """Counts on from so many tiles."""
    return lambda done, total: on_frame(before * total + done, tiles * total)


@dataclass(slots=True)
class _Stream:
    """One decode: the blocks' order, and what their causal convolutions remember."""

    weights: Weights
    kernels: Kernels
    options: DecodeOptions
    begun: bool = False
    """The first latent frame is through."""
    pasts: dict[tuple[int, int], Past] = field(default_factory=dict)
    pairs: dict[tuple[int, int], tuple[Past, Past]] = field(default_factory=dict)

    def frames(self, cell: Tensor) -> Iterator[Tensor]:
        """The frames of one latent frame, (1, 48, h, w), in pieces of at most ``frames_at_once``."""
        frames = F.conv2d(cell, *self.weights.post)
        past = self._past(key := (ENTRANCE, 0), self.weights.enter, frames)
        frames, self.pasts[key] = decoder.causal(frames, self.weights.enter, past)
        before, attention, behind = self.weights.middle
        frames = self._residual((MIDDLE, 0), frames, before)
        frames = self._residual((MIDDLE, 1), self.kernels.attended(frames, attention), behind)
        yield from self._climb(frames, 0)
        self.begun = True

    def _climb(self, frames: Tensor, level: int) -> Iterator[Tensor]:
        """Depth first: a piece goes through all the blocks above before the next one enters this block."""
        if level == len(self.weights.blocks):
            key = (EXIT, 0)
            past = self._past(key, self.weights.leave, frames)
            picture, self.pasts[key] = self.kernels.pixels(frames, self.weights.gain, self.weights.leave, past)
            yield picture
            return
        for piece in frames.split(self.options.frames_at_once):
            yield from self._climb(self._block(level, piece, self.weights.blocks[level]), level + 1)

    def _block(self, level: int, source: Tensor, block: Block) -> Tensor:
        frames = source
        for index, weights in enumerate(block.residuals):
            frames = self._residual((level, index), frames, weights)
        rise = block.rise
        if rise is None:
            return frames
        if rise.doubling is not None and self.begun:
            # The clip's first frame is not doubled, nor seen here later: the second latent frame follows on black.
            key = (level, len(block.residuals))
            past = self._past(key, rise.doubling, frames)
            frames, self.pasts[key] = self.kernels.doubled(frames, rise.doubling, past)
        return self.kernels.risen(frames, source, rise)

    def _residual(self, key: tuple[int, int], frames: Tensor, weights: Residual) -> Tensor:
        pasts = self.pairs.get(key)
        if pasts is None:
            pasts = (self._black(weights.conv1, frames), self._black(weights.conv2, frames))
        frames, self.pairs[key] = self.kernels.residual(frames, weights, pasts)
        return frames

    def _past(self, key: tuple[int, int], conv: Causal, frames: Tensor) -> Past:
        past = self.pasts.get(key)
        return self._black(conv, frames) if past is None else past

    def _black(self, conv: Causal, frames: Tensor) -> Past:
        """Before the first frame: nothing, which costs nothing; compiled, zeros, so that one graph serves all frames."""
        if not self.options.compile:
            return ()
        _, _, height, width = frames.shape
        nothing = torch.zeros(
            (1, conv.bias.shape[0], height, width), dtype=frames.dtype, device=frames.device
        ).contiguous(memory_format=_memory(self.options))
        return nothing, nothing.clone(memory_format=torch.preserve_format)


ENTRANCE, MIDDLE, EXIT = -3, -2, -1
"""Places of what is remembered outside the numbered blocks."""


def _memory(options: DecodeOptions) -> torch.memory_format:
    return torch.channels_last if options.channels_last else torch.contiguous_format


def _compiled(backend: str) -> Kernels:
    """Each function for itself, shape by shape, with shapes counted for this decoder alone."""
    return Kernels(
        *(
            torch.compile(
                function,
                fullgraph=True,
                dynamic=False,
                backend=backend,
                recompile_limit=RECOMPILES,
                isolate_recompiles=True,
            )
            for function in PLAIN
        )
    )


def agreement(
    one: StreamDecoder, other: StreamDecoder, *, grid: tuple[int, int] = (6, 6), frames: int = 2, seed: int = 0
) -> float:
    """How alike two decoders of the same weights are: PSNR in dB, infinite where they are equal.

    Both decode the same latents, drawn from ``seed``, of ``frames`` latent frames of ``grid`` (height, width) cells.
    Ask it before decoding in bfloat16: 40 dB, an error of one level in a hundred as root mean square (2.55 of 255),
    is what an eye does not find in moving pictures.
    """
    channels = 48
    latents = torch.randn((1, channels, frames, *grid), generator=torch.Generator().manual_seed(seed))
    squares = [
        (mine.cpu() - theirs.cpu()).square().mean(dim=(1, 2, 3))
        for mine, theirs in zip(one.decode(latents), other.decode(latents), strict=True)
    ]
    error = torch.cat(squares).mean().item()
    return math.inf if error == 0 else 10 * math.log10(RANGE**2 / error)
