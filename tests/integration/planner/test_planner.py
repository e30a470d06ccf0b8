"""The planner on both databases: what each kind of record leads to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.events import (
    Cause,
    Clip,
    Image,
    Lineage,
    Product,
    Reason,
    VideoReady,
    VideoRejected,
    Work,
)
from consumer.observe.metrics import DEAD_LETTERS, PLAN_SECONDS, PLANS, SKIPS
from consumer.planner import payload
from consumer.planner.prompts import Prompts
from consumer.stream.deadletter import DeadLetter, read_dead_letter
from consumer.stream.headers import incoming
from consumer.stream.types import Output, Record, UnavailableError
from tests.integration.planner.world import GROUP, TOPICS, World
from tests.unit.planner.samples import NOW, planning, product, products

CAUSE = Cause(event_id="event-1", product_revision=1)


def letter(output: Output) -> DeadLetter:
    """A dead letter as an operator reads it."""
    return read_dead_letter(Record(output.topic, 0, 0, output.key, output.value, output.headers, 0))


def skipped(world: World, reason: str) -> int:
    """Records skipped for a reason."""
    return round(world.metrics.value(SKIPS, role="planner", reason=reason))


def test_a_new_product_becomes_a_request(world: World) -> None:
    """One request, keyed by the product, with the recipe, the cause and plan number 1."""
    world.put(product("kettle-1", revision=3))
    world.run()
    (output,) = world.published
    (request,) = world.requests()
    assert (output.topic, output.key) == (TOPICS.clip_render, b"kettle-1")
    assert (request.product_id, request.variant, request.revision, request.work) == (
        "kettle-1",
        "default",
        1,
        Work.RENDER,
    )
    assert request.cause == Cause(event_id="event-kettle-1-3", product_revision=3)
    assert request.requested_at == NOW
    assert request.recipe is not None
    assert request.recipe.scene.prompt == "Cordless kettle, image"
    assert world.rows("SELECT revision, recipe_digest, work FROM plans") == [(1, request.recipe.digest, "RENDER")]
    assert world.metrics.value(PLANS, work="RENDER") == 1
    assert world.metrics.value(PLAN_SECONDS) == 1


def test_a_request_is_a_cloud_event_in_the_trace_of_its_cause(world: World) -> None:
    """CloudEvents headers with a deterministic id, and the product event's trace goes on."""
    parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    value, headers = world.codec.encode(TOPICS.product_created, product().to_avro())
    world.append(value, b"kettle-1", headers=[*headers, ("traceparent", parent), ("tracestate", b"vendor=1")])
    world.run()
    (output,) = world.published
    told = incoming(output.headers)
    expected = hashlib.sha256(b"kettle-1\0default\0" + b"1").hexdigest()[:32]
    assert told.id == expected == world.requests()[0].request_id
    assert (told.type, told.source, told.time) == ("skureel.clip-render", "/skureel/planner", NOW)
    assert told.trace is not None
    assert told.trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert told.trace.span_id != "b7ad6b7169203331"
    assert told.trace.state == "vendor=1"


def test_the_catalog_keeps_what_a_promo_will_plan_from(world: World) -> None:
    """The product's row has the fields to select by, and the event itself."""
    item = product(category="home\0", tags=("a", "b\0"))
    world.put(item)
    world.run()
    rows = world.rows("SELECT product_id, revision, category, tier, locale, tags, payload FROM products")
    assert rows[0][:6] == ("kettle-1", 1, "home\ufffd", "HOT", "en", '["a","b\\u0000"]')
    assert payload.load(bytes(rows[0][6])) == item


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (product(revision=5), "duplicate"),
        (product(revision=4, name="Old"), "stale"),
        (product(revision=6), "unchanged"),
    ],
)
def test_a_record_that_changes_nothing_is_a_counted_skip(world: World, later: Product, reason: str) -> None:
    """The same revision, an older one, and a newer one with the same clip lead to no plan and no request."""
    world.put(product(revision=5))
    world.run()
    world.put(later)
    world.run()
    assert len(world.published) == 1
    assert skipped(world, reason) == 1
    assert world.rows("SELECT revision FROM plans") == [(1,)]
    assert world.rows("SELECT revision FROM products") == [(max(5, later.revision),)]


def test_a_changed_recipe_is_the_next_plan(world: World) -> None:
    """The plan number rises by one, whatever the product's own revision does."""
    for revision, name in ((3, "Kettle"), (40, "Teapot"), (41, "Teapot"), (90, "Kettle")):
        world.put(product(revision=revision, name=name))
        world.run()
    assert [(r.revision, r.cause.product_revision) for r in world.requests()] == [(1, 3), (2, 40), (3, 90)]
    first, second, third = world.requests()
    assert first.recipe == third.recipe != second.recipe
    assert len({r.request_id for r in world.requests()}) == 3


def test_only_the_newest_of_a_batch_makes_a_plan(world: World) -> None:
    """Older events of the same product in one batch are superseded and counted, in whatever order they come."""
    for revision in (1, 3, 2, 3, 7):
        world.put(product(revision=revision, name=f"Kettle {revision}"))
    world.run()
    assert [(r.revision, r.cause.product_revision) for r in world.requests()] == [(1, 7)]
    assert (skipped(world, "superseded"), skipped(world, "stale"), skipped(world, "duplicate")) == (2, 1, 1)


def test_a_tombstone_retires_and_a_new_event_plans_again(world: World) -> None:
    """Retiring is a request like any other, with its own number; so is the return."""
    world.put(product(revision=1))
    world.run()
    record = world.retire("kettle-1")
    world.run()
    world.retire("kettle-1")
    world.run()
    world.put(product(revision=2))
    world.run()
    assert [(r.revision, r.work) for r in world.requests()] == [(1, Work.RENDER), (2, Work.RETIRE), (3, Work.RENDER)]
    retirement = world.requests()[1]
    assert retirement.recipe is None
    assert retirement.cause == Cause(event_id=f"product-created/0/{record.offset}", product_revision=1)
    assert skipped(world, "duplicate") == 1
    assert world.metrics.value(PLANS, work="RETIRE") == 1


def test_a_tombstone_of_an_unknown_product_is_a_counted_skip(world: World) -> None:
    """Nothing to take down, nothing kept."""
    world.retire("never-seen")
    world.run()
    assert world.published == []
    assert skipped(world, "unknown") == 1
    assert world.rows("SELECT * FROM products") == []


def test_created_and_retired_in_one_batch_needs_no_clip(world: World) -> None:
    """A product that never had a plan needs none to be taken down, and its old events stay old."""
    first = world.put(product(revision=4))
    world.retire("kettle-1")
    world.run()
    assert world.published == []
    assert world.rows("SELECT revision, retired FROM products") in ([(4, True)], [(4, 1)])
    assert (skipped(world, "superseded"), skipped(world, "unchanged")) == (1, 1)
    assert world.planner is not None
    assert world.planner.handle([first]).outputs == []


def test_fault_20_redelivered_records_change_nothing(world: World) -> None:
    """A whole life (created, retired, created) read again from the start leads to no request and no new plan."""
    world.put(product(revision=1))
    world.run()
    world.retire("kettle-1")
    world.run()
    world.put(product(revision=2))
    world.run()
    before = list(world.published)
    world.committed.clear()
    world.run(size=1)
    world.committed.clear()
    world.run()
    assert world.published == before


def test_the_least_work_is_asked_for(world: World) -> None:
    """Another output encoding dresses the same base again, once the base was announced; until then it is rendered."""
    item = product(revision=1)
    world.put(item)
    world.run()
    (first,) = world.requests()
    assert first.recipe is not None
    world.plan = planning(encoding=planning().encoding.__class__(crf=30))
    world.restart()
    world.put(product(revision=2))
    world.run()
    lineage = replace(LINEAGE, recipe_digest=first.recipe.digest, base_digest=first.recipe.base_digest)
    announce(world, ready(1, lineage=lineage))
    world.plan = planning(encoding=planning().encoding.__class__(crf=31))
    world.restart()
    world.put(product(revision=3))
    world.run()
    assert [r.work for r in world.requests()] == [Work.RENDER, Work.RENDER, Work.DRESS]
    assert [o.topic for o in world.published] == [TOPICS.clip_render, TOPICS.clip_render, TOPICS.clip_dress]


BAD: list[tuple[str, str, Any]] = [
    ("decode", "truncated or damaged", lambda value: value[:-4]),
    ("decode", "magic byte", lambda _: b"\x07nonsense"),
    ("decode", "fingerprint", lambda value: b"\xc3\x01" + b"\0" * 8 + value[10:]),
    ("decode", "empty", lambda _: b""),
]


@pytest.mark.parametrize(("stage", "message", "spoil"), BAD, ids=[message for _, message, _ in BAD])
def test_fault_15_what_cannot_be_read_is_dead_lettered_and_the_rest_goes_on(
    world: World, stage: str, message: str, spoil: Any
) -> None:
    """Raw bytes, key, headers and reason; the products around it are planned."""
    world.put(product("a"))
    good = world.put(product("b"))
    world.log[TOPICS.product_created, 0].pop()
    assert good.value is not None
    bad = world.append(spoil(good.value), b"b", headers=[("mine", b"1")])
    world.put(product("c"))
    world.run()
    (dead,) = world.dead_letters()
    read = letter(dead)
    assert dead.topic == f"{TOPICS.product_created}.{GROUP}.dlq"
    assert (read.key, read.value, read.stage, read.offset) == (b"b", bad.value, stage, bad.offset)
    assert ("mine", b"1") in read.headers
    assert message in read.message
    assert sorted(r.product_id for r in world.requests()) == ["a", "c"]
    assert world.metrics.value(DEAD_LETTERS, role="planner", topic=TOPICS.product_created, stage=stage) == 1


@pytest.mark.parametrize(
    ("key", "item", "message"),
    [
        (None, product(), "key: missing"),
        (b"other", product(), "key: 'other' is not the product_id 'kettle-1'"),
        (b"\xff\xfe", product(), "key: not UTF-8"),
        (b"", product(), "key: '' is not the product_id"),
        (b"kettle-1", product(name=" "), "name: is empty"),
        (b"kettle-1", product(name="x" * 1_000_000), "name: 1000000 characters"),
        (b"kettle-1", product(revision=-1), "revision: -1 is negative"),
        (b"a\0b", product("a\0b", event_id="e"), "product_id: 'a\\x00b' has control characters"),
        (b"kettle-1", product(event_id=""), "event_id: 0 characters"),
        (None, None, "key: missing"),
        (b"", None, "key: 0 characters"),
        (b"\xff", None, "key: not UTF-8"),
        (b"a\nb", None, "key: 'a\\nb' has control characters"),
    ],
)
def test_what_breaks_a_rule_is_dead_lettered_with_the_field(
    world: World, key: bytes | None, item: Product | None, message: str
) -> None:
    """A null key, a key that is not the id, and each text out of its bounds: the reason names the field."""
    value = world.codec.encode(TOPICS.product_created, item.to_avro())[0] if item else None
    world.append(value, key)
    world.run()
    (dead,) = world.dead_letters()
    assert letter(dead).message.startswith(message)
    assert letter(dead).stage == "validate"
    assert world.requests() == []


def test_a_record_that_cannot_be_planned_leaves_the_ones_before_it(world: World) -> None:
    """A photo digest that is none kills its own event only: the older event of the same batch is planned."""
    world.put(product(revision=1, name="Kettle"))
    world.put(product(revision=2, images=(Image(url="u", sha256="nonsense"),)))
    world.run()
    (dead,) = world.dead_letters()
    assert letter(dead).stage == "plan"
    assert "photo.sha256" in letter(dead).message
    assert [(r.revision, r.cause.product_revision) for r in world.requests()] == [(1, 1)]
    assert world.metrics.value(DEAD_LETTERS, role="planner", topic=TOPICS.product_created, stage="plan") == 1


HOSTILE = [
    "{{ 7 * 7 }} {% for x in y %}",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "a\0b\0",
    "\u202eevil\u202c",
    "👩‍👩‍👧‍👦 🇪🇺",
    "'; DROP TABLE products; --",
    "%s %(x)s {0} $1 :name ?",
    "\x1b[31mred\x07",
    "\ud7ff\uffff\U0010ffff",
    "x" * 2_000,
    "\\u0000 \\",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_ends_in_an_output(world: World, text: str) -> None:
    """Template syntax, NULs, direction marks, SQL: words like any other, in every field that takes words."""
    world.composer = Prompts.load()
    world.put(
        product(
            name=text,
            category=text,
            locale=text,
            brand=text,
            colour=text,
            selling_points=(text, text),
            attributes={text: text},
            tags=(text,),
            images=(Image(url=text),),
        )
    )
    world.put(product(text, event_id=text), partition=1)
    world.run()
    ended = len(world.dead_letters()) + len(world.requests())
    assert ended == 2
    assert "kettle-1" in {request.product_id for request in world.requests()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(products, min_size=1, max_size=5))
def test_any_product_ends_in_an_output_a_dead_letter_or_a_skip(world: World, items: list[Product]) -> None:
    """Whatever the texts, nothing raises and no record disappears."""
    world.composer = Prompts.load() if not isinstance(world.composer, Prompts) else world.composer
    published = len(world.published)
    before = sum(skipped(world, r) for r in ("stale", "duplicate", "unchanged", "superseded"))
    for item in items:
        world.put(item)
    world.run()
    after = sum(skipped(world, r) for r in ("stale", "duplicate", "unchanged", "superseded"))
    assert len(world.published) - published + after - before == len(items)


LINEAGE = Lineage(
    recipe_digest="digest", base_digest="b", prompt="p", negative_prompt=None, engine="e", engine_revision="1",
    generative=False, seed=1, steps=0, guidance=0.0, photo_sha256=None, scores={}, inspection_policy=None,
    engine_seconds=1.0, work=Work.RENDER,
)  # fmt: skip


def ready(revision: int = 1, **changes: Any) -> VideoReady:
    """An announcement."""
    values: dict[str, Any] = {
        "event_id": "announced",
        "occurred_at": NOW,
        "product_id": "kettle-1",
        "status": "READY",
        "cause": CAUSE,
        "clip": Clip(
            clip_id=f"clip-{revision}", url="u", key="k", poster_url="p", sha256="s", etag=None, size=1, width=640,
            height=480, frames=96, fps=24, duration=4.0, content_type="video/mp4", codec="avc1",
        ),
        "alias_url": "a",
        "alias_poster_url": "p",
        "lineage": LINEAGE,
    }  # fmt: skip
    return VideoReady(revision=revision, **(values | changes))


def rejected(revision: int, **changes: Any) -> VideoRejected:
    """A rejection."""
    values: dict[str, Any] = {"event_id": "x", "occurred_at": NOW, "product_id": "kettle-1", "cause": CAUSE}
    return VideoRejected(revision=revision, reasons=(Reason(check="black", message="m"),), **(values | changes))


def announce(world: World, event: VideoReady | VideoRejected, key: bytes | None = b"kettle-1") -> None:
    """Write an announcement to the log."""
    topic = TOPICS.video_ready if isinstance(event, VideoReady) else TOPICS.video_rejected
    value, headers = world.codec.encode(topic, event.to_avro())
    world.append(value, key, topic=topic, headers=headers)


def test_the_newest_announcement_of_a_clip_is_kept(world: World) -> None:
    """Ready, rejected and retired clips, by revision and not by arrival; older and equal ones are counted."""
    clip = "SELECT revision, status, clip_id, recipe_digest FROM clips"
    announce(world, ready(2))
    world.run()
    assert world.rows(clip) == [(2, "READY", "clip-2", "digest")]
    announce(world, ready(1))
    announce(world, ready(2))
    world.run()
    assert world.rows(clip) == [(2, "READY", "clip-2", "digest")]
    assert (skipped(world, "stale"), skipped(world, "duplicate")) == (1, 1)
    announce(world, ready(3))
    announce(world, ready(4, status="RETIRED", clip=None, lineage=None))
    world.run()
    assert world.rows(clip) == [(4, "RETIRED", None, None)]
    assert skipped(world, "superseded") == 1
    announce(world, rejected(5, recipe_digest="other\0"))
    announce(world, ready(1, variant="square", clip=None))
    world.run()
    assert sorted(world.rows(clip)) == [(1, "READY", None, "digest"), (5, "REJECTED", None, "other\ufffd")]
    assert world.published == []


@pytest.mark.parametrize(
    ("event", "key", "message"),
    [
        (ready(), None, "key: missing"),
        (ready(), b"other", "key: 'other' is not"),
        (ready(product_id="a\0"), b"a\0", "product_id: 'a\\x00' has control characters"),
        (ready(variant=""), b"kettle-1", "variant: 0 characters"),
        (rejected(1, variant="a\0"), b"kettle-1", "variant: 'a\\x00' has control"),
    ],
)
def test_a_broken_announcement_is_dead_lettered(
    world: World, event: VideoReady | VideoRejected, key: bytes | None, message: str
) -> None:
    """Announcements keep the rules of ids too: they become rows."""
    announce(world, event, key)
    world.run()
    (dead,) = world.dead_letters()
    assert letter(dead).message.startswith(message)


def test_the_tombstone_of_an_announcement_is_a_counted_skip(world: World) -> None:
    """Compaction may forget an announcement; that says nothing about the clip."""
    world.append(None, b"kettle-1", topic=TOPICS.video_ready)
    world.append(None, None, topic=TOPICS.video_rejected)
    world.run()
    assert skipped(world, "tombstone") == 2


def test_a_topic_the_planner_does_not_read_is_dead_lettered(world: World) -> None:
    """A wrong subscription shows, and loses nothing."""
    world.append(b"x", b"k", topic="elsewhere")
    world.run()
    assert "elsewhere is not one that the planner reads" in letter(world.dead_letters()[0]).message


def test_published_batches_are_written_down_and_forgotten_after_a_day(world: World) -> None:
    """``planned`` until the transaction went through, ``requested`` with the next step, gone a day later."""
    states = "SELECT state FROM batches ORDER BY created_at"
    world.put(product("a"))
    planner = world.restart()
    world.step()
    assert world.rows(states) == [("planned",)]
    planner.idle()
    assert world.rows(states) == [("requested",)]
    world.now = lambda: NOW + timedelta(hours=2)
    world.put(product("b"))
    world.step()
    world.put(product("c"))
    world.step()
    assert world.rows(states) == [("requested",), ("requested",), ("planned",)]
    world.now = lambda: NOW + timedelta(hours=25)
    planner.idle()
    assert world.rows(states) == [("requested",), ("requested",)]
    planner.idle()
    assert world.planner is planner


def test_an_outage_leaves_nothing_half_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the registry is out in the middle of a batch, nothing of it is in the database, and it works later."""
    planner = world.restart()
    first = world.put(product("a"))
    second = world.put(product("b"))
    encode, calls = world.codec.encode, iter(range(9))

    def flaky(topic: str, value: Any) -> Any:
        if next(calls) == 1:
            raise UnavailableError("registry", "no answer")
        return encode(topic, value)

    with monkeypatch.context() as patched:
        patched.setattr(world.codec, "encode", flaky)
        with pytest.raises(UnavailableError, match="registry"):
            planner.handle([first, second])
    assert world.rows("SELECT * FROM products") == world.rows("SELECT * FROM batches") == []
    world.run()
    assert [(r.product_id, r.revision) for r in world.requests()] == [("a", 1), ("b", 1)]
