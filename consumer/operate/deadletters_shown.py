"""Dead letters and what was done with them, for people and machines: tables, single letters, sums. Decides nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.operate.deadletters import Choice, Report, as_json, look, meant, shown, told_plainly
from consumer.operate.letterbox import Letter
from consumer.settings import Settings
from consumer.stream.codec import DecodeError
from consumer.stream.jsonform import to_json
from consumer.stream.schemas import SchemaError
from consumer.wiring import open_codec


def listed(settings: Settings, choice: Choice, *, handled: bool, machine: bool) -> None:
    """The command ``list``: the oldest records first. Raises LettersError."""
    with shown() as bar:
        found = meant(look(settings, choice, bar), choice, handled=handled)
    some = found[: choice.limit]
    if machine:
        for letter in some:
            print(json.dumps(as_json(letter), ensure_ascii=False))
        return
    console = Console()
    if some:
        console.print(_table(some, handled=handled))
    more = f", {len(some):,} shown" if len(some) < len(found) else ""
    console.print(f"{len(found):,} dead letters{more}", highlight=False)


def _table(letters: list[Letter], *, handled: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("id", "key", "failed at", "stage", "replays", *(("handled",) if handled else ()), "reason"):
        table.add_column(head, overflow="fold")
    for letter in letters:
        dead, mark = letter.dead, letter.mark
        table.add_row(
            Text(letter.id),
            Text("" if dead.key is None else dead.key.decode(errors="replace")),
            dead.failed_at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"),
            Text(dead.stage),
            str(dead.replays),
            *((mark.handled.value if mark else "",) if handled else ()),
            Text(dead.message),
        )
    return table


def one(settings: Settings, identity: str, *, machine: bool) -> None:
    """The command ``show``: all of a letter, its value decoded where that is possible. Raises LettersError."""
    choice = Choice(ids=(identity,))
    with shown() as bar:
        (letter,) = meant(look(settings, choice, bar), choice, handled=True)
    whole = {
        **as_json(letter),
        "timestamp": letter.dead.timestamp,
        "service_version": letter.dead.service_version,
        "headers": [[name, _text(content)] for name, content in letter.dead.headers],
        **_value(settings, letter),
    }
    if machine:
        print(json.dumps(whole, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, content in whole.items():
        shown_as = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
        table.add_row(Text(name), Text(shown_as))
    Console().print(table)


def _value(settings: Settings, letter: Letter) -> dict[str, Any]:
    """The value: decoded, else as its bytes with the reason why not. Raises LettersError when the registry is out."""
    dead = letter.dead
    if dead.value is None:
        return {"value": None}
    with told_plainly():
        codec = open_codec(settings)
        try:
            decoded = codec.decode(dead.topic, dead.value, dead.headers)
            return {"value": to_json(codec.schemas.of(dead.topic).parsed, decoded)}
        except (DecodeError, SchemaError) as error:
            return {"undecodable": str(error), "value_base64": base64.b64encode(dead.value).decode()}


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="replace")


def told(report: Report, *, machine: bool) -> None:
    """What a replay or a drop came to."""
    if machine:
        print(
            json.dumps(
                {
                    "dry_run": report.dry_run,
                    **{name.replace(" ", "_"): number for name, number in sorted(report.counts.items())},
                    "failed": [{"id": failure.letter.id, "reason": failure.reason} for failure in report.failures],
                    "left": report.left,
                    "judged_by": list(report.judged_by),
                },
                ensure_ascii=False,
            )
        )
        return
    console = Console(highlight=False)
    for failure in report.failures:
        console.print(Text(f"{failure.letter.id}: {failure.reason}"))
    parts = [f"{number:,} {name}" for name, number in sorted(report.counts.items())]
    if report.failures:
        parts.append(f"{len(report.failures):,} failed")
    if report.left:
        parts.append(f"{report.left:,} left by --limit")
    console.print(Text(("would be: " if report.dry_run else "") + (", ".join(parts) or "no dead letters")))
