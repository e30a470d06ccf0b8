"""``skureel inspect``: scores of clips and calibration of limits. The work is in ``consumer.operate.inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from consumer.cli.shared import FAILED, UNAVAILABLE, USAGE, Config, Json, fail, given, settings_of

_FILES = "files"


class _FilesFirst(TyperGroup):
    """A group whose first argument may be a file: what is no command of its own is given to ``files``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See the class."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_FILES, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="inspect",
    cls=_FilesFirst,
    help="Inspect MP4 files, and calibrate the limits.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PolicyFile = Annotated[Path | None, typer.Option("--policy", help="TOML file of limits and actions.")]
Models = Annotated[Path | None, typer.Option("--models", help="Folder with alignment, fidelity and unsafe.")]
Ocr = Annotated[bool, typer.Option("--ocr", help="Look for writing that nobody asked for.")]


@app.command(_FILES)
def inspect_files(
    file: Annotated[list[Path], typer.Argument(help="MP4 files.")],
    colour: Annotated[
        str | None, typer.Option(help="The product's colour as recorded, e.g. navy, 深蓝色, #3E6FA3.")
    ] = None,
    photo: Annotated[Path | None, typer.Option(help="The product photo it was made from.")] = None,
    word: Annotated[list[str] | None, typer.Option(help="Writing that may be there; may be repeated.")] = None,
    caption: Annotated[str, typer.Option(help="What is to be seen.")] = "",
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT it should have.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Length it should have.")] = None,
    end_card: Annotated[float, typer.Option(min=0, help="Seconds of an end card, which are not looked at.")] = 0.0,
    contact_sheet: Annotated[
        Path | None, typer.Option(help="PNG to write: frames of every clip, with findings.")
    ] = None,
    policy: PolicyFile = None,
    models: Models = None,
    ocr: Ocr = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Inspect MP4 files: every check's score, and what is wrong.

    What a file alone does not tell (its product's colour, its photo, its words) is given with options; checks that
    lack it say so. Exit code 1 when one of them would not be published.
    """
    from consumer.operate import inspect as command
    from consumer.operate.clips import ClipFileError, Wanted, expected_of

    loaded = settings_of(config, **_inspection(policy, models, ocr=ocr))
    try:
        known = expected_of(colour=colour, photo=photo, words=tuple(word or ()), caption=caption)
        wanted = Wanted(expected=known, size=_size(size), seconds=seconds, card=end_card)
        passed = command.files(loaded, file, wanted, sheet=contact_sheet, json=json)
    except ClipFileError as error:
        fail(str(error), USAGE)
    except command.InspectError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)
    if not passed:
        raise typer.Exit(FAILED)


@app.command("calibrate")
def inspect_calibrate(
    folder: Annotated[Path, typer.Argument(help="Folder with good/*.mp4 and bad/CHECK/*.mp4.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Policy file to write.")] = None,
    version: Annotated[str, typer.Option(help="Version of that policy.")] = "calibrated",
    allowed: Annotated[float, typer.Option(min=0, max=0.5, help="Share of good clips a limit may refuse.")] = 0.0,
    policy: PolicyFile = None,
    models: Models = None,
    ocr: Ocr = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Find limits that suit your own clips, sorted into good and bad.

    Precision and recall of each check under the present policy, the limit that tells your clips apart best, and with
    -o a policy file with these limits. NAME.json beside NAME.mp4 may say its colour, photo, words, caption, size,
    seconds and end_card.
    """
    from consumer.operate import inspect as command

    loaded = settings_of(config, **_inspection(policy, models, ocr=ocr))
    try:
        command.calibrate(loaded, folder, output=output, version=version, allowed=allowed, json=json)
    except command.InspectError as error:
        fail(str(error), USAGE if error.usage else UNAVAILABLE)


def _inspection(policy: Path | None, models: Path | None, *, ocr: bool) -> dict[str, object]:
    return given(inspection=given(policy=policy, models=models, ocr=ocr or None)) or {}


def _size(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    width, cross, height = size.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        fail(f"--size {size}: write WIDTHxHEIGHT", USAGE)
    return int(width), int(height)
