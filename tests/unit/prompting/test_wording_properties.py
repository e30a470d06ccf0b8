"""Laws that hold for every text, however hostile."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.planner.prompting import folding, lint
from consumer.planner.prompting.lint import Linter
from consumer.planner.prompting.matching import Matcher

BOOK = lint.load()
LINTER = Linter(BOOK)
MATCHER = Matcher(BOOK.rules)

WORDS = sorted({word for rule in BOOK.rules for word in (*rule.words, *rule.exceptions, *rule.positive)})
anything = st.text(max_size=40)
mixed = st.lists(st.sampled_from(WORDS) | st.text(max_size=6) | st.sampled_from(" .,，。-#%\n\u200b\u0301"), max_size=8)
texts = anything | mixed.map("".join)


def rules_in(text: str) -> list[str]:
    """The rules found."""
    return [match.rule.id for match in MATCHER.find(text)]


@settings(max_examples=400, deadline=None)
@given(texts)
def test_looking_never_fails_and_finds_the_same_again(text: str) -> None:
    """Any text ends in findings, each rule at most once, the same each time."""
    found = MATCHER.find(text)
    assert found == MATCHER.find(text)
    assert len({match.rule.id for match in found}) == len(found)
    assert all(match.found for match in found)
    assert not found or MATCHER.may(text)


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_normal_form_changes_nothing(text: str, form: str) -> None:
    """However a text's characters are composed, the same rules are found."""
    assert rules_in(unicodedata.normalize(form, text)) == rules_in(text)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(mixed.map("".join))
def test_case_and_invisible_characters_change_nothing(text: str) -> None:
    """Capitals, and zero-width characters anywhere, hide no word and make none."""
    ascii_upper = "".join(char.upper() if char.isascii() else char for char in text)
    assert rules_in(ascii_upper) == rules_in(text)
    marked = "".join(f"{char}\u200b" for char in text)
    assert rules_in(marked) == rules_in(text)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(BOOK.rules), anything.filter(lambda text: not text.strip()) | st.sampled_from(["", " ", "。", "\n"])
)
def test_a_positive_example_is_found_among_other_text(rule: object, around: str) -> None:
    """Blanks and stops around a text do not hide what is in it."""
    assert isinstance(rule, type(BOOK.rules[0]))
    matcher = Matcher([rule])
    for text in rule.positive:
        assert matcher.find(f"{around}{text}{around}")


@settings(max_examples=300, deadline=None)
@given(texts)
def test_folding_twice_is_folding_once(text: str) -> None:
    """What a text is compared by stays as it is."""
    assert folding.dense(folding.dense(text)) == folding.dense(text)
    spaced = folding.spaced(folding.apart(folding.ascii_of(text)))
    assert folding.spaced(folding.apart(folding.ascii_of(spaced))) == spaced


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["title", "point 1"]), texts), max_size=3),
    st.sampled_from(["food", "x"]) | anything,
)
def test_findings_say_where_and_what_to_do(fields: list[tuple[str, str]], category: str) -> None:
    """Each names its text, and its message fits a log line however long the text is."""
    for finding in LINTER.texts(fields, category):
        assert (finding.field, finding.text) in fields
        assert finding.rule in {rule.id for rule in BOOK.rules}
        assert len(finding.message) < 900
        assert finding.basis in finding.message
