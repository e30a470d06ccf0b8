"""Where a prompt's words come from: a field of the record that was given, or the template; in whatever language.

What no record says must not be shown: an invented noun becomes a thing on the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest
import yaml

from consumer.planner.prompting import vocabulary
from consumer.planner.prompts import Prompts
from tests.unit.prompts.products import CATEGORIES, product

PROMPTS = Prompts.load()
NAMES = {"en": "Zyxkorp Travel Thing (2-Pack)", "zh-CN": "【新品】zyxkorp旅行好物 350ml", "fr": "Zyxkorp à voyager"}
OPTIONAL: dict[str, Any] = {
    "brand": "Zyxkorp",
    "colour": "mauvelous dark blue",
    "selling_points": ("Feels plushy.", "蓬松, 耐穿"),
    "attributes": {"Material": "oakwood", "表面工艺": "磨砂烤漆", "Pattern": "pinstripes", "容量": "720 ml"},
    "tags": ("tagged", "标签词"),
}
SUBSETS = [chosen for size in range(len(OPTIONAL) + 1) for chosen in combinations(OPTIONAL, size)]
ONLY_THERE = {
    "colour": ("mauvelous",),
    "selling_points": ("plushy", "蓬松", "耐穿"),
    "attributes": ("oakwood", "磨砂烤漆", "pinstripes", "720"),
    "tags": ("tagged", "标签词"),
    "brand": (),  # it is in the name as well
}
"""Words of a field that no template has."""
SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
RUN = re.compile("[\u4e00-\u9fff]+|[a-z0-9à-ÿ]+")
"""A word, or writing without spaces between two stops."""
CHOSEN_BY_US = {"scene", "light", "camera", "motion", "style"}
FROM_THE_RECORD = {"product", "colour", "points", *vocabulary.ATTRIBUTE_SLOTS.values()}


@cache
def block(category: str, locale: str) -> dict[str, Any]:
    """A template as it is written."""
    path = files("consumer.planner") / "templates" / f"{category}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["locales"][locale]
    return found


def texts(value: Any) -> Iterator[str]:
    """All texts in a part of a template; the words by which a function is found are not said."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in {"words", "negative"}:
                yield from texts(inner)
    else:
        for inner in value:
            yield from texts(inner)


@cache
def of_template(category: str, locale: str) -> frozenset[str]:
    """Its words and, between slots and stops, its runs of Chinese."""
    literals = (part for text in texts(block(category, locale)) for part in SLOT.sub("\n", text).split("\n"))
    return frozenset(run for literal in literals for run in RUN.findall(literal.lower()))


def of_fields(locale: str, tongue: str, chosen: tuple[str, ...]) -> set[str]:
    """Words of the fields that were given, as written and as the language has them."""
    said = [
        NAMES[locale],
        *vocabulary.JOINTS[tongue if tongue in vocabulary.JOINTS else ""],
        vocabulary.join("xy", tongue),
    ]
    for name in chosen:
        value = OPTIONAL[name]
        said += [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value
    if "colour" in chosen:
        said.append(vocabulary.colour(OPTIONAL["colour"], tongue))
    return {
        run for text in said for form in (text, vocabulary.units(text, tongue)) for run in RUN.findall(form.lower())
    }


def made_of(run: str, pieces: set[str] | frozenset[str]) -> bool:
    """Whether a run is nothing but pieces, one after the other: Chinese puts no space where a slot begins."""
    if run in pieces or run.isascii():
        return run in pieces
    reached = {0}
    for end in range(1, len(run) + 1):
        if any(run[start:end] in pieces for start in reached):
            reached.add(end)
    return len(run) in reached


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("locale", NAMES)
def test_every_word_is_a_fields_or_the_templates(category: str, locale: str) -> None:
    """For every subset of the optional fields, in both modes, calm and not: with a field go its words, all of them."""
    for chosen in SUBSETS:
        item = product(
            name=NAMES[locale], category=category, locale=locale, **{name: OPTIONAL[name] for name in chosen}
        )
        for mode in ("text", "image"):
            made = PROMPTS.compose(item, mode)
            tongue = vocabulary.language(made.locale)
            known = of_template(made.template, made.locale) | of_fields(locale, tongue, chosen)
            for prompt in filter(None, (made.prompt, made.calm_prompt)):
                strange = [run for run in RUN.findall(prompt.lower()) if not made_of(run, known)]
                assert not strange, f"{chosen} {mode}: {strange} in {prompt}"
                gone = [word for name in OPTIONAL if name not in chosen for word in ONLY_THERE[name] if word in prompt]
                assert not gone, f"{chosen} {mode}: {gone} in {prompt}"


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_slot_is_filled_from_the_record_or_from_the_templates_own_lists(category: str) -> None:
    """There is no third place from which a noun could come."""
    for locale in ("en", "zh-CN"):
        slots = {slot for text in texts(block(category, locale)) for slot in SLOT.findall(text)}
        assert "product" in slots
        assert slots <= CHOSEN_BY_US | FROM_THE_RECORD


def test_given_fields_are_told() -> None:
    """The law above is not kept by saying nothing: what a record gives of looks is in its prompt, in both languages."""
    for locale in ("en", "zh-CN"):
        item = product(name=NAMES[locale], category="apparel", locale=locale, **OPTIONAL)
        prompt = PROMPTS.compose(item).prompt
        for word in ("磨砂烤漆", "oakwood", "plushy"):
            assert word in prompt, prompt
        assert "zyxkorp" not in prompt.lower()
