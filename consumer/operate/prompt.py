"""``skureel prompt``: what the wording rules say of a text, a template, products or promotions; and what a product's
prompt would be. Reads files, asks neither broker nor catalog.
"""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.events import Product, Promo
from consumer.operate.event_files import read_events
from consumer.operate.publish import InvalidError, read_lines
from consumer.operate.wording import Wording, WordingError
from consumer.planner.drafts import Draft, Drafter
from consumer.planner.promotions import Running
from consumer.planner.prompting.lint import Finding
from consumer.planner.prompting.rulebook import Severity
from consumer.planner.prompting.schema import LocaleBlock, TemplateError, TemplateFile, read
from consumer.planner.prompts import Composed
from consumer.settings import Settings
from consumer.wiring import PlanningError, engine_of, planning_of
from model.engine import EngineError
from model.recipe import RecipeError

Kind = Literal["text", "product", "promo"]
STYLES = {Severity.BLOCK: "bold red", Severity.REVIEW: "yellow", Severity.WARN: "cyan"}


class PromptError(Exception):
    """Raised when a file, a template, the rules or the engine's settings are wrong; the message says what to mend."""


# prompt lint


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A finding, and what it is about: a line, a place of a template, a product or a promotion."""

    about: str
    finding: Finding


def lint(settings: Settings, file: Path, kind: Kind, *, category: str | None, json: bool) -> bool:
    """The command. False where something blocks or needs review. Raises PromptError."""
    try:
        wording = Wording(settings)
        checked, found = _judged(settings, wording, file, kind, category)
    except (WordingError, InvalidError, TemplateError) as error:
        raise PromptError(str(error)) from error
    counts = Counter(each.finding.severity for each in found)
    if json:
        told: dict[str, Any] = {"checked": checked, "rules": wording.rules.book.version}
        told |= {severity.value: counts[severity] for severity in Severity}
        print(jsonlib.dumps(told | {"findings": [_finding_json(each) for each in found]}, ensure_ascii=False))
    else:
        _show_findings(Console(), found)
        summary = ", ".join(f"{counts[severity]} {severity.value}" for severity in Severity)
        Console().print(f"{checked} checked: {summary}", highlight=False)
    return not (counts[Severity.BLOCK] or counts[Severity.REVIEW])


def _judged(
    settings: Settings, wording: Wording, file: Path, kind: Kind, category: str | None
) -> tuple[int, list[Judged]]:
    """How many things were looked at, and what was found in them."""
    if kind == "product":
        products = read_events(settings, settings.topics.product_created, file, Product.from_avro, "product")
        return len(products), [Judged(about=p.product_id, finding=f) for p in products for f in wording.product(p)]
    if kind == "promo":
        promos = read_events(settings, settings.topics.promo_changed, file, Promo.from_avro, "promotion")
        return len(promos), [Judged(about=p.promo_id, finding=f) for p in promos for f in wording.rules.promo(p)]
    if file.suffix in {".yaml", ".yml"}:
        try:
            template = read(file)
        except OSError as error:
            raise InvalidError(f"{file}: {error.strerror or error}") from error
        texts = list(_phrases(template))
        category = category or template.category
    else:
        texts = [(f"line {line.number}", line.text.strip()) for line in read_lines(file)]
    found = wording.rules.texts(texts, category)
    return len(texts), [Judged(about=finding.field, finding=finding) for finding in found]


def _phrases(template: TemplateFile) -> Iterator[tuple[str, str]]:
    """What a template says in its own words, by place."""
    for locale, block in template.locales.items():
        for name in LocaleBlock.model_fields:
            if name not in {"negative", "functions", "calm"}:  # what shall not be seen may be named
                yield from _texts(f"locales.{locale}.{name}", getattr(block, name))
        for index, function in enumerate(block.functions):
            yield f"locales.{locale}.functions[{index}].motion", function.motion
        for slot, words in (block.calm.model_dump() if block.calm else {}).items():
            yield f"locales.{locale}.calm.{slot}", words


def _texts(place: str, value: str | Sequence[Any]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    else:
        for index, each in enumerate(value):
            yield from _texts(f"{place}[{index}]", each)


def _finding_json(each: Judged) -> dict[str, Any]:
    finding = each.finding
    return {
        "about": each.about,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "claim": finding.claim,
        "field": finding.field,
        "found": finding.found,
        "text": finding.text,
        "basis": finding.basis,
        "suggestion": finding.suggestion,
    }


def _show_findings(console: Console, found: list[Judged]) -> None:
    if not found:
        return
    table = Table("", "rule", "where", "found", "why, and what to write", box=box.SIMPLE_HEAD, pad_edge=False)
    for each in found:
        finding = each.finding
        where = each.about if each.about == finding.field else f"{each.about}, {finding.field}"
        # Text objects, not markup: what a catalog wrote is not ours to interpret.
        table.add_row(
            Text(finding.severity.value, style=STYLES[finding.severity]),
            Text(finding.rule),
            Text(where),
            Text(finding.found),
            Text(f"{finding.basis}: {finding.suggestion}"),
        )
    console.print(table)


# prompt rules


def rules(settings: Settings, *, json: bool) -> None:
    """The command: every rule in force. Raises PromptError."""
    try:
        book = Wording(settings).rules.book
    except WordingError as error:
        raise PromptError(str(error)) from error
    if json:
        print(jsonlib.dumps([rule.model_dump(mode="json") for rule in book.rules], ensure_ascii=False))
        return
    table = Table("", "rule", "claim", "for", "basis", "words", box=box.SIMPLE_HEAD, pad_edge=False)
    for rule in book.rules:
        groups = [*rule.only, *(f"not {name}" for name in rule.unless)] or ["all"]
        words = [*rule.words, *(pattern.regex for pattern in rule.patterns)]
        more = f", … {len(words) - 3} more" if len(words) > 3 else ""
        table.add_row(
            Text(rule.severity.value, style=STYLES[rule.severity]),
            Text(rule.id),
            Text(rule.claim),
            Text(", ".join(groups)),
            Text(rule.basis),
            Text(f"{', '.join(words[:3])}{more}"),
        )
    console = Console()
    console.print(table)
    console.print(f"{len(book.rules)} rules of version {book.version}", highlight=False)


# prompt preview


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the planner would plan for a product in one locale."""

    product: Product
    words: Composed
    draft: Draft


def preview(settings: Settings, file: Path, locales: Sequence[str], *, json: bool) -> None:
    """The command: each product in its own locale and in its template's, or in ``locales``. Raises PromptError."""
    try:
        wording = Wording(settings)
        planning = planning_of(settings, engine_of(settings).spec)
        products = read_events(settings, settings.topics.product_created, file, Product.from_avro, "product")
    except (WordingError, InvalidError, EngineError, PlanningError) as error:
        raise PromptError(str(error)) from error
    drafter = Drafter(wording.prompts, planning, rules=wording.rules)
    found = []
    for product in products:
        for locale in locales or wording.prompts.locales(product.category, product.locale):
            item = replace(product, locale=locale)
            try:
                draft = drafter.draft(item, Running())
            except RecipeError as error:
                raise PromptError(f"{product.product_id}: {error}") from error
            words = wording.prompts.compose(item, draft.recipe.scene.mode)
            found.append(Preview(product=item, words=words, draft=draft))
    if json:
        print(jsonlib.dumps([_preview_json(each) for each in found], ensure_ascii=False))
        return
    console = Console()
    for each in found:
        _show_preview(console, each)


def _preview_json(each: Preview) -> dict[str, Any]:
    recipe, words = each.draft.recipe, each.words
    return {
        "product_id": each.product.product_id,
        "locale": each.product.locale,
        "template": words.template,
        "version": words.version,
        "template_locale": words.locale,
        "mode": recipe.scene.mode,
        "prompt": words.prompt,
        "negative_prompt": words.negative_prompt,
        "calm_prompt": each.draft.calm_prompt,
        "captions": list(words.captions),
        "seed": recipe.scene.seed,
        "base_digest": recipe.digests.base,
        "recipe_digest": recipe.digest,
        "refused": bool(each.draft.refused),
        "findings": [
            _finding_json(Judged(about=each.product.product_id, finding=finding)) for finding in each.draft.findings
        ],
    }


def _show_preview(console: Console, each: Preview) -> None:
    told = _preview_json(each)
    rows = {
        "template": f"{told['template']} {told['version']}, {told['template_locale']}, {told['mode']}",
        "prompt": told["prompt"],
        "negative": told["negative_prompt"],
        **({"calm": told["calm_prompt"]} if told["calm_prompt"] else {}),
        "captions": " | ".join(told["captions"]),
        "seed": str(told["seed"]),
        "base": told["base_digest"],
        "clip": told["recipe_digest"],
    }
    console.print(Text(f"{told['product_id']}, {told['locale']}", style="bold"), soft_wrap=True)
    for name, value in rows.items():
        # Not in a table: Chinese has no spaces to break a line at, and a prompt is to be copied whole.
        console.print(Text.assemble((f"{name:<10}", "dim"), value), soft_wrap=True)
    for finding in each.draft.findings:
        line = Text(f"{finding.severity.value} {finding.rule}: {finding.message}", STYLES[finding.severity])
        console.print(line, soft_wrap=True)
    if each.draft.refused:
        console.print(Text("no clip: it would end in video-rejected", STYLES[Severity.BLOCK]))
    console.print()
