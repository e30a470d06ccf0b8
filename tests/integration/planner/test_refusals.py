"""Products whose words are refused, on both databases: told once, transactionally, and made when clean."""

from __future__ import annotations

import pytest

from consumer.events import Creative, Product, RibbonCreative, VideoRejected, Work
from consumer.observe.metrics import PLANS, PROMPT_FINDINGS, REJECTED
from consumer.planner.decisions import UNCHANGED
from consumer.planner.prompting import lint
from consumer.planner.prompting.lint import Linter
from consumer.planner.refusals import REFUSED
from tests.integration.planner.test_planner import letter, skipped
from tests.integration.planner.world import TOPICS, World
from tests.unit.planner.samples import RIBBON, product, promo

BAD, CLEAN = "The number one kettle", "Cordless kettle"


@pytest.fixture
def judging(world: World) -> World:
    """A planner that judges words."""
    world.options["rules"] = Linter(lint.load())
    return world


def rejections(world: World) -> list[VideoRejected]:
    """What was published to video-rejected."""
    return [
        VideoRejected.from_avro(world.codec.decode(output.topic, output.value, output.headers))
        for output in world.published
        if output.topic == TOPICS.video_rejected and output.value is not None
    ]


def named(name: str, revision: int = 1, product_id: str = "kettle-1") -> Product:
    """A product of this name."""
    return product(product_id, revision, name=name)


def test_refused_words_end_in_a_rejection_that_names_the_rule(judging: World) -> None:
    """No request, one event with rule, cause and plan number, counted as it is published."""
    judging.put(named(BAD))
    judging.run()
    [event] = rejections(judging)
    assert judging.requests() == []
    assert [reason.check for reason in event.reasons] == ["prompt:en-number-one"]
    assert (event.revision, event.cause.event_id, event.attempts) == (1, "event-kettle-1-1", 0)
    [output] = judging.published
    assert output.key == b"kettle-1"
    headers = dict(output.headers)
    assert headers["ce_type"] == b"skureel.video-rejected"
    assert headers["ce_id"] == event.event_id.encode()
    assert judging.metrics.value(REJECTED, check="prompt:en-number-one") == 1
    assert judging.metrics.value(PROMPT_FINDINGS, rule="en-number-one", severity="block") == 1
    assert judging.metrics.value(PLANS, work=REFUSED) == 1


def test_a_newer_revision_that_is_clean_is_made_and_a_bad_one_refused_again(judging: World) -> None:
    """Each has the next plan number, so that the newest word on a product is the one that counts."""
    for revision, name in enumerate((CLEAN, BAD, CLEAN, BAD), 1):
        judging.put(named(name, revision))
        judging.run()
    assert [request.revision for request in judging.requests()] == [1, 3]
    assert [event.revision for event in rejections(judging)] == [2, 4]


def test_the_same_findings_are_not_told_twice(judging: World) -> None:
    """A newer revision with the same fault changes nothing; one with another fault is told."""
    judging.put(named(BAD))
    judging.run()
    judging.put(named(BAD, 2))
    judging.run()
    assert skipped(judging, UNCHANGED) == 1
    judging.put(named("世界级水壶", 3))
    judging.run()
    assert [reason.check for event in rejections(judging) for reason in event.reasons] == [
        "prompt:en-number-one",
        "prompt:zh-world-level",
    ]


def test_a_refused_product_is_retired_and_comes_back(judging: World) -> None:
    """A tombstone takes down what may have been shown before."""
    judging.put(named(BAD))
    judging.retire("kettle-1")
    judging.run(1)
    judging.put(named(BAD))
    judging.run()
    assert [request.work for request in judging.requests()] == [Work.RETIRE]
    assert [event.revision for event in rejections(judging)] == [1, 3]


def test_review_is_held_or_made_by_policy(judging: World) -> None:
    """Held: a rejection that says so. Made: a request; the finding is counted either way."""
    judging.put(named("The best kettle"))
    judging.run()
    assert rejections(judging)[0].reasons[0].message.startswith("title: for review")
    judging.clear()
    judging.options["rules"] = Linter(lint.load(), "make")
    judging.put(named("The best kettle"))
    judging.run()
    assert [request.work for request in judging.requests()] == [Work.RENDER]
    assert rejections(judging) == []
    assert judging.metrics.value(PROMPT_FINDINGS, rule="en-best", severity="review") == 2


def test_warnings_are_made_and_counted(judging: World) -> None:
    """A vague word costs no clip."""
    judging.put(named("A nice kettle"))
    judging.run()
    assert len(judging.requests()) == 1
    assert judging.metrics.value(PROMPT_FINDINGS, rule="en-vague-praise", severity="warn") == 1


def test_a_fan_out_leaves_refused_products_alone(judging: World) -> None:
    """A promotion over everything reaches the clean ones; the refused ones are told nothing new."""
    judging.put(named(BAD, product_id="bad"))
    judging.put(named(CLEAN, product_id="clean"))
    judging.run()
    judging.promote(promo(creative=RIBBON))
    judging.run()
    assert [request.product_id for request in judging.requests()] == ["clean", "clean"]
    assert [event.product_id for event in rejections(judging)] == ["bad"]
    [row] = judging.rows("SELECT visited, failed, state FROM fan_outs")
    assert row == (2, 0, "DONE")


def test_a_fan_out_plans_nothing_that_became_forbidden(judging: World) -> None:
    """Rules that came later refuse a product's next clip; it keeps the one it has, and is counted as failed."""
    del judging.options["rules"]
    judging.put(named(BAD))
    judging.run()
    judging.options["rules"] = Linter(lint.load())
    judging.restart()
    judging.promote(promo(creative=RIBBON))
    judging.run()
    assert len(judging.requests()) == 1
    assert judging.rows("SELECT visited, failed FROM fan_outs") == [(1, 1)]
    judging.put(named(BAD, 2))
    judging.run()
    assert [event.revision for event in rejections(judging)] == [2]


def test_a_promotion_with_refused_words_is_a_dead_letter(judging: World) -> None:
    """It names field and rule, and touches no product; ending one is always allowed."""
    judging.put(named(CLEAN))
    judging.run()
    words = promo(creative=Creative(ribbon=RibbonCreative(text={"zh": "全网最低价"})))
    judging.promote(words)
    judging.run()
    [output] = judging.dead_letters()
    told = letter(output)
    assert "creative.ribbon.text.zh" in told.message
    assert "prompt:zh-price-lowest" in told.message
    assert len(judging.requests()) == 1
    judging.promote(promo(revision=2, status="ENDED", creative=words.creative))
    judging.run()
    assert len(judging.dead_letters()) == 1


def test_a_crash_anywhere_loses_no_rejection_and_makes_no_second_one(judging: World) -> None:
    """Whatever step the planner dies at: one rejection by id and number, and the clean product's one request."""
    # Every step on SQLite; on PostgreSQL, where each run costs more, every third.
    step = 1 if judging.url.startswith("sqlite") else 3
    fuse, died = 0, True
    while died:
        fuse += step
        judging.clear()
        judging.put(named(BAD, product_id="bad"))
        judging.put(named(CLEAN, product_id="clean"))
        died = judging.crash_at(fuse, judging.run)
        if died:
            judging.run()
        assert {(event.event_id, event.revision) for event in rejections(judging)} == {
            (rejections(judging)[0].event_id, 1)
        }
        assert {(request.product_id, request.revision) for request in judging.requests()} == {("clean", 1)}
    assert fuse > 10
