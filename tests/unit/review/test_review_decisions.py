"""Laws of decisions: one a clip, written first, finished by whoever comes next; and what is refused before any."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.events import Reason, VideoReady, VideoRejected
from consumer.operate import reading
from consumer.operate.review_records import (
    APPROVE_REASONS,
    REJECT_REASONS,
    Decision,
    Decisions,
)
from consumer.renderer.announce import Announcer
from consumer.storage import layout
from consumer.storage.files import FilesStore
from consumer.stream.types import Record
from tests.commands import DEAD, embedded, skureel
from tests.engines import TestEngine
from tests.unit.docs.documents import rows
from tests.unit.docs.pages import ROOT
from tests.unit.renderer.conftest import CODEC, Bench, recipe, request
from tests.unit.review.conftest import POLICY, Shop, decision, one_stands

AS = ("--reviewer", "r-07")
APPROVE = ("--reason", "intended", "--json", *AS)
REJECT = ("--reason", "confirmed", "--json", *AS)
Make = Callable[..., Bench]


def states() -> dict[str, str]:
    """Where each product's rejections stand."""
    return {line["product_id"]: line["state"] for line in skureel("review", "list", "--state", "all", "--json").lines()}


def test_of_many_decisions_at_once_one_stands(tmp_path: Path) -> None:
    """Everybody is told the same one, and it reads back as it was written."""
    one_stands(FilesStore(tmp_path))


@pytest.fixture
def bench(shop: Shop) -> Make:
    """A renderer over the shop's store."""
    return lambda engine: Bench(shop.library.store, engine)


def announced(bench: Make, sent: Record) -> tuple[VideoReady, TestEngine]:
    """What a renderer makes of a published request."""
    engine = TestEngine()
    made = bench(engine)
    try:
        made.send(sent.value, 0, key=sent.key)
        event = made.settler.event(0)
    finally:
        made.renderer.close()
    assert isinstance(event, VideoReady)
    return event, engine


def test_an_approval_publishes_the_stored_request_and_the_engine_is_not_asked(shop: Shop, bench: Make) -> None:
    """Byte for byte with its headers; the renderer dresses the approved clip and tells who approved it."""
    event = shop.reject("p-1")
    stored = shop.plan("p-1")
    ran = skureel("review", "approve", event.event_id[:8], *APPROVE)
    assert ran.code == 0, ran.err
    (sent,) = shop.requests()
    assert (sent.value, list(sent.headers)) == (stored.value, list(stored.headers))
    clip, engine = announced(bench, sent)
    assert engine.rendered == []
    assert clip.lineage is not None
    review = clip.lineage.review
    assert review is not None
    assert (review.reviewer, review.reason, review.policy) == ("r-07", "intended", POLICY)
    assert clip.lineage.base_digest == event.base_digest
    assert states() == {"p-1": "approved"}
    alias, _ = Announcer(shop.library.store).read("p-1", "default")
    assert alias is not None
    assert alias.announcement == clip


def test_a_promotion_dresses_an_approved_scene_without_asking_again(shop: Shop, bench: Make) -> None:
    """The decision is about the picture: the next plan of the same scene is made of it, and says who approved it."""
    event = shop.reject("p-1")
    assert skureel("review", "approve", event.event_id, *APPROVE).code == 0
    promoted = recipe(seed=sum(b"p-1"), ribbon="20% off")
    assert promoted.base_digest == event.base_digest
    sent = shop.plan("p-1", 2, promoted)
    clip, engine = announced(bench, Record("clip-render", 0, 0, sent.key, sent.value, sent.headers, 0))
    assert (clip.revision, engine.rendered) == (2, [])
    assert clip.lineage is not None
    assert clip.lineage.review is not None
    assert skureel("review", "list").out.startswith("0 found")


def test_the_page_has_the_written_list_of_reasons() -> None:
    """Every code with its meaning, as the commands take them."""
    listed = {row[0].strip("`"): row[1] for row in rows((ROOT / "docs" / "REVIEW.md").read_text(encoding="utf-8"))}
    for code, meaning in (APPROVE_REASONS | REJECT_REASONS).items():
        assert listed[code] == meaning


def test_an_earlier_attempt_may_be_the_better_one(shop: Shop, bench: Make) -> None:
    """Chosen by its number: that one is announced, the ones after it are not looked at."""
    first, second = recipe(seed=1), recipe(seed=2)
    event = shop.reject("p-1", 1, first, second)
    assert event.base_digest == second.scene.digest
    assert skureel("review", "approve", event.event_id, "--attempt", "3", *APPROVE).code == 2
    assert skureel("review", "approve", event.event_id, "--attempt", "1", *APPROVE).code == 0
    clip, _ = announced(bench, shop.requests()[0])
    assert clip.lineage is not None
    assert clip.lineage.base_digest == first.scene.digest


def test_what_was_interrupted_is_finished_and_saying_it_again_is_no_harm(shop: Shop) -> None:
    """Killed after the decision, or after the clip was accepted: the same command goes on from there."""
    event = shop.reject("p-1")
    base = event.base_digest or ""
    place = skureel("review", "list", "--json").lines()[0]["place"]
    began = decision(base, "r-07")
    began = Decision(**{name: getattr(began, name) for name in began.__slots__} | {"event": event, "place": place})
    Decisions(shop.library.store).decide(began)
    assert states() == {"p-1": "unfinished"}
    assert skureel("review", "approve", event.event_id, "--reason", "intended", "--reviewer", "r-08").code == 1
    assert shop.requests() == []
    for published in (1, 1):
        assert skureel("review", "approve", event.event_id, *APPROVE).code == 0
        assert len(shop.requests()) == published
    assert skureel("review", "approve", event.event_id, "--resume", *APPROVE).code == 0
    assert len(shop.requests()) == 2
    assert states() == {"p-1": "approved"}


def test_a_decision_is_found_when_the_log_has_lost_its_rejection(shop: Shop) -> None:
    """What somebody decided is told, and finished, from the decision alone."""
    event = shop.reject("p-1")
    began = decision(event.base_digest or "", "r-07")
    Decisions(shop.library.store).decide(
        Decision(**{name: getattr(began, name) for name in began.__slots__} | {"event": event})
    )
    with embedded("video-rejected", "clip-render") as fresh:
        shop.bootstrap = fresh.bootstrap
        assert states() == {"p-1": "unfinished"}
        assert skureel("review", "approve", event.event_id, *APPROVE).code == 0
        assert len(shop.requests()) == 1


def test_where_a_newer_plan_came_in_between_nothing_is_published(shop: Shop) -> None:
    """Before a decision there is none; after it the decision stands, and the clip is accepted for that plan."""
    event = shop.reject("p-1")
    shop.plan("p-1", 2)
    ran = skureel("review", "approve", event.event_id, *APPROVE)
    assert (ran.code, "plan 2 took its place" in ran.json()["said"], shop.decided()) == (1, True, [])
    assert states() == {"p-1": "closed"}


def test_a_clip_that_is_not_the_rejected_one_is_not_approved(shop: Shop) -> None:
    """Other bytes, or none: refused before anything is decided."""
    event = shop.reject("p-1")
    key, store = event.quarantine_key or "", shop.library.store
    store.put(key, b"something else", layout.quarantine_attributes(layout.VIDEO))
    assert skureel("review", "approve", event.event_id, *APPROVE).code == 1
    store.delete(key)
    ran = skureel("review", "approve", event.event_id, *APPROVE)
    assert (ran.code, "gone from the quarantine" in ran.json()["said"], shop.decided()) == (1, True, [])
    assert skureel("review", "reject", event.event_id, *REJECT).code == 0


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("../../../etc/passwd", *APPROVE), "no id"),
    (("abc", *APPROVE), "no id"),
    (("0" * 32, *APPROVE), "no rejection"),
    (("ID", "--reason", "intended"), "who decides"),
    (("ID", "--reason", "intended", "--reviewer", "li.wei@example.com"), "no mail address"),
    (("ID", "--reason", "intended", "--reviewer", "../up"), "no name"),
    (("ID", "--reason", "intended", "--reviewer", "r-07\n"), "no name"),
    (("ID", "--reason", "because", *AS), "choose one of"),
    (("ID", "--reason", "other", *AS), "--note"),
    (("ID", *APPROVE, "--note", "x" * 1_001), "at most 1,000"),
    (("ID", *APPROVE, "--note", "\x1b[2J"), "control characters"),
]


def test_wrong_words_decide_nothing(shop: Shop) -> None:
    """Exit code 2, the message names what was wrong, and nothing was written."""
    event = shop.reject("p-1")
    for arguments, words in WRONG:
        ran = skureel("review", "approve", *(event.event_id if each == "ID" else each for each in arguments))
        assert (ran.code, words in ran.err) == (2, True), (arguments, ran.err)
    assert shop.decided() == []
    assert shop.requests() == []


def test_records_that_are_no_rejections_are_counted_and_followed_nowhere(shop: Shop) -> None:
    """Garbage, and events whose digests or ids are paths; a decision torn by hand is named."""
    event = shop.reject("p-1")
    shop.raw("video-rejected", "p-2", b"garbage")
    shop.publish(event, product_id="p-3", event_id="../../x")
    shop.publish(event, product_id="p-4", event_id="cd" * 16, base_digest="../../up")
    assert states() == {"p-1": "pending"}
    assert "3 unreadable records" in skureel("review", "list").out
    record, decided = layout.base_record_key(event.base_digest or ""), layout.review_key(event.base_digest or "")
    for key, command in ((record, ("show", event.event_id)), (decided, ("list",))):
        shop.library.store.put(key, b'{"verdict": "approved"}', layout.review_attributes())
        ran = skureel("review", *command)
        assert (ran.code, key in ran.err) == (1, True)


def test_what_was_mended_is_tried_again_without_a_decision(shop: Shop) -> None:
    """The stored request goes out once more; nothing is decided, and what was decided is not tried again."""
    event = shop.reject("p-1")
    assert skureel("review", "retry", event.event_id, "--json").json()["done"]
    assert (len(shop.requests()), shop.decided(), states()) == (1, [], {"p-1": "pending"})
    assert skureel("review", "reject", event.event_id, *REJECT).code == 0
    assert skureel("review", "retry", event.event_id).code == 1
    words = Reason(check="prompt:en-number-one", message="'number one' in the name")
    refusal = {"base_digest": None, "tried": (), "quarantine_key": None, "reasons": (words,)}
    shop.publish(event, product_id="p-2", event_id="cd" * 16, **refusal)
    ran = skureel("review", "retry", "cd" * 16)
    assert (ran.code, "change the record" in ran.err, len(shop.requests())) == (1, True, 1)


def test_a_part_that_is_out_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 without a catalog; looking still works, and says what it did not look at."""
    event = shop.reject("p-1")
    monkeypatch.setenv("SKUREEL_DATABASE__URL", "sqlite:///elsewhere.db")
    ran = skureel("review", "approve", event.event_id, *APPROVE)
    assert (ran.code, "database.url" in ran.err, shop.decided()) == (3, True, [])
    assert "newer plans not looked for" in skureel("review", "list").out
    monkeypatch.setenv("SKUREEL_KAFKA__BOOTSTRAP", DEAD)
    monkeypatch.setattr(reading, "ANSWER_SECONDS", 0.2)
    assert skureel("review", "list").code == 3


def test_a_later_announcement_closes_a_rejection(shop: Shop, bench: Make) -> None:
    """Of the alias alone, where no catalog tells of the plan."""
    event = shop.reject("p-1")
    made = bench(TestEngine())
    try:
        made.send(request("p-1", 1, recipe(seed=99)), 0)
        assert isinstance(made.settler.event(0), VideoReady)
    finally:
        made.renderer.close()
    assert states() == {"p-1": "closed"}
    assert skureel("review", "reject", event.event_id, *REJECT).code == 1
    assert json.loads(skureel("review", "show", event.event_id, "--json").out)["newer"] == "announced as plan 1"


def test_the_codec_keeps_a_decision_whole() -> None:
    """Through JSON and back, with every field of its event."""
    made = decision("1" * 64, "r-07")
    assert Decision.from_json(json.loads(json.dumps(made.to_json()))) == made
    value, content = CODEC.encode("video-rejected", made.event.to_avro())
    assert VideoRejected.from_avro(CODEC.decode("video-rejected", value, content)) == made.event
