"""Laws of the architecture: the real 5B in full size, without weights; and with random ones where a model must run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from model.wan.architecture import LATENTS_MEAN, LATENTS_STD, SCHEDULER, Component, build, parameter_count

SMALL: dict[Component, dict[str, Any]] = {
    "transformer": {
        "num_attention_heads": 4,
        "attention_head_dim": 24,
        "text_dim": 32,
        "ffn_dim": 192,
        "num_layers": 3,
        "rope_max_seq_len": 64,
    },
    "vae": {"base_dim": 8, "decoder_base_dim": 16},
    "text_encoder": {"vocab_size": 300, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_heads": 4, "num_layers": 3},
}
COMPONENTS: list[Component] = ["transformer", "vae", "text_encoder"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with torch.inference_mode():
        yield


def small(component: Component, **how: Any) -> Any:
    """One component with random weights, small."""
    return build(component, device="cpu", changes=SMALL[component], **how)


def run(component: Component, model: Any) -> torch.Tensor:
    """What a small model makes of random inputs."""
    generator = torch.Generator().manual_seed(5)
    if component == "text_encoder":
        words: torch.Tensor = model(torch.randint(0, 300, (1, 16), generator=generator)).last_hidden_state
        return words
    latents = torch.randn(1, 48, 3, 4, 6, generator=generator)
    if component == "vae":
        pixels: torch.Tensor = model.decode(latents, return_dict=False)[0]
        return pixels
    text = torch.randn(1, 16, 32, generator=generator)
    velocity: torch.Tensor = model(latents, torch.tensor([500.0]), text, return_dict=False)[0]
    return velocity


@pytest.mark.parametrize(
    ("component", "exact", "billions"),
    [
        ("transformer", 4_999_787_712, 5.0),
        ("vae", 704_688_668, 0.70),
        ("text_encoder", 5_680_910_336, 5.7),
    ],
)
def test_full_size_has_the_known_number_of_parameters(component: Component, exact: int, billions: float) -> None:
    """5.0, 0.70 and 5.7 billion, and no memory taken for them."""
    module = build(component)

    assert parameter_count(module) == exact
    assert exact / 1e9 == pytest.approx(billions, rel=0.01)
    assert all(weight.is_meta for weight in module.parameters())


def test_full_size_has_the_known_shapes() -> None:
    """48 latent channels in and out, patches of 1×2×2, 16 pixels and 4 frames a latent value, words of 4096."""
    transformer, vae, text = build("transformer"), build("vae"), build("text_encoder")

    assert transformer.config.in_channels == transformer.config.out_channels == vae.config.z_dim == 48
    assert tuple(transformer.config.patch_size) == transformer.patch_embedding.kernel_size == (1, 2, 2)
    assert transformer.patch_embedding.weight.shape == (3072, 48, 1, 2, 2)
    assert transformer.proj_out.weight.shape == (192, 3072)
    assert len(transformer.blocks) == 30
    assert (vae.config.scale_factor_spatial, vae.config.scale_factor_temporal, vae.config.patch_size) == (16, 4, 2)
    assert vae.decoder.conv_in.weight.shape == (1024, 48, 3, 3, 3)
    assert vae.decoder.conv_out.weight.shape == (12, 256, 3, 3, 3)
    assert transformer.config.text_dim == text.config.d_model == text.shared.weight.shape[1] == 4096


def test_full_size_makes_clips_of_the_known_size() -> None:
    """Latents of 19×30×52 stay so through the transformer and come out of the VAE as 73 frames of 832×480."""
    with torch.device("meta"):
        latents = torch.empty(1, 48, 19, 30, 52)
        velocity = build("transformer")(latents, torch.empty(1), torch.empty(1, 512, 4096), return_dict=False)[0]
        pixels = build("vae").decode(latents[:, :, :3], return_dict=False)[0]

    assert velocity.shape == latents.shape
    assert pixels.shape == (1, 3, 4 * 2 + 1, 480, 832)


def test_latent_statistics_are_whole() -> None:
    """48 means and 48 deviations, and their sums, which a slip in any one number would change."""
    assert len(LATENTS_MEAN) == len(LATENTS_STD) == 48
    assert min(LATENTS_STD) > 0
    assert sum(LATENTS_MEAN) == pytest.approx(-0.5589, abs=1e-9)
    assert sum(LATENTS_STD) == pytest.approx(32.5360, abs=1e-9)
    vae = build("vae").config
    assert (tuple(vae.latents_mean), tuple(vae.latents_std)) == (LATENTS_MEAN, LATENTS_STD)


def test_the_schedule_is_a_flow() -> None:
    """The scheduler predicts a flow over 1000 timesteps, shifted by 5."""
    assert (SCHEDULER["prediction_type"], SCHEDULER["flow_shift"]) == ("flow_prediction", 5.0)
    assert SCHEDULER["num_train_timesteps"] == 1000


# Random weights.


@pytest.mark.parametrize("component", COMPONENTS)
def test_random_weights_run(component: Component) -> None:
    """Nothing is left without a value: the output is finite, not flat, and of a sane size."""
    model = small(component)

    made = run(component, model)

    assert not model.training
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    assert bool(torch.isfinite(made).all())
    assert 0.02 < float(made.std()) < 50


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_seed_decides_the_weights(component: Component) -> None:
    """The same seed gives the same output to the bit, another seed another."""
    first = run(component, small(component, seed=1))

    assert torch.equal(first, run(component, small(component, seed=1)))
    assert not torch.allclose(first, run(component, small(component, seed=2)))


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_have_the_dtypes_that_loading_gives(component: Component, dtype: torch.dtype, tmp_path: Path) -> None:
    """What the loader keeps in float32 is in float32 here, and nothing else."""
    model = small(component, dtype=dtype)
    small(component).save_pretrained(tmp_path)

    how = "dtype" if component == "text_encoder" else "torch_dtype"
    loaded = type(model).from_pretrained(tmp_path, local_files_only=True, **{how: dtype})

    found = {name: value.dtype for name, value in (*model.named_parameters(), *model.named_buffers())}
    assert found == {name: value.dtype for name, value in (*loaded.named_parameters(), *loaded.named_buffers())}


def test_rotary_tables_are_real() -> None:
    """The transformer's tables are those it computes when it is made, though it was made without memory."""
    model = small("transformer", dtype=torch.bfloat16)
    stock = type(model)(**model.config)

    assert torch.equal(model.rope.freqs_cos, stock.rope.freqs_cos)
    assert torch.equal(model.rope.freqs_sin, stock.rope.freqs_sin)


def test_tied_embeddings_stay_tied() -> None:
    """The text encoder's two names of its embeddings are one tensor, in full size and in small."""
    for model in (build("text_encoder"), small("text_encoder")):
        assert model.shared.weight is model.encoder.embed_tokens.weight


def test_random_weights_are_not_all_the_same() -> None:
    """Rows of a matrix differ even where it is larger than the pool, and so do the same matrices of two layers."""
    model = build("text_encoder", device="cpu", changes={**SMALL["text_encoder"], "vocab_size": 40_000})
    table, (first, second) = model.shared.weight, (model.encoder.block[n].layer[0].SelfAttention.q for n in (0, 1))

    assert table.numel() > 2 * 1_048_583
    assert len(torch.unique(table, dim=0)) == 40_000
    assert not torch.equal(first.weight, second.weight)
    assert float(table.std()) == pytest.approx(64**-0.5, rel=0.01)
