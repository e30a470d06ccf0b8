"""What ``Prompts.compose`` makes of a product."""

from __future__ import annotations

import dataclasses
import re
import time
from dataclasses import replace
from typing import Literal

import pytest

from consumer.events import Product
from consumer.planner.prompting.text import count
from consumer.planner.prompts import Composed, Prompts
from tests.unit.prompts.products import CATEGORIES, product


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    """The built-in templates."""
    return Prompts.load()


KETTLE = {
    "brand": "ACME",
    "colour": "#111111",
    "selling_points": ("Boils in 3 minutes", "2-year warranty", "Acme quality", "Auto shut-off"),
    "attributes": {"Material": "borosilicate glass", "Capacity": "1.7L", "Weight": "900 g"},
}
WATER_KETTLE = {
    "name": "青屿电热水壶",
    "locale": "zh-CN",
    "brand": "青屿",
    "colour": "mint green",
    "selling_points": ("5分钟快速烧开", "全国联保", "304不锈钢内胆"),
    "attributes": {"材质": "304不锈钢", "容量": "1.2L"},
}


def test_the_same_product_always_gets_the_same_words(prompts: Prompts) -> None:
    """A prompt is a pure function of the product and the templates."""
    assert prompts.compose(product()) == prompts.compose(product()) == Prompts.load().compose(product())


def test_the_order_of_attributes_means_nothing(prompts: Prompts) -> None:
    """Avro maps keep no order, so neither may a prompt depend on it."""
    one = product(attributes={"Material": "glass", "Fabric": "felt", "Capacity": "1 l", "Finish": "matte"})
    other = dataclasses.replace(one, attributes=dict(reversed(list(one.attributes.items()))))
    assert prompts.compose(one) == prompts.compose(other)


def test_products_of_one_category_differ_in_scene_and_camera(prompts: Prompts) -> None:
    """A shop page does not look monotonous."""
    assert len({prompts.compose(product(product_id=f"sku-{n}")).prompt for n in range(60)}) > 40


def test_an_english_prompt_says_what_the_record_says(prompts: Prompts) -> None:
    """Name, colour, material, size and visible selling points; no brand, no offer."""
    made = prompts.compose(product(name="Acme Glass Kettle", **KETTLE))
    assert "the Glass Kettle, in black, made of borosilicate glass, size 1.7 litres" in made.prompt
    assert "boils in 3 minutes and auto shut-off" in made.prompt
    assert "steam" in made.prompt
    assert not re.search("acme|warranty|900", made.prompt, re.IGNORECASE)
    assert made.template == "appliances"
    assert made.version == "1.0.0"
    assert made.locale == "en"


def test_a_chinese_prompt_is_chinese_throughout(prompts: Prompts) -> None:
    """Colours and units are localised, lists joined as the language joins them."""
    made = prompts.compose(product(**WATER_KETTLE))
    assert "电热水壶位于画面正中，薄荷绿机身，304不锈钢材质，规格1.2升" in made.prompt
    assert "5分钟快速烧开和304不锈钢内胆" in made.prompt
    assert "蒸汽" in made.prompt
    assert "青屿" not in made.prompt
    assert "联保" not in made.prompt
    assert not re.search("[A-Za-z]", made.prompt)
    assert made.locale == "zh-CN"


def test_captions_are_the_records_own_words_with_the_brand(prompts: Prompts) -> None:
    """Text on the picture is the merchant's: title first, then the first selling points, offers included."""
    captions = prompts.compose(product(**WATER_KETTLE)).captions
    assert captions == (
        "青屿电热水壶",
        "5分钟快速烧开",
        "全国联保",
        "304不锈钢内胆",
    )


def test_captions_prefer_points_that_fit_and_cut_only_for_want_of_them(prompts: Prompts) -> None:
    """A long point gives way to three short ones, and is cut with an ellipsis where there are no three."""
    long = "Keeps drinks hot for twelve hours and cold for a day, even when left in a parked car"
    short = ("Leakproof", "Dishwasher safe", "Fits cup holders")
    assert prompts.compose(product(selling_points=(long, *short))).captions[1:] == short
    made = prompts.compose(product(selling_points=(long,)))
    assert made.captions[1:] == ("Keeps drinks hot for twelve hours and cold…",)


def test_captions_repeat_nothing(prompts: Prompts) -> None:
    """The title's words and doubled points appear once."""
    made = prompts.compose(product(name="Mug", selling_points=("Mug", "Blue", "Blue", "", "Round")))
    assert made.captions == ("Mug", "Blue", "Round")


def test_an_image_prompt_speaks_of_motion_only(prompts: Prompts) -> None:
    """What the picture shows is not said again: no name, colour, material or scene."""
    text, image = (prompts.compose(product(**KETTLE), mode) for mode in ("text", "image"))
    assert image.prompt.startswith("The camera ")
    assert not re.search("kettle|black|glass|litre|daytime", image.prompt, re.IGNORECASE)
    assert count(image.prompt) <= 100
    assert image.captions == text.captions
    assert image.negative_prompt == text.negative_prompt


@pytest.mark.parametrize("mode", ["text", "image"])
@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@pytest.mark.parametrize("category", CATEGORIES)
def test_the_calmer_prompt_says_the_same_of_the_product_and_holds_the_camera(
    prompts: Prompts, category: str, locale: str, mode: Literal["text", "image"]
) -> None:
    """It differs in camera and motion alone, and is as clean and as long as any other."""
    item = product(category=category, locale=locale, colour="blue", selling_points=("Quiet",))
    made = prompts.compose(item, mode)
    assert made.calm_prompt is not None
    assert made.calm_prompt != made.prompt
    assert {"zh-CN": "镜头固定不动", "en": "The camera stays fixed"}[locale] in made.calm_prompt
    assert (60 if mode == "text" else 1) <= count(made.calm_prompt) <= (200 if mode == "text" else 100)
    start = made.prompt[: made.prompt.index({"zh-CN": "镜头", "en": "The camera"}[locale])]
    assert made.calm_prompt.startswith(start)
    assert replace(made, calm_prompt=None) == Prompts.load(calm=False).compose(item, mode)
    assert made.source == f"{made.template}@{made.version}"


def test_what_the_name_says_is_not_said_twice(prompts: Prompts) -> None:
    """A colour, material or size in the name needs no clause of its own."""
    made = prompts.compose(
        product(name="Black Glass Kettle 1.7 L", colour="black", attributes={"Material": "Glass", "Capacity": "1.7L"})
    )
    assert made.prompt.count("lack") == 1
    assert "made of" not in made.prompt
    assert "size" not in made.prompt


def test_a_title_with_a_list_after_it_is_cut_to_the_thing(prompts: Prompts) -> None:
    """Marketplace titles carry key words; the prompt names the product."""
    name = "Glass Kettle, 1.7 L, Fast Boil, Auto Shut-Off, BPA-Free Kettle for Tea and Coffee with LED Light"
    made = prompts.compose(product(name=name))
    assert "shot of the Glass Kettle, centred" in made.prompt
    assert "steam" in made.prompt


@pytest.mark.parametrize("name", ["【官方正品】青屿", "ACME", "💥💥", "{{}}", "青屿（青屿）"])
def test_a_name_of_which_nothing_is_left_becomes_its_category(prompts: Prompts, name: str) -> None:
    """There is always a subject, and it is the template's own word."""
    made = prompts.compose(product(name=name, brand="ACME" if name == "ACME" else "青屿"))
    assert "household appliance" in made.prompt or "官方正品" in made.prompt
    assert made.captions[0]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("appliances", "appliances"),
        ("家电", "appliances"),
        ("Home Appliances", "appliances"),
        ("kitchen", "appliances"),
        ("home_appliances", "appliances"),
        ("Home & Garden > Kitchen", "appliances"),
        ("Food & Drink", "food"),
        ("服饰/女装", "apparel"),
        ("JEWELRY", "jewellery"),
        ("电器 > 没有这个", "appliances"),
        ("stationery", "general"),
        ("", "general"),
        ("🙈", "general"),
    ],
)
def test_categories_are_found_by_key_alias_and_path(prompts: Prompts, written: str, found: str) -> None:
    """Exact key, then aliases in both languages, then the most specific step of a path, else general."""
    assert prompts.compose(product(category=written)).template == found


@pytest.mark.parametrize(
    ("locale", "used"),
    [
        ("zh-CN", "zh-CN"),
        ("ZH_cn", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("zh", "zh-CN"),
        ("en-GB", "en"),
        ("de-DE", "en"),
        ("", "en"),
        ("!!", "en"),
    ],
)
def test_locales_fall_back_to_their_language_and_then_to_english(prompts: Prompts, locale: str, used: str) -> None:
    """Exact, then language, then English."""
    assert prompts.compose(product(locale=locale)).locale == used


@pytest.mark.parametrize(
    ("brand", "name"),
    [
        ("Acme", "acme kettle"),
        ("Acme", "The AcmeKettle Pro"),
        ("小米/Xiaomi", "小米XIAOMI电水壶"),
        ("Mi Home", "MiHome mi-home Kettle"),
        ("Nestlé", "Nestle Kettle by nestlé"),
        ("Nestle", "Nestlé Kettle"),
        ("3M", "3M tape"),
        ("l'Été", "L’Ete fan"),
    ],
)
def test_no_spelling_of_the_brand_enters_a_text_prompt(prompts: Prompts, brand: str, name: str) -> None:
    """A model that reads a brand draws its logo."""
    made = prompts.compose(product(name=name, brand=brand, colour=f"{brand} blue", selling_points=(f"{name} inside",)))
    assert not re.search(r"acme|mi.?home|nestl|xiaomi|小米|3m|t[ée]\b fan", made.prompt, re.IGNORECASE)
    assert made.captions[0] == name


def test_negative_prompts_do_not_fight_a_product_that_stands(prompts: Prompts) -> None:
    """Words for stillness in a negative prompt make a product shot restless; people are unwanted everywhere."""
    for category in CATEGORIES:
        for locale, people in (("zh-CN", "人物"), ("en", "people")):
            negative = prompts.compose(product(category=category, locale=locale)).negative_prompt
            assert people in negative
            assert not re.search("静态|静止|static|still|motionless", negative)


def test_every_template_has_its_version(prompts: Prompts) -> None:
    """What made a prompt can be told from its lineage."""
    assert set(prompts.versions) == set(CATEGORIES)
    assert all(version.startswith("1.0.") for version in prompts.versions.values())


def test_composed_values_cannot_be_changed(prompts: Prompts) -> None:
    """They are shared and cached."""
    made = prompts.compose(product())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.prompt = "x"  # type: ignore[misc]
    assert isinstance(made, Composed)


def test_composing_costs_microseconds(prompts: Prompts) -> None:
    """A million products are planned in minutes: the best of many rounds stays far below what a slow path costs."""
    products = [product(product_id=f"sku-{n}", **(WATER_KETTLE | {"name": f"青屿电热水壶{n}"})) for n in range(25)]
    best = min(_round(prompts, products) for _ in range(60))
    assert best / len(products) < 150e-6  # 22 µs on an idle core of 2020s make; this bound is for busy ones


def _round(prompts: Prompts, products: list[Product]) -> float:
    started = time.perf_counter()
    for item in products:
        prompts.compose(item)
    return time.perf_counter() - started
