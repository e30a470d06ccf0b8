"""The laws of what a seed decides: the same every time, of every kind, and known to the service as what it is."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest

from consumer.events import EventError
from consumer.planner.configured import rules_of
from consumer.planner.drafts import Drafter
from consumer.planner.intake import Intake
from consumer.planner.planner import _check_promo
from consumer.planner.promotions import Running
from consumer.planner.prompts import Prompts
from consumer.renderer.requests import read_request
from consumer.settings import Settings, Topics
from consumer.stream import schemas
from consumer.stream.codec import DecodeError, SingleObjectCodec
from consumer.stream.deadletter import FAMILY
from consumer.stream.types import Record
from tests.harness import EVENT_TOPICS
from tests.soak.goal import EPOCH, goal, planning, runs, standing
from tests.soak.nemesis import LINK, PROCESS, REST, SERVICE, schedule
from tests.soak.poison import KINDS
from tests.soak.records import Encoder
from tests.soak.workload import PRODUCTS, PROMOS, Item, Scale, workload

SCALE = Scale.of(600)
SLOTS = ("planner-0", "renderer-0", "renderer-1")
RULES = rules_of(Settings())


@pytest.fixture(scope="module")
def items() -> list[Item]:
    """A long run's."""
    return workload(7, SCALE)


@pytest.fixture(scope="module")
def records(items: list[Item]) -> list[Record]:
    """The items as they are read."""
    wires = Encoder(EPOCH).all(items)
    return [Record(w.topic, 0, number, w.key, w.value, w.headers, 0) for number, w in enumerate(wires)]


def test_a_seed_decides_everything(items: list[Item]) -> None:
    """The same seed makes the same input and the same faults; another makes others."""
    assert workload(7, SCALE) == items
    assert workload(8, SCALE) != items
    assert schedule(7, 600, SLOTS) == schedule(7, 600, SLOTS)
    assert schedule(7, 600, SLOTS) != schedule(8, 600, SLOTS)


def test_a_long_run_holds_every_kind_of_record_and_fault(items: list[Item]) -> None:
    """Products and promotions that change, come late, come twice, end; every poison; every fault there is."""
    assert {item.poison for item in items} == {"", *(kind.name for kind in KINDS)}
    assert [item.at for item in items] == sorted(item.at for item in items)
    for topic in (PRODUCTS, PROMOS):
        healthy = [item for item in items if item.topic == topic and not item.poison]
        events = [item.event for item in healthy if item.event is not None]
        told = Counter((item.key, item.event["revision"]) for item in healthy if item.event is not None)
        assert len(healthy) > len(events), "tombstones"
        assert max(told.values()) > 1, "repeats"
        assert any(_late(item, healthy) for item in healthy), "revisions out of order"
    campaigns = [item.event for item in items if item.topic == PROMOS and item.event is not None and not item.poison]
    assert any("starts_at" in event for event in campaigns)
    assert any("ends_at" in event for event in campaigns)
    assert {next(iter(event["creative"])) for event in campaigns} == {"end_card", "ribbon", "prompt_phrases"}
    faults = [fault for seed in range(3) for fault in schedule(seed, 600, SLOTS)]
    of_services = {(fault.target, fault.kind) for fault in faults if fault.target in REST}
    assert of_services == set(SERVICE)
    assert {fault.kind for fault in faults if fault.target in SLOTS} == set(PROCESS)
    assert {fault.kind for fault in faults if "/" in fault.target} == set(LINK)


def _late(item: Item, items: list[Item]) -> bool:
    before = [other for other in items if other.key == item.key and other.at < item.at and other.event]
    return item.event is not None and any(item.event["revision"] < (o.event or {})["revision"] for o in before)


def test_faults_of_one_target_never_meet() -> None:
    """The next one begins when the last is over and its target had time to come back; none begins at the very end."""
    for seed in range(20):
        over: dict[str, float] = {}
        for fault in schedule(seed, 600, SLOTS):
            assert fault.at >= over.get(fault.target, 0)
            assert fault.at < 600
            over[fault.target] = fault.at + fault.seconds


def test_poison_is_given_up_where_it_says_and_nothing_else_is(items: list[Item], records: list[Record]) -> None:
    """What the service itself makes of each record: exactly the poison ends as dead letters, at its stages."""
    names = {name: name.replace("_", "-") for name in EVENT_TOPICS}
    codec = SingleObjectCodec(schemas.load(topics=names))
    intake = Intake(codec, Topics(**{name: name for name in names}), "g", partial(_check, rules=RULES))
    stages = {kind.name: kind.stage for kind in KINDS}
    for item, record in zip(items, records, strict=True):
        if record.topic == "clip_render":
            with pytest.raises(DecodeError):
                read_request(codec, record)
            continue
        batch = intake.read([record])
        found = [dict(letter.headers)[f"{FAMILY}stage"] for letter in batch.given_up]
        assert found == ([stages[item.poison].encode()] if item.poison else []), item


def _check(promo: Any, rules: Any) -> None:
    try:
        _check_promo(promo, planning(), rules)
    except EventError:
        raise
    except ValueError as error:
        raise AssertionError(f"{promo.promo_id}: {error}") from error


def test_no_product_is_refused_for_its_words(items: list[Item]) -> None:
    """Every state of every product has a clip: what is missing in the end was lost."""
    drafter = Drafter(Prompts.load(), planning(), rules=RULES)
    names = {"product-created": "product-created"}
    codec = SingleObjectCodec(schemas.load(topics=names))
    intake = Intake(codec, Topics(), "g", lambda _: None)
    chosen = [item for item in items if item.topic == PRODUCTS and item.event and not item.poison]
    for wire in Encoder(EPOCH).all(chosen):
        record = Record("product-created", 0, 0, wire.key, wire.value, wire.headers, 0)
        ((change,),) = intake.read([record]).changes.values()
        assert change.event is not None
        assert not drafter.draft(change.event, Running()).refused


def product_item(revision: int | None, at: float = 0.0) -> Item:
    """A product's record; None for a tombstone."""
    event = None if revision is None else {"revision": revision, "at": at}
    return Item(at=at, topic=PRODUCTS, key="p", event=event)


@pytest.mark.parametrize(
    ("revisions", "newest"),
    [
        ((1, 2), 2),
        ((2, 1), 2),
        ((1, None), None),
        ((None,), None),
        ((1, None, 1), 1),
        ((2, None, 1), None),
        ((1, None, 2, 1), 2),
    ],
)
def test_the_goal_follows_the_rules_for_revisions(revisions: tuple[int | None, ...], newest: int | None) -> None:
    """The highest counts; what is retired comes back with the revision it had or a higher one, never with a lower."""
    event, _ = standing([product_item(each) for each in revisions])
    assert (event["revision"] if event else None) == newest


def test_of_records_with_one_revision_the_first_counts() -> None:
    """A repeat is skipped, whatever it says."""
    event, _ = standing([product_item(1, at=1.0), product_item(1, at=2.0)])
    assert event is not None
    assert event["at"] == 1.0


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, True),
        ({"status": "ENDED"}, False),
        ({"starts_at": 60.0}, True),
        ({"starts_at": 60.5}, False),
        ({"ends_at": 60.0}, False),
        ({"ends_at": 60.5}, True),
    ],
)
def test_a_window_includes_its_start_and_excludes_its_end(fields: dict[str, Any], shown: bool) -> None:
    """At 60 s."""
    assert runs({"status": "ACTIVE"} | fields, 60.0) is shown


def test_promotions_decide_the_clips_of_those_they_touch(items: list[Item]) -> None:
    """Without them some products should end on another clip, and some on the same."""
    plain = goal([item for item in items if item.topic != PROMOS], 600)
    promoted = goal(items, 600)
    assert plain.keys() == promoted.keys()
    changed = sum(plain[name].digest != promoted[name].digest for name in plain)
    assert 0 < changed < len(plain)
