"""The last steps of a clip: its base's bytes in, finished, labelled and verified bytes out.

Always starts from the encoded base, never from frames in memory: so a clip dressed again next year from the stored
base has the same bytes. Knows no store and no event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from model.colour import Converter, Planar, planar_frame, planes
from model.dress import check_supported, dress
from model.encode import encode, poster
from model.errors import DressError, LabelError
from model.label import check_labels, names, tags_for
from model.probe import Probe, probe
from model.recipe import Recipe

POSTER_CANDIDATES = 7
"""Frames looked at for the poster, spread over the clip without its ends (where engines fade)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A clip ready to be published, and what is to be said of it."""

    data: bytes = field(repr=False)
    poster: bytes = field(repr=False)
    """JPEG, the size of the clip."""
    probe: Probe
    sha256: str
    labels: tuple[str, ...]
    """Labels applied and read back: ``visible``, ``aigc``; none on clips no model generated."""
    has_text: bool
    """True when words are drawn on the picture: captions or a visible label."""


def finish(base: bytes, recipe: Recipe, *, generative: bool) -> Finished:
    """Dress, encode and label a base clip; the same base and recipe give the same bytes.

    Args:
        base: The encoded base clip (``encode_base``).
        recipe: Its recipe; the scene says how many frames the base must have.
        generative: True when a model invented the pixels: such a clip is returned labelled or not at all.

    Raises:
        UnsupportedDressing: The recipe asks for a ribbon or an end card.
        DressError: The base has not the scene's frames, or the label cannot be drawn.
        LabelError: The recipe cannot be labelled, or labels were missing in the finished bytes.
        DecodeError, EncodeError, CodecError: The base is damaged, or the encoder failed.
    """
    check_supported(recipe.dressing)
    tags = tags_for(recipe, generative)
    scene, overlays = recipe.scene, recipe.dressing.overlays
    chosen = _PosterChoice(scene.frames)
    pictures = _exactly(scene.frames, chosen.watching(dress(base, overlays)))
    data = encode(pictures, (overlays.width, overlays.height), scene.fps, overlays.encoding, tags)
    faults = check_labels(data, recipe, generative)
    if faults:
        raise LabelError(f"labels are not in the finished bytes: {'; '.join(faults)}")
    return Finished(
        data=data,
        poster=poster(Converter().to_rgb(planar_frame(chosen.best()))),
        probe=probe(data),
        sha256=hashlib.sha256(data).hexdigest(),
        labels=names(recipe, generative),
        has_text=overlays.label is not None or any(scene.captions),
    )


def poster_score(picture: Planar) -> float:
    """How well a picture would stand for its clip: sharp, and neither dark nor burnt out. Higher is better.

    Sharpness is the mean step between neighbouring pixels of a half-size luma, worth less the further the mean luma is
    from the middle and the more pixels are clipped.
    """
    luma = planes(picture)[0][::2, ::2].astype(np.float32)
    sharpness = float(np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean())
    exposure = 1 - min(1.0, abs(float(luma.mean()) - 126) / 110)
    clipped = float(np.mean((luma <= 20) | (luma >= 232)))
    return (sharpness + 0.5) * (0.05 + exposure) * (1 - 0.5 * clipped)


class _PosterChoice:
    """Watches a clip's pictures go by and keeps the few that could be its poster."""

    def __init__(self, frames: int) -> None:
        spread = np.linspace(0.1, 0.9, min(POSTER_CANDIDATES, frames)) * (frames - 1)
        self._wanted = {round(place) for place in spread}
        self._best: Planar | None = None
        self._score = -1.0

    def watching(self, pictures: Iterable[Planar]) -> Iterator[Planar]:
        for index, picture in enumerate(pictures):
            if index in self._wanted:
                score = poster_score(picture)
                if score > self._score:
                    self._best, self._score = picture.copy(), score
            yield picture

    def best(self) -> Planar:
        if self._best is None:
            raise DressError("the clip has no frame for a poster")
        return self._best


def _exactly(count: int, pictures: Iterable[Planar]) -> Iterator[Planar]:
    seen = 0
    for picture in pictures:
        seen += 1
        yield picture
    if seen != count:
        raise DressError(f"the base clip has {seen} frames; its scene has {count}")
