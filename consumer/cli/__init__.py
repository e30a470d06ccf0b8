"""The command line: arguments in, exit codes out. Each command's work lives in ``consumer.operate``.

Exit codes: 0 done; 1 it failed; 2 wrong usage or configuration; 3 something it needs is not available.
"""

from __future__ import annotations

from typing import Annotated

import typer

from consumer import __version__
from consumer.cli import audit, bench, commands, deadletters, inspect, models, promo, prompt, review, verify
from consumer.cli.shared import group

app = group("skureel", "Every SKU gets its reel: product events in, inspected and labelled product clips out.")
for _command in (commands.demo, commands.run, commands.publish, commands.tail, commands.generate, verify.verify):
    app.command()(_command)
app.command()(commands.doctor)
for _group in (models.app, bench.app, promo.app, prompt.app, deadletters.app, inspect.app, review.app, audit.app):
    app.add_typer(_group)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"skureel {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Every SKU gets its reel: product events in, inspected and labelled product clips out."""


def main() -> None:
    """The ``skureel`` program."""
    app()
