"""Laws of the FLOPs: they are what torch counts when the models run, at full size and at any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from model.wan import flops
from model.wan.architecture import TEXT_ENCODER, TRANSFORMER, VAE, Component, build


def counted(component: Component, changes: Mapping[str, Any], run: Callable[[Any], object]) -> int:
    """What torch counts while a model runs on shapes alone."""
    module = build(component, changes=changes)
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run(module)
    total: int = counter.get_total_flops()
    return total


def forward(latents: flops.Latents, timestep: tuple[int, ...] = (1,), words: int = 512) -> Callable[[Any], object]:
    """One forward of a transformer."""
    return lambda model: model(
        torch.empty(1, model.config.in_channels, *latents),
        torch.empty(timestep),
        torch.empty(1, words, model.config.text_dim),
    )


@pytest.mark.parametrize(
    ("frames", "height", "width", "tokens", "tera"),
    [
        (73, 480, 832, 7_410, 87),
        (97, 480, 832, 9_750, 123),
        (121, 480, 832, 12_090, 163),
        (145, 480, 832, 14_430, 207),
        (121, 704, 1280, 27_280, 520),
    ],
)
def test_a_forward_costs_what_is_published(frames: int, height: int, width: int, tokens: int, tera: float) -> None:
    """Tokens and TFLOP of a forward of the 5B are the known ones, within 2 %."""
    assert flops.token_count(TRANSFORMER, frames, height, width) == tokens
    assert flops.transformer_flops(TRANSFORMER, frames, height, width) / 1e12 == pytest.approx(tera, rel=0.02)


def test_full_size_forward_is_what_torch_counts() -> None:
    """At 832×480 and 73 frames the 5B's forward has exactly the FLOPs that torch counts: 86.595 TFLOP."""
    found = flops.transformer_flops(TRANSFORMER, 73, 480, 832)

    assert found == counted("transformer", {}, forward(flops.latents_of(73, 480, 832)))
    assert found == pytest.approx(86.595e12, rel=1e-5)


def test_full_size_text_is_what_torch_counts() -> None:
    """UMT5-XXL over 512 tokens has exactly the FLOPs that torch counts."""
    found = flops.text_flops(TEXT_ENCODER)

    assert found == counted("text_encoder", {}, lambda model: model(torch.zeros(1, 512, dtype=torch.int64)))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_full_size_decode_is_what_torch_counts(frames: int) -> None:
    """Stock's decode of the full-size VAE has exactly the FLOPs that torch counts, for the first frame and the next."""
    latents = flops.latents_of(frames, 480, 832)

    found = flops.decode_flops(VAE, latents)

    assert found == counted("vae", {}, lambda model: model.decode(torch.empty(1, 48, *latents)))


@settings(max_examples=20, deadline=None)
@given(
    heads=st.integers(1, 3),
    width=st.sampled_from([12, 24]),
    ffn=st.integers(1, 40),
    layers=st.integers(1, 3),
    channels=st.integers(1, 5),
    clip=st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)),
    words=st.integers(1, 20),
    timesteps=st.sampled_from([1, None]),
)
def test_any_transformer_is_what_torch_counts(
    heads: int,
    width: int,
    ffn: int,
    layers: int,
    channels: int,
    clip: tuple[int, int, int],
    words: int,
    timesteps: int | None,
) -> None:
    """The count holds for any configuration, clip, prompt length, and for one timestep or one a token."""
    changes = {
        "num_attention_heads": heads,
        "attention_head_dim": width,
        "ffn_dim": ffn,
        "num_layers": layers,
        "in_channels": channels,
        "out_channels": channels + 1,
        "text_dim": 8,
        "freq_dim": 6,
    }
    config, (seconds, rows, columns) = {**TRANSFORMER, **changes}, clip
    frames, height, across = 4 * seconds + 1, 32 * rows, 32 * columns
    tokens = flops.token_count(config, frames, height, across)
    shape = (1,) if timesteps else (1, tokens)

    found = flops.transformer_flops(config, frames, height, across, text_tokens=words, timesteps=timesteps or tokens)

    assert found == counted("transformer", changes, forward(flops.latents_of(frames, height, across), shape, words))


@settings(max_examples=12, deadline=None)
@given(
    factors=st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=3).map(sorted),
    doublings=st.lists(st.booleans(), min_size=3, max_size=3),
    blocks=st.integers(1, 2),
    own=st.sampled_from([16, None]),
    latents=st.builds(flops.Latents, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)),
)
def test_any_decoder_is_what_torch_counts(
    factors: list[int], doublings: list[bool], blocks: int, own: int | None, latents: flops.Latents
) -> None:
    """The count holds for any widths, depth and doublings of time, with the decoder's own base width or without."""
    changes = {
        "base_dim": 8,
        "decoder_base_dim": own,
        "z_dim": 4,
        "dim_mult": (*factors, factors[-1]),  # between the last two nothing is enlarged, so nothing may widen
        "num_res_blocks": blocks,
        "temperal_downsample": tuple(doublings[: len(factors)]),
        "latents_mean": (0.0,) * 4,
        "latents_std": (1.0,) * 4,
    }

    found = flops.decode_flops({**VAE, **changes}, latents)

    assert found == counted("vae", changes, lambda model: model.decode(torch.empty(1, 4, *latents)))


@settings(max_examples=15, deadline=None)
@given(
    tokens=st.integers(1, 30),
    heads=st.integers(1, 3),
    layers=st.integers(1, 3),
    form=st.sampled_from(["gated-gelu", "relu"]),
)
def test_any_text_encoder_is_what_torch_counts(tokens: int, heads: int, layers: int, form: str) -> None:
    """The count holds for any configuration and prompt length, and reads transformers' own configuration object."""
    changes = {
        "vocab_size": 50,
        "d_model": 8,
        "d_kv": 4,
        "d_ff": 12,
        "num_heads": heads,
        "num_layers": layers,
        "feed_forward_proj": form,
    }

    found = flops.text_flops({**TEXT_ENCODER, **changes}, tokens)

    def run(model: Any) -> None:
        model(torch.zeros(1, tokens, dtype=torch.int64))

    assert found == counted("text_encoder", changes, run)
    assert found == flops.text_flops(build("text_encoder", changes=changes).config, tokens)


def test_a_models_own_configuration_is_read() -> None:
    """diffusers' configuration objects give the same as the plain data."""
    assert flops.transformer_flops(build("transformer").config, 9, 64, 96) == flops.transformer_flops(
        TRANSFORMER, 9, 64, 96
    )
    latents = flops.latents_of(9, 64, 96)
    assert flops.decode_flops(build("vae").config, latents) == flops.decode_flops(VAE, latents)


def test_latents_of_a_clip() -> None:
    """Every 16 pixels a value each way, every 4 frames a frame behind the first."""
    assert flops.latents_of(73, 480, 832) == flops.Latents(frames=19, rows=30, columns=52)
    assert flops.latents_of(1, 32, 32) == flops.Latents(frames=1, rows=2, columns=2)


@pytest.mark.parametrize(
    ("frames", "height", "width", "told"),
    [
        (72, 480, 832, "frames: a multiple of 4 and one more, not 72"),
        (0, 480, 832, "frames: .* not 0"),
        (73, 481, 832, "height: a multiple of 16, not 481"),
        (73, 480, 0, "width: a multiple of 16, not 0"),
        (73, 480, 848, "width: 53 latent values are no multiple of the patch's 2"),
    ],
)
def test_clips_that_the_model_cannot_make_are_refused(frames: int, height: int, width: int, told: str) -> None:
    """A clip that stock would round down in silence is refused, naming the side."""
    with pytest.raises(ValueError, match=told):
        flops.transformer_flops(TRANSFORMER, frames, height, width)


def test_another_kind_of_vae_is_refused() -> None:
    """Wan 2.1's decoder has other layers: it is refused rather than miscounted."""
    with pytest.raises(ValueError, match="vae: is_residual"):
        flops.decode_flops({**VAE, "is_residual": False}, flops.latents_of(1, 32, 32))


def test_mfu_is_the_share_of_the_ceiling() -> None:
    """300 TFLOP in a second, of 600 TFLOP a second that the device can do, is a half; no time and no ceiling: none."""
    assert flops.mfu(600e12, 2.0, 600e12) == 0.5
    for seconds, ceiling in ((0.0, 1.0), (-1.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="mfu: seconds and ceiling are above 0"):
            flops.mfu(1.0, seconds, ceiling)
