"""``skureel deadletters``: the dead letters of this installation listed, shown, published again, or dropped.

Decides which letters are meant and what is to be done with them; how it is done is in ``letterbox``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.operate.broker import BrokerError
from consumer.operate.letterbox import Deed, Failure, Handling, Letter, find
from consumer.operate.superseded import by_the_catalog, by_the_log, catalog_of
from consumer.settings import Settings
from consumer.stream.deadletter import Handled, dead_letter_topic
from consumer.stream.types import UnavailableError
from consumer.wiring import (
    DRESSER,
    PLANNER,
    RENDERER,
    NoBrokerError,
    bootstrap_of,
    client_options,
    group_of,
    open_codec,
    topic_names,
)

ROLES = (PLANNER, RENDERER, DRESSER)
BATCH = 100
"""Letters handled in one transaction."""
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class LettersError(Exception):
    """Raised when a command cannot be done. ``usage`` tells wrong arguments from a part that is out."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


def instant(text: str, now: datetime | None = None) -> datetime:
    """A time of a filter: ISO 8601 (UTC where no zone is given), or so long ago: 90s, 30m, 2h, 7d. Raises LettersError.

    >>> instant("2h", datetime(2031, 1, 1, 12, tzinfo=UTC)).isoformat()
    '2031-01-01T10:00:00+00:00'
    """
    span = _SPAN.fullmatch(text.strip())
    if span:
        return (now or datetime.now(UTC)) - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise LettersError(
            f"{text!r} is no time: 2031-05-06T07:08, or so long ago: 90s, 30m, 2h, 7d", usage=True
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which letters are meant: those that fit all that is given."""

    ids: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    """Topics that the records lay on."""
    role: str | None = None
    reason: str | None = None
    """Part of the message, or of the error's class; in any case of letters."""
    stage: str | None = None
    product: str | None = None
    """The record's key: a product, or a promotion."""
    since: datetime | None = None
    until: datetime | None = None
    """When it failed: from ``since`` on, before ``until``."""
    limit: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing was given that narrows it down."""
        return self == Choice(limit=self.limit)

    def fits(self, letter: Letter) -> bool:
        """Whether it is meant."""
        dead, wanted = letter.dead, (self.reason or "").casefold()
        return (
            (not self.ids or letter.id in self.ids)
            and (not self.topics or dead.topic in self.topics)
            and wanted in f"{dead.message}\n{dead.exception}".casefold()
            and self.stage in {None, dead.stage}
            and (self.product is None or dead.key == self.product.encode())
            and (self.since is None or dead.failed_at >= self.since)
            and (self.until is None or dead.failed_at < self.until)
        )


@contextmanager
def told_plainly() -> Iterator[None]:
    """What may be out in between becomes a LettersError."""
    try:
        yield
    except (BrokerError, NoBrokerError, UnavailableError) as error:
        raise LettersError(str(error)) from error


def options_of(settings: Settings) -> dict[str, str]:
    """How to reach the broker. Raises NoBrokerError."""
    return client_options(settings.kafka, bootstrap_of(settings.kafka))


def topics_of(settings: Settings, choice: Choice) -> set[str]:
    """The topics of dead letters to look through, whether they exist or not. Raises LettersError."""
    known = topic_names(settings)
    if strange := [topic for topic in choice.topics if topic not in known]:
        raise LettersError(f"--topic {strange[0]}: choose one of {', '.join(known)}", usage=True)
    if choice.role is not None and choice.role not in ROLES:
        raise LettersError(f"--role {choice.role}: choose one of {', '.join(ROLES)}", usage=True)
    found = {
        dead_letter_topic(topic, group_of(settings, role))
        for topic in choice.topics or known
        for role in ((choice.role,) if choice.role else ROLES)
    }
    return {
        topic
        for topic in found
        if not choice.ids or any(each.rpartition("/")[0].rpartition("/")[0] == topic for each in choice.ids)
    }


def look(settings: Settings, choice: Choice, bar: Bar) -> list[Letter]:
    """All letters of the topics that may hold one that is meant, handled ones too. Raises LettersError."""
    with told_plainly():
        topics = topics_of(settings, choice)
        return find(options_of(settings), topics, bar.of("reading"))


def meant(letters: Sequence[Letter], choice: Choice, *, handled: bool = False) -> list[Letter]:
    """The letters that a choice means; not those that were handled, unless asked for. Raises LettersError for an id
    that is none of them."""
    found = [letter for letter in letters if (handled or letter.mark is None) and choice.fits(letter)]
    if missing := sorted(set(choice.ids) - {letter.id for letter in found}):
        marks = {letter.id: letter.mark for letter in letters}
        mark = marks.get(missing[0])
        state = f"was {mark.handled} at {mark.at.isoformat()}" if mark else "is no dead letter of this installation"
        raise LettersError(f"{missing[0]} {state}", usage=True)
    return found


@dataclass(slots=True, kw_only=True)
class Report:
    """What a replay or a drop came to."""

    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    left: int = 0
    """Letters that were meant and came after the limit."""
    judged_by: tuple[str, ...] = ()
    """Who was asked what is superseded."""


def replay(settings: Settings, choice: Choice, *, stale: bool, again: bool, dry_run: bool, bar: Bar) -> Report:
    """Publish the records of letters again, each to its own topic and partition, at most ``kafka.replays`` times.

    ``stale``: those too that something newer superseded. ``again``: those too that were replayed that often. Raises
    LettersError.
    """
    report = Report(dry_run=dry_run)

    def decide(all_letters: list[Letter], letters: list[Letter]) -> list[Deed]:
        obsolete = set() if stale else _obsolete(settings, all_letters, letters, report, bar)
        deeds = []
        for letter in letters:
            if letter.id in obsolete:
                deeds.append(Deed(letter=letter, handled=Handled.SUPERSEDED))
            elif letter.dead.replays >= settings.kafka.replays and not again:
                report.counts["at the limit"] += 1
            else:
                deeds.append(Deed(letter=letter, handled=Handled.REPLAYED))
        return deeds

    return _handle(settings, choice, report, decide, bar)


def drop(settings: Settings, choice: Choice, *, dry_run: bool, bar: Bar) -> Report:
    """Have letters count as handled without publishing anything. Raises LettersError."""

    def decide(_: list[Letter], letters: list[Letter]) -> list[Deed]:
        return [Deed(letter=letter, handled=Handled.DROPPED) for letter in letters]

    return _handle(settings, choice, Report(dry_run=dry_run), decide, bar)


def _handle(
    settings: Settings,
    choice: Choice,
    report: Report,
    decide: Callable[[list[Letter], list[Letter]], list[Deed]],
    bar: Bar,
) -> Report:
    with told_plainly():
        if report.dry_run:
            for deed in _decided(settings, choice, report, decide, bar):
                report.counts[deed.handled.value] += 1
            return report
        name = f"{settings.kafka.group_prefix}-deadletters"
        handling = Handling(options_of(settings), name=name, transactions=settings.kafka.exactly_once)
        with handling:  # before the letters are looked for: what an earlier one began has ended then
            deeds = _decided(settings, choice, report, decide, bar)
            told = bar.of("handling")
            for first in range(0, len(deeds), BATCH):
                part = deeds[first : first + BATCH]
                failures = handling.handle(part)
                lost = {failure.letter.id for failure in failures}
                report.failures += failures
                report.counts.update(deed.handled.value for deed in part if deed.letter.id not in lost)
                told(first + len(part), len(deeds))
    return report


def _decided(
    settings: Settings,
    choice: Choice,
    report: Report,
    decide: Callable[[list[Letter], list[Letter]], list[Deed]],
    bar: Bar,
) -> list[Deed]:
    everything = look(settings, choice, bar)
    letters = meant(everything, choice)
    if choice.limit is not None:
        report.left = max(0, len(letters) - choice.limit)
        letters = letters[: choice.limit]
    return decide(everything, letters)


def _obsolete(
    settings: Settings, everything: list[Letter], letters: list[Letter], report: Report, bar: Bar
) -> set[str]:
    codec, failed = open_codec(settings), {letter.origin for letter in everything}
    found = by_the_log(options_of(settings), codec, letters, failed, bar.of("looking for newer ones"))
    report.judged_by = ("topics",)
    catalog = catalog_of(settings)
    if catalog is not None:
        try:
            found |= by_the_catalog(settings, catalog, codec, letters)
        finally:
            catalog.close()
        report.judged_by = ("topics", "catalog")
    return found


class Bar:
    """Progress on standard error while a command works; silent where nobody looks."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def of(self, what: str) -> Callable[[int, int], None]:
        """A line of its own for one piece of work; give it how much is done, and of how much."""
        task = self._progress.add_task(what, total=None)
        return lambda done, total: self._progress.update(task, completed=done, total=total)


@contextmanager
def shown() -> Iterator[Bar]:
    """A bar while the block runs."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress)


def as_json(letter: Letter) -> dict[str, Any]:
    """A letter in one line of JSON: where it lies, what failed, and how it was handled."""
    dead, mark = letter.dead, letter.mark
    return {
        "id": letter.id,
        "topic": dead.topic,
        "partition": dead.partition,
        "offset": dead.offset,
        "group": dead.group,
        "key": None if dead.key is None else dead.key.decode(errors="replace"),
        "failed_at": dead.failed_at.isoformat(),
        "stage": dead.stage,
        "reason": dead.message,
        "exception": dead.exception,
        "attempts": dead.attempts,
        "replays": dead.replays,
        "bytes": None if dead.value is None else len(dead.value),
        "handled": None if mark is None else {"as": mark.handled.value, "at": mark.at.isoformat()},
    }
