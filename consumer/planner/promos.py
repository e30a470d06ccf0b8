"""Changes of promos applied to the catalog, inside a transaction that holds the gate alone: by events and by the clock.

What it leaves behind is the promo's row and the fan-out that spreads it. Plans nothing itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from consumer.events import EventError, Promo
from consumer.planner import payload
from consumer.planner.book import Book
from consumer.planner.decisions import Change, fold
from consumer.planner.promotions import SKEW, Phase, Running, due_at, phase_at, since, turned
from consumer.planner.spans import Spans
from consumer.planner.tables import PENDING, FanOutRow, PromoRow, milliseconds

CHANGED, STARTED, STOPPED = "CHANGED", "STARTED", "STOPPED"
"""Why a fan-out began: an event; the clock reached the window's start, or its end."""

TURNS = 100
"""Promos whose phase the clock changes in one transaction."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Spread:
    """What one transaction made of promos."""

    fan_outs: list[FanOutRow] = field(default_factory=list)
    skips: Counter[str] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    """Promos by the phase they entered."""


class RunningPromos:
    """The promos that run, kept between transactions and read again when they changed."""

    def __init__(self) -> None:
        self._version = -1
        self._running = Running()

    def at(self, book: Book, version: int) -> Running:
        """The promos that run at a version that the caller has just read inside its transaction.

        Not for versions of the caller's own making: those may never be committed.
        """
        if version != self._version:
            self._running = read(book)
            self._version = version
        return self._running


def read(book: Book) -> Running:
    """The promos that run, from the catalog."""
    return Running(promo for row in book.running() if (promo := event_of(row)) is not None)


def event_of(row: PromoRow) -> Promo | None:
    """The event of a row; None, and said so, where today's rules refuse what was kept under older ones."""
    try:
        return payload.load_promo(row.payload)
    except EventError as error:
        log.error("promo cannot be read", promo=row.promo_id, reason=str(error))  # noqa: TRY400 - a value, no fault
        return None


def apply(changes: Mapping[str, Sequence[Change[Promo]]], book: Book, version: int, now: datetime) -> Spread:
    """Apply the records of promos. ``version`` is the gate's."""
    spread = Spread()
    promo_ids = sorted(changes)
    known = book.promos(promo_ids)
    writer = _Writer(book, promo_ids, version, now)
    for promo_id in promo_ids:
        before = known.get(promo_id)
        folded = fold(before, changes[promo_id])
        spread.skips.update(folded.skipped)
        if folded.winner is None:
            continue
        record = folded.winner.record
        kept = folded.latest.payload if folded.latest else before.payload if before else b""
        promo = (folded.latest.event if folded.latest else None) or (event_of(before) if before else None)
        phase = Phase.OVER if folded.retired or promo is None else phase_at(promo, now)
        row = PromoRow(
            promo_id,
            folded.revision,
            folded.retired,
            phase.name,
            *_edges(None if folded.retired else promo, phase),
            kept,
            record.partition,
            record.offset,
            record.timestamp,
            milliseconds(now),
        )
        writer.write(before, row, promo, CHANGED)
        spread.phases[phase.name] += 1
    spread.fan_outs = writer.finish()
    return spread


def turn(book: Book, version: int, now: datetime) -> Spread:
    """Let the clock begin and end what is due, up to TURNS promos at once."""
    spread = Spread()
    rows = book.turning(milliseconds(now), milliseconds(now + SKEW), TURNS)
    writer = _Writer(book, [row.promo_id for row in rows], version, now)
    for before in rows:
        promo = event_of(before)
        phase = turned(promo, Phase[before.phase], now) if promo else Phase.OVER
        due, began = _edges(promo, phase)
        row = before._replace(phase=phase.name, due_at=due, since=began, updated_at=milliseconds(now))
        writer.write(before, row, promo, STARTED if phase is Phase.RUNNING else STOPPED)
        spread.phases[phase.name] += 1
        log.info("promo turned", promo=row.promo_id, revision=row.revision, was=before.phase, phase=row.phase)
    spread.fan_outs = writer.finish()
    return spread


def _edges(promo: Promo | None, phase: Phase) -> tuple[int | None, int | None]:
    """When the clock ends the phase, and when it began it."""
    if promo is None:
        return None, None
    due, began = due_at(promo, phase), since(promo, phase)
    return milliseconds(due) if due else None, milliseconds(began) if began else None


class _Writer:
    """Gathers rows, and the fan-outs that they call for."""

    def __init__(self, book: Book, promo_ids: Sequence[str], version: int, now: datetime) -> None:
        self._book = book
        self._pending = book.pending_of(promo_ids) if promo_ids else {}
        self._version = version
        self._now = milliseconds(now)
        self._rows: list[PromoRow] = []
        self._fan_outs: list[FanOutRow] = []
        self._superseded: list[FanOutRow] = []

    def write(self, before: PromoRow | None, after: PromoRow, promo: Promo | None, reason: str) -> None:
        """Keep a row. Products that showed the promo, and those that shall, are looked at; so are those that a fan-out
        which is cut short had still to reach.
        """
        self._version += 1
        self._rows.append(after)
        spans = _spans(before, None) | _spans(after, promo)
        pending = self._pending.get(after.promo_id)
        if pending is not None:
            spans |= Spans.load(pending.spans)
            self._superseded.append(pending)
        if not spans:
            return
        self._fan_outs.append(
            FanOutRow(
                id=self._version,
                promo_id=after.promo_id,
                revision=after.revision,
                event_id=promo.event_id if promo else after.promo_id,
                reason=reason,
                spans=spans.dump(),
                tier_rank=0,
                strand=0,
                key="",
                total=None,
                visited=0,
                rendered=0,
                dressed=0,
                spliced=0,
                held=0,
                failed=0,
                state=PENDING,
                created_at=self._now,
                started_at=None,
                updated_at=self._now,
            )
        )

    def finish(self) -> list[FanOutRow]:
        """Write everything; the fan-outs that began."""
        if self._rows:
            self._book.save_promos(self._rows)
            self._book.add_fan_outs(self._fan_outs, self._superseded, self._now)
            self._book.set_version(self._version)
        return self._fan_outs


def _spans(row: PromoRow | None, promo: Promo | None) -> Spans:
    """The products that show the promo in this state of it."""
    if row is None or row.phase != Phase.RUNNING.name:
        return Spans()
    promo = promo or event_of(row)
    return Spans.of(promo.scope) if promo else Spans(all=True)
