"""``skureel audit``: who made which clip under which ProduceID. The work is in ``consumer.operate.audit``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from consumer.cli.shared import FAILED, UNAVAILABLE, USAGE, Config, Json, fail, group, settings_of

app = group("audit", "Tell which clip carries a ProduceID, and who made it.")

Product = Annotated[str | None, typer.Option(help="Only of this product.")]
Clip = Annotated[str | None, typer.Option(help="Only of this clip id.")]
Sha256 = Annotated[str | None, typer.Option(help="Only files with this SHA-256.")]
Producer = Annotated[str | None, typer.Option(help="Only by this ContentProducer code.")]
Since = Annotated[
    str | None, typer.Option(help="Only announced since: 2031-05-06T07:08, or so long ago: 90s, 30m, 2h, 7d.")
]
Until = Annotated[str | None, typer.Option(help="Only announced before: as for --since.")]


@contextmanager
def _ends() -> Iterator[None]:
    """Errors to exit codes."""
    from consumer.operate import audit as command

    try:
        yield
    except command.AuditError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)


@app.command("list")
def audit_list(
    product: Product = None,
    clip: Clip = None,
    sha256: Sha256 = None,
    producer: Producer = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most N, the newest.")] = 50,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the newest announcements of clips that carry a ProduceID.

    From the planner's catalog, which keeps them for planner.audit_days.
    """
    from consumer.operate import audit as command

    filters = command.Filters(product=product, clip=clip, sha256=sha256, producer=producer, since=since, until=until)
    with _ends():
        command.listed(settings_of(config), filters, limit, json=json)


@app.command("show")
def audit_show(
    produce_id: Annotated[str, typer.Argument(metavar="PRODUCE_ID", help="As the metadata label has it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Show the clip that carries a ProduceID.

    Who made it, from which recipe, with which engine, and when it was announced for which product. Exit code 1 when
    the id is not known.
    """
    from consumer.operate import audit as command

    with _ends():
        if not command.shown(settings_of(config), produce_id, json=json):
            raise typer.Exit(FAILED)


@app.command("export")
def audit_export(
    product: Product = None,
    clip: Clip = None,
    sha256: Sha256 = None,
    producer: Producer = None,
    since: Since = None,
    until: Until = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write (default: standard output).")
    ] = None,
    form: Annotated[Literal["csv", "jsonl"], typer.Option("--format", help="CSV, or one JSON object a line.")] = "csv",
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the audit log to a file, oldest first.

    --json is short for --format jsonl.
    """
    from consumer.operate import audit as command

    filters = command.Filters(product=product, clip=clip, sha256=sha256, producer=producer, since=since, until=until)
    with _ends():
        count = command.exported(settings_of(config), filters, output, "jsonl" if json else form)
    if output is not None:
        typer.echo(f"{count} rows written to {output}", err=True)
