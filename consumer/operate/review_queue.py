"""The review queue: rejections that wait for a person, as the log, the catalog and the store tell it. Decides nothing.

There is no list that could go wrong. A rejection waits until there is a decision about its clip, a newer plan, or a
newer announcement of its product.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from consumer.events import VideoRejected
from consumer.operate.broker import BrokerError
from consumer.operate.deadletters import Bar, options_of
from consumer.operate.reading import partitions_of, read
from consumer.operate.review_records import READERS, Decision, Decisions, ReviewError, Verdict
from consumer.operate.superseded import AT_ONCE, catalog_of
from consumer.planner.catalog import Catalog
from consumer.planner.ledger import Ledger
from consumer.planner.outbox import stored
from consumer.renderer.alias import AliasError
from consumer.renderer.announce import Announcer
from consumer.renderer.library import BaseRecord, Library
from consumer.settings import Settings
from consumer.storage import layout
from consumer.storage.open import open_store
from consumer.storage.store import Store, StoreError
from consumer.stream.codec import DecodeError, FramedCodec
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Output, Partition, UnavailableError
from consumer.wiring import NoBrokerError, open_codec

_ID = re.compile(r"[0-9a-f]{6,64}")
"""An event's id, or enough of its beginning."""


class State(StrEnum):
    """Where a rejection stands."""

    PENDING = "pending"
    """Nobody has decided."""
    NO_CLIP = "no-clip"
    """None was made, for its words are refused or its template is out of use: not to be approved here."""
    UNFINISHED = "unfinished"
    """Approved, and its request not yet published again: approve once more."""
    APPROVED = "approved"
    REJECTED = "rejected"
    CLOSED = "closed"
    """Something newer took its place before anybody decided."""


WAITING = frozenset({State.PENDING, State.NO_CLIP, State.UNFINISHED})
"""What somebody has to do something about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One rejection, and what is known of it."""

    event: VideoRejected
    place: str
    """Where it lies, or lay: TOPIC/PARTITION/OFFSET."""
    decision: Decision | None = None
    newer: str | None = None
    """What took its place."""

    @property
    def id(self) -> str:
        """Its name on the command line."""
        return self.event.event_id

    @property
    def target(self) -> tuple[str, str]:
        """Product and variant."""
        return self.event.product_id, self.event.variant

    @property
    def has_clip(self) -> bool:
        """Whether there was a clip to look at."""
        return bool(self.event.base_digest and self.event.quarantine_key)

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.decision is not None:
            if self.decision.verdict is Verdict.REJECTED:
                return State.REJECTED
            return State.APPROVED if self.newer or self.decision.answered(self.place) else State.UNFINISHED
        if self.newer:
            return State.CLOSED
        return State.PENDING if self.has_clip else State.NO_CLIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rejections are meant: those that fit all that is given."""

    states: frozenset[State] = WAITING
    product: str | None = None
    check: str | None = None
    action: str | None = None
    since: datetime | None = None
    limit: int | None = None

    def fits(self, item: Item) -> bool:
        """Whether it is meant."""
        event = item.event
        return (
            item.state in self.states
            and self.product in {None, event.product_id}
            and (self.check is None or any(reason.check == self.check for reason in event.reasons))
            and self.action in {None, event.action.lower()}
            and (self.since is None or event.occurred_at >= self.since)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a reviewer works with: the parts of this installation, opened."""

    settings: Settings
    options: Mapping[str, Any] = field(repr=False)
    """How to reach the broker; holds the password."""
    codec: FramedCodec
    store: Store
    catalog: Catalog | None
    """The planner's, where this machine can reach it."""

    @property
    def library(self) -> Library:
        """The stored clips."""
        return Library(self.store)

    def record(self, digest: str) -> BaseRecord | None:
        """What is known of a base clip. Raises ReviewError where that was torn by hand."""
        try:
            return self.library.base_record(digest)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReviewError(f"{layout.base_record_key(digest)} is not readable: {error!r}") from error

    @property
    def decisions(self) -> Decisions:
        """What was decided."""
        return Decisions(self.store)


@contextmanager
def told_plainly() -> Iterator[None]:
    """What may be out in between becomes a ReviewError."""
    try:
        yield
    except (BrokerError, NoBrokerError, UnavailableError, StoreError) as error:
        raise ReviewError(str(error), "out") from error
    except AliasError as error:
        raise ReviewError(str(error)) from error


@contextmanager
def open_desk(settings: Settings, *, deciding: bool = False) -> Iterator[Desk]:
    """Open the parts. Who is ``deciding`` needs the catalog, and a store that was probed. Raises ReviewError."""
    with told_plainly(), ExitStack() as stack:
        store = open_store(settings.store)
        catalog = catalog_of(settings)
        if catalog is not None:
            stack.callback(catalog.close)
        if deciding:
            if catalog is None:
                raise ReviewError(
                    "the planner's catalog cannot be reached, and it has the requests: check database.url", "out"
                )
            store.probe()
        yield Desk(
            settings=settings,
            options=options_of(settings),
            codec=open_codec(settings),
            store=store,
            catalog=catalog,
        )


@dataclass(slots=True, kw_only=True)
class Queue:
    """The rejections found, oldest first."""

    items: list[Item]
    unreadable: int = 0
    """Records of the topic that are no rejections of ours."""
    judged_by: tuple[str, ...] = ()
    """Who was asked what is newer."""

    def meant(self, wanted: Filter) -> list[Item]:
        """Those that fit, limit not yet applied."""
        return [item for item in self.items if wanted.fits(item)]

    def one(self, identity: str) -> Item:
        """By its id or the beginning of it. Raises ReviewError where that is none, or not enough."""
        if not _ID.fullmatch(identity):
            raise ReviewError(f"{identity[:80]!r} is no id: give 6 or more of its hex digits", "usage")
        found = [item for item in self.items if item.id.startswith(identity)]
        if len(found) != 1:
            what = "no rejection" if not found else f"{len(found)} rejections"
            raise ReviewError(f"{identity}: there is {what} of this id in this installation", "usage")
        return found[0]


def look(desk: Desk, bar: Bar, *, history: bool = True) -> Queue:
    """Every rejection on the topic; with ``history`` those too that it has lost and somebody decided about.

    Raises what ``told_plainly`` translates, and ReviewError.
    """
    heard, unreadable = _on_the_topic(desk, bar.of("reading"))
    known = desk.decisions.known()
    wanted = known if history else known & {event.base_digest for event, _ in heard.values() if event.base_digest}
    decisions = desk.decisions.read_all(wanted, bar.of("decisions"))
    for decision in decisions.values():
        heard.setdefault(decision.event.event_id, (decision.event, decision.place))
    items = [
        Item(event=event, place=place, decision=decisions.get(event.base_digest or ""))
        for event, place in heard.values()
    ]
    items, judges = _judged(desk, items)
    items.sort(key=lambda item: (item.event.occurred_at, item.id))
    return Queue(items=items, unreadable=unreadable, judged_by=judges)


def _on_the_topic(desk: Desk, told: Callable[[int, int], object]) -> tuple[dict[str, tuple[VideoRejected, str]], int]:
    """Rejections by their ids, the last of each and where it lies; and how many records are none."""
    topic, found, unreadable = desk.settings.topics.video_rejected, dict[str, tuple[VideoRejected, str]](), 0
    counts = partitions_of(desk.options, {topic})
    starts = {Partition(topic, number): 0 for number in range(counts.get(topic, 0))}
    for record in read(desk.options, starts, told):
        try:
            event = VideoRejected.from_avro(desk.codec.decode(topic, record.value or b"", record.headers))
        except (DecodeError, SchemaError):
            unreadable += 1
            continue
        digests = {event.base_digest, *event.tried} - {None}
        if not _ID.fullmatch(event.event_id) or not all(layout.is_digest(each or "") for each in digests):
            unreadable += 1
            continue
        found[event.event_id] = event, f"{topic}/{record.partition}/{record.offset}"
    return found, unreadable


def _judged(desk: Desk, items: Sequence[Item]) -> tuple[list[Item], tuple[str, ...]]:
    """The items with what took their place: a later rejection, plan or announcement of the same product."""
    newest: dict[tuple[str, str], int] = {}
    for item in items:
        newest[item.target] = max(newest.get(item.target, 0), item.event.revision)
    judges, planned = ["topic"], dict[tuple[str, str], int]()
    if desk.catalog is not None:
        judges.append("catalog")
        planned = _planned(desk.catalog, sorted(newest))
    judged: list[Item] = []
    for item in items:
        plan = max(newest[item.target], planned.get(item.target, 0))
        later = f"plan {plan} took its place" if plan > item.event.revision else None
        judged.append(replace(item, newer=later))
    waiting = [item.target for item in judged if item.state in WAITING]
    with ThreadPoolExecutor(READERS) as readers:
        revisions = readers.map(lambda target: _announced(desk.store, *target), waiting)
        announced = dict(zip(waiting, revisions, strict=True))
    told = [
        replace(item, newer=f"announced as plan {number}")
        if item.state in WAITING and (number := announced.get(item.target, 0)) >= item.event.revision
        else item
        for item in judged
    ]
    return told, (*judges, "store")


def _announced(store: Store, product: str, variant: str) -> int:
    """The revision of the clip, or of its taking down, that was announced last; 0 where none was."""
    alias, _ = Announcer(store).read(product, variant)
    return alias.revision if alias else 0


def _planned(catalog: Catalog, targets: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The number of each target's newest plan."""
    found: dict[tuple[str, str], int] = {}
    for variant in sorted({variant for _, variant in targets}):
        names = [product for product, of in targets if of == variant]
        for first in range(0, len(names), AT_ONCE):
            part = names[first : first + AT_ONCE]
            known = catalog.transaction(lambda ledger, part=part, variant=variant: ledger.known(part, variant))  # type: ignore[misc] # bound now
            found |= {(name, variant): row.plan_revision for name, row in known.items()}
    return found


def request_of(desk: Desk, item: Item) -> tuple[Output | None, int]:
    """The stored request behind a rejection, None where its plan is the newest no more; and the newest's number."""
    product, variant = item.target

    def find(ledger: Ledger) -> tuple[Output | None, int]:
        known = ledger.known([product], variant).get(product)
        if known is None or known.batch is None or known.plan_revision != item.event.revision:
            return None, known.plan_revision if known else 0
        found = [each for each in ledger.requests([product], {known.batch}) if each.variant == variant]
        if not found or found[0].topic == desk.settings.topics.video_rejected:
            return None, known.plan_revision  # its words are refused: what is stored is the refusal
        return stored(found[0]), known.plan_revision

    if desk.catalog is None:
        return None, 0
    return desk.catalog.transaction(find)
