"""Laws of the policy table: every error has one row, the first that covers it; every skip has its meaning."""

from __future__ import annotations

import pytest

from consumer.events import EventError
from consumer.planner import decisions
from consumer.policy import POLICY, SKIPS
from consumer.renderer.alias import AliasError, Standing
from consumer.renderer.steps import WorkError
from consumer.storage.store import StoreError, StoreUnavailableError
from consumer.stream.codec import DecodeError
from consumer.stream.errors import FencedError, PoisonError
from consumer.stream.outcomes import Outcome, Policy, Rule
from consumer.stream.types import OwnTroubleError, UnavailableError
from model.engine import EngineError
from model.errors import LabelError
from model.hosted.errors import LateError


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (UnavailableError("database", "x"), Outcome.RETRY),
        (StoreUnavailableError("x"), Outcome.RETRY),
        (OwnTroubleError("store", 3, ValueError("x")), Outcome.DEAD_LETTER),
        (StoreError("no such bucket"), Outcome.STOP),
        (FencedError("x"), Outcome.STOP),
        (PoisonError("x"), Outcome.STOP),
        (EngineError("no memory", retryable=True), Outcome.RETRY),
        (EngineError("broken photo", retryable=False), Outcome.DEAD_LETTER),
        (LateError("took longer"), Outcome.RETRY),
        (DecodeError("decode", "wrong magic byte"), Outcome.DEAD_LETTER),
        (EventError("key", "missing"), Outcome.DEAD_LETTER),
        (WorkError("inspect", "unfit"), Outcome.DEAD_LETTER),
        (AliasError("k", "unreadable"), Outcome.DEAD_LETTER),
        (LabelError("x"), Outcome.DEAD_LETTER),
        (ZeroDivisionError(), Outcome.DEAD_LETTER),
        (RecursionError(), Outcome.DEAD_LETTER),
    ],
)
def test_an_error_has_the_outcome_of_its_row(error: Exception, outcome: Outcome) -> None:
    """Outages wait, what a person must mend stops, and all else that a record brings about is a dead letter."""
    assert POLICY.judge(error) is outcome


def test_no_row_is_hidden_by_one_above_it() -> None:
    """A wider row comes after the narrower one, or the narrower one would never decide."""
    for index, rule in enumerate(POLICY.rules):
        for above in POLICY.rules[:index]:
            assert above.only is not None or not issubclass(rule.error, above.error), (rule.error, above.error)


def test_every_row_says_what_happened_and_what_is_done() -> None:
    """For whoever is on duty."""
    for rule in POLICY.rules:
        assert len(rule.when) > 10
        assert len(rule.then) > 10


@pytest.mark.parametrize("rules", [(), (Rule(error=ValueError, outcome=Outcome.STOP, when="w", then="t"),)])
def test_a_table_covers_everything(rules: tuple[Rule, ...]) -> None:
    """One without a last row for every Exception is refused."""
    with pytest.raises(ValueError, match="every Exception"):
        Policy(rules)


def test_every_reason_to_skip_has_its_meaning() -> None:
    """Of the planner and of the renderer; and no meaning is left over."""
    planner = {decisions.STALE, decisions.DUPLICATE, decisions.SUPERSEDED, decisions.UNCHANGED, decisions.UNKNOWN}
    renderer = {Standing.STALE.value, Standing.DUPLICATE.value, "superseded"}
    assert planner | renderer | {decisions.TOMBSTONE} == SKIPS.keys()
