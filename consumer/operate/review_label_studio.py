"""The queue as tasks for Label Studio, and its annotations back as decisions.

Knows Label Studio's JSON: tasks with ``data`` and ``predictions``, annotations with ``result`` items of type choices
and textarea (labelstud.io/guide/task_format, labelstud.io/guide/predictions).
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from consumer.operate.deadletters import shown
from consumer.operate.review import Outcome, approve_one, decide_all, reject_one
from consumer.operate.review_queue import Desk, Filter, Item, look, open_desk
from consumer.operate.review_records import APPROVE_REASONS, OTHER, REJECT_REASONS, ReviewError, Word, check_reason
from consumer.settings import Settings
from consumer.storage import layout

VERDICT, REASON, NOTE, FAULTS, VIDEO = "verdict", "reason", "note", "faults", "video"
"""Names of the controls in the labelling configuration."""
APPROVE, REJECT = "approve", "reject"
LARGEST = 64 << 20
"""Bytes of annotations that are read."""


def labelling(checks: list[str]) -> str:
    """The labelling configuration that the tasks are made for: paste it into the project's settings."""

    def choices(name: str, values: list[str], more: str = "") -> str:
        inside = "".join(f"<Choice value={quoteattr(value)}/>" for value in values)
        return f'  <Choices name="{name}" toName="{VIDEO}" {more}showInline="true">{inside}</Choices>\n'

    codes = [*APPROVE_REASONS, *REJECT_REASONS, OTHER]
    return (
        "<View>\n"
        f'  <Video name="{VIDEO}" value="${VIDEO}"/>\n'
        '  <Text name="product" value="$product_id"/>\n'
        '  <Text name="why" value="$reasons"/>\n'
        + choices(VERDICT, [APPROVE, REJECT], 'choice="single-radio" required="true" ')
        + choices(REASON, codes, 'choice="single-radio" required="true" ')
        + f'  <TextArea name="{NOTE}" toName="{VIDEO}" maxSubmissions="1"/>\n'
        + choices(FAULTS, checks, 'choice="multiple" ')
        + "</View>\n"
    )


def task(item: Item, link: str) -> dict[str, Any]:
    """One task: the clip's address and what the inspection says, as data to show and as a prediction."""
    event = item.event
    checks = list(dict.fromkeys(reason.check for reason in event.reasons))
    return {
        "data": {
            VIDEO: link,
            "id": item.id,
            "product_id": event.product_id,
            "variant": event.variant,
            "revision": event.revision,
            "reasons": "; ".join(f"{reason.check}: {reason.message}" for reason in event.reasons),
            "scores": dict(event.scores),
            "action": event.action.lower(),
            "attempts": event.attempts,
            "policy": event.inspection_policy,
            "rejected_at": event.occurred_at.isoformat(),
        },
        "predictions": [
            {
                "model_version": event.inspection_policy or "inspection",
                "result": [
                    {
                        "id": item.id[:10],
                        "from_name": FAULTS,
                        "to_name": VIDEO,
                        "type": "choices",
                        "value": {"choices": checks},
                    }
                ],
            }
        ],
    }


def export(settings: Settings, wanted: Filter, *, seconds: int, config: bool) -> tuple[str, int]:
    """The command ``export``: the tasks as JSON, or the labelling configuration for them; and how many they are.

    Raises ReviewError.

    ``seconds``: how long the links to the clips are good for.
    """
    with shown() as bar, open_desk(settings) as desk:
        items = [item for item in look(desk, bar).meant(wanted) if item.has_clip][: wanted.limit]
        if config:
            return labelling(sorted({reason.check for item in items for reason in item.event.reasons})), len(items)
        tasks = [task(item, _link(desk, item, seconds)) for item in items]
    return jsonlib.dumps(tasks, ensure_ascii=False, indent=1) + "\n", len(items)


def _link(desk: Desk, item: Item, seconds: int) -> str:
    return desk.store.link(layout.quarantine_key(item.event.base_digest or ""), seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What one task's newest annotation says."""

    id: str
    approve: bool
    reason: str
    note: str
    by: str | None


def read_annotations(file: Path) -> list[Annotated]:
    """What Label Studio exported as JSON. Tasks without a verdict are passed over. Raises ReviewError."""
    try:
        if file.stat().st_size > LARGEST:
            raise ReviewError(f"{file}: more than {LARGEST >> 20} MiB", "usage")
        tasks = jsonlib.loads(file.read_bytes())
    except OSError as error:
        raise ReviewError(f"{file}: {error.strerror or error}", "usage") from error
    except (ValueError, RecursionError) as error:
        raise ReviewError(f"{file}: not JSON: {error}", "usage") from error
    if not isinstance(tasks, list):
        raise ReviewError(f"{file}: a JSON list of tasks is wanted, as Label Studio exports it", "usage")
    found = []
    for number, each in enumerate(tasks, 1):
        try:
            annotated = _annotated(each)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ReviewError(f"{file}: task {number}: not as Label Studio exports it: {error!r}", "usage") from error
        if annotated is not None:
            found.append(annotated)
    return found


def _annotated(each: Mapping[str, Any]) -> Annotated | None:
    done = [annotation for annotation in each.get("annotations") or () if not annotation.get("was_cancelled")]
    if not done:
        return None
    newest = max(done, key=lambda annotation: str(annotation.get("updated_at") or annotation.get("created_at") or ""))
    said: dict[str, str] = {}
    for result in newest["result"]:
        name, value = result["from_name"], result["value"]
        said[name] = "\n".join(map(str, value["choices" if name in {VERDICT, REASON, FAULTS} else "text"]))
    if said.get(VERDICT) is None:
        return None
    if said[VERDICT] not in {APPROVE, REJECT}:
        raise ValueError(f"{VERDICT} is {said[VERDICT]!r}")
    return Annotated(
        id=str(each["data"]["id"]),
        approve=said[VERDICT] == APPROVE,
        reason=said.get(REASON, ""),
        note=said.get(NOTE, ""),
        by=_who(newest.get("completed_by")),
    )


def _who(completed_by: object) -> str | None:
    """The annotator as a reviewer's id: by number, never by mail address."""
    number = completed_by.get("id") if isinstance(completed_by, Mapping) else completed_by
    return f"label-studio-{number}" if isinstance(number, int) else None


def take_in(settings: Settings, file: Path, reviewer: str | None) -> list[Outcome]:
    """The command ``import``: every verdict as if given here. Raises ReviewError before anything is decided where a
    reason is not on the list or nobody can be named.
    """
    words: dict[str, tuple[bool, Word]] = {}
    for each in read_annotations(file):
        who = reviewer or each.by or settings.review.reviewer
        if who is None:
            raise ReviewError(f"{each.id}: who decided? give --reviewer", "usage")
        try:
            check_reason(each.reason, APPROVE_REASONS if each.approve else REJECT_REASONS)
            words[each.id] = each.approve, Word(reviewer=who, reason=each.reason, note=each.note)
        except ReviewError as error:
            raise ReviewError(f"{each.id[:80]}: {error}", "usage") from error

    def step(desk: Desk, item: Item) -> Outcome:
        if item.id not in words:
            raise ReviewError(f"{item.id}: the task names it by a part of its id only", "usage")
        approved, word = words[item.id]
        return approve_one(desk, item, word) if approved else reject_one(desk, item, word)

    return decide_all(settings, list(words), step) if words else []
