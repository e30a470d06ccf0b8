"""The tiny checkpoint: the real classes and loader, the same bytes each time, clips that pass the inspection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from PIL import Image, ImageDraw
from transformers import AutoTokenizer, UMT5EncoderModel

from model.engine import Frames
from model.inspect import inspect_frames
from model.recipe import Scene
from model.wan.checkpoint import Checkpoint, CheckpointError, check_components, open_checkpoint, verify
from model.wan.tiny import LICENCE, make_tiny

PROMPTS = (
    "a red leather shoe on a table, soft light",
    "白色陶瓷杯，柔和的光线，缓慢旋转",
    "stainless steel flask on marble, slow orbit",
    "Wärmflasche, façade, голубой 藍色 👟",
)
SIZES = ((160, 96), (128, 96), (96, 160), (128, 128))
Make = Callable[..., Frames]


@pytest.fixture(scope="module")
def make(tiny: Checkpoint) -> Make:
    """A clip by stock diffusers: uint8 frames (frames, height, width, 3)."""
    text = WanPipeline.from_pretrained(tiny.folder, local_files_only=True)
    image = WanImageToVideoPipeline.from_pipe(text)
    for pipeline in (text, image):
        pipeline.set_progress_bar_config(disable=True)

    def clip(prompt: str, *, seed: int = 0, photo: Image.Image | None = None, **how: Any) -> Frames:
        given = {"height": 96, "width": 128, "num_frames": 9, "num_inference_steps": 2, "guidance_scale": 3.0, **how}
        given["generator"] = torch.Generator().manual_seed(seed)
        given["max_sequence_length"] = how.get("max_sequence_length", 64)
        made = text(prompt, **given) if photo is None else image(image=photo, prompt=prompt, **given)
        frames: Frames = (made.frames[0] * 255).round().astype(np.uint8)
        return frames

    return clip


def photo(kind: int, width: int, height: int) -> Image.Image:
    """A product photo: dark on white, bright on dark, nearly white on white, all over."""
    white = (255, 255, 255)
    back, front, share = (
        (white, (200, 40, 40), 0.25),
        ((20, 20, 30), (230, 200, 60), 0.3),
        (white, (200, 200, 205), 0.44),
        ((90, 120, 160), (30, 60, 40), 0.05),
    )[kind]
    made = Image.new("RGB", (width, height), back)
    box = (width * share, height * share, width * (1 - share), height * (1 - share))
    ImageDraw.Draw(made).ellipse(box, fill=front)
    return made


def scene(frames: Frames) -> Scene:
    """What the inspection needs to know of a clip."""
    count, height, width, _ = frames.shape
    return Scene(
        mode="text", prompt="x", seed=0, width=width, height=height, frames=count, fps=24,
        engine="wan", engine_revision="1",
    )  # fmt: skip


def test_the_same_seed_gives_the_same_bytes(tiny: Checkpoint, tmp_path: Path) -> None:
    """Whatever else was drawn before; another seed gives other weights."""
    torch.rand(7)
    again = make_tiny(tmp_path / "again", seed=0)
    assert again.content == tiny.content
    assert make_tiny(tmp_path / "other", seed=1).content != tiny.content


def test_making_leaves_the_callers_chance_alone(tmp_path: Path) -> None:
    """The global random state is as it was."""
    before = torch.get_rng_state()
    make_tiny(tmp_path / "tiny")
    assert torch.equal(before, torch.get_rng_state())


def test_it_is_sealed_whole_and_readable_by_all(tiny: Checkpoint) -> None:
    """It passes the checks of any checkpoint, is about a megabyte, and a container's user can read it."""
    assert open_checkpoint(tiny.folder) == tiny
    verify(tiny, digests=True)
    parts = {part.name: part.parameters for part in check_components(tiny)}
    assert all(10_000 < parts[name] < 200_000 for name in ("transformer", "vae", "text_encoder"))
    assert tiny.size < 1_100_000
    assert tiny.licence == LICENCE
    assert {(tiny.folder / file.path).stat().st_mode & 0o777 for file in tiny.files} == {0o644}


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A folder with files is refused and left as it is."""
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(CheckpointError, match="already there"):
        make_tiny(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(CheckpointError, match="cannot be written"):
        make_tiny(tmp_path / "mine.txt" / "below")


def test_the_real_loader_gives_back_what_was_saved(tiny: Checkpoint, tmp_path: Path) -> None:
    """Loaded by the classes of the full model, saved anew and sealed, the weights are the same bytes."""
    loaded: dict[str, Any] = {
        "transformer": WanTransformer3DModel,
        "vae": AutoencoderKLWan,
        "text_encoder": UMT5EncoderModel,
    }
    for name, kind in loaded.items():
        part = kind.from_pretrained(tiny.folder / name, local_files_only=True, use_safetensors=True)
        part.save_pretrained(tmp_path / name)
        (saved,) = (tmp_path / name).glob("*.safetensors")
        assert saved.read_bytes() == (tiny.folder / name / saved.name).read_bytes()
        if name == "text_encoder":
            assert torch.equal(part.shared.weight, part.encoder.embed_tokens.weight)


def test_it_says_what_the_5b_says_of_itself(tiny: Checkpoint) -> None:
    """A timestep per token, 48 latent channels, patches of 2, 4 frames and 16 pixels a latent."""
    index = json.loads((tiny.folder / "model_index.json").read_text())
    vae = json.loads((tiny.folder / "vae/config.json").read_text())
    assert index["expand_timesteps"] is True
    assert (vae["z_dim"], vae["patch_size"], vae["is_residual"]) == (48, 2, True)
    assert (vae["scale_factor_temporal"], vae["scale_factor_spatial"]) == (4, 16)
    assert len(set(vae["latents_mean"])) == len(set(vae["latents_std"])) == 48


@pytest.mark.parametrize("length", [16, 64, 512])
def test_any_text_becomes_tokens(tiny: Checkpoint, length: int) -> None:
    """Every language and symbol, padded and cut to length; no character is lost to the unknown token."""
    tokenizer = AutoTokenizer.from_pretrained(tiny.folder / "tokenizer", local_files_only=True)
    made = tokenizer(list(PROMPTS), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    assert made.input_ids.shape == (len(PROMPTS), length)
    assert not (made.input_ids == tokenizer.unk_token_id).any()
    assert {int(row[mask.bool()][-1]) for row, mask in zip(made.input_ids, made.attention_mask, strict=True)} == {
        tokenizer.eos_token_id
    }
    assert len({tuple(row.tolist()) for row in made.input_ids}) == len(PROMPTS)


def test_clips_depend_on_prompt_seed_and_photo(make: Make) -> None:
    """Each of them changes what is seen, by more than a level; the same again gives the same frames."""
    base = make(PROMPTS[0], seed=1)
    assert np.array_equal(base, make(PROMPTS[0], seed=1))
    pictures = [photo(kind, 128, 96) for kind in range(4)]
    others = [
        make(PROMPTS[1], seed=1),
        make(PROMPTS[2], seed=1),
        make(PROMPTS[0], seed=2),
        make(PROMPTS[0], seed=1, negative_prompt=PROMPTS[3]),
        *(make(PROMPTS[0], seed=1, photo=picture) for picture in pictures),
        make(PROMPTS[1], seed=1, photo=pictures[0]),
        make(PROMPTS[0], seed=2, photo=pictures[0]),
    ]
    clips = [base, *others]
    for place, one in enumerate(clips):
        for other in clips[place + 1 :]:
            assert np.abs(one.astype(np.int16) - other).mean() > 1.0


def test_padding_matters_a_little(make: Make) -> None:
    """As in the real model, the padded length changes the picture; a test of lengths would otherwise see nothing."""
    short, long = make(PROMPTS[0]), make(PROMPTS[0], max_sequence_length=512)
    assert 0.05 < np.abs(short.astype(np.int16) - long).mean() < 40


@pytest.mark.parametrize("kind", range(4))
def test_a_clip_begins_with_its_photo(make: Make, kind: int) -> None:
    """The first frame is the photo made soft: close to it where a cell is averaged."""
    picture = photo(kind, 128, 96)
    first = Image.fromarray(make(PROMPTS[0], photo=picture)[0])
    wanted = np.asarray(picture.reduce(32), np.float32)
    assert np.abs(np.asarray(first.reduce(32), np.float32) - wanted).mean() < 32


@pytest.mark.parametrize("seed", range(56))
def test_clips_pass_the_inspection(make: Make, seed: int) -> None:
    """Text and photos, every size, 9 to 25 frames, 2 to 4 steps, with and without guidance: nothing is found wrong."""
    width, height = SIZES[seed % 4]
    frames = make(
        PROMPTS[seed // 2 % 4],
        seed=seed,
        photo=photo(seed // 2 % 4, width, height) if seed % 2 else None,
        width=width,
        height=height,
        num_frames=(9, 13, 9, 25)[seed // 4 % 4],
        num_inference_steps=2 + seed % 3,
        guidance_scale=(3.0, 1.0, 5.0)[seed // 3 % 3],
    )
    report = inspect_frames(frames, scene(frames))
    assert report.passed, report.faults
