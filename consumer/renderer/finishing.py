"""The last steps of a job: dress or splice, inspect the file, store it, publish it. No threads, no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import structlog

from consumer.events import Lineage, VideoReady, Work
from consumer.observe import metrics as m
from consumer.renderer.alias import Standing
from consumer.renderer.announce import Announcer
from consumer.renderer.buffer import Job
from consumer.renderer.library import BaseRecord, ClipRecord, Fit, Library
from consumer.renderer.steps import Dress, Render, Say, Skip, Splice, Step, WorkError
from consumer.stream.types import UnavailableError
from model.errors import LabelError, SpliceError, WordsError
from model.finish import Body, Finished, dress_body, finish, finish_body, stands_for
from model.inspect import Inspector, Report
from model.label import names
from model.provenance import Signer, SigningError
from model.recipe import Recipe

log = structlog.get_logger(__name__)


def recipe_of(job: Job) -> Recipe:
    """The recipe in work of a job that has one."""
    assert job.recipe is not None  # noqa: S101 - pinned before any step that needs it
    return job.recipe


def reasons(report: Report) -> tuple[tuple[str, str], ...]:
    """Names and messages of the checks that failed."""
    return tuple((fault.check, fault.message) for fault in report.faults)


class Finishing:
    """Thread-safe. Raises WorkError and the store's errors on purpose."""

    def __init__(
        self,
        library: Library,
        announcer: Announcer,
        inspector: Inspector,
        metrics: m.Metrics,
        clock: Callable[[], datetime],
        *,
        signer: Signer | None = None,
    ) -> None:
        self._library, self._announcer, self._inspector = library, announcer, inspector
        self._metrics, self._clock, self._signer = metrics, clock, signer

    def dress(self, job: Job, step: Dress) -> Step:
        """From the base. Raises WorkError when the file is not fit to publish; Render when the base is missing."""
        recipe = recipe_of(job)
        known = self._library.clip_record(recipe.digest)
        if known is not None:
            return self.announce(job, known, step.record, Work.NONE if step.work is Work.DRESS else step.work)
        base = step.base if step.base is not None else self._library.base(step.record)
        if base is None:
            return Render()
        with self._metrics.timed(m.STAGE_SECONDS, stage="dress"), _signing():
            body, finished = self._dressed(base, recipe, generative=step.record.generative)
        with self._metrics.timed(m.STAGE_SECONDS, stage="inspect"):
            report = self._inspector.file(finished.data, recipe)
        if not report.passed:
            faults = "; ".join(f"{check}: {message}" for check, message in reasons(report))
            raise WorkError("inspect", f"the finished file is not fit to publish: {faults}")
        if body is not None:
            with self._metrics.timed(m.STAGE_SECONDS, stage="upload"):
                self._library.put_body(recipe, body, report.policy)
        return self._store(job, finished, report, step.record, step.work)

    def splice(self, job: Job, step: Splice) -> Step:
        """From the body; from the base where the body is missing, damaged or not to be joined."""
        recipe = recipe_of(job)
        known = self._library.clip_record(recipe.digest)
        if known is not None:
            return self.announce(job, known, step.record, Work.NONE)
        body = self._library.body(recipe)
        if body is None:
            return Dress(step.record)
        try:
            with self._metrics.timed(m.STAGE_SECONDS, stage="splice"), _signing():
                finished = finish_body(body, recipe, generative=step.record.generative, signer=self._signer)
        except (SpliceError, LabelError) as error:
            log.warning("body not to be joined; dressing the base", product=job.request.product_id, reason=str(error))
            return Dress(step.record)
        except WordsError as error:
            raise WorkError("dress", str(error)) from error
        with self._metrics.timed(m.STAGE_SECONDS, stage="inspect"):
            # A stored body was decoded with the first clip made of it: packets are compared, not decoded again.
            report = self._inspector.file(finished.data, recipe, parts=finished.parts)
        if not report.passed:
            log.warning("spliced file not fit to publish", product=job.request.product_id, faults=reasons(report))
            return Dress(step.record)
        return self._store(job, finished, report, step.record, Work.SPLICE)

    def _dressed(self, base: bytes, recipe: Recipe, *, generative: bool) -> tuple[Body | None, Finished]:
        """The clip, and its body unless the two cannot be joined. Raises WorkError for words that cannot be drawn, and
        for labels that did not arrive in the bytes."""
        try:
            body = dress_body(base, recipe)
            try:
                return body, finish_body(body, recipe, generative=generative, signer=self._signer)
            except SpliceError:
                return None, finish(base, recipe, generative=generative, signer=self._signer)  # in one piece
        except WordsError as error:
            raise WorkError("dress", str(error)) from error
        except LabelError as error:
            self._metrics.inc(m.UNLABELLED)
            raise WorkError("label", str(error)) from error

    def _fit(self, finished: Finished, recipe: Recipe, base: BaseRecord) -> Fit | None:
        """Whether a signed clip that lies there already may stay; None where clips are not signed."""
        signer = self._signer
        if signer is None:
            return None
        return partial(stands_for, finished=finished, recipe=recipe, generative=base.generative, signer=signer)

    def _store(self, job: Job, finished: Finished, report: Report, base: BaseRecord, work: Work) -> Say | Skip:
        recipe, probe = recipe_of(job), finished.probe
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
        with self._metrics.timed(m.STAGE_SECONDS, stage="upload"):
            record = self._library.put_clip(record, finished.data, finished.poster, self._fit(finished, recipe, base))
        return self.announce(job, record, base, work)

    def announce(self, job: Job, clip: ClipRecord, base: BaseRecord, work: Work) -> Say | Skip:
        """Publish a stored clip. Raises WorkError for one that lacks its labels."""
        required = names(base.generative, signed=self._signer is not None)
        if not set(required) <= set(clip.labels):
            self._metrics.inc(m.UNLABELLED)
            told = f"{', '.join(clip.labels) or 'none'}; {', '.join(required)} are asked for"
            raise WorkError("label", f"not published for want of labels: it has {told}")
        recipe, planned = recipe_of(job), job.request.recipe
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
            not_inspected=dict(base.skipped),
            # What the clip cost, failed attempts included, whichever process made them; nothing where none was made.
            engine_seconds=sum(each.engine_seconds for each in job.rendered) if work is Work.RENDER else 0.0,
            work=work,
            attempts=len(job.rendered),
            fallback=job.rung if job.rung != "planned" else job.stand_in,
            template=job.request.template,
            review=base.review,
        )
        step = self.publish(job, self._announcer.ready(job.request, clip, recipe, lineage, self._clock()))
        if isinstance(step, Say) and work is not Work.RENDER:
            self._metrics.inc(m.SAVED_SECONDS, base.engine_seconds, work=work.value)
        return step

    def publish(self, job: Job, event: VideoReady) -> Say | Skip:
        """Make it what the alias says, unless the alias says something as new."""
        with self._metrics.timed(m.STAGE_SECONDS, stage="announce"):
            published = self._announcer.publish(job.request, job.origin, event)
        if published.standing in {Standing.STALE, Standing.DUPLICATE}:
            return Skip(published.standing.value)
        return Say(published.alias.announcement)


@contextmanager
def _signing() -> Iterator[None]:
    """Raises UnavailableError where a clip could not be signed: the signer has signed before, so it is not the clip."""
    try:
        yield
    except SigningError as error:
        raise UnavailableError("signing", str(error)) from error
