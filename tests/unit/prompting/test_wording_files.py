"""What loading a file of one's own rules promises: it extends and replaces; faults are named by rule and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.planner.prompting import lint
from consumer.planner.prompting.lint import Linter
from consumer.planner.prompting.rulebook import RuleError, Severity

RULE: dict[str, Any] = {
    "id": "en-house-gadget",
    "locale": "en",
    "severity": "block",
    "claim": "house",
    "words": ["gadget"],
    "basis": "house rule",
    "suggestion": "say device",
    "positive": ["A gadget"],
    "negative": ["A device"],
}


def write(folder: Path, value: Any) -> Path:
    """Save a file of rules; a text as it stands."""
    file = folder / "own.yaml"
    file.write_text(value if isinstance(value, str) else yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return file


def own(**changes: Any) -> dict[str, Any]:
    """A file with one good rule; ``changes`` are the rule's, None takes a field away."""
    return {"version": "2.0.0", "rules": [{k: v for k, v in (RULE | changes).items() if v is not None}]}


def found(linter: Linter, text: str) -> list[str]:
    """The rules found in a text."""
    return [finding.rule for finding in linter.texts([("title", text)])]


def test_a_rule_of_ones_own_is_added(tmp_path: Path) -> None:
    """Beside the built-in ones, and the version says that there are more."""
    book = lint.load(write(tmp_path, own()))
    assert len(book.rules) == len(lint.load().rules) + 1
    assert book.version == f"{lint.load().version}+own.2.0.0"
    assert found(Linter(book), "The best gadget") == ["en-best", "en-house-gadget"]


def test_a_rule_of_ones_own_replaces_the_one_of_its_name(tmp_path: Path) -> None:
    """Words and severity are one's own, nothing is mixed."""
    book = lint.load(write(tmp_path, own(id="en-best", severity="warn")))
    assert len(book.rules) == len(lint.load().rules)
    assert found(Linter(book), "The best gadget") == ["en-best"]
    assert found(Linter(book), "The best cup") == []
    assert next(rule for rule in book.rules if rule.id == "en-best").severity is Severity.WARN


def test_rules_can_be_switched_off(tmp_path: Path) -> None:
    """And nothing else with them."""
    book = lint.load(write(tmp_path, {"version": "1.0.0", "disabled": ["en-best"]}))
    assert len(book.rules) == len(lint.load().rules) - 1
    assert found(Linter(book), "The best, number one") == ["en-number-one"]


def test_groups_can_be_given_other_words(tmp_path: Path) -> None:
    """A rule for some products finds them by the words of one's own categories."""
    value = own(only=["gadgets"]) | {"groups": {"gadgets": ["dept 7"]}}
    linter = Linter(lint.load(write(tmp_path, value)))
    assert [f.rule for f in linter.texts([("title", "A gadget")], "Dept-7")] == ["en-house-gadget"]
    assert linter.texts([("title", "A gadget")], "Dept 8") == ()


APPROVAL = {"rule": "en-best", "text": "The Best of Bach", "by": "j.doe", "at": "2026-03-01", "note": "title of a work"}


def test_an_approved_text_passes_that_rule_alone(tmp_path: Path) -> None:
    """However it is written, and no other text with it."""
    linter = Linter(lint.load(write(tmp_path, {"version": "1.0.0", "approved": [APPROVAL]})))
    assert found(linter, "The Best of Bach") == []
    assert found(linter, "the  best-of BACH!") == []
    assert found(linter, "The Best of Bach, number one") == ["en-best", "en-number-one"]


@pytest.mark.parametrize(
    ("value", "place", "problem"),
    [
        (own(severity="fatal"), "rule en-house-gadget: severity", "'block', 'review' or 'warn'"),
        (own(basis=None), "rule en-house-gadget: basis", "is missing"),
        (own(colour="red"), "rule en-house-gadget: colour", "not a key known"),
        (own(words=[]), "rule en-house-gadget: words", "is empty"),
        (own(words=[""]), "rule en-house-gadget: words[0]", "at least 1"),
        (own(positive=[]), "rule en-house-gadget: positive", "at least 1"),
        (own(negative=None), "rule en-house-gadget: negative", "is missing"),
        (own(id="zh-house"), "rule zh-house: id", "begin it with the locale"),
        (own(id="Nope"), "rule Nope: id", "should match pattern"),
        (own(id=None), "rules[0]: id", "is missing"),
        (own(patterns=[{"regex": "(", "needs": ["x"]}]), "rule en-house-gadget: patterns[0].regex", "no regular"),
        (own(patterns=[{"regex": "x*", "needs": ["x"]}]), "rule en-house-gadget: patterns[0].regex", "empty text"),
        (own(patterns=[{"regex": "x"}]), "rule en-house-gadget: patterns[0].needs", "is missing"),
        (own(positive=["A thing"]), "rule en-house-gadget", "positive[0]: is not found: 'A thing'"),
        (own(negative=["Gadgets and a gadget"]), "rule en-house-gadget", "negative[0]: is found"),
        (own(only=["robots"]), "rule en-house-gadget: only", "'robots' is no group"),
        ({"version": "1"}, "version", "should match pattern"),
        ({"version": "1.0.0", "disabled": ["en-nope"]}, "disabled: en-nope", "is no rule"),
        ({"version": "1.0.0", "approved": [APPROVAL | {"rule": "en-nope"}]}, "approval of en-nope: rule", "no rule"),
        ({"version": "1.0.0", "approved": [APPROVAL | {"rule": "en-cure"}]}, "approval of en-cure: rule", "blocks"),
        ({"version": "1.0.0", "approved": [APPROVAL | {"at": "today"}]}, "approval of en-best: at", "pattern"),
        ({"version": "1.0.0", "approved": [{"rule": "en-best"}]}, "approval of en-best: by", "is missing"),
        ({"version": "1.0.0", "rules": [RULE, RULE]}, "rule en-house-gadget: id", "is there twice"),
        ({"version": "1.0.0", "rules": ["x"]}, "rules[0]", "valid dictionary"),
        ("- a\n- b\n", "the file", "holds no mapping"),
        ("version: 1.0.0\nversion: 1.0.0\n", "line 2", "is there twice"),
        ("a: [", "line 1", ""),
    ],
)
def test_a_fault_is_named_by_rule_and_field(tmp_path: Path, value: Any, place: str, problem: str) -> None:
    """The file, the place, and what to change."""
    file = write(tmp_path, value)
    with pytest.raises(RuleError) as caught:
        lint.load(file)
    assert caught.value.file == file
    told = dict(caught.value.problems)
    matching = [where for where in told if where.startswith(place)]
    assert matching, told
    assert any(problem in told[where] for where in matching), told
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """As one fault of the file."""
    with pytest.raises(RuleError, match=r"absent.yaml: the file: No such file"):
        lint.load(tmp_path / "absent.yaml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """By the byte that is wrong."""
    file = tmp_path / "own.yaml"
    file.write_bytes(b"version: \xff")
    with pytest.raises(RuleError, match="byte 9: is not UTF-8"):
        lint.load(file)
