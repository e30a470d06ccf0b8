"""Judges the words of a product's clip, or of a promotion, by the wording rules: findings, and which of them refuse.

It knows which texts are looked at and what a finding leads to. How words are found is in ``matching``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from consumer.events import Creative, Promo
from consumer.planner.prompting import folding, library
from consumer.planner.prompting.matching import Matcher
from consumer.planner.prompting.rulebook import Rule, Rulebook, RuleError, RuleFile, Severity, merged, read

BUILT_IN = Path(__file__).parent / "rules"
QUOTED = 60
"""Characters of a text that a message quotes."""
CHECK = "prompt:"
"""Before a rule's id in the reasons of ``video-rejected``, where checks of clips have their names too."""

_ORDINARY = (
    "一二三四五六七八九十百千个天年月日时分秒新机水手色大小多少好心国回收档超减牛"
    "神效元件女男儿童装套款式寸升克包盒支片双只号层杯看成抹"
)
"""Characters that many product names have: a word is better looked for by another one of its own."""

Policy = Literal["hold", "make"]
"""What a finding for review leads to: no clip until a person approved it, or a clip all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule found in one text."""

    rule: str
    severity: Severity
    claim: str
    field: str
    """Which text: ``prompt``, ``title``, ``point 1`` …, or a promotion's field."""
    found: str
    text: str
    basis: str
    suggestion: str

    @property
    def check(self) -> str:
        """What the reason of a refusal is called."""
        return f"{CHECK}{self.rule}"

    @property
    def told(self) -> str:
        """What was found, why it matters, what to do."""
        quoted = self.text if len(self.text) <= QUOTED else f"{self.text[:QUOTED]}…"
        review = "for review: " if self.severity is Severity.REVIEW else ""
        return f"{review}{self.found!r} in {quoted!r} ({self.basis}); {self.suggestion}"

    @property
    def message(self) -> str:
        """The same and where, as a reason says it."""
        return f"{self.field}: {self.told}"


def load(own: Path | None = None) -> Rulebook:
    """The built-in rules, and those in ``own``, which extend and replace them.

    Raises RuleError naming rule and field of every fault, also where a rule fails its own examples.
    """
    built_in = _built_in()
    if own is None:
        return merged(built_in, None, None)
    parsed = read(own)
    problems = [problem for rule in parsed.rules for problem in proved(rule)]
    if problems:
        raise RuleError(own, problems)
    return merged(built_in, parsed, own)


@lru_cache(maxsize=1)
def _built_in() -> RuleFile:
    """All built-in files as one, read once: they are part of the program."""
    files = [read(file) for file in sorted(BUILT_IN.glob("*.yaml"))]
    groups = {name: words for file in files for name, words in file.groups.items()}
    return RuleFile(version=files[0].version, groups=groups, rules=tuple(rule for file in files for rule in file.rules))


@lru_cache(maxsize=1)
def _usual() -> Counter[str]:
    """How often characters stand in what most of a prompt is, the built-in templates, and in product names."""
    templates = (file.read_text(encoding="utf-8") for file in library.BUILT_IN.glob("*.yaml"))
    return Counter("".join((_ORDINARY, *templates)))


def proved(rule: Rule) -> list[tuple[str, str]]:
    """What is wrong with a rule by its own examples: place and problem."""
    matcher = Matcher([rule])
    place = f"rule {rule.id}"
    missed = [f"positive[{i}]: is not found: {t!r}" for i, t in enumerate(rule.positive) if not matcher.find(t)]
    hit = [f"negative[{i}]: is found: {t!r}" for i, t in enumerate(rule.negative) if matcher.find(t)]
    return [(place, problem) for problem in (*missed, *hit)]


class Linter:
    """The rules at work. Safe to share between threads."""

    def __init__(self, book: Rulebook, policy: Policy = "hold") -> None:
        self.book = book
        self.policy = policy
        self._groups = [
            (name, tuple(library.fold(word) for word in words)) for name, words in sorted(book.groups.items())
        ]
        self._approved = frozenset((approval.rule, folding.dense(approval.text)) for approval in book.approved)
        # Categories come from outside: bounded. What they come to is few.
        self._matcher_of = lru_cache(maxsize=4096)(self._find_matcher)
        self._matchers: dict[frozenset[str], Matcher] = {}

    @property
    def version(self) -> str:
        """Version of the rules, as refusals carry it."""
        return f"prompt-rules {self.book.version}"

    def groups_of(self, category: str) -> frozenset[str]:
        """The groups that a product of this category belongs to."""
        folded = library.fold(category)
        padded = f" {folded} "
        return frozenset(
            name
            for name, words in self._groups
            if any(f" {word} " in padded if word.isascii() else word in folded for word in words)
        )

    def _find_matcher(self, category: str | None) -> Matcher:
        """For products of all kinds where there is no category: then no rule is left out by group but those ``only``
        for some.
        """
        groups = self.groups_of(category) if category is not None else frozenset[str]()
        found = self._matchers.get(groups)
        if found is None:
            found = self._matchers[groups] = Matcher((r for r in self.book.rules if r.applies(groups)), _usual())
        return found

    def texts(self, texts: Iterable[tuple[str, str]], category: str | None = None) -> tuple[Finding, ...]:
        """Findings in named texts, in their order; what a person approved is none."""
        return tuple(filter(self._stands, self._found(texts, category)))

    def _found(self, texts: Iterable[tuple[str, str]], category: str | None) -> Iterator[Finding]:
        matcher = self._matcher_of(category)
        for field, text in texts:
            for match in matcher.find(text):
                yield _finding(match.rule, field, match.found, text)

    def _stands(self, finding: Finding) -> bool:
        """Whether nobody approved it."""
        return not self._approved or (finding.rule, folding.dense(finding.text)) not in self._approved

    def words(self, captions: Sequence[str], spoken: Sequence[str], category: str) -> tuple[Finding, ...]:
        """Findings in what is drawn, title first, and in what the model is told of the record."""
        matcher = self._matcher_of(category)
        drawn_text = "\n".join(captions)
        lower = drawn_text.lower()
        spoken = [text for text in spoken if text.lower() not in lower]
        # One look at all of them together; nearly always it is the only one.
        if not matcher.may("\n".join((drawn_text, *spoken))):
            return ()
        title, *points = captions or ("",)
        named = [("title", title), *((f"point {number}", point) for number, point in enumerate(points, 1))]
        drawn = list(self._found(named, category))
        # Prompts are made of the same words: what is told of a caption, or approved in it, is not told again.
        known = {finding.rule for finding in drawn}
        asked = [f for f in self._found((("prompt", text) for text in spoken), category) if f.rule not in known]
        return tuple(filter(self._stands, (*asked, *drawn)))

    def promo(self, promo: Promo) -> tuple[Finding, ...]:
        """Findings in what a promotion says. One that ends says nothing."""
        return () if promo.status == "ENDED" else self.texts(_said(promo.creative))

    def refusing(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Those for which there is no clip, by the policy."""
        refused = {Severity.BLOCK, Severity.REVIEW} if self.policy == "hold" else {Severity.BLOCK}
        return tuple(finding for finding in findings if finding.severity in refused)


def _finding(rule: Rule, field: str, found: str, text: str) -> Finding:
    return Finding(
        rule=rule.id,
        severity=rule.severity,
        claim=rule.claim,
        field=field,
        found=found,
        text=text,
        basis=rule.basis,
        suggestion=rule.suggestion,
    )


def _said(creative: Creative) -> Iterator[tuple[str, str]]:
    """What a promotion draws or tells the model, by field."""
    parts = {"prompt_phrases": creative.prompt_phrases}
    if creative.ribbon:
        parts["ribbon.text"] = creative.ribbon.text
    if creative.end_card:
        parts["end_card.headline"] = creative.end_card.headline
        parts["end_card.subline"] = creative.end_card.subline
    for field, texts in parts.items():
        for locale, text in sorted(texts.items()):
            yield f"creative.{field}.{locale}", text
    if creative.style:
        yield "creative.style", creative.style
