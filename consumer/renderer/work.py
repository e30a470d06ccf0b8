"""What a request means, what exists of it and what is left to do, and what an engine made of it. No threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from consumer.events import Work
from consumer.observe import metrics as m
from consumer.renderer.alias import Standing, standing
from consumer.renderer.announce import Announcer, rejected
from consumer.renderer.buffer import Job
from consumer.renderer.climbing import Climber
from consumer.renderer.expecting import expected_of
from consumer.renderer.finishing import Finishing, recipe_of
from consumer.renderer.ladder import Stop, Take
from consumer.renderer.library import BaseRecord, Library
from consumer.renderer.options import Rules
from consumer.renderer.photos import PhotoError, Photos
from consumer.renderer.pinning import Engines, Pinning
from consumer.renderer.steps import Dress, Render, Say, Skip, Splice, Step, WorkError
from consumer.renderer.templates import TemplateBreakers
from consumer.storage.store import Store
from model.dress import check_dressing
from model.encode import encode_base
from model.engine import EngineSpec, Rendered, Shot
from model.errors import WordsError

log = structlog.get_logger(__name__)

KEEPING_BACK = frozenset({"reject", "review"})
"""Actions of the policy that keep a clip from being published."""


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
        """Raises ValueError where the rules ask for an engine that is not there."""
        self._library = Library(store, signed=rules.signer is not None)
        self._announcer = Announcer(store)
        self._engines, self._rules = engines, rules
        self._metrics, self._clock = metrics, clock
        self._climber = Climber(rules, _pan(rules, engines))
        self._breakers = TemplateBreakers(rules.breaker, metrics)
        self._finishing = Finishing(
            self._library, self._announcer, rules.inspector, metrics, clock, signer=rules.signer
        )
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
        job.seen.clear()
        job.recipe, job.rung = None, "planned"
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
        """What is left of a job whose photo is pinned: nothing, splice, dress, another render, or a rejection."""
        while True:
            decision = self._climber.aim(job)
            if isinstance(decision, Stop):
                return self._reject(job, decision.why)
            if isinstance(decision, Take):
                return self._from_base(job, self._taken(job, decision))
            base = self._library.base_record(recipe_of(job).base_digest)
            if base is not None:
                job.seen.append(base)
                continue
            self._check_words(job)
            if self._engines is None:
                return Render()
            if job.rung == "planned" and decision.number == 0 and not self._admitted(job):
                if self._rules.breaker.action == "reject":
                    return self._reject(job, "template")
                self._pass_over(job)
                continue
            planned = job.planned
            self._photo(job, self._pinning.equip)
            if job.planned is planned:
                return Render()

    def _from_base(self, job: Job, base: BaseRecord) -> Step:
        recipe = recipe_of(job)
        clip = self._library.clip_record(recipe.digest)
        if clip is not None:
            return self._finishing.announce(job, clip, base, Work.NONE)
        if self._library.has_body(recipe):
            return Splice(base)
        self._check_words(job)
        return Dress(base)

    def _taken(self, job: Job, decision: Take) -> BaseRecord:
        """The record of the attempt that is taken, remembered as such: what is compared now is not compared again."""
        record = job.seen[decision.index]
        if record.candidate:
            record = job.seen[decision.index] = self._library.take(record)
            log.info("best taken", product=job.request.product_id, attempt=decision.number + 1, of=len(job.rendered))
        return record

    def shot(self, job: Job) -> Shot:
        """The job as the engine takes it."""
        scene = recipe_of(job).scene
        return Shot(scene=scene, photo=job.photo if scene.photo else None)

    def accept(self, job: Job, rendered: Rendered) -> Step:
        """Inspect what the engine made and store it; what is left then: dressing, or another attempt.

        May be called again with the same frames where the store was out: what was done is not done twice.
        """
        if job.noted is not rendered:
            record, data = self._note(job, rendered)
            if record.accepted and not record.candidate:
                self._made(job)
                return Dress(record, Work.RENDER, data)
            job.noted = rendered
        step = self.left(job)
        job.noted = None
        if not isinstance(step, Dress):
            return step
        self._made(job)
        return replace(step, work=Work.RENDER)  # an engine worked for this request, whichever attempt is taken

    def _note(self, job: Job, rendered: Rendered) -> tuple[BaseRecord, bytes]:
        """Inspect an attempt and store it; gives its record and the bytes of its base clip."""
        assert self._engines is not None  # noqa: S101 - somebody rendered it
        scene, generative = recipe_of(job).scene, self._engines.of(recipe_of(job).scene.engine).generative
        with self._metrics.timed(m.STAGE_SECONDS, stage="inspect"):
            expected = expected_of(job.request, scene, job.photo, generative=generative)
            report = self._rules.inspector.frames(rendered.frames, scene, expected)
        record = BaseRecord(
            digest=scene.digest,
            accepted=report.passed,
            engine_seconds=rendered.seconds,
            generative=generative,
            scores=dict(report.scores),
            policy=report.policy,
            skipped=dict(report.skipped),
            reasons=tuple((fault.check, fault.message) for fault in report.faults if fault.action in KEEPING_BACK),
            action="review" if report.verdict == "review" else "reject",
            candidate=report.passed and self._climber.compared(job, generative=generative),
        )
        with self._metrics.timed(m.STAGE_SECONDS, stage="encode"):
            data = encode_base(rendered.frames, scene.fps)
        with self._metrics.timed(m.STAGE_SECONDS, stage="upload"):
            put = self._library.put_base if report.passed else self._library.put_rejected
            record = put(record, data)
        known = [each.digest for each in job.seen]
        if record.digest in known:  # its base was gone or damaged: what was decided about the others stands
            record = replace(record, candidate=False)
            job.seen[known.index(record.digest)] = record
        else:
            job.seen.append(record)
        self._tell(job, record)
        return record, data

    def _tell(self, job: Job, record: BaseRecord) -> None:
        """An attempt is over: count it."""
        self._metrics.inc(m.INSPECTIONS, result="passed" if record.accepted else "failed")
        self._metrics.inc(m.ATTEMPTS, rung=job.rung, result="accepted" if record.accepted else "rejected")
        if job.rung == "planned" and len(job.seen) == 1:
            self._breakers.note(job.request.template, rejected=not record.accepted)
        if not record.accepted:
            self._metrics.inc(m.REJECTED_SECONDS, record.engine_seconds, rung=job.rung)
            log.warning(
                "clip rejected",
                product=job.request.product_id,
                attempt=len(job.rendered),
                rung=job.rung,
                reasons=record.reasons,
            )

    def _made(self, job: Job) -> None:
        """A clip was made that passed: count what it took, and what it is instead of the planned one."""
        self._metrics.observe(m.ATTEMPTS_NEEDED, len(job.rendered))
        if job.rung != "planned":
            self._metrics.inc(m.FALLBACKS, kind=job.rung)

    def _reject(self, job: Job, why: str) -> Say:
        """No clip: the rejection. It tells of the last attempt, or of the last that a person may yet approve."""
        records = sorted(job.rendered, key=lambda record: record.action == "review")
        if not records:
            records = [_out_of_use(job)]
        log.warning("no clip", product=job.request.product_id, why=why, attempts=len(job.rendered))
        for check, _ in records[-1].reasons:
            self._metrics.inc(m.REJECTED, check=check)
        return Say(rejected(job.request, records, self._clock()))

    def _admitted(self, job: Job) -> bool:
        """Whether the job is to be rendered as planned. Its breaker is asked once a job, for a probe has few places;
        and not where there is nothing to make in its stead, unless such clips shall be rejected.
        """
        instead = self._rules.breaker.action == "reject" or len(self._climber.rungs(job)) > 1
        job.admitted = job.admitted or not instead or self._breakers.admits(job.request.template)
        if not job.admitted:
            self._metrics.inc(m.TEMPLATE_PASSED_OVER, template=str(job.request.template))
        return job.admitted

    def _pass_over(self, job: Job) -> None:
        """Remember that the planned clip is not to be rendered, so that every other look leads to the next rung too."""
        self._library.pass_over(_out_of_use(job))

    def notes(self) -> dict[str, str]:
        """What is out of use just now, by name, and why."""
        return self._breakers.notes()

    def finish(self, job: Job, step: Dress | Splice) -> Step:
        """Make, inspect, store and publish the file. Another step where what it starts from turns out to be missing."""
        found = self._finishing.splice(job, step) if isinstance(step, Splice) else self._finishing.dress(job, step)
        if isinstance(found, Dress):
            self._check_words(job)
        elif isinstance(found, Render) and self._engines is not None:
            # The record speaks of a base that is gone or damaged: what is rendered now replaces it.
            planned = job.planned
            self._photo(job, self._pinning.equip)
            return found if job.planned is planned else self.left(job)
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


def _pan(rules: Rules, engines: Engines | None) -> EngineSpec | None:
    """What draws on the rung ``pan``; None where no rung needs it."""
    if "pan" not in rules.fallbacks:
        return None
    if engines is None or engines.fallback is None:
        if engines is not None and engines.main.generative:
            raise ValueError(f"fallback 'pan' needs a fallback engine; {engines.main.name} generates")
        return rules.pan
    return engines.fallback


def _out_of_use(job: Job) -> BaseRecord:
    """The record of a clip that is not rendered because its template is out of use."""
    scene = recipe_of(job).scene
    return BaseRecord(
        digest=scene.digest,
        accepted=False,
        engine_seconds=0.0,
        generative=False,
        reasons=(("template", f"{job.request.template} is out of use: its clips are rejected far more than usual"),),
        passed_over=True,
    )
