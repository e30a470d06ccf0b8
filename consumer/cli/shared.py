"""What every command shares: exit codes, the options of all, and errors told in one line. Knows no command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from consumer import settings

FAILED, USAGE, UNAVAILABLE, STOPPED = 1, 2, 3, 130
"""It failed; wrong usage or configuration; something it needs is not available; stopped by Ctrl-C."""

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file of settings (default: $SKUREEL_CONFIG, then ./skureel.toml)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]


def group(name: str, about: str) -> typer.Typer:
    """A group of commands, or the program itself."""
    return typer.Typer(
        name=name,
        help=about,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say what was wrong on standard error, and end."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"skureel: {message}", markup=False)
    raise typer.Exit(code)


def settings_of(config: Path | None, **overrides: Any) -> settings.Settings:
    """The settings; ends with exit code 2 where they are wrong."""
    try:
        return settings.load(config, **overrides)
    except settings.SettingsError as error:
        fail(str(error), USAGE)


def given(**options: Any) -> dict[str, Any] | None:
    """The options that were given, as a branch of settings; None where none was."""
    return {name: value for name, value in options.items() if value is not None} or None
