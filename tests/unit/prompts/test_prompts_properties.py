"""Laws that hold for every product, however hostile."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.planner.prompting.text import PAUSES, count
from consumer.planner.prompts import CAPTIONS, Composed, Prompts
from tests.unit.prompts.products import CATEGORIES, product

PROMPTS = Prompts.load()

OPTIONAL: dict[str, Any] = {
    "brand": "Zyxkorp",
    "colour": "dark blue",
    "selling_points": ("Soft to the touch.", "Zyxkorp certified", "轻便, 耐用", "For kids"),
    "attributes": {
        "Material": "oak",
        "表面工艺": "哑光",
        "Pattern": "fine stripes",
        "shape": "oval",
        "容量": "350 ml",
    },
    "tags": ("x",),
}
MODES: tuple[Literal["text", "image"], ...] = ("text", "image")
NAMES = {"en": "Zyxkorp Travel Thing (2-Pack)", "zh-CN": "【新品】zyxkorp旅行好物 350ml", "fr": "Zyxkorp à voyager"}

FLAW = re.compile(rf"  |\{{|\}}|[{PAUSES}] *[{PAUSES}]| (?!\.\d)[{re.escape(PAUSES)}]|\(\s*\)|[\x00-\x1f\x7f]")
BIDI = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def assert_clean(made: Composed, mode: str) -> None:
    """The prompt is one tidy line within the length that works, the captions tidy too."""
    least, most = (60, 200) if mode == "text" else (1, 100)
    assert least <= count(made.prompt) <= most, made.prompt
    for prompt in (made.prompt, made.calm_prompt or made.prompt):
        assert 0.8 * least <= count(prompt) <= most, prompt
        assert not FLAW.search(prompt), prompt
        assert prompt[-1] in ".。"
        assert not BIDI.search(prompt)
        assert prompt.isprintable()
    assert 1 <= len(made.captions) <= 1 + CAPTIONS
    for caption in made.captions:
        assert caption
        assert caption == caption.strip()
        assert caption.isprintable()
        assert len(caption) <= 81
        assert not FLAW.search(caption), caption


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("locale", NAMES)
def test_every_subset_of_fields_gives_a_clean_prompt(category: str, locale: str) -> None:
    """A missing field takes its whole clause with it, and nothing else."""
    names = list(OPTIONAL)
    subsets = [chosen for size in range(len(names) + 1) for chosen in combinations(names, size)]
    for chosen in subsets:
        fields = {name: OPTIONAL[name] for name in chosen}
        item = product(name=NAMES[locale], category=category, locale=locale, **fields)
        for mode in MODES:
            made = PROMPTS.compose(item, mode)
            assert_clean(made, mode)
            if "brand" in chosen:
                assert "zyxkorp" not in made.prompt.lower()
            assert not re.search("None|kids|undefined", " ".join(filter(None, (made.prompt, made.calm_prompt))))


hostile = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            *"{}%#$<>&;,.!?，。、\\`'\"()[]【】/-_ \t\n\x00\x1b\u202e\u200b\ufeff",
            *(
                "{{ 7*7 }}",
                "{% for x in y %}",
                "{# #}",
                "${jndi:x}",
                "<script>",
                "</b>",
                "&amp;",
                "&lt;b&gt;",
                "…",
                "🚀",
            ),
            *(
                "{{ self }}",
                "..",
                ". ,",
                "Kettle",
                "红色",
                "水壶",
                "اختبار",
                "é",
                "e\u0301\u0301\u0301\u0301",
                "ﬁ",
                "Ａ１",
                "１．７Ｌ",
            ),
        ]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    fields=st.fixed_dictionaries(
        {
            "name": hostile,
            "locale": st.sampled_from(["en", "zh-CN", "zh", "ja", "xx", ""]) | hostile,
            "category": st.sampled_from([*CATEGORIES, "家电"]) | hostile,
            "brand": st.none() | hostile,
            "colour": st.none() | hostile | st.from_regex(r"#[0-9a-fA-F]{3,6}", fullmatch=True),
            "selling_points": st.lists(hostile, max_size=7).map(tuple),
            "attributes": st.dictionaries(
                st.sampled_from(["material", "材质", "size", "容量", "Finish", "版型", "pattern"]) | hostile,
                hostile,
                max_size=6,
            ),
            "product_id": st.text(min_size=1, max_size=20),
        }
    ),
    mode=st.sampled_from(["text", "image"]),
)
def test_hostile_text_in_any_field_gives_a_clean_prompt(fields: dict[str, Any], mode: Any) -> None:
    """Template syntax, markup, controls, directions and emoji never get through, and nothing is evaluated."""
    made = PROMPTS.compose(product(**fields), mode)
    assert_clean(made, mode)
    assert made == PROMPTS.compose(product(**fields), mode)
    if not any("49" in str(value) for value in fields.values()):
        assert "49" not in made.prompt


words = st.sampled_from(["Kettle", "table", "light", "Pro", "2000", "水壶", "不锈钢", "Café", "X-7", "mini"])


@settings(max_examples=250, deadline=None)
@given(
    brand=st.sampled_from(["Zyx", "ZyxKorp", "Zyx Korp", "zÿx", "Zyx-9", "啧锐", "啧锐/Zyxkorp", "Q3Z", "Zyx's"]),
    before=st.lists(words, max_size=3),
    after=st.lists(words, max_size=3),
    change=st.sampled_from([str, str.upper, str.lower, str.title]),
)
def test_a_brand_inside_a_name_is_taken_out_whatever_its_case(
    brand: str, before: list[str], after: list[str], change: Any
) -> None:
    """As a word of the name, in any case, the brand does not enter the prompt."""
    spellings = brand.split("/")
    for spelling in (brand, *spellings):
        name = " ".join([*before, change(spelling), *after])
        item = product(name=name, brand=brand, selling_points=(name,), attributes={"material": name}, colour=name)
        for locale in ("en", "zh-CN"):
            made = PROMPTS.compose(
                product(
                    **{f: getattr(item, f) for f in ("name", "brand", "selling_points", "attributes", "colour")},
                    locale=locale,
                )
            )
            for part in spellings:
                assert part.lower() not in made.prompt.lower(), (name, made.prompt)
