"""``skureel review approve`` and ``reject``: a person's decision about a rejected clip, and what follows from it.

The decision is written first, on condition that nobody decided before: of two reviewers one decides. What follows can
be done again: the quarantined clip becomes the accepted one, then the stored request is published once more, and the
renderer finds the clip there. Whoever is interrupted in between approves again.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.events import Review, utc_now
from consumer.operate.deadletters import shown
from consumer.operate.publish import PublishError, send
from consumer.operate.review_queue import Desk, Item, State, look, open_desk, request_of, told_plainly
from consumer.operate.review_records import (
    APPROVE_REASONS,
    REJECT_REASONS,
    Answer,
    Decision,
    ReviewError,
    Verdict,
    Word,
    check_reason,
)
from consumer.planner.prompting.lint import CHECK
from consumer.renderer.library import BaseRecord
from consumer.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one rejection."""

    id: str
    product: str
    done: bool
    """False: it was refused."""
    said: str
    decision: Decision | None = None

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        told = self.decision.to_json() if self.decision else {}
        told.pop("event", None)
        return {"id": self.id, "product_id": self.product, "done": self.done, "said": self.said, **told}


Step = Callable[[Desk, Item], Outcome]


def approve(
    settings: Settings, identities: Sequence[str], word: Word, *, attempt: int | None, resume: bool
) -> list[Outcome]:
    """Approve rejected clips, one after the other. ``attempt`` counts from 1, by default the last; ``resume``: finish
    what another reviewer began. Raises ReviewError where nothing can be done at all.
    """
    check_reason(word.reason, APPROVE_REASONS)
    return decide_all(
        settings, identities, lambda desk, item: approve_one(desk, item, word, attempt=attempt, resume=resume)
    )


def reject(settings: Settings, identities: Sequence[str], word: Word) -> list[Outcome]:
    """Confirm rejections, one after the other. Raises ReviewError where nothing can be done at all."""
    check_reason(word.reason, REJECT_REASONS)
    return decide_all(settings, identities, lambda desk, item: reject_one(desk, item, word))


def retry(settings: Settings, identities: Sequence[str]) -> list[Outcome]:
    """Try again what was rejected, one after the other. Raises ReviewError where nothing can be done at all."""
    return decide_all(settings, identities, retry_one)


def decide_all(settings: Settings, identities: Sequence[str], step: Step) -> list[Outcome]:
    """One step for each of these; a refusal of one is its outcome, and the others go on. Raises ReviewError."""
    outcomes: list[Outcome] = []
    with shown() as bar, open_desk(settings, deciding=True) as desk:
        queue = look(desk, bar)
        items = [queue.one(identity) for identity in dict.fromkeys(identities)]
        told = bar.of("deciding")
        for number, item in enumerate(items, 1):
            try:
                with told_plainly():
                    outcomes.append(step(desk, item))
            except ReviewError as error:
                if error.kind != "refused":
                    raise
                outcomes.append(_outcome(item, str(error), done=False))
            told(number, len(items))
    return outcomes


def tell(outcomes: Sequence[Outcome], *, json: bool, say: Callable[[str], None]) -> bool:
    """Print what became of them; whether all was done."""
    for each in outcomes:
        if json:
            print(jsonlib.dumps(each.to_json(), ensure_ascii=False))
        else:
            (print if each.done else say)(f"{each.id} {each.product}: {each.said}")
    return all(each.done for each in outcomes)


def approve_one(desk: Desk, item: Item, word: Word, *, attempt: int | None = None, resume: bool = False) -> Outcome:
    """Decide, accept, publish; whatever of it is done already is passed over. Raises ReviewError."""
    decision = item.decision
    if decision is None:
        _must_wait(item)
        decision = _decide(desk, item, Verdict.APPROVED, word, _attempt(desk, item, attempt))
    if decision.verdict is not Verdict.APPROVED or not (decision.word.reviewer == word.reviewer or resume):
        raise ReviewError(_decided(decision, word))
    if item.newer:
        return _outcome(item, f"{decision.told}; nothing is left to do: {item.newer}", decision)
    if decision.answered(item.place) and not resume:
        return _outcome(item, f"{decision.told}; its request was published again already", decision)
    return finish(desk, item, decision)


def finish(desk: Desk, item: Item, decision: Decision) -> Outcome:
    """Carry an approval out, from wherever it stands. Raises ReviewError."""
    record = _record(desk, decision.attempt)
    if not record.accepted:
        review = Review(
            reviewer=decision.word.reviewer, at=decision.at, reason=decision.word.reason, policy=decision.policy
        )
        if desk.library.approve(record, review) is None:
            raise ReviewError(f"approved, but the clip is gone from the quarantine: {record.quarantine_key}")
    newest = _publish(desk, item)
    if newest is not None:
        said = f"{decision.told}; a newer plan exists ({newest}), so there is nothing to publish"
        return _outcome(item, said, decision, done=False)
    answer = Answer(place=item.place, revision=item.event.revision, at=utc_now())
    return _outcome(
        item, f"{decision.told}; its request is published again", desk.decisions.answer(decision.base_digest, answer)
    )


def _publish(desk: Desk, item: Item) -> int | None:
    """Publish the stored request again. Gives the number of the newer plan for which it was not. Raises ReviewError."""
    request, newest = request_of(desk, item)
    if request is None:
        return newest
    try:
        send(desk.options, [request])
    except PublishError as error:
        raise ReviewError(f"the request is not published yet: {error}; the same command does it", "out") from error
    return None


def retry_one(desk: Desk, item: Item) -> Outcome:
    """Publish the request behind a rejection again, nothing decided: what was mended meanwhile may let it through.

    Raises ReviewError.
    """
    if item.decision is not None:
        raise ReviewError(f"decided already: {item.decision.told}")
    if item.newer:
        raise ReviewError(f"nothing to try again: {item.newer}")
    if _refused_words(item):
        _must_wait(item)
    newest = _publish(desk, item)
    if newest is not None:
        raise ReviewError(f"nothing to try again: plan {newest} took its place")
    return _outcome(item, "its request is published again")


def reject_one(desk: Desk, item: Item, word: Word) -> Outcome:
    """Note that a person agrees. Raises ReviewError."""
    decision = item.decision
    if decision is None:
        _must_wait(item)
        decision = _decide(desk, item, Verdict.REJECTED, word, item.event.base_digest or "")
    if decision.verdict is not Verdict.REJECTED or decision.word.reviewer != word.reviewer:
        raise ReviewError(_decided(decision, word))
    return _outcome(item, decision.told, decision)


def _outcome(item: Item, said: str, decision: Decision | None = None, *, done: bool = True) -> Outcome:
    return Outcome(id=item.id, product=item.event.product_id, done=done, said=said, decision=decision)


def _must_wait(item: Item) -> None:
    """Raises ReviewError unless somebody may decide about it."""
    if item.newer:
        raise ReviewError(f"nothing to decide: {item.newer}")
    if item.state is State.NO_CLIP:
        why = "; ".join(f"{reason.check}: {reason.message}" for reason in item.event.reasons) or "no reason is given"
        raise ReviewError(f"no clip was made ({why}); {_remedy(item)}")


def _remedy(item: Item) -> str:
    """What to do about a rejection that there is no clip of."""
    if _refused_words(item):
        return (
            "change the record, or approve the text in planner.prompt_rules where the rule is one for review "
            "(docs/PROMPTS.md)"
        )
    return "once that is mended, `review retry` tries it again"


def _refused_words(item: Item) -> bool:
    return any(reason.check.startswith(CHECK) for reason in item.event.reasons)


def _decided(decision: Decision, word: Word) -> str:
    own = decision.word.reviewer == word.reviewer
    more = "" if own or decision.verdict is Verdict.REJECTED else "; --resume finishes what was begun"
    return f"decided already: {decision.told}{more}"


def _attempt(desk: Desk, item: Item, number: int | None) -> str:
    """The base clip of an attempt, looked at: its bytes are there. Raises ReviewError."""
    event = item.event
    last = event.base_digest or ""
    tried = event.tried or (last,)
    if number is not None and not 1 <= number <= len(tried):
        raise ReviewError(f"--attempt {number}: there were {len(tried)}", "usage")
    digest = tried[number - 1] if number is not None else last
    record = _record(desk, digest)
    if not record.accepted and desk.library.quarantined(record) is None:
        raise ReviewError(f"the clip is gone from the quarantine, or is not the one that was rejected: {digest}")
    return digest


def _record(desk: Desk, digest: str) -> BaseRecord:
    record = desk.record(digest)
    if record is None:
        raise ReviewError(f"nothing is known of the clip any more: {digest}")
    return record


def _decide(desk: Desk, item: Item, verdict: Verdict, word: Word, attempt: str) -> Decision:
    """The decision that stands, perhaps somebody else's."""
    event = item.event
    mine = Decision(
        base_digest=event.base_digest or "",
        verdict=verdict,
        word=word,
        at=utc_now(),
        policy=event.inspection_policy,
        event=event,
        place=item.place,
        attempt=attempt,
    )
    return desk.decisions.decide(mine)
