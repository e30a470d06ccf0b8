"""The policy table: from every error that work on a record may raise to what becomes of the record.

The one place where that is decided. ``docs/FAULTS.md`` shows it, and a test compares. Planner and renderer ask it;
how a retry or a dead letter is done is theirs.
"""

from __future__ import annotations

from consumer.events import EventError
from consumer.storage.store import StoreError, StoreUnavailableError
from consumer.stream.codec import DecodeError
from consumer.stream.errors import StreamError
from consumer.stream.outcomes import Outcome, Policy, Rule
from consumer.stream.types import OwnTroubleError, UnavailableError, UnworkableError
from model.engine import EngineError
from model.errors import ClipError


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, EngineError) and error.retryable


_WAITS = "the same again with growing pauses, for as long as it takes; the role is not ready and its metric counts"

POLICY = Policy(
    (
        Rule(
            error=OwnTroubleError,
            outcome=Outcome.DEAD_LETTER,
            when="something needed was out for this record again and again, while others got through",
            then="given up after `renderer.tries` attempts: it is the record's own trouble",
        ),
        Rule(
            error=UnavailableError,
            outcome=Outcome.RETRY,
            when="database, registry or broker is out of reach, overloaded or too slow, or a clip cannot be signed",
            then=_WAITS,
        ),
        Rule(
            error=StoreUnavailableError,
            outcome=Outcome.RETRY,
            when="the object store is out of reach, overloaded or too slow, or broke off an upload",
            then=_WAITS,
        ),
        Rule(
            error=StoreError,
            outcome=Outcome.STOP,
            when="the object store says no: bucket missing, access denied",
            then="a person has to change something; trying again would only hide it",
        ),
        Rule(
            error=StreamError,
            outcome=Outcome.STOP,
            when="the loop cannot go on: fenced for good, offsets gone, commits failing for too long",
            then="the log says which and what to do; what was not committed is read again",
        ),
        Rule(
            error=EngineError,
            only=_may_pass,
            outcome=Outcome.RETRY,
            when="the engine failed in a way that may pass: memory, a hang, a crash, a time limit",
            then="again after a pause, alone, `renderer.attempts` times in all; then a dead letter of stage render",
        ),
        Rule(
            error=EngineError,
            outcome=Outcome.DEAD_LETTER,
            when="the engine refuses the shot",
            then="a dead letter of stage render at once",
        ),
        Rule(
            error=DecodeError,
            outcome=Outcome.DEAD_LETTER,
            when="the bytes cannot be read: wrong framing, unknown schema, damaged or incompatible value",
            then="a dead letter of stage decode",
        ),
        Rule(
            error=EventError,
            outcome=Outcome.DEAD_LETTER,
            when="the event breaks a rule that a schema cannot say: key, length, contradiction",
            then="a dead letter of stage validate, naming the field",
        ),
        Rule(
            error=UnworkableError,
            outcome=Outcome.DEAD_LETTER,
            when="the request can never be done: another engine's, no photo by policy, a clip unfit to publish",
            then="a dead letter of the stage where it showed",
        ),
        Rule(
            error=ClipError,
            outcome=Outcome.DEAD_LETTER,
            when="the clip cannot be dressed, encoded, labelled or spliced",
            then="a dead letter of the stage where it showed",
        ),
        Rule(
            error=Exception,
            outcome=Outcome.DEAD_LETTER,
            when="anything else: a fault of ours that this record brought to light",
            then="a dead letter, with the traceback in the log; when many follow each other the breaker opens",
        ),
    )
)

SKIPS = {
    "stale": "a newer revision was applied or announced before",
    "duplicate": "the same revision was applied or announced before: published twice upstream, or read again",
    "unchanged": "the recipe is the one that was planned last",
    "superseded": "a newer revision of the same product was at hand before this one was begun",
    "unknown": "a tombstone of something nobody knows",
    "tombstone": "an announcement that compaction may forget",
}
"""Why a record is skipped: the values of the label ``reason`` of ``skureel_skipped_records_total``."""
