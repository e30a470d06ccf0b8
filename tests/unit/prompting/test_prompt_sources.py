"""Where the words of a prompt come from: the template, the record, or a table of colours and units. Nowhere else."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any, Literal

import pytest

from consumer.planner.prompting import schema, vocabulary
from consumer.planner.prompting.library import BUILT_IN
from consumer.planner.prompts import Prompts
from tests.unit.prompts.products import CATEGORIES, product

PROMPTS = Prompts.load()
# Words no template has: a trace of each field.
FIELDS: dict[str, Any] = {
    "colour": "qcolour",
    "selling_points": ("Qpoint wraps qgently", "qsecond qpoint"),
    "attributes": {"material": "qmaterial", "finish": "qfinish", "pattern": "qpattern", "shape": "qshape"},
    "brand": "Qbrand",
    "tags": ("qtag",),
}
NAME = "Qbrand qname qthing"
OWN = {"qname", "qthing", "qcolour", "qpoint", "qgently", "qsecond", "qbrand", "qtag"}
OWN |= {"qmaterial", "qfinish", "qpattern", "qshape"}


def phrases(category: str, locale: str) -> str:
    """All that a template says itself, in one locale."""
    template = schema.read(BUILT_IN / f"{category}.yaml")
    block = next(block for tag, block in template.locales.items() if tag == locale)
    texts = [phrase for name in ("scenes", "light", "camera", "motions", "style") for phrase in getattr(block, name)]
    texts += [function.motion for function in block.functions]
    texts += block.calm.model_dump().values() if block.calm else []
    texts += [clause for sentence in (*block.text, *block.image) for clause in sentence]
    return " ".join((*texts, block.subject))


def words(text: str) -> set[str]:
    """Words in small letters; of Chinese, single characters."""
    return set(re.findall(r"[a-z]+(?:'[a-z]+)?|[\u4e00-\u9fff]", text.lower()))


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("mode", ["text", "image"])
def test_every_word_traces_to_the_record_or_the_template(
    category: str, locale: str, mode: Literal["text", "image"]
) -> None:
    """For every subset of fields: what is in the prompt is said by a given field, by the template, or joins lists."""
    said = words(re.sub(r"\{\{[^}]*\}\}", " ", phrases(category, locale)))
    joints = words("".join(vocabulary.JOINTS.get(vocabulary.language(locale), ())) + " and 和")
    for size in range(len(FIELDS) + 1):
        for chosen in combinations(FIELDS, size):
            given = {name: FIELDS[name] for name in chosen}
            prompt = PROMPTS.compose(product(name=NAME, category=category, locale=locale, **given), mode).prompt
            record = words(f"{NAME} {given}")
            assert words(prompt) <= said | joints | record, words(prompt) - said - joints - record
            own = words(prompt) & OWN
            assert mode == "text" or not own
            assert "qtag" not in own
            assert "brand" not in chosen or "qbrand" not in own


def test_an_image_prompt_has_slots_for_nothing_of_the_record() -> None:
    """What the picture shows already is not said again; only what moves is."""
    assert frozenset({"camera", "motion"}) == schema.IMAGE_SLOTS
