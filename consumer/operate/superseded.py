"""Which dead letters something newer has taken the place of, as far as can be known. Writes nothing.

Two know of it. The topic that a record lay on: a later record of the same key, of a higher revision (or of any, where
the letter's own cannot be read), that did not end as a dead letter itself. And the planner's catalog, which remembers
what retention has taken from the topic and what went another way: the revision of each product and promotion, and the
number of each product's plan. Neither must know it for safety: planner and renderer skip what is stale. Asking saves
work, and keeps what is of no use out of the count of failures. One case is more than that: a record from before its
product was retired would bring the product back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from consumer.operate.letterbox import Letter
from consumer.operate.reading import partitions_of, read
from consumer.planner.catalog import Catalog
from consumer.planner.errors import CatalogError
from consumer.planner.ledger import Known
from consumer.planner.tables import PromoRow
from consumer.settings import Settings
from consumer.stream.codec import DecodeError, FramedCodec
from consumer.stream.schemas import SchemaError
from consumer.stream.types import Headers, Partition, UnavailableError

AT_ONCE = 500
"""Products looked up in one query."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a record says of its own place in the order of its key."""

    revision: int | None
    """None: it cannot be read."""
    variant: str | None = None
    """Where the topic has variants: their revisions are counted apart."""


def version_of(codec: FramedCodec, topic: str, value: bytes | None, headers: Headers) -> Version:
    """The version of a record. Raises UnavailableError when the registry is out."""
    if value is None:
        return Version(None)
    try:
        decoded = codec.decode(topic, value, headers)
    except (DecodeError, SchemaError):
        return Version(None)
    revision, variant = decoded.get("revision"), decoded.get("variant")
    return Version(revision if isinstance(revision, int) else None, variant if isinstance(variant, str) else None)


def newer(later: Version, tombstone: bool, letter: Version) -> bool:
    """Whether a later record of the same key takes the letter's place."""
    if tombstone:
        return True
    if later.revision is None or (letter.variant and later.variant and letter.variant != later.variant):
        return False
    return letter.revision is None or later.revision > letter.revision


def by_the_log(
    options: Mapping[str, Any],
    codec: FramedCodec,
    letters: Sequence[Letter],
    failed: Collection[tuple[str, int, int]],
    told: Callable[[int, int], object] = lambda *_: None,
) -> set[str]:
    """Ids of letters that a later record of their topic supersedes. ``failed``: where records lie that failed too.

    Raises BrokerError, SettingsError, UnavailableError.
    """
    waiting: dict[tuple[str, int, bytes], list[Letter]] = defaultdict(list)
    starts: dict[Partition, int] = {}
    existing = partitions_of(options, {letter.dead.topic for letter in letters})
    for letter in letters:
        topic, number, offset = letter.origin
        if letter.dead.key is not None and number < existing.get(topic, 0):
            waiting[topic, number, letter.dead.key].append(letter)
            place = Partition(topic, number)
            starts[place] = min(offset + 1, starts.get(place, offset + 1))
    versions = {
        letter.id: version_of(codec, letter.dead.topic, letter.dead.value, letter.dead.headers) for letter in letters
    }
    found: set[str] = set()
    for record in read(options, starts, told):
        if record.key is None:
            continue
        held = waiting.get((record.topic, record.partition, record.key))
        if not held or (record.topic, record.partition, record.offset) in failed:
            continue
        later = version_of(codec, record.topic, record.value, record.headers)
        found |= {
            letter.id
            for letter in held
            if letter.dead.offset < record.offset and newer(later, record.value is None, versions[letter.id])
        }
    return found


def catalog_of(settings: Settings) -> Catalog | None:
    """The planner's catalog, where this machine can reach one."""
    url = settings.database.url.get_secret_value()
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            return None  # opening it would make an empty one
        return Catalog.open(url, settings.database.timeout, migrate=False)
    except (ArgumentError, CatalogError, UnavailableError):
        return None


def by_the_catalog(settings: Settings, catalog: Catalog, codec: FramedCodec, letters: Sequence[Letter]) -> set[str]:
    """Ids of letters of which the catalog knows something newer. Raises UnavailableError."""
    found: set[str] = set()
    groups: dict[tuple[str, str], list[tuple[Letter, Version, str]]] = defaultdict(list)
    for letter in letters:
        if letter.dead.key is None:
            continue
        version = version_of(codec, letter.dead.topic, letter.dead.value, letter.dead.headers)
        name = letter.dead.key.decode(errors="replace")
        groups[letter.dead.topic, version.variant or "default"].append((letter, version, name))
    for (topic, variant), members in groups.items():
        for first in range(0, len(members), AT_ONCE):
            part = members[first : first + AT_ONCE]
            known = _known(settings, catalog, topic, variant, sorted({name for _, _, name in part}))
            for letter, version, name in part:
                if name in known and known[name].newer_than(letter, version):
                    found.add(letter.id)
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """What the catalog knows of one key."""

    revision: int
    source: tuple[int, int] | None = None
    """Partition and offset of the record that the row was made of."""
    same: bool = False
    """Whether the same revision means that the letter's work is done."""
    retired: bool = False

    def newer_than(self, letter: Letter, version: Version) -> bool:
        dead = letter.dead
        later = self.source is not None and self.source[0] == dead.partition and self.source[1] > dead.offset
        if version.revision is None or self.retired:
            return later
        return self.revision > version.revision or (self.same and self.revision == version.revision)


def _known(settings: Settings, catalog: Catalog, topic: str, variant: str, names: list[str]) -> dict[str, _Row]:
    """What the catalog knows of these keys that is to be compared with the revisions of a topic."""
    topics = settings.topics
    if topic == topics.product_created:
        products = catalog.transaction(lambda ledger: ledger.known(names, variant))
        return {name: _source_row(row) for name, row in products.items()}
    if topic == topics.promo_changed:
        promos = catalog.transaction(lambda ledger: ledger.book.promos(names))
        return {name: _source_row(row) for name, row in promos.items()}
    if topic in {topics.clip_render, topics.clip_render_bulk, topics.clip_dress}:
        plans = catalog.transaction(lambda ledger: ledger.known(names, variant))
        return {name: _Row(row.plan_revision) for name, row in plans.items()}
    clips = catalog.transaction(lambda ledger: ledger.clip_revisions(names))
    return {name: _Row(revision, same=True) for (name, of), revision in clips.items() if of == variant}


def _source_row(row: Known | PromoRow) -> _Row:
    return _Row(row.revision, (row.source_partition, row.source_offset), same=True, retired=row.retired)
