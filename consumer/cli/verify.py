"""``skureel verify``: any MP4 checked. The work is in ``consumer.operate.verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from consumer.cli.shared import USAGE, Config, Json, fail, settings_of


def verify(
    files: Annotated[list[str], typer.Argument(metavar="FILE|URL...", help="MP4 files, or http and https addresses.")],
    origin: Annotated[
        Literal["auto", "generated", "drawn"],
        typer.Option(help="Who made the pictures: a model, none, or whatever the file says."),
    ] = "auto",
    label: Annotated[
        list[str] | None, typer.Option(help="Words of the visible label, beside the usual ones; may be repeated.")
    ] = None,
    require: Annotated[
        Literal["c2pa"] | None, typer.Option(help="What must be there besides: c2pa, a signature that holds.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="PEM file of certificates: a signature must lead to one of them.")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Follow addresses that are not public, too.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Check codec, decoding, AI labels and signature of MP4 files.

    Any MP4, whoever made it; everything is read from the bytes. A file that does not say how it was made must be
    labelled. A signature that is there must hold. Exit code 0: all hold; 1: something fails; 2: an address is not
    followed; 3: a file cannot be read.
    """
    from consumer.operate import verify as command

    words = [*(label or []), settings_of(config).clip.label]
    try:
        demand = command.demand_of(trust, required=require == "c2pa")
    except command.TrustError as error:
        fail(str(error), USAGE)
    asked = command.Asked(origin=origin, words=words, demand=demand, private=allow_private)
    ending = command.run(files, asked, json=json)
    if ending:
        raise typer.Exit(int(ending))
