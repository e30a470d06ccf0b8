"""What is too much, and what then happens: limits, actions and levels, from one versioned TOML file.

Knows no pixels. What a policy decides is named by its version and its digest, which reports and lineage carry.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from model.inspect.catalogue import CATALOGUE
from model.recipe import digest

Action = Literal["reject", "review", "warn", "off"]
"""``reject``: not published, another seed may be tried. ``review``: not published, a person decides. ``warn``: told
with the clip. ``off``: not run."""

BUILT_IN = Path(__file__).with_name("policy.toml")
_VERSION = 40
"""Most characters of a version: it is recorded with every clip."""


class PolicyError(ValueError):
    """Raised when a policy file cannot be used; the message names the file, the entry and what it may be."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check's limit. A score above it (or below, where ``least``) is a fault."""

    limit: float
    meaning: str
    """What a fault of this check means, for people."""
    least: bool = False
    action: Action = "reject"

    def broken_by(self, score: float) -> bool:
        """True when the score is on the wrong side of the limit; NaN always is."""
        return not (score >= self.limit if self.least else score <= self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules by check, and the levels by which checks sort pixels and frames. Levels are 0…255, full range."""

    version: str
    rules: Mapping[str, Rule]
    dark: float = 26.0
    """A pixel at or below is black (a tenth of the scale, as ffmpeg's blackdetect has it)."""
    dark_share: float = 0.98
    """A frame with this share of black pixels is black."""
    flat: float = 2.5
    """A frame none of whose colour channels has a larger standard deviation shows nothing."""
    still: float = 0.6
    """Two frames are the same when the mean difference is at most this in every region."""
    blown: float = 250.0
    """A pixel whose luma is at or above has lost its detail."""
    grain_floor: float = 25.0
    """Added to a frame's variance, so that the dither of an almost empty one does not count as noise."""
    off: frozenset[str] = field(default=frozenset())
    """Checks that whoever inspects cannot run, besides those whose action is ``off``: not part of the digest."""

    @property
    def name(self) -> str:
        """What reports and lineage record: the version, and twelve digits of the digest of all that decides."""
        return f"{self.version}+{self.digest[:12]}"

    @property
    def digest(self) -> str:
        """SHA-256 of version, levels, limits and actions."""
        levels = {each: getattr(self, each) for each in LEVELS}
        rules = {check: [float(rule.limit), rule.action] for check, rule in self.rules.items()}
        return digest({"version": self.version, "levels": levels, "rules": rules})

    def runs(self, check: str) -> bool:
        """True when the check is to be run."""
        return check not in self.off and self.rules[check].action != "off"

    def with_limits(self, version: str, limits: Mapping[str, float]) -> Policy:
        """The same policy with other limits for some checks. Raises KeyError for a check it has no rule for."""
        rules = dict(self.rules) | {check: replace(self.rules[check], limit=limit) for check, limit in limits.items()}
        return replace(self, version=version, rules=MappingProxyType(rules))

    def to_toml(self) -> str:
        """The policy as a file that ``load_policy`` reads back to the same policy."""
        lines = [f'version = "{self.version}"', "", "[levels]"]
        lines += [f"{each} = {float(getattr(self, each))!r}" for each in LEVELS]
        lines += ["", "[checks]"]
        for check, rule in self.rules.items():
            action = "off" if check in self.off else rule.action
            lines.append(f'{check} = {{ limit = {float(rule.limit)!r}, action = "{action}" }}')
        return "\n".join(lines) + "\n"


LEVELS = tuple(each.name for each in fields(Policy) if each.name not in {"version", "rules", "off"})
"""Names of the levels."""


def load_policy(path: Path | None = None) -> Policy:
    """A policy file laid over the built-in one: it names what it changes. None: the built-in one alone.

    Raises PolicyError.
    """
    if path is None:
        return POLICY
    return _laid_over(POLICY, path)


def _laid_over(base: Policy, path: Path) -> Policy:
    document = _read(path)
    version = document.pop("version", None)
    if not isinstance(version, str) or not 0 < len(version) <= _VERSION or not version.isprintable() or '"' in version:
        raise PolicyError(f"{path}: version: give your policy a version, a text of 1 to {_VERSION} characters")
    levels, checks = _table(path, document, "levels"), _table(path, document, "checks")
    if document:
        raise PolicyError(f"{path}: {', '.join(document)}: a policy has version, [levels] and [checks]")
    values = {name: _level(path, name, value) for name, value in levels.items()}
    rules = dict(base.rules) | {name: _rule(path, name, value, base) for name, value in checks.items()}
    leveled = replace(base, **values)  # type: ignore[arg-type] # every level is a float
    return replace(leveled, version=version, rules=MappingProxyType(rules))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: not valid TOML: {error}") from error


def _table(path: Path, document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document.pop(name, {})
    if not isinstance(table, dict):
        raise PolicyError(f"{path}: {name}: is a table, [{name}]")
    return table


def _number(path: Path, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PolicyError(f"{path}: {name}: {value!r} is not a number")
    return float(value)


def _level(path: Path, name: str, value: object) -> float:
    if name not in LEVELS:
        raise PolicyError(f"{path}: levels.{name}: no such level; there are {', '.join(LEVELS)}")
    number = _number(path, f"levels.{name}", value)
    if not 0 <= number <= 255:
        raise PolicyError(f"{path}: levels.{name}: {number:g} is outside 0…255")
    return number


def _rule(path: Path, name: str, value: object, base: Policy) -> Rule:
    if name not in CATALOGUE:
        raise PolicyError(f"{path}: checks.{name}: no such check; there are {', '.join(CATALOGUE)}")
    rule = base.rules[name]
    if not isinstance(value, dict) or (unknown := set(value) - {"limit", "action"}):
        wrong = f"unknown {', '.join(sorted(unknown))}; " if isinstance(value, dict) else ""
        raise PolicyError(f'{path}: checks.{name}: {wrong}write {{ limit = {rule.limit:g}, action = "{rule.action}" }}')
    action = value.get("action", rule.action)
    if action not in get_args(Action):
        raise PolicyError(f"{path}: checks.{name}.action: {action!r} is not one of {', '.join(get_args(Action))}")
    limit = _number(path, f"checks.{name}.limit", value["limit"]) if "limit" in value else rule.limit
    return replace(rule, limit=limit, action=action)


def _built_in() -> Policy:
    blank = {name: Rule(math.nan, check.meaning, check.least) for name, check in CATALOGUE.items()}
    policy = _laid_over(Policy(version="0", rules=blank), BUILT_IN)
    missing = [name for name, rule in policy.rules.items() if math.isnan(rule.limit)]
    if missing:
        raise PolicyError(f"{BUILT_IN}: no limit for {', '.join(missing)}")
    return policy


POLICY = _built_in()
"""The policy in force where none is configured."""
