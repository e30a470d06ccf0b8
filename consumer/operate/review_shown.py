"""Rejections for people and machines: a table, one of them whole, its clips as files or a sheet. Decides nothing."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.events import ClipRequest, EventError
from consumer.operate import contact_sheet
from consumer.operate.clips import Looked
from consumer.operate.deadletters import shown
from consumer.operate.review_queue import Desk, Filter, Item, Queue, State, look, open_desk, request_of
from consumer.operate.review_records import ReviewError
from consumer.renderer.library import BaseRecord
from consumer.settings import Settings
from consumer.stream.codec import DecodeError
from model.encode import decode
from model.errors import ClipError
from model.inspect import Fault, Report

_STYLES = {
    State.PENDING: "yellow",
    State.NO_CLIP: "magenta",
    State.UNFINISHED: "bold yellow",
    State.APPROVED: "green",
    State.REJECTED: "red",
    State.CLOSED: "dim",
}
LINK_SECONDS = 86_400
"""How long a link to a quarantined clip is good for."""


def as_json(item: Item) -> dict[str, Any]:
    """A rejection in one line of JSON."""
    event = item.event
    decision = item.decision.to_json() if item.decision else None
    if decision:
        del decision["event"]
    return {
        "id": item.id,
        "state": item.state.value,
        "action": event.action.lower(),
        "product_id": event.product_id,
        "variant": event.variant,
        "revision": event.revision,
        "rejected_at": event.occurred_at.isoformat(),
        "reasons": [{"check": reason.check, "message": reason.message} for reason in event.reasons],
        "attempts": event.attempts,
        "policy": event.inspection_policy,
        "base_digest": event.base_digest,
        "place": item.place,
        "newer": item.newer,
        "decision": decision,
    }


def listed(settings: Settings, wanted: Filter, *, json: bool) -> None:
    """The command ``list``: the oldest first. Raises ReviewError."""
    with shown() as bar, open_desk(settings) as desk:
        queue = look(desk, bar, history=bool(wanted.states - {State.PENDING, State.NO_CLIP}))
    found = queue.meant(wanted)
    some = found[: wanted.limit]
    if json:
        for item in some:
            print(jsonlib.dumps(as_json(item), ensure_ascii=False))
        return
    console = Console(highlight=False)
    if some:
        console.print(_table(some))
    console.print(_sum(queue, len(found), len(some)))


def _sum(queue: Queue, found: int, shown_: int) -> str:
    counts = Counter(item.state for item in queue.items)
    parts = [f"{found:,} found" + (f", {shown_:,} shown" if shown_ < found else "")]
    parts += [f"{counts[state]:,} {state}" for state in State if counts[state]]
    if queue.unreadable:
        parts.append(f"{queue.unreadable:,} unreadable records")
    if "catalog" not in queue.judged_by:
        parts.append("newer plans not looked for: no catalog")
    return "; ".join(parts)


def _table(items: list[Item]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("id", "product", "plan", "rejected at", "state", "action", "reasons"):
        table.add_column(head, overflow="fold")
    for item in items:
        event = item.event
        reasons = "\n".join(f"{reason.check}: {reason.message}" for reason in event.reasons)
        table.add_row(
            item.id[:12],
            Text(event.product_id + ("" if event.variant == "default" else f" ({event.variant})")),
            str(event.revision),
            event.occurred_at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"),
            Text(item.state, style=_STYLES[item.state]),
            event.action.lower(),
            Text(reasons),
        )
    return table


def one(settings: Settings, identity: str, *, save: Path | None, sheet: Path | None, json: bool) -> None:
    """The command ``show``: all that is known of a rejection. Raises ReviewError."""
    with shown() as bar, open_desk(settings) as desk:
        item = look(desk, bar).one(identity)
        event = item.event
        records = [desk.record(digest) for digest in event.tried or _last(item)]
        tried = [_attempt(desk, number, record) for number, record in enumerate(records, 1) if record is not None]
        whole = {**as_json(item), "scores": dict(event.scores), "not_inspected": dict(event.not_inspected)}
        whole |= {"tried": tried, "request": _request(desk, item)}
        if save or sheet:
            _copy_out(desk, [record for record in records if record is not None], item, save, sheet)
    if json:
        print(jsonlib.dumps(whole, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, content in whole.items():
        plain = content if isinstance(content, str) else jsonlib.dumps(content, ensure_ascii=False, indent=1)
        table.add_row(Text(name), Text(plain))
    Console().print(table)


def _last(item: Item) -> tuple[str, ...]:
    return (item.event.base_digest,) if item.event.base_digest else ()


def _attempt(desk: Desk, number: int, record: BaseRecord) -> dict[str, Any]:
    """One attempt, and where its clip lies."""
    key = record.quarantine_key
    return {
        "attempt": number,
        "base_digest": record.digest,
        "accepted": record.accepted,
        "action": record.action,
        "reasons": [{"check": check, "message": message} for check, message in record.reasons],
        "scores": dict(record.scores),
        "key": key,
        "link": desk.store.link(key, LINK_SECONDS) if key else None,
    }


def _request(desk: Desk, item: Item) -> Mapping[str, Any] | None:
    """What the clip was to be, where the catalog still has this very plan."""
    found, _ = request_of(desk, item)
    if found is None or found.value is None:
        return None
    try:
        request = ClipRequest.from_avro(desk.codec.decode(found.topic, found.value, found.headers))
    except (DecodeError, EventError):  # of another release: the rest is worth showing
        return None
    scene = request.recipe.scene if request.recipe else None
    if scene is None:
        return None
    return {
        "prompt": scene.prompt,
        "captions": list(scene.captions or request.captions),
        "template": request.template,
        "photo": scene.photo.url if scene.photo else None,
        "engine": scene.engine,
        "seed": scene.seed,
    }


def _copy_out(desk: Desk, records: list[BaseRecord], item: Item, save: Path | None, sheet: Path | None) -> None:
    """The last attempt's clip as a file; every attempt's frames as one picture. Raises ReviewError."""
    clips = [(record, desk.library.quarantined(record)) for record in records]
    held = [(record, data) for record, data in clips if data is not None]
    if not held or (save and held[-1][0].digest != item.event.base_digest):
        raise ReviewError("no clip to save: there was none, or it is gone from the quarantine")
    try:
        if save:
            save.write_bytes(held[-1][1])
        if sheet:
            contact_sheet.write(sheet, [_looked(record, data) for record, data in held])
    except OSError as error:
        raise ReviewError(f"{error.filename or save or sheet}: {error.strerror or error}", "usage") from error


def _looked(record: BaseRecord, data: bytes) -> Looked:
    """A record as the contact sheet takes it."""
    nothing = float("nan")
    faults = tuple(
        Fault(check, message, record.scores.get(check, nothing), nothing, record.action)
        for check, message in record.reasons
    )
    report = Report(faults=faults, scores=record.scores, policy=record.policy or "")
    try:
        frames = decode(data)
    except ClipError:
        frames = None
    return Looked(path=Path(record.digest[:12]), report=report, frames=frames)
