"""Loading: sound parts load as diffusers loads them; what would give garbage in silence is refused with a reason."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from model.engine import UNWATCHED, EngineError, Shot
from model.wan.checkpoint import Checkpoint, seal
from model.wan.engine import Wan
from model.wan.load import Parts, load_parts, self_test
from model.wan.options import WanOptions
from model.wan.profile import Profile
from tests.unit.model_wan.stock import levels_apart, opened, profile, rendered, scene


def loaded(checkpoint: Checkpoint, **changes: Any) -> Parts:
    """The parts under a profile."""
    return load_parts(checkpoint, profile(**changes), lambda _: None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sound_parts_pass(tiny: Checkpoint, dtype: str) -> None:
    """The tiny checkpoint in either dtype; the VAE and the modules that must be stay in float32."""
    parts = loaded(tiny, dtype=dtype)
    assert self_test(parts, profile()) == []
    assert parts.vae.dtype is torch.float32
    assert parts.transformer.blocks[0].scale_shift_table.dtype is torch.float32
    assert parts.transformer.condition_embedder.time_embedder.linear_1.weight.dtype is torch.float32
    assert parts.transformer.patch_embedding.weight.dtype is getattr(torch, dtype)


def _untie(parts: Parts) -> None:
    parts.text_encoder.encoder.embed_tokens.weight = torch.nn.Parameter(
        torch.randn_like(parts.text_encoder.shared.weight)
    )


def _statistics(**values: Any) -> Callable[[Parts], None]:
    return lambda parts: parts.vae.register_to_config(**values)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_untie, "text_encoder: encoder.embed_tokens is not tied to shared: prompts would mean nothing"),
        (lambda parts: parts.transformer.to(torch.bfloat16), "parameters are not in float32, "),
        (_statistics(latents_std=[0.0] * 48), "a deviation is not above 0"),
        (_statistics(latents_mean=[float("nan")] * 48), "latent statistics are not finite"),
        (_statistics(latents_mean=[0.0] * 16), "16 latent means, 48 deviations and 48 channels"),
        (_statistics(scale_factor_spatial=8), "works in steps of 16 pixels and 4 frames; the engine is made for 32"),
        (
            lambda parts: parts.transformer.register_to_config(rope_max_seq_len=2),
            "the transformer's positions end at 2",
        ),
        (lambda parts: parts.transformer.register_to_config(text_dim=64), "embeddings are 32 wide, "),
    ],
)
def test_what_would_give_garbage_is_found(tiny: Checkpoint, spoil: Callable[[Parts], None], told: str) -> None:
    """Each known way of loading a wrong model without an error is told by its part."""
    parts = loaded(tiny)
    spoil(parts)
    assert told in "; ".join(self_test(parts, profile()))


@pytest.fixture
def copied(tiny: Checkpoint, tmp_path: Path) -> Path:
    """A copy of the checkpoint to spoil."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "copy"))


def started(folder: Path, **more: Any) -> None:
    """Start the engine on a folder as it is."""
    engine = Wan(WanOptions(checkpoint=str(folder), profile="cpu-tiny", device="cpu", **more))
    try:
        engine.start(UNWATCHED)
    finally:
        engine.close()


def test_a_shard_that_was_cut_off_is_refused(copied: Path) -> None:
    """Even where only sizes are compared."""
    shard = copied / "transformer" / "diffusion_pytorch_model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    for digests in (True, False):
        with pytest.raises(EngineError, match=r"transformer/diffusion_pytorch_model\.safetensors") as caught:
            started(copied, digests=digests)
        assert not caught.value.retryable


def test_a_shard_with_one_wrong_bit_is_refused(copied: Path) -> None:
    """By its digest; a seal over the wrong bytes is another checkpoint with another revision."""
    shard = copied / "vae" / "diffusion_pytorch_model.safetensors"
    data = bytearray(shard.read_bytes())
    data[-10] ^= 1
    shard.write_bytes(data)
    with pytest.raises(EngineError, match=r"vae/diffusion_pytorch_model\.safetensors.*sha256"):
        started(copied)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(copied: Path, part: str) -> None:
    """Sealed or not, a checkpoint without one of its parts does not start."""
    shutil.rmtree(copied / part)
    with pytest.raises(EngineError, match=part):
        started(copied)
    (copied / "skureel-checkpoint.json").unlink()
    seal(copied)
    with pytest.raises(EngineError, match=part):
        started(copied)


def test_a_distilled_checkpoint_needs_the_few_step_sampler(copied: Path) -> None:
    """Thirty guided steps of a distilled model are a waste that shows: refused."""
    index = copied / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "WanDMDPipeline"}))
    (copied / "skureel-checkpoint.json").unlink()
    sealed = seal(copied)
    with pytest.raises(EngineError, match="the checkpoint is distilled for few steps; use the profile fast"):
        loaded(sealed)
    few: dict[str, Any] = {
        "sampler": "few-step",
        "steps": 2,
        "timesteps": [1000, 500],
        "guidance": 1.0,
        "modes": ["text"],
    }
    assert loaded(sealed, **few).transformer is not None


def test_weights_that_fit_no_module_are_refused(copied: Path) -> None:
    """A configuration of another model beside the weights is an error, not random weights in silence."""
    config = copied / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"ffn_dim": 64}))
    (copied / "skureel-checkpoint.json").unlink()
    seal(copied)
    with pytest.raises(EngineError, match="transformer: cannot be loaded"):
        started(copied)


@pytest.mark.parametrize(
    ("device", "told"), [("cuda:0", "no such GPU is visible"), ("tpu", "want auto, cpu or cuda:N")]
)
def test_a_device_that_is_not_there_is_told(tiny: Checkpoint, device: str, told: str) -> None:
    """With the name that was asked for."""
    if device == "cuda:0" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match=f"device '{device}': {told}"):
        Wan(WanOptions(checkpoint=str(tiny.folder), profile="cpu-tiny", device=device)).start()


def test_too_little_memory_is_told(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is rendered, with what is needed and what there is."""
    monkeypatch.setattr("model.wan.opening.free_bytes", lambda _: -(2**40))
    with pytest.raises(EngineError, match=r"offload needs .* GiB and -?[0-9.]+ are free"):
        started(tiny.folder)


def test_the_engine_is_whole_after_a_start_that_failed(tiny: Checkpoint, copied: Path) -> None:
    """A refused start leaves nothing behind: the same object can be closed, and another one starts."""
    shutil.rmtree(copied / "vae")
    with pytest.raises(EngineError):
        started(copied)
    started(tiny.folder)


# Adapters.


def adapter(parts: Parts, folder: Path, seed: int = 0) -> Path:
    """A LoRA for the tiny transformer, as trainers save them."""
    torch.manual_seed(seed)
    transformer = parts.transformer
    transformer.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    layers = get_peft_model_state_dict(transformer)
    WanPipeline.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=f"{seed}.safetensors")
    return folder / f"{seed}.safetensors"


def with_adapters(*files: tuple[Path, float]) -> Profile:
    """A profile with these adapters and weights."""
    entries = [
        {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "weight": weight}
        for file, weight in files
    ]
    return profile(adapters=entries)


def test_adapters_change_the_picture_by_their_weight(tiny: Checkpoint, tmp_path: Path) -> None:
    """Weight 0 changes nothing, 1 does, and two adapters add up to more than either; nothing of PEFT stays behind."""
    first, second = adapter(loaded(tiny), tmp_path, 0), adapter(loaded(tiny), tmp_path, 1)
    shot = Shot(scene=scene())
    frames = {}
    for name, used in {
        "none": profile(),
        "nothing": with_adapters((first, 0.0)),
        "first": with_adapters((first, 1.0)),
        "both": with_adapters((first, 1.0), (second, 1.0)),
    }.items():
        runtime = opened(tiny, used)
        (found,) = rendered(runtime, [shot])
        frames[name] = found.frames
        assert not any("lora" in key for key in runtime._parts.transformer.state_dict())
        runtime.close()
    assert levels_apart(frames["none"], frames["nothing"]) <= 1
    assert levels_apart(frames["none"], frames["first"]) > 1
    assert levels_apart(frames["first"], frames["both"]) > 1


def test_adapters_that_are_not_what_they_were_are_refused(tiny: Checkpoint, tmp_path: Path) -> None:
    """A missing file, another digest, another kind of file, weights of another model: each told by its name."""
    good = adapter(loaded(tiny), tmp_path)
    used = with_adapters((good, 1.0))
    data = good.read_bytes()
    good.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(EngineError, match=r"adapter .*0\.safetensors: its sha256 is "):
        load_parts(tiny, used, lambda _: None)
    good.unlink()
    with pytest.raises(EngineError, match=r"0\.safetensors: No such file"):
        load_parts(tiny, used, lambda _: None)
    pickled = tmp_path / "0.pt"
    pickled.write_bytes(data)
    with pytest.raises(EngineError, match="only safetensors are loaded"):
        load_parts(tiny, with_adapters((pickled, 1.0)), lambda _: None)
    shard = tiny.folder / "vae" / "diffusion_pytorch_model.safetensors"
    with pytest.raises(EngineError, match=r"adapter diffusion_pytorch_model\.safetensors"):
        load_parts(tiny, with_adapters((shard, 1.0)), lambda _: None)
