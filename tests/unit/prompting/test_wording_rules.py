"""Laws of the built-in wording rules: each is proved by its own examples, disguised ones too, and by ordinary texts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from consumer.planner.prompting import lint, rulebook, schema
from consumer.planner.prompting.library import BUILT_IN as TEMPLATES
from consumer.planner.prompting.lint import Linter, proved
from consumer.planner.prompting.matching import Matcher
from consumer.planner.prompting.rulebook import Rule, Severity
from tests.unit.prompting.disguises import CHINESE, EVERYWHERE
from tests.unit.prompting.harmless import TEXTS

BOOK = lint.load()
LINTER = Linter(BOOK)


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_a_rule_finds_its_positive_examples_and_not_its_negative_ones(rule: Rule) -> None:
    """Every rule has both kinds, and holds to them."""
    assert rule.positive
    assert rule.negative
    assert proved(rule) == []


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_a_disguise_hides_nothing(rule: Rule) -> None:
    """Width, capitals, gaps, marks between characters, invisible ones, traditional characters: found all the same."""
    matcher = Matcher([rule])
    disguises = EVERYWHERE if rule.locale == "en" else {**EVERYWHERE, **CHINESE}
    for name, disguised in disguises.items():
        for text in rule.positive:
            assert [match.rule.id for match in matcher.find(disguised(text))] == [rule.id], (name, disguised(text))


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_a_rule_finds_its_examples_among_all_the_others(rule: Rule) -> None:
    """For products it is for, no longer word of another rule hides it in its own examples."""
    matcher = Matcher(other for other in BOOK.rules if other.applies(frozenset(rule.only)))
    for text in rule.positive:
        assert rule.id in {match.rule.id for match in matcher.find(text)}, text


def test_there_are_rules_of_every_kind() -> None:
    """At least sixty, in both languages, of each severity, for cosmetics, food, health food and devices too."""
    assert len(BOOK.rules) >= 60
    assert Counter(rule.locale for rule in BOOK.rules).keys() == {"zh", "en"}
    assert {rule.severity for rule in BOOK.rules} == {*Severity}
    assert {"cosmetics", "food", "health-food", "device", "alcohol"} <= {name for r in BOOK.rules for name in r.only}
    assert {name for r in BOOK.rules for name in (*r.only, *r.unless)} <= BOOK.groups.keys()


def test_the_built_in_files_are_of_one_version() -> None:
    """A refusal names one version for all of them."""
    files = [rulebook.read(file) for file in sorted(lint.BUILT_IN.glob("*.yaml"))]
    assert len(files) == 3
    assert {file.version for file in files} == {BOOK.version}


def test_harmless_texts_are_not_refused() -> None:
    """Names and selling points as careful shops write them: nothing blocks, nothing waits for a person."""
    assert len(TEXTS) >= 60
    refused = {
        text: [finding.rule for finding in found]
        for category, text in TEXTS
        if (found := LINTER.refusing(LINTER.texts([("text", text)], category)))
    }
    assert refused == {}


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_built_in_templates_say_nothing_the_rules_find(file: Path) -> None:
    """No claim enters a prompt that is not in the record: not even a vague word."""
    template = schema.read(file)
    texts = [
        text
        for block in template.locales.values()
        for text in (
            block.subject,
            *(phrase for name in ("scenes", "light", "camera", "motions", "style") for phrase in getattr(block, name)),
            *(function.motion for function in block.functions),
            *(block.calm.model_dump().values() if block.calm else ()),
            *(clause for sentence in (*block.text, *block.image) for clause in sentence),
        )
    ]
    found = LINTER.texts([("phrase", text) for text in texts], template.category)
    assert [(finding.rule, finding.text) for finding in found] == []


@pytest.mark.parametrize(
    ("category", "groups"),
    [
        ("beauty", {"cosmetics"}),
        ("个护 > 面膜", {"cosmetics"}),
        ("Health Foods", {"health-food", "food"}),
        ("保健食品", {"health-food", "food"}),
        ("Medical devices", {"device"}),
        ("白酒", {"alcohol", "food"}),
        ("Wine glasses", {"alcohol", "food"}),
        ("digital", set()),
        ("Seafoods", set()),
        ("", set()),
    ],
)
def test_a_category_belongs_to_the_groups_its_words_name(category: str, groups: set[str]) -> None:
    """English words count as whole words, Chinese ones anywhere."""
    found = LINTER.groups_of(category)
    assert groups <= found
    assert groups or not found


@pytest.mark.parametrize(
    ("text", "category", "rule"),
    [
        ("美白精华", "beauty", "zh-cosmetics-special"),
        ("美白灯罩", "home", None),
        ("食品级口红", "beauty", "zh-cosmetics-food"),
        ("食品级硅胶", "home", None),
        ("增强免疫力", "食品", "zh-food-function"),
        ("治疗失眠", "home", "zh-medical"),
        ("红外治疗", "医疗器械", None),
        ("FDA approved", "medical devices", None),
        ("FDA approved", "home", "en-approved"),
        ("Slimming tea", "food", "en-weight-loss"),
        ("Slimming cut", "apparel", None),
    ],
)
def test_some_rules_are_for_some_products(text: str, category: str, rule: str | None) -> None:
    """A claim is judged by what the thing is."""
    assert [finding.rule for finding in LINTER.texts([("title", text)], category)] == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("第一次使用", False),
        ("第一。次日达", True),
        ("第 一 次使用", False),
        ("屋顶，级联", False),
        ("最好在阴凉处存放", False),
        ("最好", True),
        ("最高级面料", True),
        ("best before", False),
        ("the best", True),
        ("best-before date", False),
        ("Not for the best. Before use, rinse", False),
    ],
)
def test_an_exception_counts_where_it_stands(text: str, found: bool) -> None:
    """Around the word, and in Chinese not pieced together over a stop that the word itself does not span."""
    assert bool(LINTER.texts([("title", text)])) is found
