"""The engine's switches, each with what it is compared with and what it was predicted to bring, and from where.

Each is measured on its own part alone, so that it shows. Knows no rounds and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from diffusers.video_processor import VideoProcessor
from torch import Tensor

from model.recipe import Mode
from model.wan.decode import StreamDecoder
from model.wan.forward import Forward
from model.wan.measure_gains import Ground, Pair, Predicted, Switch
from model.wan.measure_sides import bytes_of, scheduler_of, shots_of, used_profile
from model.wan.pixels import collect
from model.wan.profile import FRAME_STEP
from model.wan.sampler import UniPC
from model.wan.text import Prompts

STEPS = 20
"""Of a sampler, and of a run with the step cache: enough for either to show."""
THRESHOLD = 0.08
"""Of the step cache."""
BEST: dict[str, Any] = {"dtype": torch.bfloat16, "channels_last": True, "frames_at_once": 4}
"""What a GPU's decoding switches are added to."""


def _prompts(ground: Ground) -> Pair:
    parts, tokens = ground.parts, ground.profile.text_tokens
    words = ["a red kettle on a table", ground.profile.negative_prompt]
    known = Prompts(parts.tokenizer, parts.text_encoder, tokens=tokens)

    def embedded(prompts: Prompts) -> Tensor:
        return prompts.embed(words, ground.device, lambda: ground.device)

    embedded(known)
    return Pair(
        off=lambda: embedded(Prompts(parts.tokenizer, parts.text_encoder, tokens=tokens)), on=lambda: embedded(known)
    )


def _timestep(mode: Mode) -> Callable[[Ground], Pair]:
    def pair(ground: Ground) -> Pair:
        transformer, forward = ground.parts.transformer, Forward(ground.parts.transformer)
        latents, embeddings, timestep = ground.latents(), ground.embeddings(), 757.0
        _, _, frames, rows, columns = latents.shape
        _, high, wide = transformer.config.patch_size
        tokens = torch.full((1, frames * (rows // high) * (columns // wide)), timestep, device=ground.device)
        if mode == "image":
            tokens[:, : tokens.shape[1] // frames] = 0.0
        words, inputs = forward.words(embeddings), latents.to(forward.dtype)
        return Pair(
            off=lambda: transformer(
                hidden_states=inputs,
                timestep=tokens,
                encoder_hidden_states=embeddings.to(forward.dtype),
                return_dict=False,
            )[0],
            on=lambda: forward(latents, timestep, words, first_frame=mode == "image"),
        )

    return pair


def _sampler(ground: Ground) -> Pair:
    sample, velocity = ground.latents(), ground.latents() * 0.1
    ours = UniPC.of(steps=STEPS, shift=ground.profile.shift)
    theirs = scheduler_of(ground.profile.model_copy(update={"sampler": "unipc"}))

    def off() -> Tensor:
        theirs.set_timesteps(STEPS, device=ground.device)
        theirs.set_begin_index(0)
        moved = sample
        for timestep in theirs.timesteps:
            moved = theirs.step(velocity, timestep, moved, return_dict=False)[0]
        return moved

    def on() -> Tensor:
        run, moved = ours.begin(), sample
        for _ in ours.timesteps:
            moved = run.step(velocity, moved)
        return moved

    return Pair(off=off, on=on)


def _streamed(ground: Ground) -> Pair:
    latents, vae, decoder = ground.latents(), ground.parts.vae, StreamDecoder(ground.parts.vae)

    def on() -> None:
        for _ in decoder.decode(latents):
            pass

    return Pair(off=lambda: vae.decode(latents, return_dict=False)[0], on=on)


def _decoded(off: dict[str, Any], on: dict[str, Any]) -> Callable[[Ground], Pair]:
    def pair(ground: Ground) -> Pair:
        latents = ground.latents()

        def way(changes: dict[str, Any]) -> Callable[[], None]:
            decoder = StreamDecoder(ground.parts.vae, ground.decoding(**changes))

            def decode() -> None:
                for _ in decoder.decode(latents):
                    pass

            return decode

        return Pair(off=way(off), on=way(on))

    return pair


def _decoded_best(both: dict[str, Any], on: dict[str, Any]) -> Callable[[Ground], Pair]:
    """``on`` added to ``both``, which on a GPU is added to what is best there."""

    def pair(ground: Ground) -> Pair:
        base = (BEST if ground.device.type == "cuda" else {}) | both
        return _decoded(base, base | on)(ground)

    return pair


def _levels(ground: Ground) -> Pair:
    case, processor = ground.case, VideoProcessor()
    clip = torch.rand((case.frames, 3, case.height, case.width), device=ground.device) * 2 - 1
    whole = clip.transpose(0, 1)[None]
    return Pair(
        off=lambda: bytes_of(processor.postprocess_video(whole, output_type="np")),
        on=lambda: collect(torch.split(clip, FRAME_STEP), case.frames),
    )


def _runs(off: dict[str, Any], on: dict[str, Any], shots: int, *, wall: bool = False) -> Callable[[Ground], Pair]:
    """Two engines that render the same shots."""

    def pair(ground: Ground) -> Pair:
        batch = shots_of(replace(ground.case, batch=shots), used_profile(ground.profile, ground.case), 0)

        sides = ground.ours(**off), ground.ours(**on)
        for side in sides:
            side.run(batch)  # words are known to both: they are not what is compared

        def done() -> None:
            for side in sides:
                side.close()

        return Pair(off=lambda: sides[0].run(batch), on=lambda: sides[1].run(batch), wall=wall, done=done)

    return pair


def _compiled(ground: Ground) -> Pair:
    latents, words = ground.latents(), ground.embeddings()
    plain = Forward(ground.parts.transformer)
    compiled = Forward(ground.parts.transformer, compile=True)
    projected = plain.words(words)
    return Pair(off=lambda: plain(latents, 757.0, projected), on=lambda: compiled(latents, 757.0, projected))


def _asked(ground: Ground) -> str:
    return "" if ground.compile else "only with --compile: it takes minutes"


SWITCHES = (
    Switch(
        name="prompt cache",
        beside="both prompts embedded",
        predicted=Predicted(0.05, 0.05, "handbook: saves 0.33 s a clip; a look-up, padding and a copy are left"),
        pair=_prompts,
    ),
    Switch(
        name="one timestep value",
        beside="a timestep for every token (stock's forward, words)",
        predicted=Predicted(0.88, 0.88, "handbook: 10 to 13 % saved; and words are projected once a clip"),
        pair=_timestep("text"),
    ),
    Switch(
        name="two timestep values",
        beside="a timestep for every token (stock's forward, photo)",
        predicted=Predicted(0.90, 0.92, "as for words, less the spreading of two rows over the tokens"),
        pair=_timestep("image"),
    ),
    Switch(
        name="own UniPC",
        beside="diffusers' scheduler",
        predicted=Predicted(0.1, 0.03, "reasoning: 5 operations a step beside about 150"),
        pair=_sampler,
    ),
    Switch(
        name="streamed decode",
        beside="vae.decode, both float32",
        predicted=Predicted(
            0.9, 0.85, "multiply-adds: -7.6 % by folding, -1 to -7 % by what is not there, norms in place"
        ),
        memory=0.47,
        pair=_streamed,
    ),
    Switch(
        name="four frames at once",
        beside="one",
        predicted=Predicted(0.85, 0.95, "the same multiply-adds in a quarter of the launches"),
        memory=1.5,
        pair=_decoded({"frames_at_once": 1}, {"frames_at_once": 4}),
    ),
    Switch(
        name="pairs of frames",
        beside="every product of frame and kernel, four frames at once",
        predicted=Predicted(0.72, 0.75, "counted: 4 products in place of 6; the kernels that rise stay as they are"),
        memory=1.1,
        pair=_decoded_best({"frames_at_once": 4}, {"pairs": True}),
    ),
    Switch(
        name="channels last",
        beside="channels first",
        predicted=Predicted(0.94, 1.0, "handbook: 6 % on a GPU; on a CPU 3 % either way"),
        pair=_decoded({}, {"channels_last": True}),
    ),
    Switch(
        name="bfloat16 decode",
        beside="float32",
        predicted=Predicted(0.5, 1.0, "handbook: about 2x on a GPU; on a CPU casts eat what narrow channels gain"),
        memory=0.5,
        pair=_decoded({}, {"dtype": torch.bfloat16}),
    ),
    Switch(
        name="bytes on the device",
        beside="stock's postprocessing and rounding on the host",
        predicted=Predicted(
            0.15, 0.5, "a quarter of the bytes to copy; on a CPU five passes over memory instead of nine"
        ),
        pair=_levels,
    ),
    Switch(
        name="overlap",
        beside="two batches one after the other",
        predicted=Predicted(0.97, 0.9, "a GPU is busy with either; two processors hide one of the two denoisings"),
        pair=_runs({"layout": {"overlap": False}}, {"layout": {"overlap": True}}, 2, wall=True),
    ),
    Switch(
        name="batch of two",
        beside="two batches of one",
        predicted=Predicted(0.97, 0.92, "handbook: bound by arithmetic at 12k tokens; tiny models are bound by calls"),
        pair=_runs({"layout": {"overlap": False}}, {"layout": {"overlap": False, "batch": 2}}, 2),
    ),
    Switch(
        name="step cache",
        beside=f"all blocks in all of {STEPS} steps",
        predicted=Predicted(
            0.5, 0.9, "handbook: 1.7 to 2.7x at 20 to 50 steps; of two tiny blocks one can be left out"
        ),
        pair=_runs({"steps": STEPS}, {"steps": STEPS, "step_cache": THRESHOLD}, 1),
        many_steps=True,
    ),
    Switch(
        name="compiled blocks",
        beside="plain ones",
        predicted=Predicted(0.72, 0.6, "handbook: 1.38x; on a CPU fused norms save calls"),
        pair=_compiled,
        needs=_asked,
    ),
    Switch(
        name="compiled decoder",
        beside="a plain one",
        predicted=Predicted(0.71, 0.7, "handbook: 1.4x"),
        pair=_decoded_best({"pairs": True}, {"compile": True}),
        needs=_asked,
    ),
)
