"""What a request means, what exists of it and what is left to do, and what an engine made of it. No threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import structlog

from consumer.events import Work
from consumer.observe import metrics as m
from consumer.renderer.alias import Standing, standing
from consumer.renderer.announce import Announcer, rejected
from consumer.renderer.buffer import Job
from consumer.renderer.finishing import Finishing, reasons, recipe_of
from consumer.renderer.library import BaseRecord, Library
from consumer.renderer.outages import TRIES
from consumer.renderer.photos import PhotoError, Photos
from consumer.renderer.pinning import Engines, Pinning
from consumer.renderer.steps import Dress, Render, Say, Skip, Splice, Step, WorkError
from consumer.storage.store import Store
from model.dress import check_dressing
from model.encode import encode_base
from model.engine import Rendered, Shot
from model.errors import WordsError
from model.inspect import Expected, Inspector
from model.recipe import Scene

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides about rendering."""

    attempts: int
    """Renders that may fail inspection, each with another seed; and tries of one scene at an engine that stumbles."""
    photo_policy: Literal["text", "storyboard", "reject"]
    """What a photo that cannot be had leads to: a clip from words alone by the same engine (by the fallback, where
    that engine makes none from words), one by the fallback engine, or a dead letter."""
    photo_tries: int = 3
    inspector: Inspector = field(default_factory=Inspector)
    """The policy a clip must pass, and the models it is shown to."""
    tries: int = TRIES
    """How often a request is tried again that alone suffers from what is out."""


def attempt(scene: Scene, number: int) -> Scene:
    """The scene of the n-th attempt: the planned one first, then seeds derived from it."""
    if number == 0:
        return scene
    seed = hashlib.sha256(f"{scene.seed}/{number}".encode()).digest()
    return replace(scene, seed=int.from_bytes(seed[:7], "big"))


class Workshop:
    """Takes one job through its steps. Thread-safe; raises WorkError and the store's errors on purpose.

    Without ``engines`` it is a dresser's: what needs one, or the policy for photos that cannot be had, ends in Render.
    """

    def __init__(
        self,
        *,
        store: Store,
        engines: Engines | None,
        rules: Rules,
        photos: Photos,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
        pause: Callable[[float], bool],
    ) -> None:
        self._library = Library(store)
        self._announcer = Announcer(store)
        self._engines, self._rules = engines, rules
        self._metrics, self._clock = metrics, clock
        self._finishing = Finishing(self._library, self._announcer, rules.inspector, metrics, clock)
        self._pinning = Pinning(
            engines=engines,
            policy=rules.photo_policy,
            tries=rules.photo_tries,
            photos=photos,
            metrics=metrics,
            pause=pause,
        )

    def begin(self, job: Job) -> Step:
        """What the request means, and what is left to do for it. May be called again: it starts from the beginning."""
        job.failed.clear()
        alias, _ = self._announcer.read(*job.target)
        found = standing(alias, job.request, job.origin)
        if alias is not None and found is not Standing.NEWS:
            if found is not Standing.ANNOUNCE:
                self._announcer.settle_media(*job.target, alias)
                return Skip(found.value)
            return self._finishing.publish(job, alias.announcement)
        if job.request.work is Work.RETIRE:
            return self._finishing.publish(job, self._announcer.retired(job.request, self._clock()))
        if self._engines is not None:
            self._check_engine(job, self._engines)
        if not self._photo(job, self._pinning.pin):
            return Render("photo")
        return self.left(job)

    def left(self, job: Job) -> Step:
        """What is left of a job whose recipe is pinned: nothing, splice, dress, render, or another attempt."""
        while True:
            recipe = recipe_of(job)
            base = self._library.base_record(recipe.base_digest)
            if base is not None and not base.accepted:
                step = self.reject(job, base)
                if step is not None:
                    return step
                continue
            if base is not None:
                clip = self._library.clip_record(recipe.digest)
                if clip is not None:
                    return self._finishing.announce(job, clip, base, Work.NONE)
                if self._library.has_body(recipe):
                    return Splice(base)
            self._check_words(job)
            if base is not None:
                return Dress(base)
            if self._engines is None:
                return Render()
            self._photo(job, self._pinning.equip)
            if recipe_of(job) is recipe:
                return Render()

    def shot(self, job: Job) -> Shot:
        """The job as the engine takes it."""
        return Shot(scene=recipe_of(job).scene, photo=job.photo)

    def accept(self, job: Job, rendered: Rendered) -> Step:
        """Inspect what the engine made and store it; what is left then: dressing, or another attempt."""
        assert self._engines is not None  # noqa: S101 - somebody rendered it
        scene = recipe_of(job).scene
        job.engine_seconds += rendered.seconds
        with self._metrics.timed(m.STAGE_SECONDS, stage="inspect"):
            expected = Expected(photo=job.photo, words=scene.captions, caption=scene.prompt)
            report = self._rules.inspector.frames(rendered.frames, scene, expected)
        self._metrics.inc(m.INSPECTIONS, result="passed" if report.passed else "failed")
        record = BaseRecord(
            digest=scene.digest,
            accepted=report.passed,
            engine_seconds=rendered.seconds,
            generative=self._engines.of(scene.engine).generative,
            scores=dict(report.scores),
            policy=report.policy,
            skipped=dict(report.skipped),
            reasons=reasons(report),
            action="review" if report.verdict == "review" else "reject",
        )
        with self._metrics.timed(m.STAGE_SECONDS, stage="encode"):
            data = encode_base(rendered.frames, scene.fps)
        with self._metrics.timed(m.STAGE_SECONDS, stage="upload"):
            if report.passed:
                return Dress(self._library.put_base(record, data), Work.RENDER, data)
            record = self._library.put_rejected(record, data)
        return self.reject(job, record) or self.left(job)

    def reject(self, job: Job, record: BaseRecord) -> Step | None:
        """Note a failed attempt. The rejection when it was the last one, else None: the next one is set up."""
        job.failed.append(record)
        log.warning("clip rejected", product=job.request.product_id, attempt=len(job.failed), reasons=record.reasons)
        if len(job.failed) >= self._rules.attempts:
            for check, _ in record.reasons:
                self._metrics.inc(m.REJECTED, check=check)
            return Say(rejected(job.request, job.failed, self._clock()))
        recipe, planned = recipe_of(job), job.request.recipe
        assert planned is not None  # noqa: S101 - only requests with a recipe get here
        scene = attempt(replace(recipe.scene, seed=planned.scene.seed), len(job.failed))
        job.recipe, job.tries = replace(recipe, scene=scene), 0
        return None

    def finish(self, job: Job, step: Dress | Splice) -> Step:
        """Make, inspect, store and publish the file. Another step where what it starts from turns out to be missing."""
        found = self._finishing.splice(job, step) if isinstance(step, Splice) else self._finishing.dress(job, step)
        if isinstance(found, Dress):
            self._check_words(job)
        elif isinstance(found, Render) and self._engines is not None:
            # The record speaks of a base that is gone or damaged: what is rendered now replaces it.
            planned = recipe_of(job)
            self._photo(job, self._pinning.equip)
            return found if recipe_of(job) is planned else self.left(job)
        return found

    @staticmethod
    def _check_engine(job: Job, engines: Engines) -> None:
        planned = job.request.recipe
        assert planned is not None  # noqa: S101 - events.py lets only RETIRE come without
        scene, spec = planned.scene, engines.main
        if (scene.engine, scene.engine_revision) != (spec.name, spec.revision):
            raise WorkError(
                "engine",
                f"planned for engine {scene.engine} {scene.engine_revision}; this renderer runs {spec.name} "
                f"{spec.revision}: give planner and renderer the same engine, then publish the product again",
            )

    @staticmethod
    def _check_words(job: Job) -> None:
        """Before anything that costs: words that cannot be drawn end the request here."""
        try:
            check_dressing(recipe_of(job))
        except WordsError as error:
            raise WorkError("dress", str(error)) from error

    def _photo(self, job: Job, fetch: Callable[[Job], None]) -> bool:
        """Fetch the photo where the step needs it. False: not to be had, and who has an engine decides."""
        try:
            with self._metrics.timed(m.STAGE_SECONDS, stage="photo"):
                fetch(job)
        except PhotoError as error:
            if self._engines is None:
                return False
            raise WorkError("photo", str(error)) from error
        return True
