"""Latents to pixels, one latent frame at a time: the order of the decoder's blocks in time, and its switches.

Knows nothing of layers (``decoder.py``), of what becomes of the pixels (``pixels.py``), or of engines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model.wan import decoder
from model.wan.compiling import compiled
from model.wan.decoder import Block, Causal, Layout, Past, Residual, Weights
from model.wan.tiles import Tile, blended, cut

FRAMES = 4
"""Frames that every latent frame after the first becomes: two doublings of time."""
CELL = 16
"""Pixels a side that a latent cell becomes: three doublings of size, then patches of two."""
RANGE = 2.0
"""From -1 to 1: what the ratio of ``agreement`` refers to."""
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
    pairs: bool = False
    """Where frames go together, convolve over time two at a time: a third less to multiply, and a third more weights.
    Same picture (to 1e-5)."""
    dtype: torch.dtype = torch.float32
    """float32, or bfloat16 for half the memory of everything: check with ``agreement`` first."""
    channels_last: bool = False
    """Channels next to each other in memory, as tensor cores like them. Same picture (to 1e-5)."""
    compile: bool = False
    """Compile the blocks' functions, once for all sizes of pictures. Same picture (to 1e-5)."""
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

    Equal to ``AutoencoderKLWan.decode``, clamped, within 1e-5 in float32 (found: 3e-6; single values of a decoder only
    three channels wide, whose norms divide by almost nothing now and then, may be 3e-5 off, and stock's are so too).
    """

    # Weights made in inference mode, which the caller may be in, would leave the vae with tensors of that kind.
    @torch.inference_mode(mode=False)
    def __init__(
        self, vae: Any, options: DecodeOptions | None = None, *, device: torch.device | str | None = None
    ) -> None:
        """``device``: where to decode; None: where the vae is. Raises ValueError for another kind of autoencoder."""
        self.options = options or DecodeOptions()
        first = vae.post_quant_conv.weight
        self.device = first.device if device is None else torch.device(device)
        self._layout = Layout(self.device, self.options.dtype, self.options.channels_last, self.options.pairs)
        self._weights = decoder.weights_of(vae, self._layout)
        self._kernels = _compiled(self.options.backend) if self.options.compile else PLAIN
        self._mean = torch.tensor(vae.config.latents_mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(vae.config.latents_std, device=self.device).view(-1, 1, 1)

    @property
    def channels(self) -> int:
        """Channels of the latents: 48."""
        return self._mean.shape[0]

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

        ``tile``: height and width in latent cells; None: two by two tiles, which at 832×480 need a third of the memory
        and a third more work (three by three: a fifth, and three quarters). ``overlap``: cells shared by neighbours,
        blended linearly.

        Tiles are decoded one after the other through the whole clip, and gathered in the host's memory (float32): most
        of what a decode holds is what it remembers of earlier frames, and to hold that for every tile at once would
        save nothing. So chunks come only when all tiles are done; ``on_frame`` counts the latent frames of each.

        Equal to ``decode`` where one tile covers everything, otherwise alike: convolutions and attention end at a
        tile's edge. Raises ValueError for a tile that is not larger than the overlap.
        """
        self._check(latents)
        height, width = latents.shape[-2:]
        least = overlap + 1  # where a side is hardly longer than the overlap, one tile covers it
        tile = tile or (max(least, (height + least) // 2), max(least, (width + least) // 2))
        return self._tiled(latents, cut(height, width, tile, overlap), on_frame)

    def _check(self, latents: Tensor) -> None:
        if latents.dim() != 5 or latents.shape[:2] != (1, self.channels) or 0 in latents.shape:
            raise ValueError(f"latents: {tuple(latents.shape)}: wanted (1, {self.channels}, frames, height, width)")

    @torch.no_grad()
    def _chunks(self, latents: Tensor, on_frame: OnFrame) -> Iterator[Tensor]:
        cells = latents[0].transpose(0, 1).to(self.device, torch.float32) * self._std + self._mean
        stream = _Stream(self._weights, self._kernels, self.options, self._layout.memory)
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


Place = tuple[int, int, int]
"""Of a causal convolution: its block, its residual (or what stands behind the last), and which of the two in it."""
ENTRANCE, MIDDLE, EXIT = -3, -2, -1
"""Blocks outside the numbered ones."""


@dataclass(slots=True)
class _Stream:
    """One decode: the blocks' order in time, and what their causal convolutions remember."""

    weights: Weights
    then: Kernels
    """The functions from the second latent frame on. The first one's shapes come once a clip: not worth compiling."""
    options: DecodeOptions
    memory: torch.memory_format
    begun: bool = False
    """The first latent frame is through."""
    pasts: dict[Place, Past] = field(default_factory=dict)

    @property
    def kernels(self) -> Kernels:
        """The functions for this latent frame."""
        return self.then if self.begun else PLAIN

    def frames(self, cell: Tensor) -> Iterator[Tensor]:
        """The pictures of one latent frame, (1, 48, h, w), in pieces of at most ``frames_at_once``."""
        frames = F.conv2d(cell, *self.weights.post)
        place, enter = (ENTRANCE, 0, 0), self.weights.enter
        frames, self.pasts[place] = decoder.causal(frames, enter, self._past(place, enter, frames))
        before, attention, behind = self.weights.middle
        frames = self._residual(MIDDLE, 0, frames, before)
        frames = self._residual(MIDDLE, 1, self.kernels.attended(frames, attention), behind)
        yield from self._climb(frames, 0)
        self.begun = True

    def _climb(self, frames: Tensor, level: int) -> Iterator[Tensor]:
        """Depth first: a piece goes through all the blocks above before the next one enters this block."""
        if level == len(self.weights.blocks):
            place, leave = (EXIT, 0, 0), self.weights.leave
            past = self._past(place, leave, frames)
            picture, self.pasts[place] = self.kernels.pixels(frames, self.weights.gain, leave, past)
            yield picture
            return
        for piece in torch.split(frames, self.options.frames_at_once):
            yield from self._climb(self._block(level, piece, self.weights.blocks[level]), level + 1)

    def _block(self, level: int, source: Tensor, block: Block) -> Tensor:
        frames = source
        for index, weights in enumerate(block.residuals):
            frames = self._residual(level, index, frames, weights)
        rise = block.rise
        if rise is None:
            return frames
        if rise.doubling is not None and self.begun:
            # The clip's first frame is not doubled, nor seen here later: the second latent frame follows on black.
            place = (level, len(block.residuals), 0)
            past = self._past(place, rise.doubling, frames)
            frames, self.pasts[place] = self.kernels.doubled(frames, rise.doubling, past)
        return self.kernels.risen(frames, source, rise)

    def _residual(self, level: int, index: int, frames: Tensor, weights: Residual) -> Tensor:
        first, second = (level, index, 0), (level, index, 1)
        pasts = self._past(first, weights.conv1, frames), self._past(second, weights.conv2, frames)
        frames, (self.pasts[first], self.pasts[second]) = self.kernels.residual(frames, weights, pasts)
        return frames

    def _past(self, place: Place, conv: Causal, frames: Tensor) -> Past:
        """Before the first frame nothing, which costs nothing; compiled, zeros, so that one graph serves all frames."""
        past = self.pasts.get(place)
        if past is None and self.begun and self.options.compile:
            channels = conv.bias.shape[0] if conv.sums is None else conv.taps.shape[2]
            nothing = torch.zeros((1, channels, *frames.shape[2:]), dtype=frames.dtype, device=frames.device)
            nothing = nothing.contiguous(memory_format=self.memory)
            return nothing, nothing.clone()
        return past or ()


@cache
def _compiled(backend: str) -> Kernels:
    """Each function for itself: once for all sizes of pictures, and for each number of channels and frames."""
    return Kernels(*(_flexible(compiled(function, backend)) for function in PLAIN))


def _flexible(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, told which sizes of what it is given are only this clip's."""

    def call(*given: Any) -> Any:
        for image in _images(given):
            torch._dynamo.maybe_mark_dynamic(image, (2, 3))  # noqa: SLF001 - there is no other door to it
        return function(*given)

    return call


def _images(given: Iterable[Any]) -> Iterator[Tensor]:
    """Frames among arguments: tensors of four dimensions, given as they are or remembered; not those of weights."""
    for each in given:
        if isinstance(each, Tensor) and each.dim() == 4:
            yield each
        elif type(each) is tuple:
            yield from _images(each)


def agreement(
    one: StreamDecoder, other: StreamDecoder, *, grid: tuple[int, int] = (6, 6), frames: int = 2, seed: int = 0
) -> float:
    """How alike two decoders of the same weights are: PSNR in dB, infinite where they are equal.

    Both decode the same latents, drawn from ``seed``, of ``frames`` latent frames of ``grid`` (height, width) cells.
    Ask it before decoding in bfloat16. 40 dB is a root mean square error of a hundredth of the range, 2.5 levels of
    255: what codecs of good quality leave behind.
    """
    latents = torch.randn((1, one.channels, frames, *grid), generator=torch.Generator().manual_seed(seed))
    squares = [
        (mine.cpu() - theirs.cpu()).square().mean(dim=(1, 2, 3))
        for mine, theirs in zip(one.decode(latents), other.decode(latents), strict=True)
    ]
    error = torch.cat(squares).mean().item()
    return math.inf if error == 0 else 10 * math.log10(RANGE**2 / error)
