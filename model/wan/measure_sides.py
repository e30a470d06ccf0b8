"""The two sides that are measured: the engine, and stock diffusers over the very same loaded modules. Knows no rounds.

Each renders a batch of shots to frames of bytes and tells where its time went.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchLCMScheduler, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image
from torch import Tensor

from model.engine import UNWATCHED, EngineError, Frames, Rendered, Shot
from model.recipe import Photo, Scene
from model.wan.architecture import SCHEDULER
from model.wan.decode import DecodeOptions
from model.wan.load import Parts
from model.wan.measure_figures import Case, Turn
from model.wan.measure_meter import Meter, Peak, Stopwatch
from model.wan.memory import Placement
from model.wan.profile import Profile
from model.wan.runtime import Runtime
from model.wan.schedule import few_step_sigmas

TEXT, TRANSFORMER, ENCODE, DECODE = "text_encoder", "transformer", "vae.encode", "vae.decode"
"""What counts as a module's own forward pass; our streamed decoder's chunks stand for ``vae.decode``."""


def used_profile(profile: Profile, case: Case) -> Profile:
    """The profile with the case's one bucket, as long as its clips, and no warm-up of its own.

    Where the profile stores that render size smaller, so does this one; otherwise clips are stored as rendered.
    """
    render = (case.width, case.height)
    base = next((bucket.base for bucket in profile.buckets if bucket.render == render), render)
    fields = profile.model_dump()
    fields["buckets"] = [{"render": render, "base": base}]
    fields["layout"] |= {"batch": case.batch, "warm_up": False}
    fields["max_frames"] = max(case.frames, profile.max_frames)
    return Profile.model_validate(fields)


def shots_of(case: Case, profile: Profile, turn: int) -> list[Shot]:
    """A batch that no turn before had: new words and seeds (and one photo, of the case's size), as in a catalogue."""
    photo = _photo(case) if case.mode == "image" else None
    width, height = profile.buckets[0].base
    return [
        Shot(
            scene=Scene(
                mode=case.mode,
                prompt=f"A red kettle on a table, {turn}.{clip}; slow push-in",
                photo=Photo(url="file:kettle.png") if photo else None,
                seed=1000 * turn + clip,
                width=width,
                height=height,
                frames=case.frames,
                fps=profile.fps,
                engine="wan",
                engine_revision="1",
            ),
            photo=photo,
        )
        for clip in range(case.batch)
    ]


def _photo(case: Case) -> bytes:
    """Soft colours, as PNG. Of the render size, so that neither side scales it."""
    coarse = Image.fromarray(np.random.default_rng(case.width).integers(0, 256, (4, 6, 3), np.uint8))
    target = io.BytesIO()
    coarse.resize((case.width, case.height), Image.Resampling.BICUBIC).save(target, "PNG")
    return target.getvalue()


class MeasuredRuntime(Runtime):
    """The engine's own runtime, with its calls of the modules counted. Does not own the parts: they stay when it goes.

    ``short`` says what was told each time memory ran out: the runtime then goes on in smaller pieces.
    """

    def __init__(self, parts: Parts, profile: Profile, placement: Placement, meter: Meter, **more: Any) -> None:
        layout = profile.layout
        super().__init__(parts, profile, placement, batch=layout.batch, overlap=layout.overlap, **more)
        self._meter = meter
        self.short: list[str] = []
        self.forward: Any = _CountedForward(self.forward, meter)

    def _ready_decoder(self) -> Any:
        return _CountedDecoder(super()._ready_decoder(), self._meter)

    def _short_of_memory(self, work: Callable[[], None]) -> str:
        told = super()._short_of_memory(work)
        self.short += [told] if told else []
        return told

    def close(self) -> None:
        """End the decoding thread."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class _CountedForward:
    """A Forward; projecting the words counts too, for stock does that in the transformer's forward."""

    def __init__(self, forward: Any, meter: Meter) -> None:
        self._forward = meter.timed(TRANSFORMER, forward)
        self.words = meter.timed(TRANSFORMER, forward.words)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._forward(*arguments, **named)


class _CountedDecoder:
    """A StreamDecoder; what its user does with a chunk before asking for the next does not count."""

    def __init__(self, decoder: Any, meter: Meter) -> None:
        self._decoder, self._meter = decoder, meter

    def decode(self, latents: Tensor, **named: Any) -> Iterator[Tensor]:
        return self._meter.drawn(DECODE, self._decoder.decode(latents, **named))

    def decode_tiled(self, latents: Tensor, **named: Any) -> Iterator[Tensor]:
        return self._meter.drawn(DECODE, self._decoder.decode_tiled(latents, **named))


class Ours:
    """The engine."""

    def __init__(
        self, parts: Parts, profile: Profile, device: torch.device, *, decoding: DecodeOptions, compiled: bool = False
    ) -> None:
        self._parts, self._device, self._meter = parts, device, Meter(device)
        self._negative = profile.negative_prompt
        modules = {"text": parts.text_encoder, "transformer": parts.transformer, "vae": parts.vae}
        placement = Placement(modules, device, "resident")  # type: ignore[arg-type]
        placement.settle()
        self.runtime = MeasuredRuntime(parts, profile, placement, self._meter, compiled=compiled, decoding=decoding)

    def warm(self, frames: int) -> None:
        """One forward and two latent frames of decoding, and the negative prompt: what is done once is done."""
        runtime = self.runtime
        runtime.warm_up(frames, UNWATCHED)
        with torch.inference_mode():
            runtime.prompts.embed([self._negative], self._device, lambda: self._device)

    def run(self, shots: Sequence[Shot]) -> Turn:
        """Render one batch. Raises torch.OutOfMemoryError where the runtime had to give a clip up for it."""
        self._meter.take()
        peak = Peak(self._device)
        places = (self._parts.text_encoder, "forward", TEXT), (self._parts.vae, "encode", ENCODE)
        with self._meter.watching(*places):
            watch = Stopwatch(self._device)
            results = self.runtime.render(shots, UNWATCHED)
            total = watch.stop()
        rendered = [_succeeded(result) for result in results]
        inside, stages = self._meter.take(), _summed(rendered)
        if DECODE in inside:
            # The runtime's stage is decoding with rounding and copying; what the decoder took is known here.
            stages["copy"] = max(0.0, stages["decode"] - inside[DECODE].wall)
            stages["decode"] = inside[DECODE].wall
        memory = peak.bytes()
        for each in rendered:  # the runtime reads the device's marks and sets them back
            for name in memory.keys() & each.figures.keys():
                memory[name] = max(memory[name], each.figures[name])
        return Turn(clips=len(shots), total=total, stages=stages, inside=inside, memory=memory)

    @property
    def notes(self) -> tuple[str, ...]:
        """What happened on the way that the figures do not say."""
        return tuple(f"out of memory on the way: {told}" for told in dict.fromkeys(self.runtime.short))

    def close(self) -> None:
        """End its thread."""
        self.runtime.close()


def _succeeded(result: Rendered | EngineError) -> Rendered:
    if isinstance(result, EngineError):
        raise torch.OutOfMemoryError(str(result)) if result.retryable and "memory" in str(result) else result
    return result


def _summed(rendered: Sequence[Rendered]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for each in rendered:
        for stage, seconds in each.stages.items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    return sums


class Stock:
    """diffusers' pipelines as they come, without their bar. Photos: one for the whole batch, for it takes no more."""

    def __init__(self, parts: Parts, profile: Profile, device: torch.device) -> None:
        self._parts, self._profile, self._device, self._meter = parts, profile, device, Meter(device)
        shared = {"tokenizer": parts.tokenizer, "text_encoder": parts.text_encoder, "vae": parts.vae}
        shared |= {"transformer": parts.transformer, "scheduler": scheduler_of(profile)}
        self.text = WanPipeline(**shared, expand_timesteps=True)
        self.image = WanImageToVideoPipeline(**shared, expand_timesteps=True)
        for pipeline in (self.text, self.image):
            pipeline.set_progress_bar_config(disable=True)

    def warm(self, shots: Sequence[Shot]) -> None:
        """One step (a distilled checkpoint's few), and the whole decode."""
        self._called(self._pipeline(shots), shots, steps=1)

    def run(self, shots: Sequence[Shot]) -> Turn:
        """Render one batch to bytes. Raises torch.OutOfMemoryError."""
        self._meter.take()
        peak, parts = Peak(self._device), self._parts
        pipeline = self._pipeline(shots)
        modules = (
            (parts.text_encoder, "forward", TEXT),
            (parts.transformer, "forward", TRANSFORMER),
            (parts.vae, "encode", ENCODE),
            (parts.vae, "decode", DECODE),
        )
        stages = (
            (pipeline, "encode_prompt", "text"),
            (pipeline.video_processor, "preprocess", "photo"),
            (pipeline.video_processor, "postprocess_video", "copy"),
        )
        with self._meter.watching(*modules, *stages):
            watch = Stopwatch(self._device)
            frames = self._called(pipeline, shots, steps=self._profile.steps)
            with self._meter.span("copy"):
                bytes_of(frames)
            total = watch.stop()
        spent = self._meter.take()
        inside = {name: spent[name] for name in (TEXT, TRANSFORMER, ENCODE, DECODE) if name in spent}
        walls: dict[str, float] = {stage: spent[stage].wall for _, _, stage in stages if stage in spent}
        if ENCODE in inside:
            walls["photo"] += inside[ENCODE].wall
        walls["decode"] = inside[DECODE].wall
        walls["denoise"] = max(0.0, total.wall - sum(walls.values()))
        return Turn(clips=len(shots), total=total, stages=walls, inside=inside, memory=peak.bytes())

    def _pipeline(self, shots: Sequence[Shot]) -> Any:
        return self.image if shots[0].scene.mode == "image" else self.text

    def _called(self, pipeline: Any, shots: Sequence[Shot], *, steps: int) -> Any:
        scenes, profile = [shot.scene for shot in shots], self._profile
        width, height = profile.buckets[0].render
        arguments: dict[str, Any] = {
            "prompt": [scene.prompt for scene in scenes],
            "negative_prompt": [scene.negative_prompt or profile.negative_prompt for scene in scenes],
            "width": width,
            "height": height,
            "num_frames": scenes[0].frames,
            "num_inference_steps": steps,
            "guidance_scale": profile.guidance,
            "generator": [torch.Generator().manual_seed(scene.seed) for scene in scenes],
            "max_sequence_length": profile.text_tokens,
            "output_type": "np",
        }
        if shots[0].photo is not None:
            arguments["image"] = Image.open(io.BytesIO(shots[0].photo))
        return pipeline(**arguments).frames


def scheduler_of(profile: Profile) -> Any:
    """diffusers' scheduler for a profile: UniPC as Wan 2.2 5B configures it, or the distilled checkpoints' few steps.

    The pipeline hands the latter a number of steps alone, so its noise levels are set here.
    """
    if profile.sampler == "unipc":
        return UniPCMultistepScheduler.from_config({**SCHEDULER, "flow_shift": profile.shift})
    scheduler = FlowMatchLCMScheduler(shift=1.0)
    levels = list(few_step_sigmas(tuple(map(float, profile.timesteps)))[:-1])
    by_levels = scheduler.set_timesteps
    scheduler.set_timesteps = lambda _steps, device=None: by_levels(sigmas=levels, device=device)
    return scheduler


def bytes_of(frames: Any) -> Frames:
    """Frames in 0…1 as bytes in rows: an encoder takes them no other way."""
    return np.ascontiguousarray((frames * 255).round().astype(np.uint8))
