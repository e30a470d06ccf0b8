"""Laws of the forward: equal to diffusers' own for words and photos, a batch to its single runs, compiled to plain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from model.wan.forward import Forward, StepCache

FRAMES, ROWS, COLUMNS = 3, 6, 10
TOKENS = FRAMES * (ROWS // 2) * (COLUMNS // 2)
FIRST = TOKENS // FRAMES
TOLERANCE = 2e-6
"""Float32 rounding: the same numbers are multiplied, some of them in another order."""


@pytest.fixture(scope="module")
def transformer() -> Any:
    """A small transformer with everything that the real one has, and random weights."""
    torch.manual_seed(0)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=48,
        out_channels=48,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=4,
        rope_max_seq_len=32,
    ).eval()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    """As the engine runs."""
    with torch.inference_mode():
        yield


def latents(clips: int, seed: int = 1) -> Tensor:
    """Noise."""
    return torch.randn(clips, 48, FRAMES, ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed))


def prompts(clips: int) -> Tensor:
    """Embeddings."""
    return torch.randn(clips, 16, 32, generator=torch.Generator().manual_seed(2))


def stock(transformer: Any, x: Tensor, timestep: float, words: Tensor, *, first_frame: bool) -> Tensor:
    """What diffusers' pipelines compute: a timestep for every token, 0 for those of a given first frame."""
    times = torch.full((len(x), TOKENS), timestep)
    if first_frame:
        times[:, :FIRST] = 0
    found: Tensor = transformer(x, times, words, return_dict=False)[0]
    return found


@pytest.mark.parametrize("first_frame", [False, True])
@pytest.mark.parametrize("timestep", [1000.0, 757.0, 1.0])
@pytest.mark.parametrize("clips", [1, 3])
def test_equal_to_stock(transformer: Any, clips: int, timestep: float, first_frame: bool) -> None:
    """One timestep for all tokens, or two, give what a timestep a token gives."""
    ours = Forward(transformer)
    x, words = latents(clips), prompts(clips)
    found = ours(x, timestep, ours.words(words), first_frame=first_frame)
    expected = stock(transformer, x, timestep, words, first_frame=first_frame)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE


def test_in_bfloat16_as_near_as_stock(transformer: Any) -> None:
    """In bfloat16 it differs from float32 by no more than diffusers' own forward does."""
    half = WanTransformer3DModel(**{k: v for k, v in transformer.config.items() if not k.startswith("_")}).eval()
    half.load_state_dict(transformer.state_dict())
    for name, parameter in half.named_parameters():
        if not any(part in name for part in half._keep_in_fp32_modules):
            parameter.data = parameter.data.bfloat16()
    x, words = latents(2), prompts(2)
    exact = stock(transformer, x, 500.0, words, first_frame=True)
    theirs = stock(half, x.bfloat16(), 500.0, words.bfloat16(), first_frame=True).float()
    forward = Forward(half)
    ours = forward(x, 500.0, forward.words(words), first_frame=True)
    assert forward.dtype is torch.bfloat16
    assert (ours - exact).norm() <= 1.05 * (theirs - exact).norm()


@pytest.mark.parametrize("first_frame", [False, True])
def test_a_batch_equals_its_single_runs(transformer: Any, first_frame: bool) -> None:
    """Each clip of a batch comes out as it would alone."""
    ours = Forward(transformer)
    x, words = latents(3), ours.words(prompts(3))
    together = ours(x, 300.0, words, first_frame=first_frame)
    for n in range(3):
        alone = ours(x[n : n + 1], 300.0, words[n : n + 1], first_frame=first_frame)
        assert (together[n] - alone[0]).abs().max() <= TOLERANCE


def test_compiled_blocks_are_one_graph_and_equal(transformer: Any) -> None:
    """The block compiles without a break, once for all blocks and all sizes, and gives the same."""
    torch._dynamo.reset()
    graphs: list[Any] = []

    def counting(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    plain, compiled = Forward(transformer), Forward(transformer, compile=True, backend=counting)
    x, words = latents(2), plain.words(prompts(2))
    for first_frame in (False, True):
        expected = plain(x, 500.0, words, first_frame=first_frame)
        assert (compiled(x, 500.0, words, first_frame=first_frame) - expected).abs().max() <= TOLERANCE
    compiled(x, 400.0, words, first_frame=True)
    larger = torch.cat((x, x), -1)
    expected = plain(larger, 400.0, words)
    assert (compiled(larger, 400.0, words) - expected).abs().max() <= TOLERANCE
    assert len(graphs) == 2, "one graph for words, one for photos, whatever the block, the size and the timestep"
    torch._dynamo.reset()


def test_without_change_the_cache_changes_nothing(transformer: Any) -> None:
    """The same input again is answered from the cache, and the answer is the same."""
    ours = Forward(transformer)
    x, words = latents(2), ours.words(prompts(2))
    cache = StepCache(0.01)
    first = ours(x, 500.0, words, cache=cache, keys=("a", "b"))
    assert (cache.run, cache.skipped) == (2, 0)
    assert (first - ours(x, 500.0, words)).abs().max() <= TOLERANCE
    again = ours(x, 500.0, words, cache=cache, keys=("a", "b"))
    assert (cache.run, cache.skipped) == (2, 2)
    assert (again - first).abs().max() <= TOLERANCE


def test_the_cache_decides_clip_by_clip(transformer: Any) -> None:
    """A clip that changed is computed, one that did not is not, and each comes out as it would alone."""
    ours = Forward(transformer)
    x, words = latents(2), ours.words(prompts(2))
    cache = StepCache(0.05)
    ours(x, 500.0, words, cache=cache, keys=("a", "b"))
    moved = x.clone()
    moved[1] = latents(1, seed=9)[0]
    found = ours(moved, 500.0, words, cache=cache, keys=("a", "b"))
    assert (cache.run, cache.skipped) == (3, 1)
    alone = StepCache(0.05)
    ours(x[:1], 500.0, words[:1], cache=alone, keys=("a",))
    assert (found[0] - ours(x[:1], 500.0, words[:1], cache=alone, keys=("a",))[0]).abs().max() <= TOLERANCE
    assert (found[1] - ours(moved[1:], 500.0, words[1:])[0]).abs().max() <= TOLERANCE


def test_branches_do_not_share_what_is_kept(transformer: Any) -> None:
    """The prompt's branch and the negative prompt's each look at their own last forward."""
    ours = Forward(transformer)
    x, words = latents(1), ours.words(prompts(1))
    cache = StepCache(0.5)
    ours(x, 500.0, words, cache=cache, keys=("with",))
    ours(x, 500.0, words, cache=cache, keys=("against",))
    assert (cache.run, cache.skipped) == (2, 0)


def test_a_larger_threshold_skips_more(transformer: Any) -> None:
    """Along a trajectory, the number of skipped forwards grows with the threshold, from none to all but the first."""
    ours = Forward(transformer)
    words = ours.words(prompts(1))
    start, end = latents(1), latents(1, seed=5)
    skipped = []
    for threshold in (1e-9, 0.02, 0.2, 10.0):
        cache = StepCache(threshold)
        for step in range(10):
            ours(torch.lerp(start, end, step / 10), 1000.0 - 60 * step, words, cache=cache, keys=("a",))
        skipped.append(cache.skipped)
    assert skipped == sorted(skipped)
    assert (skipped[0], skipped[-1]) == (0, 9)
