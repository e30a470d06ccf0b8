"""One forward of the diffusion transformer, without the work that its own forward does once a token or once a step.

Wan 2.2 5B takes a timestep for every token, but only one value occurs (text) or two (photo: 0 for the first frame's
tokens). Here the timestep's modulation is computed once a value and spread over the tokens; words are projected once a
clip, and rotary tables once a shape. Knows no sampler and no guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model.wan.compiling import compiled

Rotary = tuple[Tensor, Tensor]


class Context(NamedTuple):
    """What every block of a forward is given besides the tokens."""

    words: Tensor
    """Projected prompts, (clips, text tokens, width)."""
    rows: Tensor
    """Modulation by timestep value, (clips, values, 6, width)."""
    spread: Tensor | None
    """For each token, which of the timestep values is its own: (tokens,), int64; None where there is but one."""
    rotary: Rotary
    """Cosines and sines, (1, tokens, 1, head width), float32."""

    def of(self, clips: list[int]) -> Context:
        """The same for some of the clips."""
        chosen = torch.tensor(clips, device=self.words.device)
        return self._replace(words=self.words[chosen], rows=self.rows[chosen])


@dataclass(slots=True)
class Kept:
    """What the step cache keeps of one clip and one branch (with the prompt, with the negative prompt)."""

    first: Tensor | None = None
    """Residual of the first block at the last full forward, (tokens, width)."""
    rest: Tensor | None = None
    """Residual of all the other blocks at the last full forward."""


@dataclass(slots=True)
class StepCache:
    """Skips the blocks behind the first where the first one's residual hardly changed since the last full forward.

    After "first block cache" (ParaAttention, 2024; diffusers' FirstBlockCache), but decided clip by clip, so that a
    batch skips what its single runs would skip. ``threshold`` is the largest mean absolute change relative to the mean
    absolute residual.
    """

    threshold: float
    kept: dict[Hashable, Kept] = field(default_factory=dict)
    skipped: int = 0
    run: int = 0

    def at(self, key: Hashable) -> Kept:
        """What is kept under a key (clip and branch)."""
        return self.kept.setdefault(key, Kept())

    def similar(self, kept: Kept, first: Tensor) -> bool:
        """True when the rest of the blocks need not be run."""
        if kept.first is None or kept.rest is None:
            return False
        change = (first - kept.first).abs().mean() / kept.first.abs().mean().clamp_min(1e-12)
        return bool(change.item() < self.threshold)


def run_block(block: Any, x: Tensor, context: Context) -> Tensor:
    """One WanTransformerBlock: self-attention, attention to the words, feed-forward. ``x`` is (clips, tokens, width).

    The modulation is spread over the tokens one part at a time: all six at once would be six times as large as ``x``.
    """
    spread = context.spread
    table = block.scale_shift_table.unsqueeze(0) + context.rows.float()  # (clips, values, 6, width)
    shift, scale, gate, ff_shift, ff_scale, ff_gate = table.unbind(2)
    inner = (block.norm1(x.float()) * (1 + _at(scale, spread)) + _at(shift, spread)).type_as(x)
    x = (x.float() + block.attn1(inner, None, None, context.rotary) * _at(gate, spread)).type_as(x)
    inner = block.norm2(x.float()).type_as(x)
    x = x + block.attn2(inner, context.words, None, None)
    inner = (block.norm3(x.float()) * (1 + _at(ff_scale, spread)) + _at(ff_shift, spread)).type_as(x)
    done: Tensor = (x.float() + block.ffn(inner).float() * _at(ff_gate, spread)).type_as(x)
    return done


def _at(values: Tensor, spread: Tensor | None) -> Tensor:
    """One part of the modulation for each token; a single value is broadcast."""
    return values if spread is None else values[:, spread]


class Forward:
    """Runs a WanTransformer3DModel's own modules in its own order; equal to its forward within rounding."""

    def __init__(
        self,
        transformer: Any,
        *,
        compile: bool = False,  # noqa: A002 - the profile's word
        backend: str | Callable[..., Any] = "inductor",
    ) -> None:
        """``compile``: the blocks, by ``backend``."""
        self._model = transformer
        self._block: Callable[..., Tensor] = run_block
        if compile:
            # One graph serves all blocks, whose weights are inputs of it (regional compilation), and all sizes.
            self._block = compiled(run_block, backend, dynamic=True)
        self._rotary: dict[tuple[int, ...], Rotary] = {}
        self._spreads: dict[tuple[int, ...], Tensor] = {}

    @property
    def dtype(self) -> torch.dtype:
        """Of activations: the patch embedding's."""
        found: torch.dtype = self._model.patch_embedding.weight.dtype
        return found

    def words(self, embeddings: Tensor) -> Tensor:
        """Project prompt embeddings, (clips, text tokens, text width), to the transformer's width: once a clip."""
        projected: Tensor = self._model.condition_embedder.text_embedder(embeddings.to(self.dtype))
        return projected

    def __call__(
        self,
        latents: Tensor,
        timestep: float,
        words: Tensor,
        *,
        first_frame: bool = False,
        cache: StepCache | None = None,
        keys: Sequence[Hashable] = (),
    ) -> Tensor:
        """The velocity at a timestep.

        Args:
            latents: (clips, channels, frames, rows, columns), float32.
            timestep: 0…1000, the same for all clips.
            words: From ``words``.
            first_frame: True when the first latent frame is given (a photo's): its tokens have timestep 0.
            cache: Step cache, or None.
            keys: One a clip: under which the cache keeps what it keeps.

        Returns:
            (clips, channels, frames, rows, columns), float32.
        """
        model = self._model
        clips, _, frames, rows, columns = latents.shape
        _, p_h, p_w = model.config.patch_size
        grid = (frames, rows // p_h, columns // p_w)
        x = model.patch_embedding(latents.to(self.dtype)).flatten(2).transpose(1, 2).contiguous()
        values = (0.0, timestep) if first_frame else (timestep,)
        spread = self._spread(grid, x.device) if first_frame else None
        embedded, modulation = self._timestep(values, words)
        modulation = modulation.expand(clips, -1, -1, -1)
        context = Context(words, modulation, spread, self._rotary_of(latents, grid))
        x = self._all(x, context) if cache is None else self._cached(x, context, cache, keys)
        table = model.scale_shift_table.unsqueeze(0) + embedded.unsqueeze(2)  # (1, values, 2, width)
        if spread is not None:
            table = table[:, spread]
        shift, scale = table.unbind(2)
        x = model.proj_out((model.norm_out(x.float()) * (1 + scale) + shift).type_as(x))
        x = x.reshape(clips, *grid, 1, p_h, p_w, -1).permute(0, 7, 1, 4, 2, 5, 3, 6)
        velocity: Tensor = x.flatten(6, 7).flatten(4, 5).flatten(2, 3).float()
        return velocity

    def _timestep(self, values: tuple[float, ...], words: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (1, values, width) and modulation (1, values, 6, width) of timestep values."""
        embedder = self._model.condition_embedder
        times = embedder.timesteps_proj(torch.tensor(values, device=words.device, dtype=torch.float32))
        times = times.to(embedder.time_embedder.linear_1.weight.dtype)
        embedded = embedder.time_embedder(times).type_as(words)
        modulation = embedder.time_proj(embedder.act_fn(embedded))
        return embedded.unsqueeze(0), modulation.unflatten(1, (6, -1)).unsqueeze(0)

    def _all(self, x: Tensor, context: Context) -> Tensor:
        for block in self._model.blocks:
            x = self._block(block, x, context)
        return x

    def _cached(self, x: Tensor, context: Context, cache: StepCache, keys: Sequence[Hashable]) -> Tensor:
        first, *others = self._model.blocks
        before = x
        x = self._block(first, x, context)
        kept = [cache.at(key) for key in keys]
        due = [n for n, each in enumerate(kept) if not cache.similar(each, x[n] - before[n])]
        cache.run += len(due)
        cache.skipped += len(kept) - len(due)
        done: dict[int, Tensor] = {}
        if due:
            everyone = len(due) == len(kept)
            some, theirs = (x, context) if everyone else (x[torch.tensor(due, device=x.device)], context.of(due))
            for block in others:
                some = self._block(block, some, theirs)
            for place, n in enumerate(due):
                done[n] = some[place]
                kept[n].first, kept[n].rest = x[n] - before[n], some[place] - x[n]
        for n, each in enumerate(kept):
            if n not in done and each.rest is not None:
                done[n] = x[n] + each.rest
        return torch.stack([done[n] for n in range(len(kept))])

    def _rotary_of(self, latents: Tensor, grid: tuple[int, ...]) -> Rotary:
        if grid not in self._rotary:
            self._rotary[grid] = self._model.rope(latents)
        return self._rotary[grid]

    def _spread(self, grid: tuple[int, ...], device: torch.device) -> Tensor:
        if grid not in self._spreads:
            frames, rows, columns = grid
            later = torch.ones(frames * rows * columns, dtype=torch.int64, device=device)
            later[: rows * columns] = 0
            self._spreads[grid] = later
        return self._spreads[grid]
