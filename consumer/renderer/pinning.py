"""The planned recipe with its photo fixed, or what stands in for a photo that cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from consumer.observe import metrics as m
from consumer.renderer.buffer import Job
from consumer.renderer.photos import PhotoError, Photos, PhotoUnavailableError
from consumer.renderer.rungs import drawn
from model.engine import EngineSpec
from model.recipe import Photo, Recipe

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Engines:
    """What this renderer can render with."""

    main: EngineSpec
    """The one that clips are planned for."""
    fallback: EngineSpec | None = None
    """The one that stands in; it must be able to start from words."""

    def __post_init__(self) -> None:
        if self.fallback is not None and not self.fallback.texts:
            raise ValueError(f"the {self.fallback.name} engine makes no clip from words: it cannot stand in")

    def of(self, name: str) -> EngineSpec:
        """By the name in a scene in work."""
        return self.fallback if self.fallback is not None and self.fallback.name == name else self.main


class Pinning:
    """Sets a job's planned recipe and photo. Thread-safe; waits for hosts that stumble; raises the store's errors."""

    def __init__(
        self,
        *,
        engines: Engines | None,
        policy: str,
        tries: int,
        photos: Photos,
        metrics: m.Metrics,
        pause: Callable[[float], bool],
    ) -> None:
        """``policy``: see ``Rules``. ``pause`` waits seconds, or returns True at once when the process stops.

        Without engines nothing stands in for a photo. Raises ValueError when the policy wants clips that no model
        makes, and no such engine is given.
        """
        if engines is not None and policy == "storyboard" and engines.fallback is None and engines.main.generative:
            raise ValueError(f"photo policy 'storyboard' needs a fallback engine; {engines.main.name} generates")
        self._engines, self._policy, self._tries = engines, policy, tries
        self._photos, self._metrics, self._pause = photos, metrics, pause

    def pin(self, job: Job) -> None:
        """Fix the photo's digest in the recipe, if it has one; or fall back by policy, visibly.

        A photo whose digest was planned is not fetched yet: it is needed only where the clip has to be rendered.

        Raises PhotoError where the policy wants no clip, or no engine here can make the one it wants.
        """
        recipe = job.request.recipe
        assert recipe is not None  # noqa: S101 - only requests with a recipe get here
        job.planned, job.stand_in, job.photo = recipe, None, None
        photo = recipe.scene.photo
        if photo is None or photo.sha256 is not None:
            return
        try:
            job.photo, sha256 = self._fetch(photo)
        except PhotoError as error:
            job.planned = self._without_photo(job, recipe, error)
        else:
            job.planned = recipe.pinned(sha256)

    def equip(self, job: Job) -> None:
        """Before the recipe in work is rendered: fetch its photo unless ``pin`` did.

        Falls back and raises like it: then the planned recipe is another one, and attempts begin anew.
        """
        planned = job.planned
        assert planned is not None  # noqa: S101 - pinned before
        photo = planned.scene.photo
        if photo is None or job.photo is not None:
            return
        try:
            job.photo, _ = self._fetch(photo)
        except PhotoError as error:
            job.planned = self._without_photo(job, planned, error)
            job.seen.clear()

    def _without_photo(self, job: Job, recipe: Recipe, error: PhotoError) -> Recipe:
        assert recipe.scene.photo is not None  # noqa: S101 - the caller looked
        url = recipe.scene.photo.url
        if self._engines is None:
            raise PhotoError(f"{url}: {error}") from error
        main, fallback = self._engines.main, self._engines.fallback
        if self._policy == "reject":
            raise PhotoError(f"{url}: {error}") from error
        log.warning("photo not to be had", product=job.request.product_id, url=url, reason=str(error))
        if fallback is not None and (self._policy == "storyboard" or not main.texts):
            self._metrics.inc(m.FALLBACKS, kind="storyboard")
            job.stand_in = "storyboard"
            return drawn(recipe, fallback, job.request.captions)
        if not main.texts:
            raise PhotoError(f"{url}: {error}; and the {main.name} engine makes no clip from words") from error
        self._metrics.inc(m.FALLBACKS, kind="photo")
        job.stand_in = "photo"
        return replace(recipe, scene=replace(recipe.scene, mode="text", photo=None))

    def _fetch(self, photo: Photo) -> tuple[bytes, str]:
        """The photo, with a few tries for hosts that stumble. Raises PhotoError when it is not to be had."""
        for number in range(1, self._tries + 1):
            try:
                return self._photos.fetch(photo)
            except PhotoUnavailableError as error:
                if number == self._tries or self._pause(0.5 * 2**number):
                    raise PhotoError(f"{error}, {number} times") from error
        raise AssertionError("unreachable")
