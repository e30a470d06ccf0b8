"""The checker: what was seen of a run beside what must exist by its input alone. Pure; starts and reads nothing.

What holds and what does not: an announcement shares a transaction with its request's offset, and a dead letter with its
record's, so both are there exactly once among committed records. A request may be published twice; then it has the same
revision and clip, and the second one is skipped. A plan that was overtaken before it was published is never requested.
"""

from __future__ import annotations

import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tests.soak.goal import Wanted
from tests.soak.observed import Announced, Letter, Lived, Observed, Placed, Stored
from tests.soak.poison import BY_NAME
from tests.soak.records import Wire
from tests.soak.workload import Item

ENDS = {None, 0, 3, -signal.SIGKILL, -signal.SIGTERM}
"""How a process may end: still there, drained, a server out at its start, killed, told to leave before it had begun."""


@dataclass(frozen=True, order=True)
class Violation:
    """A law that does not hold, and for what."""

    law: str
    what: str

    def __str__(self) -> str:
        return f"{self.law}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """The input with what must come of it, and what was seen."""

    items: Sequence[Item]
    wires: Sequence[Wire]
    """The records of the items."""
    goal: Mapping[str, Wanted]
    seen: Observed

    @cached_property
    def newest(self) -> dict[str, Announced]:
        """What each product shows to a reader that keeps the highest revision."""
        found: dict[str, Announced] = {}
        for event in self.seen.announced:
            if event.product not in found or event.revision > found[event.product].revision:
                found[event.product] = event
        return found

    @cached_property
    def requested(self) -> dict[str, dict[int, set[str | None]]]:
        """Clips asked for, by product and revision."""
        found: dict[str, dict[int, set[str | None]]] = defaultdict(lambda: defaultdict(set))
        for request in self.seen.requests:
            found[request.product][request.revision].add(request.digest)
        return found


def input_is_whole(case: Case) -> Iterator[str]:
    """Kafka has every item once, as it was published: else the run says nothing of the service."""
    counts = Counter(placed.item for placed in case.seen.inputs)
    for number, item in enumerate(case.items):
        if counts[number] != 1:
            yield f"item {number} ({item.topic} {item.key}) lies in its topic {counts[number]} times"
    for placed in case.seen.inputs:
        wire = case.wires[placed.item]
        if (placed.topic, placed.key, placed.value) != (wire.topic, _hex(wire.key), _hex(wire.value)):
            yield f"item {placed.item} is another record than was published"


def input_is_in_order(case: Case) -> Iterator[str]:
    """The records of one key lie in the order of the items."""
    last: dict[tuple[str, str], Placed] = {}
    for placed in sorted(case.seen.inputs, key=lambda each: (each.topic, each.partition, each.offset)):
        if placed.key is None:
            continue  # without a key it lies anywhere
        before = last.get((placed.topic, placed.key))
        if before is not None and before.item > placed.item:
            yield f"item {before.item} lies before item {placed.item}"
        last[placed.topic, placed.key] = placed


def all_is_read(case: Case) -> Iterator[str]:
    """Nothing is left to do when nothing moves any more."""
    yield from case.seen.unread


def nothing_is_said_twice(case: Case) -> Iterator[str]:
    """At most one committed announcement for each product and revision."""
    counts = Counter((event.product, event.revision) for event in case.seen.announced)
    for (product, revision), count in sorted(counts.items()):
        if count > 1:
            yield f"{product} revision {revision} was announced {count} times"


def newest_is_said(case: Case) -> Iterator[str]:
    """The newest revision that was requested is the newest that was announced."""
    for product, revisions in sorted(case.requested.items()):
        said = case.newest.get(product)
        if said is None or said.revision != max(revisions):
            yield f"{product} was requested up to {max(revisions)}, announced up to {said.revision if said else None}"


def only_what_was_asked_is_said(case: Case) -> Iterator[str]:
    """An announcement is of a request's revision, and of its clip; a request that was repeated asks for the same."""
    for product, revisions in sorted(case.requested.items()):
        for revision, digests in sorted(revisions.items()):
            if len(digests) > 1:
                yield f"{product} revision {revision} was requested with {len(digests)} different clips"
    for event in case.seen.announced:
        asked = case.requested.get(event.product, {}).get(event.revision)
        if asked is None:
            yield f"{event.product} revision {event.revision} was announced and never requested"
        elif event.digest not in asked:
            yield f"{event.product} revision {event.revision} was announced with a clip that was not requested"


def each_product_ends_as_it_should(case: Case) -> Iterator[str]:
    """Every product shows the clip of its newest state and of the promotion that runs, or is retired; no other is."""
    for product, wanted in sorted(case.goal.items()):
        said = case.newest.get(product)
        if wanted.digest is None:
            if said is not None and said.status != "RETIRED":
                yield f"{product} was retired and shows revision {said.revision}"
        elif said is None:
            yield f"{product} was never announced"
        elif (said.status, said.digest) != ("READY", wanted.digest):
            yield f"{product} ends on revision {said.revision}, {said.status}, another clip than it should"
    for product in sorted(case.newest.keys() - case.goal.keys()):
        yield f"{product} was announced, and nobody sells it"


def nothing_is_rejected(case: Case) -> Iterator[str]:
    """The input holds nothing that inspection or wording rules refuse."""
    for product, revision, reasons in case.seen.rejected:
        yield f"{product} revision {revision} was rejected: {reasons}"


def aliases_are_the_newest(case: Case) -> Iterator[str]:
    """The stable address of a product says what was announced last, and the bytes there are that clip's."""
    for product, said in sorted(case.newest.items()):
        alias = case.seen.aliases.get(product)
        if alias is None:
            yield f"{product} has no alias"
            continue
        if (alias.revision, alias.event_id, alias.status) != (said.revision, said.event_id, said.status):
            yield f"{product} was announced with revision {said.revision}, its alias says {alias.revision}"
        if (alias.digest or None) != said.digest:
            yield f"{product}: the alias names another clip than was announced"
        if alias.video != said.sha256:
            yield f"{product}: the bytes at the alias are not the announced clip's"
        if alias.poster != (said.status == "READY"):
            yield f"{product}: {'no' if said.status == 'READY' else 'a'} poster at the alias of a {said.status} clip"
    for product in sorted(case.seen.aliases.keys() - case.newest.keys()):
        yield f"{product} has an alias and was never announced"


def aliases_never_go_back(case: Case) -> Iterator[str]:
    """Whoever looked at an alias twice never saw an older revision the second time."""
    last: dict[str, int] = {}
    for glance in sorted(case.seen.glances, key=lambda each: each.at):
        if glance.revision < last.get(glance.product, 0):
            yield f"the alias of {glance.product} went from {last[glance.product]} to {glance.revision}"
        last[glance.product] = glance.revision


def objects_are_whole(case: Case) -> Iterator[str]:
    """Every announced clip is in the store with the announced digest and size, and those on show can be decoded."""
    for event in case.seen.announced:
        if event.clip_key is None:
            continue
        name = f"{event.product} revision {event.revision}"
        clip = case.seen.objects.get(event.clip_key)
        if clip is None:
            yield f"{name}: no clip in the store"
        else:
            yield from (f"{name}: {fault}" for fault in _faults(event, clip))
        if event.poster_key not in case.seen.objects:
            yield f"{name}: no poster in the store"


def _faults(event: Announced, clip: Stored) -> Iterator[str]:
    if (clip.sha256, clip.size) != (event.sha256, event.size):
        yield "the stored clip is another than was announced"
    if clip.frames is not None and clip.frames != event.frames:
        yield f"{clip.frames} frames can be decoded of {event.frames}"


def poison_is_in_the_dead_letters(case: Case) -> Iterator[str]:
    """Exactly one committed dead letter for every poison record, whole, with a reason, where it was given up."""
    letters: dict[tuple[str, int, int], list[Letter]] = defaultdict(list)
    for letter in case.seen.letters:
        letters[letter.topic, letter.partition, letter.offset].append(letter)
    for placed in case.seen.inputs:
        item = case.items[placed.item]
        if not item.poison:
            continue
        found = letters.pop((placed.topic, placed.partition, placed.offset), [])
        name = f"poison {placed.item} ({item.poison})"
        if len(found) != 1:
            yield f"{name} has {len(found)} dead letters"
        for letter in found:
            yield from (f"{name}: {fault}" for fault in _misread(letter, placed, item))
    for topic, partition, offset in sorted(letters):
        reason = letters[topic, partition, offset][0].message
        yield f"{topic}[{partition}]@{offset} was no poison and became a dead letter: {reason}"


def _misread(letter: Letter, placed: Placed, item: Item) -> Iterator[str]:
    if (letter.key, letter.value) != (placed.key, placed.value):
        yield "key or value are not those of the record"
    if letter.item != str(placed.item):
        yield "the record's own headers were lost"
    if letter.stage != BY_NAME[item.poison].stage:
        yield f"given up at stage {letter.stage!r}"
    if not letter.message:
        yield "no reason is given"


def bases_are_rendered_once(case: Case) -> Iterator[str]:
    """No process begins to render what was stored before the process was started."""
    lives: dict[int, list[Lived]] = defaultdict(list)
    for life in case.seen.lives:
        lives[life.pid].append(life)
    for shot in case.seen.begun:
        # A number may be used again: the process is the last of that number that was there.
        there = [each for each in lives[shot.pid] if each.began <= shot.at]
        if not there:
            continue
        life = max(there, key=lambda each: each.began)
        stored = case.seen.seen_stored.get(shot.digest)
        if stored is not None and stored < life.began:
            yield f"{life.slot} rendered {shot.digest[:12]} again, stored {life.began - stored:.1f} s before its start"


def nobody_gives_up(case: Case) -> Iterator[str]:
    """A process ends because it is told to, is killed, or could not start while a server was out: never by itself."""
    for life in case.seen.lives:
        if life.code not in ENDS:
            yield f"{life.slot}, process {life.pid}, ended with code {life.code}"


def catalog_is_a_projection(case: Case) -> Iterator[str]:
    """The catalog knows each product's newest revision, its newest request, and the newest announcement."""
    for product, wanted in sorted(case.goal.items()):
        row = case.seen.catalog.get(product)
        if row is None:
            yield f"{product} is not in the catalog"
            continue
        if (row.revision, row.retired) != (wanted.revision, wanted.digest is None):
            yield f"{product} is in the catalog with revision {row.revision}, retired {row.retired}"
        asked = max(case.requested[product], default=None) if product in case.requested else None
        if row.plan != asked:
            yield f"{product} was planned up to {row.plan} and requested up to {asked}"
        said = case.newest.get(product)
        if row.shown != (said.revision if said else None):
            yield f"{product}: the catalog heard of announcement {row.shown}"
    for product in sorted(case.seen.catalog.keys() - case.goal.keys()):
        yield f"{product} is in the catalog, and nobody sells it"


LAWS: tuple[Callable[[Case], Iterable[str]], ...] = (
    input_is_whole,
    input_is_in_order,
    all_is_read,
    nothing_is_said_twice,
    newest_is_said,
    only_what_was_asked_is_said,
    each_product_ends_as_it_should,
    nothing_is_rejected,
    aliases_are_the_newest,
    aliases_never_go_back,
    objects_are_whole,
    poison_is_in_the_dead_letters,
    bases_are_rendered_once,
    nobody_gives_up,
    catalog_is_a_projection,
)
"""Every law, in the order in which breaches are told."""


def check(case: Case) -> list[Violation]:
    """Every breach of every law."""
    return [Violation(law.__name__.replace("_", " "), what) for law in LAWS for what in law(case)]


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()
