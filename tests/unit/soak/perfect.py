"""A run in which nothing went wrong, made of its input alone: what the checker's tests then spoil."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

from consumer.storage import layout
from tests.soak.checker import Case
from tests.soak.goal import EPOCH, Wanted, goal
from tests.soak.observed import (
    Alias,
    Announced,
    Begun,
    Glance,
    Letter,
    Lived,
    Observed,
    Placed,
    Request,
    Row,
    Stored,
)
from tests.soak.poison import BY_NAME
from tests.soak.records import Encoder, Wire
from tests.soak.workload import Item

FIRST = "ab" * 32
"""The clip that every product showed before its last one."""
FRAMES = 24


def perfect(items: Sequence[Item], seconds: float) -> Case:
    """Every product was announced twice, the second time as it should end; poison is in the dead letters."""
    wires = Encoder(EPOCH).all(items)
    wanted = goal(items, seconds)
    inputs = list(_placed(wires))
    said = [event for product, end in wanted.items() for event in _announced(product, end)]
    newest = {event.product: event for event in said}
    seen = Observed(
        inputs=inputs,
        requests=[
            Request(
                product=event.product, revision=event.revision, work="RENDER", digest=event.digest, lane="clip_render"
            )
            for event in said
        ],
        announced=said,
        letters=[_letter(placed, items[placed.item]) for placed in inputs if items[placed.item].poison],
        objects={key: stored for event in said for key, stored in _objects(event).items()},
        aliases={product: _alias(event) for product, event in newest.items()},
        glances=[Glance(at=float(event.revision), product=event.product, revision=event.revision) for event in said],
        begun=[Begun(digest=FIRST, pid=1, at=10.0)],
        lives=[
            Lived(slot="renderer-0", pid=1, began=5.0, code=-9),
            Lived(slot="renderer-0", pid=2, began=50.0, code=0),
        ],
        seen_stored={FIRST: 12.0},
        catalog={
            product: Row(
                revision=end.revision,
                retired=end.digest is None,
                plan=newest[product].revision,
                shown=newest[product].revision,
            )
            for product, end in wanted.items()
        },
    )
    return Case(items=items, wires=wires, goal=wanted, seen=seen)


def _placed(wires: Sequence[Wire]) -> Iterator[Placed]:
    ends: Counter[tuple[str, int]] = Counter()
    for number, wire in enumerate(wires):
        place = (wire.topic, zlib.crc32(wire.key or b"") % 4)
        yield Placed(
            item=number,
            topic=wire.topic,
            partition=place[1],
            offset=ends[place],
            key=wire.key.hex() if wire.key is not None else None,
            value=wire.value.hex() if wire.value is not None else None,
        )
        ends[place] += 1


def _announced(product: str, end: Wanted) -> Iterator[Announced]:
    yield _ready(product, 1, FIRST)
    if end.digest is not None:
        yield _ready(product, 2, end.digest)
    else:
        yield Announced(event_id=f"{product}-2", product=product, revision=2, status="RETIRED")


def _ready(product: str, revision: int, digest: str) -> Announced:
    return Announced(
        event_id=f"{product}-{revision}",
        product=product,
        revision=revision,
        status="READY",
        digest=digest,
        work="RENDER",
        clip_key=layout.clip_key(digest),
        poster_key=layout.poster_key(digest),
        sha256=digest[::-1],
        size=1_000,
        frames=FRAMES,
    )


def _objects(event: Announced) -> dict[str, Stored]:
    if event.clip_key is None or event.poster_key is None or event.sha256 is None:
        return {}
    return {
        event.clip_key: Stored(sha256=event.sha256, size=event.size, frames=event.frames),
        event.poster_key: Stored(sha256=event.sha256, size=100),
    }


def _alias(event: Announced) -> Alias:
    return Alias(
        revision=event.revision,
        digest=event.digest or "",
        status=event.status,
        event_id=event.event_id,
        video=event.sha256,
        poster=event.status == "READY",
    )


def _letter(placed: Placed, item: Item) -> Letter:
    return Letter(
        topic=placed.topic,
        partition=placed.partition,
        offset=placed.offset,
        group="planner",
        stage=BY_NAME[item.poison].stage,
        message="why",
        key=placed.key,
        value=placed.value,
        item=str(placed.item),
    )
