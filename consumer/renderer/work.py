"""What a request needs and how it is done: what exists, what is left, the steps that make it. No threads."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import structlog

from consumer.events import Lineage, VideoReady, VideoRejected, Work
from consumer.observe import metrics as m
from consumer.renderer.alias import Standing, standing
from consumer.renderer.announce import Announcer, rejected
from consumer.renderer.buffer import Job
from consumer.renderer.library import BaseRecord, ClipRecord, Library
from consumer.renderer.photos import PhotoError, Photos
from consumer.renderer.pinning import Engines, Pinning
from consumer.storage.store import Store
from model import inspect as inspection
from model.encode import encode_base
from model.engine import Rendered, Shot
from model.finish import finish
from model.inspect import Report
from model.recipe import Recipe, Scene

log = structlog.get_logger(__name__)


class WorkError(Exception):
    """Raised when a request can never be done as it is; ``stage`` says where it showed."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Skip:
    """No work and nothing to say; counted by its reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Say:
    """The request is done: this is announced."""

    event: VideoReady | VideoRejected


@dataclass(frozen=True, slots=True)
class Render:
    """The engine is needed."""


@dataclass(frozen=True, slots=True)
class Dress:
    """The base clip is there; dress, label, store and publish it."""

    base: bytes
    record: BaseRecord
    work: Work


Step = Skip | Say | Render | Dress


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides about rendering."""

    attempts: int
    """Renders that may fail inspection, each with another seed; and tries of one scene at an engine that stumbles."""
    photo_policy: Literal["text", "storyboard", "reject"]
    """What a photo that cannot be had leads to: a clip from words alone by the same engine (by the fallback, where
    that engine makes none from words), one by the fallback engine, or a dead letter."""
    photo_tries: int = 3


def attempt(scene: Scene, number: int) -> Scene:
    """The scene of the n-th attempt: the planned one first, then seeds derived from it."""
    if number == 0:
        return scene
    seed = hashlib.sha256(f"{scene.seed}/{number}".encode()).digest()
    return replace(scene, seed=int.from_bytes(seed[:7], "big"))


class Workshop:
    """Takes one job through its steps. Thread-safe; raises WorkError and the store's errors on purpose."""

    def __init__(
        self,
        *,
        store: Store,
        engines: Engines,
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
        alias, _ = self._announcer.read(*job.lane)
        found = standing(alias, job.request, job.origin)
        if alias is not None and found is not Standing.NEWS:
            if found is not Standing.ANNOUNCE:
                self._announcer.settle_media(*job.lane, alias)
                return Skip(found.value)
            return self._publish(job, alias.announcement)
        if job.request.work is Work.RETIRE:
            return self._publish(job, self._announcer.retired(job.request, self._clock()))
        self._check_engine(job)
        self._pin(job)
        return self.left(job)

    def left(self, job: Job) -> Step:
        """What is left of a job whose recipe is pinned: nothing, dress, render, or another attempt."""
        while True:
            recipe = self._recipe(job)
            base = self._library.base_record(recipe.base_digest)
            if base is not None and not base.accepted:
                step = self.reject(job, base)
                if step is not None:
                    return step
                continue
            if base is not None:
                clip = self._library.clip_record(recipe.digest)
                if clip is not None:
                    return self._announce(job, clip, base, Work.NONE)
                data = self._library.base(base)
                if data is not None:
                    return Dress(data, base, Work.DRESS)
            return Render()

    def shot(self, job: Job) -> Shot:
        """The job as the engine takes it."""
        return Shot(scene=self._recipe(job).scene, photo=job.photo)

    def accept(self, job: Job, rendered: Rendered) -> Step | None:
        """Inspect what the engine made and store it. None: rejected, and another attempt is due (see ``left``)."""
        scene = self._recipe(job).scene
        job.engine_seconds += rendered.seconds
        with self._timed("inspect"):
            report = inspection.inspect_frames(rendered.frames, scene)
        self._metrics.inc(m.INSPECTIONS, result="passed" if report.passed else "failed")
        record = BaseRecord(
            digest=scene.digest,
            accepted=report.passed,
            engine_seconds=rendered.seconds,
            generative=self._engines.of(scene.engine).generative,
            scores=dict(report.scores),
            policy=report.policy,
            reasons=_reasons(report),
        )
        with self._timed("encode"):
            data = encode_base(rendered.frames, scene.fps)
        with self._timed("upload"):
            if report.passed:
                return Dress(data, self._library.put_base(record, data), Work.RENDER)
            record = self._library.put_rejected(record, data)
        return self.reject(job, record)

    def reject(self, job: Job, record: BaseRecord) -> Step | None:
        """Note a failed attempt. The rejection when it was the last one, else None: the next one is set up."""
        job.failed.append(record)
        log.warning("clip rejected", product=job.request.product_id, attempt=len(job.failed), reasons=record.reasons)
        if len(job.failed) >= self._rules.attempts:
            for check, _ in record.reasons:
                self._metrics.inc(m.REJECTED, check=check)
            return Say(rejected(job.request, job.failed, self._clock()))
        recipe, planned = self._recipe(job), job.request.recipe
        assert planned is not None  # noqa: S101 - only requests with a recipe get here
        scene = attempt(replace(recipe.scene, seed=planned.scene.seed), len(job.failed))
        job.recipe, job.tries = replace(recipe, scene=scene), 0
        return None

    def dress(self, job: Job, step: Dress) -> Say | Skip:
        """Dress, label, inspect the file, store, and publish. Raises WorkError when the file is not fit to publish."""
        recipe = self._recipe(job)
        known = self._library.clip_record(recipe.digest)
        if known is not None:
            return self._announce(job, known, step.record, Work.NONE if step.work is Work.DRESS else step.work)
        with self._timed("dress"):
            finished = finish(step.base, recipe, generative=step.record.generative)
        with self._timed("inspect"):
            report = inspection.inspect_file(finished.data, recipe)
        if not report.passed:
            faults = "; ".join(f"{check}: {message}" for check, message in _reasons(report))
            raise WorkError("inspect", f"the finished file is not fit to publish: {faults}")
        probe = finished.probe
        record = ClipRecord(
            digest=recipe.digest,
            sha256=finished.sha256,
            etag="",
            size=len(finished.data),
            width=probe.width,
            height=probe.height,
            frames=probe.frames,
            fps=recipe.scene.fps,
            duration=probe.duration,
            codec=probe.codec,
            has_text=finished.has_text or bool(recipe.scene.captions),
            labels=finished.labels,
            scores=dict(report.scores),
            policy=report.policy,
        )
        with self._timed("upload"):
            record = self._library.put_clip(record, finished.data, finished.poster)
        return self._announce(job, record, step.record, step.work)

    def _announce(self, job: Job, clip: ClipRecord, base: BaseRecord, work: Work) -> Say | Skip:
        if base.generative and not {"visible", "aigc"} <= set(clip.labels):
            self._metrics.inc(m.UNLABELLED)
            raise WorkError("label", f"a generated clip with labels {list(clip.labels)} is not published")
        recipe, planned = self._recipe(job), job.request.recipe
        assert planned is not None  # noqa: S101 - only requests with a recipe get here
        scene = recipe.scene
        lineage = Lineage(
            recipe_digest=planned.digest,
            base_digest=base.digest,
            prompt=scene.prompt,
            negative_prompt=scene.negative_prompt or None,
            engine=scene.engine,
            engine_revision=scene.engine_revision,
            generative=base.generative,
            seed=scene.seed,
            steps=scene.steps,
            guidance=scene.guidance,
            photo_sha256=scene.photo.sha256 if scene.photo else None,
            scores={**base.scores, **clip.scores},
            inspection_policy=clip.policy,
            engine_seconds=job.engine_seconds,
            work=work,
            attempts=len(job.failed) + 1,
        )
        return self._publish(job, self._announcer.ready(job.request, clip, lineage, self._clock()))

    def _publish(self, job: Job, event: VideoReady) -> Say | Skip:
        with self._timed("announce"):
            published = self._announcer.publish(job.request, job.origin, event)
        if published.standing in {Standing.STALE, Standing.DUPLICATE}:
            return Skip(published.standing.value)
        return Say(published.alias.announcement)

    def _check_engine(self, job: Job) -> None:
        planned = job.request.recipe
        assert planned is not None  # noqa: S101 - events.py lets only RETIRE come without
        scene, spec = planned.scene, self._engines.main
        if (scene.engine, scene.engine_revision) != (spec.name, spec.revision):
            raise WorkError(
                "engine",
                f"planned for engine {scene.engine} {scene.engine_revision}; this renderer runs {spec.name} "
                f"{spec.revision}: give planner and renderer the same engine, then publish the product again",
            )

    def _pin(self, job: Job) -> None:
        try:
            with self._timed("photo"):
                self._pinning.pin(job)
        except PhotoError as error:
            raise WorkError("photo", str(error)) from error

    @staticmethod
    def _recipe(job: Job) -> Recipe:
        assert job.recipe is not None  # noqa: S101 - set by _pin before any step that needs it
        return job.recipe

    def _timed(self, stage: str) -> _Timer:
        return _Timer(self._metrics, stage)


class _Timer:
    """Observes the time of a with-block as one stage."""

    def __init__(self, metrics: m.Metrics, stage: str) -> None:
        self._metrics, self._stage, self._start = metrics, stage, 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._metrics.observe(m.STAGE_SECONDS, time.perf_counter() - self._start, stage=self._stage)


def _reasons(report: Report) -> tuple[tuple[str, str], ...]:
    return tuple((fault.check, fault.message) for fault in report.faults)
