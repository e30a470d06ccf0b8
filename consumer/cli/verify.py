"""``skureel verify``: any MP4 checked. The work is in ``consumer.operate.verify``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from consumer.cli.shared import Config, Json, settings_of


def verify(
    files: Annotated[list[str], typer.Argument(metavar="FILE|URL...", help="MP4 files, or http and https addresses.")],
    origin: Annotated[
        Literal["auto", "generated", "drawn"],
        typer.Option(help="Who made the pictures: a model, none, or whatever the file says."),
    ] = "auto",
    label: Annotated[
        list[str] | None, typer.Option(help="Words of the visible label, beside the usual ones; may be repeated.")
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Follow addresses that are not public, too.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Check codec, key frames, decoding and AI labels of MP4 files.

    Any MP4, whoever made it; everything is read from the bytes. A file that does not say how it was made must be
    labelled. Exit code 0: all hold; 1: something fails; 2: an address is not followed; 3: a file cannot be read.
    """
    from consumer.operate import verify as command

    words = [*(label or []), settings_of(config).clip.label]
    ending = command.run(files, origin=origin, words=words, private=allow_private, json=json)
    if ending:
        raise typer.Exit(int(ending))
