"""The picture that stands for a clip until it plays; knows pictures, and no recipe and no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from model.colour import Converter, Planar, planar_frame, planes
from model.encode import poster
from model.errors import DressError

POSTER_CANDIDATES = 7
"""Frames looked at for the poster, spread over the clip without its ends (where engines fade)."""


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


class PosterChoice:
    """Watches a clip's pictures go by and keeps the best of the few that could be its poster."""

    def __init__(self, frames: int, settled: range | None = None) -> None:
        """``settled``: the frames at which nothing laid over the clip is moving; none given, all of them."""
        settled = range(frames) if settled is None else settled
        spread = np.linspace(0.1, 0.9, min(POSTER_CANDIDATES, frames)) * (frames - 1)
        wanted = {round(place) for place in spread}
        self._wanted = wanted.intersection(settled) or {settled[len(settled) // 2]}
        self._best: Planar | None = None
        self._score = -1.0

    def watching(self, pictures: Iterable[Planar]) -> Iterator[Planar]:
        """The same pictures, looked at."""
        for index, picture in enumerate(pictures):
            if index in self._wanted:
                score = poster_score(picture)
                if score > self._score:
                    self._best, self._score = picture.copy(), score
            yield picture

    def jpeg(self) -> bytes:
        """The best of those seen. Raises DressError when none was."""
        if self._best is None:
            raise DressError("the clip has no frame for a poster")
        return poster(Converter().to_rgb(planar_frame(self._best)))
