"""Batches of shots to frames: words, photos, denoising, decoding; and what is done when memory runs out on the way.

    shots → groups of one shape → batches → words, photos → denoise → latents → decode, clip by clip → frames

While a batch is decoded the next one is denoised. Memory that runs out in decoding never costs the latents: the clip is
decoded again in tiles. Knows no store, no event and no encoder.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from model.engine import EngineError, Frames, Rendered, Shot, Size, Watch
from model.recipe import Mode
from model.wan import conditions, flops
from model.wan.decode import DecodeOptions, StreamDecoder
from model.wan.forward import Forward, StepCache
from model.wan.load import Parts
from model.wan.memory import Placement
from model.wan.pixels import collect, to_uint8
from model.wan.profile import FRAME_STEP, Bucket, Profile
from model.wan.sampler import ClipNoise, FewStep, Sampler, UniPC
from model.wan.text import Prompts
from model.wan.timing import Pace, Stages, memory_figures

_log = logging.getLogger(__name__)

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
"""What a device and a host raise when memory runs out."""


class Key(NamedTuple):
    """Shots of one key can be rendered in one batch."""

    mode: Mode
    bucket: Bucket
    frames: int


@dataclass(slots=True, eq=False)
class Clip:
    """One shot on its way through the device."""

    place: int
    """Its place among the shots of the call."""
    shot: Shot
    photo: Image.Image | None = None
    latents: Tensor | None = None
    """(1, channels, frames, rows, columns), float32, normalised, once denoised."""
    stages: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


class Runtime:
    """A loaded checkpoint, one profile, one device. Called from one thread; owns one more, for decoding."""

    def __init__(
        self,
        parts: Parts,
        profile: Profile,
        placement: Placement,
        *,
        batch: int,
        compiled: bool = False,
        overlap: bool = False,
        decoding: DecodeOptions | None = None,
        ceiling: float | None = None,
    ) -> None:
        """Take over placed parts.

        Args:
            parts: The model.
            profile: How it is used.
            placement: Where its parts are.
            batch: Most clips of one batch.
            compiled: Compile the transformer's blocks.
            overlap: Decode a batch while the next is denoised.
            decoding: The decoder's switches.
            ceiling: FLOP a second of a large matrix product; without it no MFU is told.
        """
        self._parts, self._profile, self._placement = parts, profile, placement
        self._device, self._batch, self._ceiling = placement.device, batch, ceiling
        self._decode_options = decoding or DecodeOptions()
        self._decoder: StreamDecoder | None = None
        self.prompts = Prompts(parts.tokenizer, parts.text_encoder, tokens=profile.text_tokens)
        self.forward = Forward(parts.transformer, compile=compiled)
        self.sampler: Sampler = (
            UniPC.of(steps=profile.steps, shift=profile.shift)
            if profile.sampler == "unipc"
            else FewStep.of(timesteps=profile.timesteps)
        )
        self._overlap = overlap
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="skureel-decode")
        cuda = self._device.type == "cuda"
        self._stream = torch.cuda.Stream(self._device) if cuda else None  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def warm_up(self, frames: int, watch: Watch) -> None:
        """One forward and the first two latent frames of a decode for every bucket, mode and batch size.

        What is compiled or tuned once a shape is so before the first clip. Raises whatever the device raises.
        """
        config, profile = self._parts.transformer.config, self._profile
        scale = self._parts.vae.config.scale_factor_spatial
        sizes = [(bucket, count) for bucket in profile.buckets for count in range(1, self._batch + 1)]
        for number, (bucket, count) in enumerate(sizes, 1):
            width, height = bucket.render
            shape = (config.in_channels, (frames - 1) // FRAME_STEP + 1, height // scale, width // scale)
            sample = ClipNoise(range(count), shape, self._device).draw()
            words = self.prompts.embed(["warm-up"], self._device, lambda: self._placement.use("text"))
            self._placement.use("transformer")
            projected = self.forward.words(words).expand(count, -1, -1)
            for mode in profile.modes:
                self.forward(sample, self.sampler.timesteps[0], projected, first_frame=mode == "image")
            if count == 1:
                for chunk in self._ready_decoder().decode(sample[:, :, :2]):
                    to_uint8(chunk, bucket.size)
            watch.beat("warm-up", number, len(sizes))

    # One call.

    @torch.inference_mode()
    def render(self, shots: Sequence[Shot], watch: Watch) -> list[Rendered | EngineError]:
        """One result a shot, in order. Raises CancelledError when the watch did."""
        results: dict[int, Rendered | EngineError] = {}
        waiting: list[Future[None]] = []
        try:
            batches = list(self._batches(shots, results))
            for key, clips in batches:
                for some in self._denoised(key, clips, results, watch):
                    if self._overlap and len(batches) > 1:
                        waiting.append(self._decode_later(some, key.bucket, results, watch))
                    else:
                        self._finish(some, key.bucket, results, watch)
            for future in waiting:
                future.result()
        finally:
            # Where one failed or was stopped, the others' outcome is of no interest, but their end is.
            for future in waiting:
                future.cancel()
            wait(waiting)
        return [results[place] for place in range(len(shots))]

    def _batches(
        self, shots: Sequence[Shot], results: dict[int, Rendered | EngineError]
    ) -> Iterator[tuple[Key, list[Clip]]]:
        """Shots that can be rendered together, at most ``batch`` at a time; those that cannot be get their error."""
        groups: dict[Key, list[Clip]] = {}
        for place, shot in enumerate(shots):
            try:
                key = self._key(shot)
                clip = Clip(place, shot)
                if key.mode == "image":
                    assert shot.photo is not None  # noqa: S101 - _key looked
                    clip.photo = conditions.fitted(shot.photo, Size(*key.bucket.render), self._profile.photo_fit)
            except EngineError as error:
                results[place] = error
                continue
            groups.setdefault(key, []).append(clip)
        for key, clips in groups.items():
            for start in range(0, len(clips), self._batch):
                yield key, clips[start : start + self._batch]

    def _key(self, shot: Shot) -> Key:
        scene, profile = shot.scene, self._profile
        bucket = profile.bucket(Size(scene.width, scene.height))
        if bucket is None:
            sizes = ", ".join(f"{width}x{height}" for width, height in (each.base for each in profile.buckets))
            raise _refused(f"{scene.width}x{scene.height} is no size of profile {profile.name}: {sizes}")
        if scene.frames % FRAME_STEP != 1 or scene.frames > profile.max_frames:
            raise _refused(
                f"{scene.frames} frames: want a multiple of {FRAME_STEP} and one more, at most {profile.max_frames}"
            )
        if scene.fps != profile.fps:
            raise _refused(f"{scene.fps} frames a second: this profile makes {profile.fps}")
        if scene.mode not in profile.modes:
            raise _refused(f"mode {scene.mode}: profile {profile.name} starts from {' or '.join(profile.modes)} only")
        if scene.mode == "image" and not shot.photo:
            raise _refused("the scene starts from a photo and none was given")
        return Key(scene.mode, bucket, scene.frames)

    # Denoising.

    def _denoised(
        self, key: Key, clips: list[Clip], results: dict[int, Rendered | EngineError], watch: Watch
    ) -> Iterator[list[Clip]]:
        """The clips with their latents. Where memory runs out a batch goes on clip by clip; a single clip fails."""
        if told := self._short_of_memory(lambda: self._denoise(key, clips, watch)):
            if len(clips) == 1:
                results[clips[0].place] = EngineError(f"wan: out of memory in denoising: {told}", retryable=True)
                return
            _log.warning("out of memory with %d clips a batch, going on one by one: %s", len(clips), told)
            for clip in clips:
                yield from self._denoised(key, [clip], results, watch)
            return
        good = []
        for clip in clips:
            if clip.latents is not None and bool(torch.isfinite(clip.latents).all()):
                good.append(clip)
            else:
                results[clip.place] = EngineError("wan: the latents are not finite (NaN or Inf)", retryable=True)
        if good:
            yield good

    def _short_of_memory(self, work: Callable[[], None]) -> str:
        """Do the work; where memory runs out, free what it left behind and give the reason, else nothing.

        Freed here and not where it is caught: while an exception is handled, its frames still hold their tensors.
        """
        told = ""
        try:
            work()
        except OUT_OF_MEMORY as error:
            told = next(iter(str(error).splitlines()), "") or type(error).__name__
        if told:
            free_cache(self._device)
        return told

    def _denoise(self, key: Key, clips: list[Clip], watch: Watch) -> None:
        stages = Stages(self._device)
        with stages.timed("text"):
            words, against = self._words(clips)
            watch.beat("text", 1, 1)
        first = None
        if key.mode == "image":
            with stages.timed("photo"):
                first = self._photos(clips)
                watch.beat("photo", 1, 1)
        with stages.timed("denoise"):
            latents, cache = self._sample(key, clips, (words, against), first, watch)
        work = self._flops(key, len(clips), cache)
        figures = {"flops": work / len(clips)}
        if self._ceiling:
            figures["mfu_ratio"] = flops.mfu(work, stages.seconds["denoise"], self._ceiling)
        if cache:
            figures["cached_forwards"] = float(cache.skipped)
        for number, clip in enumerate(clips):
            clip.latents = latents[number : number + 1]
            clip.stages = {stage: seconds / len(clips) for stage, seconds in stages.seconds.items()}
            clip.figures = dict(figures)

    def _words(self, clips: list[Clip]) -> tuple[Tensor, Tensor | None]:
        """Projected prompts and negative prompts, (clips, text tokens, width) each."""
        profile = self._profile
        positive = [clip.shot.scene.prompt for clip in clips]
        negative = [clip.shot.scene.negative_prompt or profile.negative_prompt for clip in clips]
        wanted = [*positive, *negative] if profile.guided else positive
        embedded = self.prompts.embed(wanted, self._device, lambda: self._placement.use("text"))
        self._placement.use("transformer")
        words = self.forward.words(embedded)
        count = len(clips)
        return words[:count], words[count:] if profile.guided else None

    def _photos(self, clips: list[Clip]) -> Tensor:
        """Latents of the first frames, (clips, channels, 1, rows, columns). One photo a forward, as its single run."""
        device = self._placement.use("vae")
        photos = [clip.photo for clip in clips if clip.photo is not None]
        return torch.cat([conditions.encode(self._parts.vae, photo, device) for photo in photos])

    def _sample(
        self, key: Key, clips: list[Clip], words: tuple[Tensor, Tensor | None], first: Tensor | None, watch: Watch
    ) -> tuple[Tensor, StepCache | None]:
        """Noise to latents, (clips, channels, frames, rows, columns)."""
        self._placement.use("transformer")
        profile, (with_prompt, against) = self._profile, words
        width, height = key.bucket.render
        scale = self._parts.vae.config.scale_factor_spatial
        channels = self._parts.transformer.config.in_channels
        shape = (channels, (key.frames - 1) // FRAME_STEP + 1, height // scale, width // scale)
        noise = ClipNoise([clip.shot.scene.seed for clip in clips], shape, self._device)
        cache = StepCache(profile.step_cache) if profile.step_cache else None
        sample, pace, run = noise.draw(), Pace(self._device), self.sampler.begin(noise.draw)

        def velocity(branch: str, prompts: Tensor, timestep: float) -> Tensor:
            keys = [(clip.place, branch) for clip in clips]
            return self.forward(sample, timestep, prompts, first_frame=first is not None, cache=cache, keys=keys)

        for number, timestep in enumerate(self.sampler.timesteps):
            if first is not None:
                sample[:, :, :1] = first
            predicted = velocity("with", with_prompt, timestep)
            if against is not None:
                without = velocity("against", against, timestep)
                predicted = torch.lerp(without, predicted, profile.guidance)
            sample = run.step(predicted, sample)
            pace.step()
            watch.beat("denoise", number + 1, profile.steps)
        if first is not None:
            sample[:, :, :1] = first
        return sample, cache

    def _flops(self, key: Key, clips: int, cache: StepCache | None) -> float:
        width, height = key.bucket.render
        one = flops.transformer_flops(
            self._parts.transformer.config,
            key.frames,
            height,
            width,
            text_tokens=self._profile.text_tokens,
            timesteps=2 if key.mode == "image" else 1,
        )
        forwards = self._profile.steps * (2 if self._profile.guided else 1) * clips
        layers = self._parts.transformer.config.num_layers
        spared = cache.skipped * (layers - 1) / layers if cache else 0.0
        return one * (forwards - spared)

    # Decoding.

    def _decode_later(
        self, clips: list[Clip], bucket: Bucket, results: dict[int, Rendered | EngineError], watch: Watch
    ) -> Future[None]:
        """Decode on the other thread, and on a device on its own stream, once the latents are there."""
        if self._stream is None:
            return self._threads.submit(self._finish, clips, bucket, results, watch)
        stream, there = self._stream, torch.cuda.current_stream(self._device).record_event()

        def work() -> None:
            with torch.cuda.stream(stream):
                stream.wait_event(there)
                for clip in clips:
                    if clip.latents is not None:
                        clip.latents.record_stream(stream)  # not to be given away while this stream reads it
                self._finish(clips, bucket, results, watch)

        return self._threads.submit(work)

    @torch.inference_mode()
    def _finish(
        self, clips: list[Clip], bucket: Bucket, results: dict[int, Rendered | EngineError], watch: Watch
    ) -> None:
        for clip in clips:
            results[clip.place] = self._decoded(clip, bucket, watch)
            clip.latents = None

    def _decoded(self, clip: Clip, bucket: Bucket, watch: Watch) -> Rendered | EngineError:
        """Frames of one clip: at once, or in tiles when memory runs out. The latents are kept until it is done."""
        stages, made, told = Stages(self._device), [], ""
        decoder = self._ready_decoder()
        for way in (decoder.decode, decoder.decode_tiled):
            with stages.timed("decode"):
                told = self._short_of_memory(lambda way=way: made.append(self._frames(clip, bucket, way, watch)))  # type: ignore[misc]
            if not told:
                break
            _log.warning("out of memory in %s: %s", way.__name__, told)
        if told:
            return EngineError(f"wan: out of memory in decoding, in tiles too: {told}", retryable=True)
        clip.stages |= stages.seconds
        clip.figures |= memory_figures(self._device)
        return Rendered(frames=made[0], seconds=sum(clip.stages.values()), stages=clip.stages, figures=clip.figures)

    def _ready_decoder(self) -> StreamDecoder:
        """The decoder, with the VAE on the device. It shares the VAE's weights, so where those move it is made anew."""
        moving = self._placement.mode == "offload"
        if self._decoder is None or moving:
            self._decoder = None  # before the VAE moves: what it still held would stay on the device
            self._placement.use("vae")
            decoder = StreamDecoder(self._parts.vae, self._decode_options)
            if moving:
                return decoder
            self._decoder = decoder
        return self._decoder

    def _frames(self, clip: Clip, bucket: Bucket, way: Callable[..., Iterator[Tensor]], watch: Watch) -> Frames:
        assert clip.latents is not None  # noqa: S101 - only denoised clips get here
        chunks = way(clip.latents, on_frame=lambda done, total: watch.beat("decode", done, total))
        size = bucket.size if bucket.base != bucket.render else None
        return collect(chunks, clip.shot.scene.frames, size)

    def close(self) -> None:
        """End the decoding thread and give the device back."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for module in (self._parts.text_encoder, self._parts.transformer, self._parts.vae):
            module.to("meta")
        free_cache(self._device)


def free_cache(device: torch.device) -> None:
    """Give back what a failed attempt left behind."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _refused(message: str) -> EngineError:
    return EngineError(f"wan: {message}", retryable=False)
