"""``skureel prompt``: prompts and the wording rules. The work is in ``consumer.operate.prompt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from consumer.cli.shared import FAILED, USAGE, Config, Json, fail, group, settings_of

app = group("prompt", "Look at prompts, and check words, before a clip is made.")


@app.command("lint")
def prompt_lint(
    file: Annotated[
        Path | None, typer.Argument(help="Texts, one a line, or a template (.yaml); - reads standard input.")
    ] = None,
    product: Annotated[Path | None, typer.Option(help="product-created events as for publish, or one object.")] = None,
    promo: Annotated[Path | None, typer.Option(help="promo-changed events as for publish, or one object.")] = None,
    category: Annotated[str | None, typer.Option(help="Category of the texts: some rules are for some only.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Check words against the wording rules.

    Absolute terms, claims of health, promises, vague words: what was found, why it matters, what to write instead.
    Exit code 0: clean, or warnings only. 1: something blocks or needs review. 2: wrong usage or file.
    """
    from consumer.operate import prompt as command

    given: list[tuple[Literal["text", "product", "promo"], Path | None]]
    given = [("text", file), ("product", product), ("promo", promo)]
    chosen = [(kind, path) for kind, path in given if path is not None]
    if len(chosen) != 1:
        fail("give one of FILE, --product FILE and --promo FILE", USAGE)
    if category is not None and file is None:
        fail("--category goes with FILE: products have categories of their own", USAGE)
    loaded = settings_of(config)
    kind, path = chosen[0]
    try:
        clean = command.lint(loaded, path, kind, category=category, json=json)
    except command.PromptError as error:
        fail(str(error), USAGE)
    if not clean:
        raise typer.Exit(FAILED)


@app.command("preview")
def prompt_preview(
    file: Annotated[Path, typer.Argument(help="product-created events as for publish, or one object.")],
    locale: Annotated[
        list[str] | None, typer.Option(help="Only this locale (default: its own and its template's); repeatable.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show a product's prompt in each locale.

    Prompt, negative prompt, captions, template and version, seed, digests, and what the wording rules say. The record
    is not translated: its words stand in every locale as they are.
    """
    from consumer.operate import prompt as command

    loaded = settings_of(config)
    try:
        command.preview(loaded, file, locale or (), json=json)
    except command.PromptError as error:
        fail(str(error), USAGE)


@app.command("rules")
def prompt_rules(config: Config = None, json: Json = False) -> None:
    """List the wording rules in force, your own among them."""
    from consumer.operate import prompt as command

    loaded = settings_of(config)
    try:
        command.rules(loaded, json=json)
    except command.PromptError as error:
        fail(str(error), USAGE)
