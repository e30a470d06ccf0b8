"""``skureel audit``: which clip carries a ProduceID, who made it, when and from what.

Reads the planner's catalog and writes nothing into it.
"""

from __future__ import annotations

import csv
import json as jsonlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, TextIO

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from consumer.operate.catalogs import NoCatalogError, opened
from consumer.operate.deadletters import LettersError, instant
from consumer.operate.verify import printable
from consumer.planner.audit import Place, ProducedRow, Wanted
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.tables import instant as instant_of
from consumer.planner.tables import milliseconds
from consumer.settings import Settings

PAGE = 1_000
"""Rows read in one transaction: the planner writes meanwhile."""
Form = Literal["csv", "jsonl"]
FIELDS = ProducedRow._fields
"""Columns of an export, in their order."""


class AuditError(Exception):
    """Raised when a command cannot be done. ``usage`` tells a wrong option or setting from a part that is out."""

    def __init__(self, message: str, *, usage: bool) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the options ask for, as they were typed."""

    produce_id: str | None = None
    product: str | None = None
    clip: str | None = None
    sha256: str | None = None
    producer: str | None = None
    since: str | None = None
    until: str | None = None

    def wanted(self, now: datetime | None = None) -> Wanted:
        """The same for the catalog. Raises AuditError for what is no instant."""
        return Wanted(
            produce_id=self.produce_id,
            product_id=self.product,
            clip_id=self.clip,
            sha256=self.sha256,
            producer=self.producer,
            since=_milliseconds(self.since, now),
            until=_milliseconds(self.until, now),
        )


def _milliseconds(text: str | None, now: datetime | None) -> int | None:
    try:
        return milliseconds(instant(text, now)) if text else None
    except LettersError as error:
        raise AuditError(str(error), usage=True) from error


@contextmanager
def _catalog(settings: Settings) -> Iterator[Catalog]:
    try:
        with opened(settings) as catalog:
            yield catalog
    except NoCatalogError as error:
        raise AuditError(str(error), usage=error.usage) from error


def listed(settings: Settings, filters: Filters, limit: int, *, json: bool) -> None:
    """The newest announcements of labelled clips. Raises AuditError."""
    wanted = filters.wanted()
    with _catalog(settings) as catalog:
        rows = catalog.transaction(lambda ledger: ledger.audit.newest(wanted, limit))
    if json:
        print(jsonlib.dumps([plain(row) for row in rows], ensure_ascii=False))
        return
    table = Table("announced", "product", "revision", "work", "engine", "labels", "ProduceID", box=box.SIMPLE_HEAD)
    for row in rows:
        told = plain(row)
        cells = (told["announced_at"], row.product_id, row.revision, row.work, row.engine, _labels(row), row.produce_id)
        table.add_row(*(Text(printable(str(cell)), overflow="fold") for cell in cells))
    console = Console()
    if rows:
        console.print(table)
    shown = f"{len(rows)} shown, the newest first" if rows else "nothing was announced that is as asked for"
    console.print(shown, highlight=False)


def shown(settings: Settings, produce_id: str, *, json: bool) -> bool:
    """The clip that carries a ProduceID and every announcement of it. False when nobody knows the id.

    Raises AuditError.
    """
    with _catalog(settings) as catalog:
        rows = list(_rows(catalog, Wanted(produce_id=produce_id)))
    if json:
        print(jsonlib.dumps([plain(row) for row in rows], ensure_ascii=False))
        return bool(rows)
    console = Console(soft_wrap=True, highlight=False)
    if not rows:
        console.print(
            Text(
                f"{printable(produce_id)}: not announced within the last {settings.planner.audit_days} days, "
                "as far as this catalog heard"
            )
        )
        return False
    # One id is one recipe; only a signature makes two files of it.
    for key in dict.fromkeys(row.clip_key for row in rows):
        _show(console, [row for row in rows if row.clip_key == key])
    return True


def _show(console: Console, rows: Sequence[ProducedRow]) -> None:
    """A clip, then when and for which product it was announced."""
    row = rows[-1]
    facts = {
        "ProduceID": row.produce_id,
        "made by": row.producer,
        "clip": row.clip_id,
        "stored at": row.clip_key,
        "sha256": row.sha256,
        "labels": _labels(row),
        "engine": f"{row.engine} {row.engine_revision}",
        "recipe": row.recipe_digest,
        "base clip": row.base_digest,
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        console.print(Text(f"{name:<{width}}  {printable(value)}"))
    table = Table(
        "announced", "product", "variant", "revision", "work", "led to by", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for each in rows:
        cells = (plain(each)["announced_at"], each.product_id, each.variant, each.revision, each.work, each.cause)
        table.add_row(*(Text(printable(str(cell)), overflow="fold") for cell in cells))
    console.print(table)


def exported(settings: Settings, filters: Filters, output: Path | None, form: Form) -> int:
    """Write the log, oldest first, to a file or to standard output; how many rows. Raises AuditError."""
    wanted = filters.wanted()
    with _catalog(settings) as catalog, _target(output) as target, _bar() as progress:
        task = progress.add_task("rows", total=None)
        write = _Writer(target, form)
        count = 0
        for count, row in enumerate(_rows(catalog, wanted), 1):
            write(plain(row))
            progress.update(task, completed=count)
    return count


def _rows(catalog: Catalog, wanted: Wanted) -> Iterator[ProducedRow]:
    """All of them, oldest first, a page a transaction."""
    after: Place | None = None
    while page := catalog.transaction(partial(_page, wanted=wanted, after=after)):
        yield from page
        after = page[-1].place


def _page(ledger: Ledger, *, wanted: Wanted, after: Place | None) -> list[ProducedRow]:
    return ledger.audit.page(wanted, after, PAGE)


def plain(row: ProducedRow) -> dict[str, object]:
    """A row for machines: the instant in ISO 8601, UTC, the labels as a list."""
    values = row._asdict() | {
        "labels": jsonlib.loads(row.labels),
        "announced_at": instant_of(row.announced_at).isoformat(timespec="milliseconds"),
    }
    return {name: values[name] for name in FIELDS}


def _labels(row: ProducedRow) -> str:
    return " ".join(map(str, jsonlib.loads(row.labels)))


class _Writer:
    """Writes rows in one form."""

    def __init__(self, target: TextIO, form: Form) -> None:
        self._target, self._form = target, form
        self._csv = csv.DictWriter(target, FIELDS, lineterminator="\n")
        if form == "csv":
            self._csv.writeheader()

    def __call__(self, row: Mapping[str, object]) -> None:
        if self._form == "jsonl":
            self._target.write(jsonlib.dumps(row, ensure_ascii=False) + "\n")
        else:
            labels = row["labels"]
            self._csv.writerow({**row, "labels": " ".join(labels) if isinstance(labels, list) else ""})


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears when it is whole. Raises AuditError."""
    if output is None:
        yield sys.stdout
        return
    unfinished = output.with_name(output.name + ".tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(output)
    except OSError as error:
        raise AuditError(f"{output}: cannot be written: {error.strerror or error}", usage=True) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
