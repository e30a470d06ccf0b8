"""A job and its ladder: from what is known of its attempts to the recipe in work. Asks no store and no engine."""

from __future__ import annotations

import structlog

from consumer.renderer.buffer import Job
from consumer.renderer.ladder import Decision, Rung, Seen, Stop, decide
from consumer.renderer.library import BaseRecord
from consumer.renderer.options import Rules
from consumer.renderer.ranking import rank
from consumer.renderer.rungs import Ways
from model.engine import EngineSpec

log = structlog.get_logger(__name__)

_ANY = frozenset({"inspection"})
"""The check of a rejected record that names none: it is rejected all the same."""


class Climber:
    """Stateless but for its rules. The same attempts lead to the same recipe, in whatever process."""

    def __init__(self, rules: Rules, pan: EngineSpec | None) -> None:
        """``pan`` draws on the rung of that name; needed where the rules have it."""
        self._rules, self._pan = rules, pan if "pan" in rules.fallbacks else None

    def aim(self, job: Job) -> Decision:
        """What follows from the job's attempts; unless it is the end, recipe and rung in work are set to it."""
        ways = self._ways(job)
        history = [self._seen(record) for record in job.seen]
        rungs = ways.rungs(self._rules.fallbacks)
        decision = decide(history, rungs, attempts=self._rules.attempts, best_of=self._rules.best_of)
        if isinstance(decision, Stop):
            return decision
        recipe = ways.at(decision.rung, decision.number)
        if recipe != job.recipe:
            job.recipe, job.tries = recipe, 0
        if decision.rung not in {job.rung, "planned"}:
            log.warning("falls back", product=job.request.product_id, rung=decision.rung, attempts=decision.number)
        job.rung = decision.rung
        return decision

    def rungs(self, job: Job) -> tuple[Rung, ...]:
        """The ways there are for the job's clip."""
        return self._ways(job).rungs(self._rules.fallbacks)

    def compared(self, job: Job, *, generative: bool) -> bool:
        """Whether a clip that passes is to be compared with others before one is taken."""
        return self._rules.best_of > 1 and generative and job.rung != "pan"

    def _ways(self, job: Job) -> Ways:
        planned, request = job.planned, job.request
        assert planned is not None  # noqa: S101 - pinned before
        drawn = job.stand_in == "storyboard"
        return Ways(
            planned=planned,
            calm=None if drawn else request.calm_prompt,
            captions=request.captions,
            pan=None if drawn else self._pan,
        )

    def _seen(self, record: BaseRecord) -> Seen:
        checks = frozenset(check for check, _ in record.reasons) or _ANY
        failed = frozenset() if record.accepted else checks
        ranked = rank(record.scores, self._rules.inspector.policy) if record.candidate else ()
        return Seen(failed=failed, candidate=record.candidate, passed_over=record.passed_over, rank=ranked)
