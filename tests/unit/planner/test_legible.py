"""Which promotions are refused because their words cannot be drawn: laws that hold for any creative."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.events import Creative, EndCardCreative, EventError, RibbonCreative
from consumer.planner import legible as module
from consumer.planner.creatives import dressed
from consumer.planner.legible import check_legible
from model.dress import check_words
from model.errors import DressError
from tests.unit.planner.samples import CARD, PHRASE, RIBBON, planning, promo

PLAN = planning()
LONG, FOREIGN = "满" * 300, "خصم"

locales = st.sampled_from(["en", "en-GB", "zh-CN", "zh", "de", "EN"])
words = st.sampled_from(["Sale", "八折", "", " ", LONG, FOREIGN])
texts = st.dictionaries(locales, words, max_size=4)
creatives = st.builds(
    Creative,
    ribbon=st.none() | st.builds(RibbonCreative, text=texts),
    end_card=st.none() | st.builds(EndCardCreative, headline=texts, subline=texts),
)


def drawable(creative: Creative, locale: str) -> bool:
    """Whether the clip of a product of this locale can be drawn."""
    try:
        check_words(dressed(PLAN.dressing, creative, locale), PLAN.base.frames, PLAN.fps)
    except DressError:
        return False
    return True


@settings(deadline=None, max_examples=60)
@given(creatives)
def test_a_promo_is_refused_exactly_when_some_clip_of_it_could_not_be_drawn(creative: Creative) -> None:
    """Whatever locales its products have: one check a promotion finds what a check a product would find."""
    try:
        check_legible(promo(creative=creative), PLAN)
    except EventError:
        refused = True
    else:
        refused = False
    asked = ("en", "en-GB", "en-US", "zh-CN", "zh-TW", "zh", "de", "de-AT", "fr", "")
    assert refused == (not all(drawable(creative, locale) for locale in asked))


@pytest.mark.parametrize(
    ("creative", "words"),
    [
        (Creative(ribbon=RibbonCreative(text={"en": LONG})), r"^creative\.ribbon\.text\[en\]: '满+'… does not fit"),
        (Creative(ribbon=RibbonCreative(text={"en": "🔥"})), r"^creative\.ribbon\.text\[en\]: .*no words"),
        (
            Creative(end_card=EndCardCreative(headline={"ar": FOREIGN, "en": "Sale"})),
            r"^creative\.end_card\.headline\[ar\]: .*typeface cannot draw \(U\+062E",
        ),
        (
            Creative(end_card=EndCardCreative(headline={"zh-CN": "春季"}, subline={"zh-CN": LONG})),
            r"^creative\.end_card\.subline\[zh-CN\]: .*shorten it",
        ),
    ],
)
def test_the_reason_names_the_field_of_the_event_and_its_locale(creative: Creative, words: str) -> None:
    """What to mend is said in the words of whoever wrote the promotion."""
    with pytest.raises(EventError, match=words):
        check_legible(promo(creative=creative), PLAN)


@pytest.mark.parametrize("creative", [RIBBON, CARD, PHRASE, Creative(), replace(RIBBON, end_card=CARD.end_card)])
def test_what_fits_passes(creative: Creative) -> None:
    """Ribbons, cards, both, neither."""
    check_legible(promo(creative=creative), PLAN)


def test_it_is_the_size_of_the_clips_that_decides() -> None:
    """Words that fit a large clip do not fit a tiny one."""
    item = promo(creative=Creative(ribbon=RibbonCreative(text={"en": "A rather long promise, 20% off"})))
    check_legible(item, PLAN)
    with pytest.raises(EventError, match="does not fit"):
        check_legible(item, planning(width=64, height=64))


def test_a_promo_may_always_end() -> None:
    """What it says is not shown any more: to refuse it would keep an earlier revision running."""
    check_legible(promo(status="ENDED", creative=Creative(ribbon=RibbonCreative(text={"en": LONG}))), PLAN)


def test_a_label_that_cannot_be_drawn_is_said_too() -> None:
    """No clip can be dressed then, with or without this promotion; the reason says what it is."""
    with pytest.raises(EventError, match="label"):
        check_legible(promo(), planning(replace(PLAN.engine, generative=True), label="AI generated " * 9))


def test_a_promo_published_again_costs_nothing() -> None:
    """Its words were drawn once, whatever its revision, its scope and its window."""
    item = promo(creative=Creative(ribbon=RibbonCreative(text={"en": "Drawn for the first time here"})))
    before = module._fault.cache_info().misses
    for revision in range(20):
        check_legible(replace(item, revision=revision, priority=revision), PLAN)
    assert module._fault.cache_info().misses == before + 1
