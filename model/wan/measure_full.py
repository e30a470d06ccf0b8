"""The real 5B at full size with random weights, no download needed; and what measuring it costs. Knows no rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from model.wan import flops
from model.wan.architecture import TRANSFORMER, VAE, Component, build
from model.wan.load import Parts
from model.wan.measure_figures import Case
from model.wan.memory import GIB, weight_bytes
from model.wan.profile import Profile
from model.wan.tiny import make_tiny

COMPONENTS: tuple[Component, ...] = ("text_encoder", "transformer", "vae")
Changes = Mapping[Component, Mapping[str, Any]]


def full_size(device: torch.device, dtype: torch.dtype, changes: Changes | None = None) -> Parts:
    """The parts, built where they are to be; the VAE in float32, as a loaded one. Raises torch.OutOfMemoryError.

    The tokenizer is the tiny checkpoint's: prompts are padded to one length whatever they say, so it costs the same.
    ``changes``: other values for some entries of the configurations, to make them small.
    """
    made = {
        component: build(
            component,
            device=device,
            dtype=torch.float32 if component == "vae" else dtype,
            changes=(changes or {}).get(component),
        )
        for component in COMPONENTS
    }
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make_tiny(Path(folder) / "tiny")
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder / "tokenizer", local_files_only=True)
    return Parts(tokenizer=tokenizer, **made)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run at full size would take."""

    bytes: int
    """Of weights alone."""
    seconds: float

    def __str__(self) -> str:
        length = f"{self.seconds / 3600:.1f} hours" if self.seconds >= 3600 else f"{self.seconds / 60:.1f} minutes"
        return f"{self.bytes / GIB:.1f} GiB for the weights alone, and at least {length}"


def cost(cases: Iterable[Case], profiles: Mapping[str, Profile], *, turns: int, ceiling: float) -> Cost:
    """The least that ``turns`` batches of each case cost on a device of so many FLOP a second."""
    work = 0.0
    for case in cases:
        profile = profiles[case.profile]
        forwards = profile.steps * (2 if profile.guided else 1)
        denoise = flops.transformer_flops(
            TRANSFORMER, case.frames, case.height, case.width, text_tokens=profile.text_tokens
        )
        decode = flops.decode_flops(VAE, flops.latents_of(case.frames, case.height, case.width))
        work += turns * case.batch * (forwards * denoise + decode)
    dtype = getattr(torch, next(iter(profiles.values())).dtype)
    weights = sum(
        weight_bytes(build(component, dtype=torch.float32 if component == "vae" else dtype)) for component in COMPONENTS
    )
    return Cost(weights, work / ceiling)
