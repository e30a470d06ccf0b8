"""``skureel review sample``: what is to be looked at of the published clips, and verdicts written down.

What a person approved already, and what was only dressed anew, is not looked at again.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.events import EventError, VideoReady, Work, utc_now
from consumer.operate.deadletters import shown
from consumer.operate.reading import partitions_of, read
from consumer.operate.review import Outcome
from consumer.operate.review_audits import UNKNOWN, Audit, Found, Sample, Shown, samples
from consumer.operate.review_queue import Desk, open_desk
from consumer.operate.review_records import READERS, REJECT_REASONS, ReviewError, Word, check_reason
from consumer.settings import Settings
from consumer.storage import layout
from consumer.storage.store import Absent, ConditionFailedError, ObjectNotFoundError
from consumer.stream.codec import DecodeError
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Partition


def _clips(desk: Desk, told: Callable[[int, int], object]) -> list[Shown]:
    """Every clip that was announced with new pictures and that no person approved before."""
    topic, found = desk.settings.topics.video_ready, list[Shown]()
    counts = partitions_of(desk.options, {topic})
    starts = {Partition(topic, number): 0 for number in range(counts.get(topic, 0))}
    for record in read(desk.options, starts, told):
        try:
            event = VideoReady.from_avro(desk.codec.decode(topic, record.value or b"", record.headers))
        except (DecodeError, SchemaError, EventError):
            continue
        made = event.lineage
        if event.clip is None or made is None or made.work is not Work.RENDER or made.review is not None:
            continue
        if layout.is_digest(made.base_digest):
            found.append(
                Shown(
                    id=event.event_id,
                    product=event.product_id,
                    template=made.template or UNKNOWN,
                    base_digest=made.base_digest,
                    at=event.occurred_at,
                    url=event.clip.url,
                    policy=made.inspection_policy,
                )
            )
    return found


def _audits(desk: Desk, told: Callable[[int, int], object]) -> list[Audit]:
    keys = [stat.key for stat in desk.store.list(layout.AUDITS) if layout.is_digest(PurePosixPath(stat.key).stem)]
    found: list[Audit] = []
    with ThreadPoolExecutor(READERS) as readers:
        for number, audit in enumerate(readers.map(lambda key: _audit(desk, key), keys), 1):
            found += [audit] if audit else []
            told(number, len(keys))
    return found


def _audit(desk: Desk, key: str) -> Audit | None:
    try:
        data, _ = desk.store.get(key)
    except ObjectNotFoundError:
        return None
    try:
        return Audit.from_json(jsonlib.loads(data))
    except (ValueError, KeyError, TypeError, ReviewError) as error:
        raise ReviewError(f"{key} is no verdict ({error}); move it away to look at the clip anew") from error


def listed(settings: Settings, *, template: str | None, bad: bool, limit: int | None, json: bool) -> None:
    """The command without ids: what is to be looked at; with ``bad``, what was found bad. Raises ReviewError."""
    with shown() as bar, open_desk(settings) as desk:
        clips, audits = _clips(desk, bar.of("reading")), _audits(desk, bar.of("verdicts"))
    rules = settings.review
    found = [
        each
        for each in samples(clips, audits, first=rules.audit_first, percent=rules.audit_percent)
        if template in {None, each.template}
    ]
    if json:
        print(jsonlib.dumps(_as_json(found, limit), ensure_ascii=False))
    else:
        _print(found, bad=bad, limit=limit)


def _as_json(found: Sequence[Sample], limit: int | None) -> dict[str, Any]:
    left = [(clip, first) for each in found for clip, first in each.left]
    return {
        "templates": [
            {
                "template": each.template,
                "clips": each.clips,
                "looked_at": len(each.audits),
                "bad": each.bad,
                "left": len(each.left),
            }
            for each in found
        ],
        "left": [
            {
                "id": clip.id,
                "product_id": clip.product,
                "template": clip.template,
                "first": first,
                "announced_at": clip.at.isoformat(),
                "url": clip.url,
            }
            for clip, first in left[:limit]
        ],
        "bad": [audit.to_json() for each in found for audit in each.audits if audit.found == "bad"],
    }


def _print(found: Sequence[Sample], *, bad: bool, limit: int | None) -> None:
    console = Console(highlight=False)
    sums = _table("template", "clips", "looked at", "bad", "left")
    for each in found:
        sums.add_row(Text(each.template), *map(str, (each.clips, len(each.audits), each.bad, len(each.left))))
    console.print(sums)
    if bad:
        rows = _table("product", "template", "reason", "by", "clip")
        for audit in (audit for each in found for audit in each.audits if audit.found == "bad"):
            why = f"{audit.word.reason} {audit.word.note}".strip()
            rows.add_row(*map(Text, (audit.product, audit.template, why, audit.word.reviewer, audit.url)))
    else:
        rows = _table("id", "product", "template", "why", "clip")
        for clip, first in [pair for each in found for pair in each.left][:limit]:
            why = "first" if first else "share"
            rows.add_row(*map(Text, (clip.id[:12], clip.product, clip.template, why, clip.url)))
    if rows.row_count:
        console.print(rows)
    console.print(f"{sum(len(each.left) for each in found):,} left to look at")


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def judge(settings: Settings, identities: Sequence[str], found: Found, word: Word) -> list[Outcome]:
    """The command with ids: write down what was found; what became of each. Raises ReviewError."""
    if found == "bad":
        check_reason(word.reason, REJECT_REASONS)
    elif word.reason != "ok":
        raise ReviewError("--reason is for bad clips", "usage")
    with shown() as bar, open_desk(settings) as desk:
        desk.store.probe()
        clips, audits = _clips(desk, bar.of("reading")), _audits(desk, bar.of("verdicts"))
        rules = settings.review
        drawn = samples(clips, audits, first=rules.audit_first, percent=rules.audit_percent)
        firsts = {clip.base_digest for each in drawn for clip, first in each.left if first}
        meant = [_one(clips, identity) for identity in dict.fromkeys(identities)]
        return [_judge_one(desk, clip, found, word, first=clip.base_digest in firsts) for clip in meant]


def _judge_one(desk: Desk, clip: Shown, found: Found, word: Word, *, first: bool) -> Outcome:
    audit = Audit(
        base_digest=clip.base_digest,
        template=clip.template,
        product=clip.product,
        first=first,
        found=found,
        word=word,
        at=utc_now(),
        url=clip.url,
        policy=clip.policy,
    )
    key = layout.audit_key(clip.base_digest)
    data = jsonlib.dumps(audit.to_json(), ensure_ascii=False, indent=1).encode()
    try:
        desk.store.put(key, data, layout.review_attributes(), condition=Absent())
    except ConditionFailedError:
        other = _audit(desk, key)
        if other is None or (other.word, other.found) != (word, found):
            said = f"{other.found} by {other.word.reviewer} at {other.at.isoformat()}" if other else "gone"
            return Outcome(id=clip.id, product=clip.product, done=False, said=f"looked at already: {said}")
    return Outcome(id=clip.id, product=clip.product, done=True, said=f"{found} by {word.reviewer}")


def _one(clips: Sequence[Shown], identity: str) -> Shown:
    """The clip of an announcement, by its id or the beginning of it. Raises ReviewError."""
    found = {clip.base_digest: clip for clip in clips if len(identity) >= 6 and clip.id.startswith(identity)}
    if len(found) != 1:
        what = "none" if not found else f"{len(found)}"
        raise ReviewError(f"{identity[:80]!r}: {what} of the published clips is meant by it; give its id", "usage")
    return next(iter(found.values()))
