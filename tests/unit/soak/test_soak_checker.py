"""The laws of the soak's checker: a run without a fault breaks none, and each breach of each is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tests.soak.checker as check_module
from tests.soak.checker import LAWS, Case, check
from tests.soak.kept import keep, kept
from tests.soak.observed import Alias, Announced, Begun, Glance, Letter, Lived, Row
from tests.soak.workload import Scale, workload
from tests.unit.soak.perfect import FIRST, perfect

SCALE = Scale(seconds=60, products=14, promos=4)
Spoil = Callable[[Case], dict[str, Any]]
"""Fields of what was seen, as they are when something went wrong."""


@pytest.fixture(scope="module")
def case() -> Case:
    """A run in which nothing went wrong, with a product that was retired in it."""
    seed = next(seed for seed in range(100) if _retired(seed))
    return perfect(workload(seed, SCALE), SCALE.seconds)


def _retired(seed: int) -> bool:
    case = perfect(workload(seed, SCALE), SCALE.seconds)
    return any(wanted.digest is None for wanted in case.goal.values())


def ready(case: Case) -> Announced:
    """The last announcement of a product on sale."""
    return next(event for event in case.seen.announced if event.revision == 2 and event.status == "READY")


def retired(case: Case) -> Announced:
    """The last announcement of a product that is not."""
    return next(event for event in case.seen.announced if event.status == "RETIRED")


def swapped(values: Sequence[Any], old: Any, *new: Any) -> list[Any]:
    """The values with others in place of one."""
    return [each for value in values for each in (new if value is old else (value,))]


def announced(case: Case, **fields: Any) -> dict[str, Any]:
    """A product's last announcement with other fields."""
    event = ready(case)
    return {"announced": swapped(case.seen.announced, event, replace(event, **fields))}


def aliased(case: Case, event: Announced, **fields: Any) -> dict[str, Any]:
    """A product's alias with other fields."""
    alias: Alias = case.seen.aliases[event.product]
    return {"aliases": {**case.seen.aliases, event.product: replace(alias, **fields)}}


def letter(case: Case, **fields: Any) -> dict[str, Any]:
    """A dead letter with other fields."""
    first: Letter = case.seen.letters[0]
    return {"letters": swapped(case.seen.letters, first, replace(first, **fields))}


def row(case: Case, **fields: Any) -> dict[str, Any]:
    """A row of the catalog with other fields."""
    product = ready(case).product
    known: Row = case.seen.catalog[product]
    return {"catalog": {**case.seen.catalog, product: replace(known, **fields)}}


def objects(case: Case, key: str | None, **fields: Any) -> dict[str, Any]:
    """An object with other fields, or without any: gone."""
    assert key is not None
    rest = {name: stored for name, stored in case.seen.objects.items() if name != key}
    return {"objects": {**rest, key: replace(case.seen.objects[key], **fields)} if fields else rest}


def without(values: dict[str, Any], key: str) -> dict[str, Any]:
    """All but one."""
    return {name: value for name, value in values.items() if name != key}


def swapped_inputs(case: Case) -> dict[str, Any]:
    """Two records of one key that changed places."""
    inputs = case.seen.inputs
    one, other = next(
        (a, b) for a in inputs for b in inputs if a.key and (a.topic, a.key) == (b.topic, b.key) and a.item < b.item
    )
    moved = [replace(one, offset=other.offset), replace(other, offset=one.offset)]
    return {"inputs": [*(each for each in inputs if each not in (one, other)), *moved]}


SPOILS: dict[str, tuple[str, Spoil]] = {
    "an item never came": ("input is whole", lambda c: {"inputs": c.seen.inputs[1:]}),
    "an item came twice": ("input is whole", lambda c: {"inputs": [*c.seen.inputs, c.seen.inputs[0]]}),
    "an item came otherwise": (
        "input is whole",
        lambda c: {"inputs": swapped(c.seen.inputs, c.seen.inputs[0], replace(c.seen.inputs[0], value="00"))},
    ),
    "items changed places": ("input is in order", swapped_inputs),
    "a record was never read": ("all is read", lambda _: {"unread": ["planner read product_created[0] up to 1 of 2"]}),
    "said twice": (
        "nothing is said twice",
        lambda c: {"announced": [*c.seen.announced, ready(c)]},
    ),
    "the first one said twice, under another id": (
        "nothing is said twice",
        lambda c: {"announced": [*c.seen.announced, replace(c.seen.announced[0], event_id="other")]},
    ),
    "the newest was lost": ("newest is said", lambda c: {"announced": swapped(c.seen.announced, ready(c))}),
    "a request was repeated with another clip": (
        "only what was asked is said",
        lambda c: {"requests": [*c.seen.requests, replace(c.seen.requests[0], digest="cd" * 32)]},
    ),
    "announced out of nothing": (
        "only what was asked is said",
        lambda c: {"announced": [*c.seen.announced, replace(ready(c), revision=3)]},
    ),
    "announced with another clip than was requested": (
        "only what was asked is said",
        lambda c: announced(c, digest="cd" * 32),
    ),
    "a product was lost": (
        "each product ends as it should",
        lambda c: {"announced": [each for each in c.seen.announced if each.product != ready(c).product]},
    ),
    "an old clip is the last": ("each product ends as it should", lambda c: announced(c, digest=FIRST)),
    "a retired product is on show": (
        "each product ends as it should",
        lambda c: {"announced": swapped(c.seen.announced, retired(c))},
    ),
    "a product that is on sale was retired": (
        "each product ends as it should",
        lambda c: announced(c, status="RETIRED"),
    ),
    "poison became a product": (
        "each product ends as it should",
        lambda c: {"announced": [*c.seen.announced, replace(ready(c), product="SKU-00001-x")]},
    ),
    "rejected": ("nothing is rejected", lambda c: {"rejected": [(ready(c).product, 2, "frozen")]}),
    "no alias": ("aliases are the newest", lambda c: {"aliases": without(c.seen.aliases, ready(c).product)}),
    "an old alias": ("aliases are the newest", lambda c: aliased(c, ready(c), revision=1)),
    "an alias of another clip": ("aliases are the newest", lambda c: aliased(c, ready(c), digest=FIRST)),
    "old bytes at the alias": ("aliases are the newest", lambda c: aliased(c, ready(c), video=FIRST[::-1])),
    "no poster at the alias": ("aliases are the newest", lambda c: aliased(c, ready(c), poster=False)),
    "a retired product's clip still at its alias": (
        "aliases are the newest",
        lambda c: aliased(c, retired(c), video=FIRST),
    ),
    "an alias nobody heard of": (
        "aliases are the newest",
        lambda c: {"aliases": {**c.seen.aliases, "SKU-9": c.seen.aliases[ready(c).product]}},
    ),
    "an alias went back": (
        "aliases never go back",
        lambda c: {"glances": [*c.seen.glances, Glance(at=9.0, product=ready(c).product, revision=1)]},
    ),
    "a clip is gone": ("objects are whole", lambda c: objects(c, ready(c).clip_key)),
    "an old clip is gone": ("objects are whole", lambda c: objects(c, c.seen.announced[0].clip_key)),
    "a poster is gone": ("objects are whole", lambda c: objects(c, ready(c).poster_key)),
    "a clip was cut short": ("objects are whole", lambda c: objects(c, ready(c).clip_key, size=999)),
    "a clip has other bytes": ("objects are whole", lambda c: objects(c, ready(c).clip_key, sha256="0")),
    "a clip cannot be decoded": ("objects are whole", lambda c: objects(c, ready(c).clip_key, frames=-1)),
    "poison was dropped": ("poison is in the dead letters", lambda c: {"letters": c.seen.letters[1:]}),
    "poison was given up twice": (
        "poison is in the dead letters",
        lambda c: {"letters": [*c.seen.letters, c.seen.letters[0]]},
    ),
    "a dead letter lost its bytes": ("poison is in the dead letters", lambda c: letter(c, value="00")),
    "a dead letter lost its key": ("poison is in the dead letters", lambda c: letter(c, key="00")),
    "a dead letter lost its headers": ("poison is in the dead letters", lambda c: letter(c, item=None)),
    "a dead letter has no reason": ("poison is in the dead letters", lambda c: letter(c, message="")),
    "given up where it could be worked": ("poison is in the dead letters", lambda c: letter(c, stage="plan")),
    "a healthy record was given up": (
        "poison is in the dead letters",
        lambda c: {"letters": [*c.seen.letters, replace(c.seen.letters[0], topic="clip_dress", offset=77)]},
    ),
    "a stored base was rendered again": (
        "bases are rendered once",
        lambda c: {"begun": [*c.seen.begun, Begun(digest=FIRST, pid=2, at=55.0)]},
    ),
    "and by a process whose number was used before": (
        "bases are rendered once",
        lambda c: {
            "begun": [*c.seen.begun, Begun(digest=FIRST, pid=1, at=75.0)],
            "lives": [*c.seen.lives, Lived(slot="renderer-1", pid=1, began=70.0)],
        },
    ),
    "a process fell over": (
        "nobody gives up",
        lambda c: {"lives": [*c.seen.lives, Lived(slot="planner-0", pid=3, began=1.0, code=1)]},
    ),
    "a process crashed": (
        "nobody gives up",
        lambda c: {"lives": [*c.seen.lives, Lived(slot="renderer-0", pid=3, began=1.0, code=-11)]},
    ),
    "the catalog lost a product": (
        "catalog is a projection",
        lambda c: {"catalog": without(c.seen.catalog, ready(c).product)},
    ),
    "the catalog is behind": ("catalog is a projection", lambda c: row(c, revision=0)),
    "the catalog missed a tombstone": ("catalog is a projection", lambda c: row(c, retired=True)),
    "a plan was never published": ("catalog is a projection", lambda c: row(c, plan=3)),
    "the catalog did not hear of the last announcement": ("catalog is a projection", lambda c: row(c, shown=1)),
    "the catalog knows what nobody sells": (
        "catalog is a projection",
        lambda c: {"catalog": {**c.seen.catalog, "SKU-9": c.seen.catalog[ready(c).product]}},
    ),
}


def test_a_run_without_a_fault_breaks_no_law(case: Case) -> None:
    """What the input asks for, seen as it should be: nothing to say."""
    assert check(case) == []


@pytest.mark.parametrize("what", SPOILS)
def test_each_breach_of_a_law_is_found(case: Case, what: str) -> None:
    """One thing went wrong: the law that it breaks is named."""
    law, spoil = SPOILS[what]
    spoiled = Case(items=case.items, wires=case.wires, goal=case.goal, seen=replace(case.seen, **spoil(case)))
    assert law in {violation.law for violation in check(spoiled)}


def test_every_law_has_a_breach_that_is_tried() -> None:
    """No law is there that nobody saw bite."""
    assert {law.__name__.replace("_", " ") for law in LAWS} == {law for law, _ in SPOILS.values()}


def test_the_page_about_the_soak_lists_every_law() -> None:
    """And none that is not."""
    page = Path(check_module.__file__).with_name("README.md").read_text(encoding="utf-8")
    listed = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][2:]
    assert listed == [law.__name__.replace("_", " ") for law in LAWS]


def test_what_was_kept_of_a_run_is_judged_as_the_run_was(case: Case, tmp_path: Path) -> None:
    """The checker says the same of a run's folder as of the run."""
    spoiled = replace(case.seen, announced=case.seen.announced[2:], rejected=[("SKU-1", 1, "frozen")])
    said = check(keep(tmp_path, SCALE.seconds, case.items, case.wires, spoiled))
    assert said
    assert check(kept(tmp_path)) == said
