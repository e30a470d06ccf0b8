"""Laws of judging: which texts of a clip and of a promotion are looked at, and what a finding leads to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from consumer.events import Creative, EndCardCreative, EventError, Promo, RibbonCreative, Scope
from consumer.planner.drafts import Drafter
from consumer.planner.drafts import judged as judged_by
from consumer.planner.page import cause_of
from consumer.planner.promotions import Running
from consumer.planner.prompting import lint
from consumer.planner.prompting.library import BUILT_IN
from consumer.planner.prompting.lint import Linter
from consumer.planner.prompting.rulebook import Severity
from consumer.planner.prompts import Prompts
from consumer.planner.refusals import check_wording, name_of, rejection
from tests.unit.planner.samples import planning
from tests.unit.prompts.products import product

PROMPTS = Prompts.load()
LINTER = Linter(lint.load())


def judged(**fields: Any) -> list[tuple[str, str]]:
    """Field and rule of each finding in a product's words."""
    item = product(**fields)
    return [(finding.field, finding.rule) for finding in judged_by(LINTER, PROMPTS.compose(item), item.category)]


def promo(creative: Creative, status: Literal["ACTIVE", "ENDED"] = "ACTIVE") -> Promo:
    """A promotion with this creative."""
    return Promo(
        event_id="e",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        promo_id="p",
        revision=1,
        status=status,
        scope=Scope(all=True),
        creative=creative,
    )


def test_what_is_drawn_and_what_is_asked_for_is_looked_at() -> None:
    """Title, selling points, and the attributes that only the prompt says."""
    assert judged(name="最佳水壶", locale="zh-CN") == [("title", "zh-absolute-best")]
    assert judged(selling_points=("Quiet", "Number one in tests")) == [("point 2", "en-number-one")]
    assert judged(attributes={"material": "number one steel"}) == [("prompt", "en-number-one")]
    assert judged(colour="best blue") == [("prompt", "en-best")]


def test_what_is_not_on_the_clip_is_not_looked_at() -> None:
    """Tags, and attributes and selling points that no clip shows, refuse nothing."""
    assert judged(tags=("best",), attributes={"warranty": "guaranteed"}) == []
    points = ("Quiet", "Light", "Small", "Flat", "Neat", "Warm", "The best")
    assert judged(selling_points=points) == []


def test_a_finding_is_told_once_though_the_prompt_repeats_it() -> None:
    """The title stands in the prompt too; the title is what has to be mended."""
    assert judged(name="Unrivalled Kettle", selling_points=("Best in the world",)) == [
        ("title", "en-unrivalled"),
        ("point 1", "en-best-in-world"),
    ]


def test_an_approved_title_is_approved_in_the_prompt_too(tmp_path: Path) -> None:
    """Or the approval of what was asked about would approve nothing."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "version: 1.0.0\napproved: [{rule: en-unrivalled, text: Unrivalled Kettle, by: me, at: 2026-01-02}]\n",
        encoding="utf-8",
    )
    linter = Linter(lint.load(file))
    for name, rules in (("Unrivalled Kettle", []), ("Unrivalled Kettle II", ["en-unrivalled"])):
        words = PROMPTS.compose(product(name=name))
        assert [finding.rule for finding in judged_by(linter, words, "appliances")] == rules


@pytest.mark.parametrize(("policy", "refused"), [("hold", ["block", "review"]), ("make", ["block"])])
def test_the_policy_decides_about_review(policy: Literal["hold", "make"], refused: list[str]) -> None:
    """Block refuses always, warn never."""
    linter = Linter(lint.load(), policy)
    found = linter.texts([("title", "最佳水壶"), ("point 1", "The best"), ("point 2", "漂亮")])
    assert [finding.severity.value for finding in found] == ["block", "review", "warn"]
    assert [finding.severity.value for finding in linter.refusing(found)] == refused


@pytest.mark.parametrize(
    ("creative", "field"),
    [
        (Creative(ribbon=RibbonCreative(text={"en": "20% off", "zh-CN": "全网最低价"})), "creative.ribbon.text.zh-CN"),
        (
            Creative(end_card=EndCardCreative(headline={"en": "Number one"}, subline={"en": "Sale"})),
            "creative.end_card.headline.en",
        ),
        (
            Creative(end_card=EndCardCreative(headline={"en": "Sale"}, subline={"en": "Guaranteed results"})),
            "creative.end_card.subline.en",
        ),
        (Creative(prompt_phrases={"zh": "国家级品质"}), "creative.prompt_phrases.zh"),
        (Creative(style="world's best look"), "creative.style"),
    ],
)
def test_a_promotion_is_refused_by_field_and_rule(creative: Creative, field: str) -> None:
    """Whatever it draws or asks for is looked at; one that ends may always end."""
    with pytest.raises(EventError) as caught:
        check_wording(promo(creative), LINTER)
    assert caught.value.field == field
    assert "prompt:" in str(caught.value)
    check_wording(promo(creative, "ENDED"), LINTER)


def test_a_promotion_with_plain_words_is_not_refused() -> None:
    """Nor one that says nothing."""
    check_wording(promo(Creative(ribbon=RibbonCreative(text={"en": "20% off", "zh": "八折"}))), LINTER)
    check_wording(promo(Creative()), LINTER)


def test_a_promotion_with_much_to_mend_says_how_much() -> None:
    """The first fault in full, and the number of the others."""
    with pytest.raises(EventError, match=r"zh-price-lowest.*and 1 more"):
        check_wording(promo(Creative(ribbon=RibbonCreative(text={"a": "全网最低价", "b": "Number one"}))), LINTER)


def test_a_draft_of_refused_words_has_a_name_of_its_own() -> None:
    """Never a recipe's, the same for the same findings, and it does not wait for somebody to ask."""
    drafter = Drafter(PROMPTS, planning(), on_demand=True, rules=LINTER)
    clean = drafter.draft(product(name="Kettle"), Running())
    bad = drafter.draft(product(name="The number one kettle"), Running())
    again = drafter.draft(product(name="The number one kettle", revision=2, price=None), Running())
    assert (clean.refused, clean.digests) == ((), clean.recipe.digests)
    assert bad.digests.clip != bad.recipe.digest
    assert bad.digests == again.digests == name_of(bad.refused)
    assert not bad.hold
    assert drafter.draft(product(name="Best kettle, nice"), Running()).digests not in {bad.digests, clean.digests}


def test_a_rejection_carries_what_a_shop_must_mend() -> None:
    """Rule, text, basis and suggestion in its reasons; the version of the rules; no render was tried."""
    item = product(name="最佳水壶", locale="zh-CN")
    findings = judged_by(LINTER, PROMPTS.compose(item), item.category)
    draft = Drafter(PROMPTS, planning(), rules=LINTER).draft(item, Running())
    event = rejection(
        "sku-1",
        "default",
        7,
        findings,
        cause=cause_of(draft, "e-1", 1),
        rules=LINTER.version,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    [reason] = event.reasons
    assert reason.check == "prompt:zh-absolute-best"
    for part in ("title", "'最佳'", "最佳水壶", "Art. 9(3)", "保温 12 小时"):
        assert part in reason.message
    assert (event.attempts, event.revision, event.inspection_policy) == (0, 7, LINTER.version)
    assert findings[0].severity is Severity.BLOCK


def test_phrases_of_ones_own_templates_are_judged_with_the_record(tmp_path: Path) -> None:
    """Built-in ones are proved clean; what an operator writes is looked at in every prompt."""
    file = tmp_path / "home.yaml"
    built_in = (BUILT_IN / "home.yaml").read_text(encoding="utf-8")
    file.write_text(
        built_in.replace("soft daylight fills the room", "the world's best light")
        .replace("warm morning sun slants in", "the world's best light")
        .replace("the pattern of the window falls lightly on the wall", "the world's best light"),
        encoding="utf-8",
    )
    item = product(category="home", name="Plain mug")
    for prompts, rules in ((PROMPTS, set()), (Prompts.load(tmp_path), {"en-best", "en-best-in-world"})):
        words = prompts.compose(item)
        assert {finding.rule for finding in judged_by(LINTER, words, "home")} == rules
