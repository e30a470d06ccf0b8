"""Stock diffusers on the tiny checkpoint: what ours must equal. And ours, built the way the engine builds itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image
from torch import Tensor

from model.engine import UNWATCHED, EngineError, Frames, Rendered, Shot
from model.recipe import Photo, Scene
from model.wan.checkpoint import Checkpoint
from model.wan.load import load_parts
from model.wan.opening import build
from model.wan.options import WanOptions
from model.wan.profile import Profile, load
from model.wan.runtime import Runtime

WIDTH, HEIGHT, FRAMES = 96, 64, 9


def profile(**changes: Any) -> Profile:
    """The cpu-tiny profile with small buckets, or as changed."""
    fields: dict[str, Any] = load("cpu-tiny").model_dump()
    fields["buckets"] = [{"render": [WIDTH, HEIGHT]}, {"render": [64, 64]}, {"render": [128, 64], "base": [96, 48]}]
    fields["layout"] |= {"warm_up": False, "overlap": False, "batch": 4}
    layout = changes.pop("layout", {})
    fields |= changes
    fields["layout"] |= layout
    return Profile.model_validate(fields)


def opened(checkpoint: Checkpoint, used: Profile, **options: Any) -> Runtime:
    """A runtime over the tiny checkpoint."""
    parts = load_parts(checkpoint, used, lambda _: None)
    return build(parts, used, WanOptions(device="cpu", **options), torch.device("cpu"), UNWATCHED)


def photo(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A soft coloured picture, different by seed, as PNG."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 6, 3), np.uint8))
    target = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(target, "PNG")
    return target.getvalue()


def scene(prompt: str = "a red kettle on a table", *, image: bool = False, **changes: Any) -> Scene:
    """A scene of the tiny engine."""
    values: dict[str, Any] = {
        "mode": "image" if image else "text",
        "prompt": prompt,
        "negative_prompt": "blur",
        "photo": Photo(url="store:samples/a.png") if image else None,
        "seed": 7,
        "width": WIDTH,
        "height": HEIGHT,
        "frames": FRAMES,
        "fps": 24,
        "engine": "wan",
        "engine_revision": "1",
    }
    return Scene(**(values | changes))


def rendered(runtime: Runtime, shots: Sequence[Shot]) -> list[Rendered]:
    """What comes of shots that must succeed."""
    results = runtime.render(shots, UNWATCHED)
    for result in results:
        if isinstance(result, EngineError):
            raise result
    return [result for result in results if isinstance(result, Rendered)]


class Stock:
    """diffusers' pipelines over the same folder."""

    def __init__(self, checkpoint: Checkpoint, used: Profile) -> None:
        how = {"dtype": torch.float32, "local_files_only": True, "use_safetensors": True}
        self.text = WanPipeline.from_pretrained(checkpoint.folder, **how)
        self.text.scheduler = UniPCMultistepScheduler.from_config(
            self.text.scheduler.config, flow_shift=used.shift, prediction_type="flow_prediction", use_flow_sigmas=True
        )
        self.text.set_progress_bar_config(disable=True)
        self.image = WanImageToVideoPipeline(
            **{name: self.text.components[name] for name in ("tokenizer", "text_encoder", "vae", "scheduler")},
            transformer=self.text.transformer,
            expand_timesteps=True,
        )
        self.image.set_progress_bar_config(disable=True)
        self.profile = used

    def run(self, shot: Shot, *, output: str) -> Any:
        """One clip, alone: latents (1, channels, frames, rows, columns) or frames (frames, height, width, 3) in 0…1."""
        wanted = shot.scene
        arguments: dict[str, Any] = {
            "prompt": wanted.prompt,
            "negative_prompt": wanted.negative_prompt or self.profile.negative_prompt,
            "width": wanted.width,
            "height": wanted.height,
            "num_frames": wanted.frames,
            "num_inference_steps": self.profile.steps,
            "guidance_scale": self.profile.guidance,
            "generator": [torch.Generator().manual_seed(wanted.seed)],
            "max_sequence_length": self.profile.text_tokens,
            "output_type": output,
        }
        if wanted.mode == "text":
            found = self.text(**arguments).frames
        else:
            assert shot.photo is not None
            found = self.image(image=Image.open(io.BytesIO(shot.photo)), **arguments).frames
        return found if output == "latent" else found[0]

    def latents(self, shot: Shot) -> Tensor:
        """The latents before they are decoded."""
        found: Tensor = self.run(shot, output="latent")
        return found

    def frames(self, shot: Shot) -> Frames:
        """Frames as bytes."""
        found: Frames = (self.run(shot, output="np") * 255).round().astype(np.uint8)
        return found


def levels_apart(one: Frames, other: Frames) -> int:
    """The largest difference of any value."""
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())
