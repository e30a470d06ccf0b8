"""What a file of wording rules may say, and the error that tells its author what to change. It looks into no text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from consumer.planner.prompting.schema import SEMVER, YamlError, read_yaml


class RuleError(ValueError):
    """Raised when a file of rules cannot be used. ``problems`` are (rule and field, what is wrong) pairs."""

    def __init__(self, file: Path, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{file}: {place}: {problem}" for place, problem in problems))
        self.file = file
        self.problems = tuple(problems)


class Severity(StrEnum):
    """What a finding leads to: no clip, a person's decision, or a line in the log."""

    BLOCK = "block"
    REVIEW = "review"
    WARN = "warn"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=40)]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z0-9]+)+$", max_length=60)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pattern(_Strict):
    """A regular expression over folded text, and the words without one of which it cannot match.

    For languages without spaces the text is letters and digits only, simplified; for others words in small letters
    with one space between them.
    """

    regex: Text
    needs: Annotated[tuple[Text, ...], Field(min_length=1)]

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            compiled = re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if compiled.match(""):
            raise ValueError("matches the empty text")
        return value


class Rule(_Strict):
    """One rule: which words, where they are harmless, for which products, how grave, why, and what to write instead."""

    id: RuleId
    locale: Literal["zh", "en"]
    """The language of its words, which says how they are looked for; they are looked for in texts of every locale."""
    severity: Severity
    claim: Name
    """What kind of claim it is about."""
    words: tuple[Text, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    exceptions: tuple[Text, ...] = ()
    """Phrases in which the words are harmless."""
    only: tuple[Name, ...] = ()
    """Groups of products that it is for; without any, for all."""
    unless: tuple[Name, ...] = ()
    """Groups of products that it is not for."""
    basis: Text
    suggestion: Text
    positive: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Texts in which it must be found."""
    negative: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Texts in which it must not."""

    @model_validator(mode="after")
    def _finds_something(self) -> Self:
        if not self.words and not self.patterns:
            raise ValueError("words: is empty, and so is patterns; give one of them")
        if not self.id.startswith(f"{self.locale}-"):
            raise ValueError(f"id: begin it with the locale: {self.locale}-…")
        return self

    def applies(self, groups: frozenset[str]) -> bool:
        """Whether it is for products of these groups."""
        return (not self.only or not groups.isdisjoint(self.only)) and groups.isdisjoint(self.unless)


class Approval(_Strict):
    """A text that a person looked at and let pass."""

    rule: RuleId
    text: Text
    """The whole text: a name or a selling point, as it is on the clip."""
    by: Text
    at: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
    note: Text | None = None

    @field_validator("at", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        # YAML makes a date of it.
        return value.isoformat() if hasattr(value, "isoformat") else value


class RuleFile(_Strict):
    """One file."""

    version: Annotated[str, StringConstraints(pattern=SEMVER)]
    groups: dict[Name, tuple[Text, ...]] = {}
    """Groups of products by words of their categories."""
    rules: tuple[Rule, ...] = ()
    disabled: tuple[RuleId, ...] = ()
    """Rules that are not used."""
    approved: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules in force."""

    version: str
    rules: tuple[Rule, ...]
    groups: Mapping[str, tuple[str, ...]]
    approved: tuple[Approval, ...] = ()


def read(file: Path) -> RuleFile:
    """The rules in ``file``. Raises RuleError naming rule and field of every fault."""
    try:
        value = read_yaml(file)
    except OSError as error:
        raise RuleError(file, [("the file", error.strerror or str(error))]) from error
    except YamlError as error:
        raise RuleError(file, [(error.place, error.problem)]) from error
    if not isinstance(value, dict):
        raise RuleError(file, [("the file", "holds no mapping; begin with 'version:' and 'rules:'")])
    try:
        parsed = RuleFile.model_validate(value)
    except ValidationError as error:
        raise RuleError(file, [_problem(dict(detail), value) for detail in error.errors()]) from error
    twice = sorted({rule.id for rule in parsed.rules if sum(other.id == rule.id for other in parsed.rules) > 1})
    if twice:
        raise RuleError(file, [(f"rule {name}: id", "is there twice; keep one") for name in twice])
    return parsed


def _problem(detail: dict[str, Any], value: dict[str, Any]) -> tuple[str, str]:
    """Where, by the rule's id where it has one, and what is wrong."""
    place = list(detail["loc"])
    named = ""
    if len(place) > 1 and place[0] in {"rules", "approved"} and isinstance(place[1], int):
        entry = value[place[0]][place[1]]
        key = "id" if place[0] == "rules" else "rule"
        told = entry.get(key) if isinstance(entry, dict) else None
        named = f"{'rule' if key == 'id' else 'approval of'} {told}" if told else f"{place[0]}[{place[1]}]"
        place = place[2:]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not path and ": " in message:  # a rule about several fields names the one to change
        path, _, message = message.partition(": ")
    if detail["type"] == "extra_forbidden":
        message = "is not a key known here; remove it or correct it"
    elif detail["type"] == "missing":
        message = "is missing; add it"
    elif isinstance(detail["input"], str) and detail["type"] != "value_error":
        message = f"{message} (it is {detail['input']!r:.60})"
    return ": ".join(part for part in (named, path) if part) or "the file", message


def merged(built_in: RuleFile, own: RuleFile | None, file: Path | None) -> Rulebook:
    """The rules of both: a rule of one's own replaces the built-in one of the same id, ``disabled`` takes rules away.

    Raises RuleError where a name leads nowhere, and where a rule that blocks is to be approved away.
    """
    rules = {rule.id: rule for rule in built_in.rules}
    if own is None:
        return Rulebook(version=built_in.version, rules=tuple(rules.values()), groups=built_in.groups)
    rules |= {rule.id: rule for rule in own.rules}
    groups = {**built_in.groups, **own.groups}
    problems = [(f"disabled: {name}", "is no rule; correct or remove it") for name in own.disabled if name not in rules]
    for rule in own.rules:
        problems += [
            (f"rule {rule.id}: {field}", f"{name!r} is no group; use one of: {', '.join(groups)}")
            for field, names in (("only", rule.only), ("unless", rule.unless))
            for name in names
            if name not in groups
        ]
    for approval in own.approved:
        known = rules.get(approval.rule)
        if known is None:
            problems.append((f"approval of {approval.rule}: rule", "is no rule; correct or remove it"))
        elif known.severity is Severity.BLOCK:
            problems.append((f"approval of {approval.rule}: rule", "blocks; only what is for review can be approved"))
    if problems:
        raise RuleError(file or Path("rules"), problems)
    return Rulebook(
        version=f"{built_in.version}+own.{own.version}",
        rules=tuple(rule for rule in rules.values() if rule.id not in own.disabled),
        groups=groups,
        approved=own.approved,
    )
