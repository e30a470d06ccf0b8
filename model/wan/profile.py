"""Profiles: how a checkpoint is used, as validated data. Knows no weights and imports no torch.

A profile is a TOML file. What decides the picture enters its digest, and so the names of clips; how the work is laid
out on the device does not.
"""

from __future__ import annotations

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.engine import Size
from model.recipe import Mode, digest

FOLDER = Path(__file__).parent / "profiles"
GRID = 32
"""Render sizes are multiples of this: 16 pixels a latent cell, 2 cells a patch (Wan 2.2 TI2V-5B)."""
FRAME_STEP = 4
"""Frames are a multiple of this and one more: the VAE's temporal stride."""

Side = Annotated[int, Field(ge=32, le=4096)]


class ProfileError(Exception):
    """Raised when a profile is unknown, unreadable or contradicts itself; the message names file and field."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, hide_input_in_errors=False)


class Bucket(_Part):
    """One shape that is rendered, and the size that its base clip is stored in (width, height; pixels)."""

    render: tuple[Side, Side]
    base: tuple[Side, Side]

    @model_validator(mode="before")
    @classmethod
    def _direct(cls, value: Any) -> Any:
        """Without ``base`` the clip is stored as rendered."""
        return value if not isinstance(value, dict) or "base" in value else value | {"base": value.get("render")}

    @model_validator(mode="after")
    def _legal(self) -> Self:
        if any(side % GRID for side in self.render):
            raise ValueError(f"render {self.render[0]}x{self.render[1]}: sides must be multiples of {GRID}")
        if any(side % 2 for side in self.base):
            raise ValueError(f"base {self.base[0]}x{self.base[1]}: sides must be even for 4:2:0 video")
        if any(stored > made for stored, made in zip(self.base, self.render, strict=True)):
            raise ValueError(f"base {self.base} is larger than render {self.render}: clips are never enlarged here")
        return self

    @property
    def size(self) -> Size:
        """The base clip's."""
        return Size(*self.base)


class Adapter(_Part):
    """A LoRA laid over the transformer's weights: a safetensors file, pinned by its digest."""

    file: Path
    """Relative to the profile's own file."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    weight: Annotated[float, Field(ge=-4, le=4)] = 1.0


class Decode(_Part):
    """How latents become pictures."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 is used only where the start-up check finds it as good (``parity_db``), else float32."""
    parity_db: Annotated[float, Field(ge=20, le=120)] = 40.0
    """Least PSNR between a bfloat16 and a float32 decode of the same latents."""


class Layout(_Part):
    """How the work is laid out on the device; none of it decides what is seen."""

    batch: Annotated[int, Field(ge=1, le=32)] = 1
    compile: bool = False
    """Compile the repeated blocks of the transformer and the decoder: minutes at the start, then faster."""
    channels_last: bool = False
    """Lay the decoder's tensors out channels last."""
    pairs: bool = False
    """Convolve over time two frames at a time: a third less to multiply, and a third more of the decoder's weights."""
    frames_at_once: Literal[1, 2, 4] = 4
    """Frames that go through the decoder's large layers together: fewer need less memory."""
    overlap: bool = True
    """Decode a batch while the next one is denoised."""
    warm_up: bool = True
    """Run every bucket once before the engine is ready."""


class Profile(_Part):
    """How a checkpoint is used. ``name`` comes from the file's name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]
    about: str
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)]
    sampler: Literal["unipc", "few-step"]
    steps: Annotated[int, Field(ge=1, le=200)]
    guidance: Annotated[float, Field(ge=1, le=20)]
    """Classifier-free guidance scale; 1: none, and one forward a step instead of two."""
    shift: Annotated[float, Field(gt=0, le=20)] = 5.0
    """Flow shift of the unipc sampler."""
    timesteps: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = ()
    """The few-step sampler's timesteps, falling."""
    fps: Annotated[int, Field(ge=1, le=60)] = 24
    max_frames: Annotated[int, Field(ge=1, le=1000)] = 121
    text_tokens: Annotated[int, Field(ge=8, le=512)] = 512
    """Length that prompts are padded to. There is no mask, so it changes the picture."""
    negative_prompt: str = ""
    """Used where a scene has none."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the transformer and the text encoder; the modules that must be in float32 stay so."""
    photo_fit: Literal["letterbox", "crop"] = "letterbox"
    """How a photo of another shape fills the frame: whole, on its own border's colour, or cut."""
    step_cache: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Largest relative change of the first block's residual at which the other blocks are not run; 0: always run."""
    buckets: Annotated[tuple[Bucket, ...], Field(min_length=1)]
    decode: Decode = Decode()
    adapters: tuple[Adapter, ...] = ()
    layout: Layout = Layout()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.modes)) != len(self.modes):
            raise ValueError(f"modes: {', '.join(self.modes)}: one of them twice")
        sizes = [bucket.base for bucket in self.buckets]
        if len(set(sizes)) != len(sizes):
            raise ValueError("buckets: two of one base size; a scene's size must name one bucket")
        if self.max_frames % FRAME_STEP != 1:
            raise ValueError(f"max_frames: {self.max_frames} is not a multiple of {FRAME_STEP} and one more")
        if self.sampler == "unipc" and self.timesteps:
            raise ValueError("timesteps: only the few-step sampler takes them; unipc takes steps and shift")
        if self.sampler == "few-step":
            self._few_steps()
        return self

    def _few_steps(self) -> None:
        if len(self.timesteps) != self.steps:
            raise ValueError(f"timesteps: {len(self.timesteps)} for {self.steps} steps")
        if list(self.timesteps) != sorted(set(self.timesteps), reverse=True):
            raise ValueError(f"timesteps: {self.timesteps} do not fall")
        if self.guidance != 1.0:
            raise ValueError("guidance: distilled checkpoints take none; set 1.0")
        if "image" in self.modes:
            raise ValueError("modes: the distilled checkpoints are text only; refuse photos")
        if self.step_cache:
            raise ValueError("step_cache: a few distilled steps have nothing in common to keep; set 0")

    @cached_property
    def digest(self) -> str:
        """64 hex digits over all that decides the picture."""
        fields = self.model_dump(mode="json", exclude={"name", "about", "layout", "max_frames"})
        for adapter in fields["adapters"]:
            del adapter["file"]  # its content is what counts
        return digest(fields)

    @property
    def guided(self) -> bool:
        """True when every step takes a second forward, for the negative prompt."""
        return self.guidance > 1.0

    def bucket(self, size: Size) -> Bucket | None:
        """The bucket whose base clips have this size."""
        return next((bucket for bucket in self.buckets if bucket.size == size), None)


def known() -> tuple[str, ...]:
    """Names of the built-in profiles."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str) -> Profile:
    """A built-in profile by its name, or one of your own by the path of its TOML file. Raises ProfileError."""
    path = FOLDER / f"{name}.toml" if name in known() else Path(name)
    if path.suffix != ".toml":
        raise ProfileError(f"profile {name!r}: neither one of {', '.join(known())} nor the path of a .toml file")
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"profile {path}: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"profile {path}: not valid TOML: {error}") from error
    for adapter in fields.get("adapters", ()):
        if isinstance(adapter, dict) and isinstance(adapter.get("file"), str):
            adapter["file"] = str(path.parent / adapter["file"])
    try:
        return Profile.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {_told(each['msg'])}" for each in error.errors())
        raise ProfileError(f"profile {path}: {faults}".replace("profile : ", "")) from error


def _told(message: str) -> str:
    return message.removeprefix("Value error, ")
