"""What a template file may say, and the error that tells its author what to change. It compiles nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

CHOICES = ("scene", "light", "camera", "motion", "style")
"""Slots filled from the template's own lists."""

ATTRIBUTES = ("material", "finish", "pattern", "shape", "size")
"""Slots filled from the record's attributes, the more telling first."""

ATTRIBUTES_SHOWN = 3
"""Attributes in a prompt: more would bury what moves."""

LIMITS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"product": (24, 90), "colour": (6, 40), "points": (10, 60), **dict.fromkeys(ATTRIBUTES, (8, 40))}
)
"""Words (or 字) and characters of each slot filled from the record; ``points`` for one selling point."""

POINTS = 2
"""Selling points in a prompt."""

OPTIONAL = tuple(name for name in LIMITS if name != "product")
"""Slots a record may leave empty: their clause goes with them."""

TEXT_SLOTS = frozenset((*CHOICES, *LIMITS))
IMAGE_SLOTS = frozenset(("camera", "motion"))
"""An image prompt says what moves, never what the picture already shows."""

# https://semver.org, "Is there a suggested regular expression", without its groups.
SEMVER = (
    r"^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)"
    r"(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$"
)


_EMPTY = "is empty; give at least one phrase"


class TemplateError(ValueError):
    """Raised when a template file cannot be used. ``problems`` are (path in the file, what to do) pairs."""

    def __init__(self, file: Path, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{file}: {path}: {problem}" for path, problem in problems))
        self.file = file
        self.problems = tuple(problems)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=r"^[^\n]*$")]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=50)]
Sentence = Annotated[Phrases, BeforeValidator(_as_list)]
"""One clause, or several: the sentence goes with its first one, each other clause goes alone."""

LocaleTag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Function(_Strict):
    """A motion for products whose name has one of these words: how the thing looks at work."""

    words: Phrases
    motion: Phrase


class Calm(_Strict):
    """The least that moves, for clips that fail inspection as first asked for."""

    camera: Phrase
    motion: Phrase


class LocaleBlock(_Strict):
    """A template in one language."""

    subject: Phrase
    """Stands in for a name of which nothing is left once it was cleaned."""
    scenes: Phrases
    light: Phrases
    camera: Phrases
    motions: Phrases
    functions: tuple[Function, ...] = ()
    calm: Calm | None = None
    """Without it there is no calmer prompt to fall back to."""
    style: Phrases
    text: Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=12)]
    image: Annotated[tuple[Sentence, ...], Field(min_length=1, max_length=6)]
    negative: Phrases


class TemplateFile(_Strict):
    """One category's template."""

    category: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    version: Annotated[str, StringConstraints(pattern=SEMVER)]
    aliases: tuple[Phrase, ...] = ()
    locales: Annotated[dict[LocaleTag, LocaleBlock], Field(min_length=1)]


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader that refuses a key written twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # the base class refuses it with its place
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice; keep one", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class YamlError(ValueError):
    """Raised when a file is no YAML that can be used. ``place`` is where, ``problem`` what is wrong."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


def read_yaml(file: Path) -> Any:
    """What stands in ``file``, plain values only. Raises YamlError, OSError where it cannot be read."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _UniqueKeys)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError as error:
        raise YamlError(f"byte {error.start}", "is not UTF-8; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        raise YamlError(place, f"{getattr(error, 'problem', None) or error}") from error


def read(file: Path) -> TemplateFile:
    """The template in ``file``. Raises TemplateError with every problem found, OSError where it cannot be read."""
    try:
        value = read_yaml(file)
    except YamlError as error:
        raise TemplateError(file, [(error.place, error.problem)]) from error
    if not isinstance(value, dict):
        raise TemplateError(file, [("the file", "holds no mapping; begin with 'category:', 'version:', 'locales:'")])
    try:
        return TemplateFile.model_validate(value)
    except ValidationError as error:
        problems = [_problem(dict(detail)) for detail in error.errors()]
        # A list whose only entries are wrong is reported as empty too; its entries say it better.
        wrong = {path.rpartition("[")[0] for path, _ in problems}
        raise TemplateError(file, [p for p in problems if p[0] not in wrong or p[1] != _EMPTY]) from error


def _problem(detail: dict[str, Any]) -> tuple[str, str]:
    parts = [part for part in detail["loc"] if part != "[key]"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    return path or "the file", _remedy(detail, path)


def _remedy(detail: dict[str, Any], path: str) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return (
            "is missing; add it (every locale block needs all its keys)" if "locales." in path else "is missing; add it"
        )
    if kind == "extra_forbidden":
        block = path.startswith("locales.")
        part = next((part for name, part in (("functions", Function), ("calm", Calm)) if f".{name}" in path), None)
        model: type[BaseModel] = part or (LocaleBlock if block else TemplateFile)
        return f"is not a key known here; remove it or correct it to one of: {', '.join(model.model_fields)}"
    if kind == "string_pattern_mismatch":
        if path == "version":
            return f"{given!r} is no semantic version; write MAJOR.MINOR.PATCH, as in 1.0.0"
        if path == "category":
            return f"{given!r} is no category name; use lower-case letters, digits and hyphens"
        if re.match(r"^locales\.[^.]*$", path):
            return f"{given!r} is no locale; use a BCP 47 tag such as en or zh-CN"
        return "runs over several lines; write it on one (fold it with '>-')"
    if kind == "tuple_type":
        return f"is no list; write each entry on a line of its own after '- ' (it is {given!r:.60})"
    if kind in {"string_too_short", "too_short"}:
        return _EMPTY
    if kind == "string_type" and path == "version":
        return f"{given!r} is not text; quote it: '{given}.0'"
    return f"{detail['msg']} (it is {given!r:.60})"
