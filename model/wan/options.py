"""What an operator decides about the wan engine, as one plain value, and the spec that follows from it.

Imports no torch: a planner asks here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.engine import EngineError, EngineSpec
from model.wan.checkpoint import CheckpointError, cached, revision_of
from model.wan.profile import FRAME_STEP, Profile, ProfileError, load

REVISION = "1"
"""Raise it whenever this engine makes other frames of the same scene, profile and checkpoint."""

AUTO = "auto"
DISTILLED = "WanDMDPipeline"
"""What the few-step checkpoints call themselves."""
LAYERS = 30
"""Blocks of the 5B's transformer."""

Memory = Literal["auto", "resident", "evict", "offload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WanOptions:
    """How to run the wan engine. Paths are local; nothing is downloaded while ``offline``."""

    checkpoint: str = ""
    """Folder of a sealed checkpoint, or a hub id (owner/name) that was fetched."""
    revision: str | None = None
    """Its revision: needed for a hub id, and by planners that have no weights; otherwise checked."""
    profile: str = AUTO
    """Name of a built-in profile, the path of one of your own, or ``auto``: the one the checkpoint is made for."""
    cache: Path = Path(".skureel/models")
    """Where fetched checkpoints lie."""
    offline: bool = True
    hub_url: str | None = None
    token: str | None = None
    """Hub token, for a fetch while not ``offline``."""
    digests: bool = True
    """Compare every file with its digest at start, and not only its size."""
    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda:N``."""
    memory: Memory = "auto"
    batch: int | None = None
    """Clips rendered together; None: as the profile says."""
    clip_frames: int | None = None
    """Length of the clips that are expected, which the warm-up makes ready for; None: the profile's longest."""
    compile: bool | None = None
    """Compile the models; None: as the profile says, and never on a CPU."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"WanOptions(checkpoint={self.checkpoint!r}, revision={self.revision!r}, profile={self.profile!r})"


def profile_of(options: WanOptions) -> Profile:
    """The chosen profile. Raises EngineError."""
    try:
        return load(_fitting(options) if options.profile == AUTO else options.profile)
    except ProfileError as error:
        raise EngineError(f"wan: {error}", retryable=False) from error


def _fitting(options: WanOptions) -> str:
    """The profile that a checkpoint is made for, as its own files say: distilled, tiny, or the base."""
    folder = _folder(options)
    try:
        pipeline = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
        layers = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))["num_layers"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"wan: which profile fits cannot be read from {folder}: set engine.wan.profile ({error})"
        raise EngineError(message, retryable=False) from error
    if pipeline == DISTILLED:
        return "fast"
    return "quality" if layers == LAYERS else "cpu-tiny"


def _folder(options: WanOptions) -> Path:
    _named(options)
    folder = Path(options.checkpoint)
    return folder if folder.is_dir() else cached(options.checkpoint, options.revision or "", options.cache)


def _named(options: WanOptions) -> None:
    if not options.checkpoint:
        raise EngineError(
            "wan: no checkpoint: set engine.wan.checkpoint to a folder (`skureel model fetch` or "
            "`skureel model tiny DIR` make one) or to a fetched hub id",
            retryable=False,
        )


def spec_of(options: WanOptions, profile: Profile) -> EngineSpec:
    """What a planner must know. The revision names code, profile and checkpoint. Raises EngineError."""
    _named(options)
    try:
        checkpoint = revision_of(options.checkpoint, revision=options.revision, cache=options.cache)
    except CheckpointError as error:
        raise EngineError(f"wan: {error}", retryable=False) from error
    return EngineSpec(
        name="wan",
        revision=f"{REVISION}-{profile.name}-{profile.digest[:12]}-{checkpoint[:12]}",
        generative=True,
        captions=False,
        photos="image" in profile.modes,
        texts="text" in profile.modes,
        negative=profile.guided,
        steps=profile.steps,
        guidance=profile.guidance,
        sizes=tuple(bucket.size for bucket in profile.buckets),
        frame_step=FRAME_STEP,
        max_frames=profile.max_frames,
        fps=profile.fps,
    )
