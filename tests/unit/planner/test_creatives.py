"""What a promotion makes of a clip: each part of a creative changes its own layer, in the product's language."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events import Creative, EndCardCreative, Product, RibbonCreative
from consumer.planner.creatives import dressed, phrased, said
from consumer.planner.drafts import Drafter
from consumer.planner.promotions import Running
from consumer.planner.prompting.text import count
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import mode_of, recipe_of
from model.recipe import Recipe
from tests.unit.planner.samples import (
    CARD,
    DREAMER,
    PHRASE,
    RIBBON,
    Said,
    planning,
    product,
    products,
    promo,
    texts,
)

WORDS = Said("A kettle in morning light.", captions=("Kettle",))
LOCALES = st.sampled_from(["en", "en-GB", "zh-CN", "zh_TW", "de", "", "EN", "fr-CA", " zh "])
by_locale = st.dictionaries(LOCALES, texts, max_size=4)
creatives = st.builds(
    Creative,
    prompt_phrases=by_locale,
    style=st.none() | texts,
    ribbon=st.none() | st.builds(RibbonCreative, text=by_locale, position=st.sampled_from(["TOP", "BOTTOM"])),
    end_card=st.none() | st.builds(EndCardCreative, headline=by_locale, subline=by_locale),
)


def recipe(creative: Creative | None, item: Product | None = None) -> Recipe:
    """The recipe of a product that shows a promo with this creative, or none."""
    return recipe_of(item or product(), WORDS, planning(), promo(creative=creative) if creative else None)


@pytest.mark.parametrize(
    ("creative", "layers"),
    [
        pytest.param(Creative(), (), id="nothing"),
        pytest.param(CARD, ("clip",), id="an end card"),
        pytest.param(RIBBON, ("body", "clip"), id="a ribbon"),
        pytest.param(PHRASE, ("base", "body", "clip"), id="a phrase"),
        pytest.param(Creative(style="watercolour"), ("base", "body", "clip"), id="a style"),
        pytest.param(Creative(ribbon=RibbonCreative(text={"en": " \n"})), (), id="a ribbon that says nothing"),
        pytest.param(Creative(prompt_phrases={"en": "【】"}), (), id="a phrase of which nothing is left"),
    ],
)
def test_each_part_changes_its_layer_and_those_above(creative: Creative, layers: tuple[str, ...]) -> None:
    """So a promo costs what it touches: a splice, a dress, or a render."""
    before, after = recipe(None).digests, recipe(creative).digests
    assert tuple(name for name in before._fields if getattr(before, name) != getattr(after, name)) == layers


@given(products, creatives)
def test_any_creative_makes_a_recipe_of_any_product(item: Product, creative: Creative) -> None:
    """Whatever the texts; the same again is the same, and without the promo it is what it was."""
    words = PROMPTS.compose(item, mode_of(item, planning()))
    shown = promo(creative=creative)
    made = recipe_of(item, words, planning(), shown)
    assert made == recipe_of(item, words, planning(), shown)
    bare = Creative(ribbon=creative.ribbon, end_card=creative.end_card)
    assert (
        recipe_of(item, words, planning(), promo(creative=bare)).base_digest
        == recipe_of(item, words, planning()).base_digest
    )


@given(creatives, LOCALES)
def test_overlays_and_end_card_are_the_creatives_own(creative: Creative, locale: str) -> None:
    """Size, label, encoding and producer stay as they were; an unused dressing is the very same."""
    plain = planning(DREAMER).dressing
    made = dressed(plain, creative, locale)
    assert replace(made, overlays=replace(made.overlays, ribbon=None), end_card=None) == plain
    if made.end_card and made.end_card.subline:
        assert creative.end_card is not None
        assert made.end_card.locale in creative.end_card.headline
    assert dressed(plain, Creative(), locale) is plain


@given(by_locale, LOCALES)
def test_a_text_is_found_whenever_there_is_one(by: dict[str, str], locale: str) -> None:
    """And it is one line of printable characters."""
    found = said(by, locale)
    assert (found is None) == all(not "".join(filter(str.isprintable, text)).strip() for text in by.values())
    if found:
        assert found[0] in by
        assert found[1] == " ".join(found[1].split())
        assert found[1].isprintable()


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("zh-CN", "zh-CN"), ("zh_cn", "zh-CN"), ("zh-TW", "zh-CN"), ("en-GB", "en"), ("de", "en"), ("", "en")],
)
def test_the_language_of_the_product_comes_first_then_english(locale: str, expected: str) -> None:
    """Its own locale, its language, English."""
    assert said({"zh-CN": "八折", "en": "20% off", "ar": "x"}, locale) == (
        expected,
        "八折" if expected == "zh-CN" else "20% off",
    )


def test_without_english_the_first_locale_speaks() -> None:
    """A promotion in one foreign language shows that one rather than nothing."""
    assert said({"fr": "soldes", "de": "Rabatt"}, "zh-CN") == ("de", "Rabatt")


def test_an_end_card_speaks_one_language() -> None:
    """A second line in another language than the headline's stays away."""
    card = EndCardCreative(headline={"de": "Rabatt"}, subline={"en": "until Sunday"})
    made = dressed(planning().dressing, Creative(end_card=card), "de-AT").end_card
    assert made is not None
    assert (made.headline, made.subline, made.locale) == ("Rabatt", None, "de")


def test_a_phrase_joins_the_prompt_in_the_prompts_own_language() -> None:
    """As a sentence of its own, after what the template says; captions are left alone."""
    creative = replace(PHRASE, style="watercolour")
    english, chinese = phrased(WORDS, creative), phrased(Said("晨光中的水壶。", locale="zh-CN"), creative)
    assert english.prompt == "A kettle in morning light. falling cherry blossoms, watercolour."
    assert chinese.prompt == "晨光中的水壶。樱花飘落，watercolour。"
    assert english.captions == WORDS.captions
    assert english.calm_prompt is None


def test_a_phrase_joins_the_calmer_prompt_too() -> None:
    """A clip that fell back still shows its promotion; where the words come from stays said."""
    words = Said("A kettle turns.", calm_prompt="A kettle stands.", source="appliances@1.0.0")
    made = phrased(words, PHRASE)
    assert made.calm_prompt == "A kettle stands. falling cherry blossoms."
    assert made.source == "appliances@1.0.0"


@given(st.text(max_size=2_000))
def test_a_phrase_is_a_guest_in_the_prompt(text: str) -> None:
    """However long, however hostile: bounded, and without template syntax."""
    made = phrased(WORDS, Creative(prompt_phrases={"en": text}, style=text)).prompt.removeprefix(WORDS.prompt)
    assert count(made) <= 60
    assert not set("{}\n\0") & set(made)


PROMPTS = Prompts.load()


def test_a_promos_dressing_is_made_once_a_locale_and_never_mistaken_for_anothers() -> None:
    """The same object for every product; another creative has its own, equal or not, though the first one is gone."""
    plain = planning().dressing
    one = Creative(ribbon=RibbonCreative(text={"en": "one"}))
    assert dressed(plain, one, "en") is dressed(plain, one, "en")
    for number in range(100):  # each may lie where the one before lay in memory
        ribbon = dressed(plain, Creative(ribbon=RibbonCreative(text={"en": f"{number}"})), "en").overlays.ribbon
        assert ribbon is not None
        assert ribbon.text == f"{number}"


def test_a_draft_carries_calmer_words_and_their_template_outside_of_the_recipe() -> None:
    """With the promotion's phrase; nothing calmer for an engine that reads no prompt. No digest depends on it."""
    running = Running([promo(creative=PHRASE)])
    drafter = Drafter(PROMPTS, planning(DREAMER))
    made = drafter.draft(product(), running)
    assert made.calm_prompt is not None
    assert "The camera stays fixed" in made.calm_prompt
    assert "falling cherry blossoms" in made.calm_prompt
    assert made.template == f"appliances@{PROMPTS.versions['appliances']}"
    plain = replace(drafter, prompts=Prompts.load(calm=False)).draft(product(), running)
    assert (plain.calm_prompt, plain.digests) == (None, made.digests)
    assert Drafter(PROMPTS, planning()).draft(product(), running).calm_prompt is None
