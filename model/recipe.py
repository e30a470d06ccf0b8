"""The values that decide a finished clip, in three layers, and the digests that name them.

Plain frozen values only: nothing here opens a file, a socket or a model. Two recipes with equal digests give
the same finished bytes (a C2PA signature apart), so a digest is a file name, a cache key and a lineage record
at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as fields_of
from functools import lru_cache
from operator import attrgetter
from typing import Literal, NamedTuple

DIGEST_FORMAT = 1
"""Part of every digest. Raise it when the meaning of a field changes, so that old objects are not taken for new."""

Mode = Literal["text", "image"]
Position = Literal["top", "bottom"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class RecipeError(ValueError):
    """Raised when a field of a recipe is out of its range; the message names the field and the range."""


# One encoder for all: json.dumps would build a new one a call, which costs as much as the encoding.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: object) -> bytes:
    """The one byte string of a JSON-like value: sorted keys, no spaces, UTF-8, no NaN."""
    return _encode(value).encode()


def digest(value: object) -> str:
    """SHA-256 of the canonical form, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """The reference image of a scene.

    ``url`` says where to fetch it, ``sha256`` what it must be. A photo whose digest is not known yet is named
    by its URL; the renderer *pins* it (fetches, hashes) before it names the base clip.
    """

    url: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise RecipeError(f"photo.sha256: {self.sha256!r} is not 64 lower-case hex digits")

    def identity(self) -> dict[str, str]:
        """What enters the scene's digest: the content where it is known, the address until then."""
        return {"sha256": self.sha256} if self.sha256 else {"url": self.url}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the engine renders: the base clip's recipe. Sizes in pixels, ``fps`` in frames per second."""

    mode: Mode
    prompt: str
    negative_prompt: str = ""
    photo: Photo | None = None
    captions: tuple[str, ...] = ()
    """Words the engine may draw, title first; empty for engines that draw none."""
    locale: str = "en"
    seed: int
    width: int
    height: int
    frames: int
    fps: int
    steps: int = 0
    guidance: float = 0.0
    engine: str
    engine_revision: str

    def __post_init__(self) -> None:
        if self.mode == "image" and self.photo is None:
            raise RecipeError("scene.photo: mode 'image' needs a photo")
        for name, value, low, high in (
            ("width", self.width, 32, 4096),
            ("height", self.height, 32, 4096),
            ("frames", self.frames, 1, 1000),
            ("fps", self.fps, 1, 120),
            ("seed", self.seed, 0, 2**63 - 1),
            ("steps", self.steps, 0, 1000),
        ):
            if not low <= value <= high:
                raise RecipeError(f"scene.{name}: {value} is outside {low}…{high}")
        if self.width % 2 or self.height % 2:
            raise RecipeError(f"scene: {self.width}x{self.height} must be even for 4:2:0 video")

    @property
    def digest(self) -> str:
        """Names the base clip."""
        fields = dict(zip(_SCENE_FIELDS, _scene_values(self), strict=True))
        fields["photo"] = self.photo.identity() if self.photo else None
        fields["layer"] = "scene"
        fields["format"] = DIGEST_FORMAT
        return digest(fields)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.fps

    def pinned(self, sha256: str) -> Scene:
        """The same scene with its photo's content fixed. Raises RecipeError without a photo."""
        if self.photo is None:
            raise RecipeError("scene.photo: nothing to pin")
        return replace(self, photo=replace(self.photo, sha256=sha256))


_SCENE_FIELDS = tuple(each.name for each in fields_of(Scene))
_scene_values = attrgetter(*_SCENE_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """A promo ribbon over the clip."""

    text: str
    locale: str
    colour: str
    position: Position = "bottom"

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.colour):
            raise RecipeError(f"ribbon.colour: {self.colour!r} is not #RRGGBB")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCard:
    """The closing segment, encoded once per promo, size and locale."""

    headline: str
    subline: str | None = None
    locale: str
    colour: str
    seconds: float = 1.5

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.colour):
            raise RecipeError(f"end_card.colour: {self.colour!r} is not #RRGGBB")
        if not 0.5 <= self.seconds <= 5:
            raise RecipeError(f"end_card.seconds: {self.seconds} is outside 0.5…5")

    def frames(self, fps: int) -> int:
        """Pictures of the segment at a rate; halves count as a whole one."""
        return int(self.seconds * fps + 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the finished clip is encoded. ``crf`` is the encoder's quality (lower is better)."""

    codec: str = "h264"
    crf: int = 21
    preset: str = "veryfast"
    gop: int = 24
    """Frames between key frames: fixed, closed and without scene cuts, so that segments can be joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlays:
    """What is laid over the base clip, and the output size and codec: the body's own part."""

    width: int
    height: int
    ribbon: Ribbon | None = None
    label: str | None = None
    """Visible AI label, on clips a model generated; None on clips no model generated."""
    encoding: Encoding = field(default_factory=Encoding)

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if not 32 <= value <= 4096 or value % 2:
                raise RecipeError(f"overlays.{name}: {value} is not an even number in 32…4096")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dressing:
    """Overlays and end card together: all that a promo may change without a model."""

    overlays: Overlays
    end_card: EndCard | None = None
    producer: str | None = None
    """ContentProducer code of the AIGC metadata label; None on clips no model generated."""


class Digests(NamedTuple):
    """The names of a recipe's three layers."""

    base: str
    body: str
    clip: str


@lru_cache(maxsize=4096)
def _frames_of(dressing: Dressing) -> tuple[bytes, bytes]:
    """What stands after the base's digest in the body's canonical form, and after the body's in the clip's.

    Many products share one dressing, so its part of the canonical form is made once. The keys are in the order
    that ``canonical`` sorts them into.
    """
    overlays = canonical(asdict(dressing.overlays))
    card = canonical(asdict(dressing.end_card) if dressing.end_card else None)
    after_base = b'","format":%d,"layer":"body","overlays":%b}' % (DIGEST_FORMAT, overlays)
    after_body = b'","end_card":%b,"format":%d,"layer":"clip","producer":%b}' % (
        card,
        DIGEST_FORMAT,
        canonical(dressing.producer),
    )
    return after_base, after_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a finished clip."""

    scene: Scene
    dressing: Dressing

    @property
    def digests(self) -> Digests:
        """All three names, for little more than the cost of one."""
        after_base, after_body = _frames_of(self.dressing)
        base = self.scene.digest
        body = hashlib.sha256(b'{"base":"' + base.encode() + after_base).hexdigest()
        return Digests(base, body, hashlib.sha256(b'{"body":"' + body.encode() + after_body).hexdigest())

    @property
    def base_digest(self) -> str:
        """Names the base clip: what the engine renders."""
        return self.scene.digest

    @property
    def body_digest(self) -> str:
        """Names the body: the base with its overlays, encoded for delivery."""
        return self.digests.body

    @property
    def digest(self) -> str:
        """Names the finished clip: body, end card and labels."""
        return self.digests.clip

    @property
    def frames(self) -> int:
        """Pictures of the finished clip, end card included."""
        card = self.dressing.end_card
        return self.scene.frames + (card.frames(self.scene.fps) if card else 0)

    @property
    def duration(self) -> float:
        """Seconds of the finished clip, end card included: as long as its pictures are shown."""
        return self.frames / self.scene.fps

    @property
    def produce_id(self) -> str:
        """The ProduceID of the metadata label: printable ASCII, the same for the same recipe."""
        return f"skureel-{self.digest}"

    def pinned(self, sha256: str) -> Recipe:
        """The same recipe with its photo's content fixed."""
        return replace(self, scene=self.scene.pinned(sha256))
