"""The commands that stand alone: demo, run, publish, tail, generate, doctor. Their work is in ``consumer.operate``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from consumer import settings
from consumer.cli.shared import FAILED, STOPPED, UNAVAILABLE, USAGE, Config, Json, fail, given, settings_of


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the clips, the gallery and the events.")] = Path("demo-out"),
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT, or 360p, 480p, portrait, square.")] = "640x480",
    seconds: Annotated[float, typer.Option(help="Length of each clip, 0.5 to 10.")] = 4.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N products of the sample catalog.")] = None,
    json: Json = False,
) -> None:
    """Make the sample catalog's clips on this machine alone.

    Then two promotions come and go.

    Embedded broker, SQLite, files, CPU engine. Leaves OUT/index.html (the gallery, before and after side by side),
    OUT/store/ (clips) and OUT/events/TOPIC.jsonl. Run it again: nothing is rendered, dressed or spliced twice.
    """
    from consumer.operate import demo as command

    try:
        command.run(out, size=size, seconds=seconds, limit=limit, json=json)
    except settings.SettingsError as error:
        fail(str(error), USAGE)
    except command.DemoError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped; run it again to go on where it was", STOPPED)


def run(
    role: Annotated[str, typer.Option(help="all, planner, renderer or dresser.")] = "all",
    config: Config = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    It then drains, commits and leaves; a second signal exits at once.
    """
    from consumer import service

    if role not in service.ROLES:
        fail(f"--role {role}: choose one of {', '.join(service.ROLES)}", USAGE)
    loaded = settings_of(config)
    try:
        code = service.run(loaded, role)
    except service.ServiceError as error:
        fail(str(error), USAGE if error.configuration else UNAVAILABLE)
    raise typer.Exit(code)


def publish(
    topic: Annotated[str, typer.Argument(help="Topic, e.g. product-created.")],
    file: Annotated[Path, typer.Argument(help="JSON lines, one event each; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Only validate; publish nothing.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Publish events from a file of JSON lines.

    Each line is validated against the topic's schema first; while one is wrong nothing is published. A line
    {"product_id": "…", "tombstone": true} publishes a null value: the product is retired.
    """
    from consumer.operate import publish as command

    loaded = settings_of(config)
    try:
        command.run(loaded, topic, file, check=check, json=json)
    except (command.InvalidError, settings.SettingsError) as error:
        fail(str(error), USAGE)
    except command.PublishError as error:
        fail(str(error), UNAVAILABLE)


def tail(
    topic: Annotated[str, typer.Argument(help="Topic, e.g. video-ready, or TOPIC.GROUP.dlq.")],
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Stop after N records.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on waiting at the end.")] = False,
    latest: Annotated[bool, typer.Option("--latest", help="Only records from now on (implies --follow).")] = False,
    meta: Annotated[bool, typer.Option("--meta", help="With topic, partition, offset, key, headers around.")] = False,
    config: Config = None,
) -> None:
    """Print a topic's records as JSON lines.

    Committed ones only, from the beginning to the present end; what cannot be decoded shows as its bytes.
    """
    from consumer.operate import tail as command

    loaded = settings_of(config)
    try:
        command.run(loaded, topic, limit=limit, follow=follow or latest, latest=latest, meta=meta)
    except BrokenPipeError:  # the reader has what it wanted: `skureel tail … | head`
        # What is still in the buffer must not fail once more when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except settings.SettingsError as error:
        fail(str(error), USAGE)
    except command.TailError as error:
        fail(str(error), UNAVAILABLE)
    except KeyboardInterrupt:
        raise typer.Exit(STOPPED) from None


def generate(
    prompt: Annotated[str, typer.Option(help="What is to be seen.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The MP4 file to write.")],
    negative: Annotated[str, typer.Option(help="What is not to be seen.")] = "",
    image: Annotated[Path | None, typer.Option(help="A product photo (JPEG, PNG, WebP) to start from.")] = None,
    title: Annotated[str | None, typer.Option(help="Title drawn by engines that draw words.")] = None,
    point: Annotated[list[str] | None, typer.Option(help="A selling point to draw; may be repeated.")] = None,
    locale: Annotated[str, typer.Option(help="Language of the words.")] = "en",
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT, or 360p, 480p, portrait, square.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length, 0.5 to 10.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed: the same again gives the same clip.")] = 0,
    engine: Annotated[str | None, typer.Option(help="storyboard, wan, or MODULE:FACTORY.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="For wan: folder or hub id of a checkpoint.")] = None,
    profile: Annotated[str | None, typer.Option(help="For wan: fast, quality, …, or a TOML file.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make one clip, without a broker or a store.

    It is inspected and labelled as the service's are. The same arguments give the same bytes.
    """
    from consumer.operate import generate as command

    wan = given(checkpoint=checkpoint, profile=profile)
    loaded = settings_of(
        config, **(given(clip=given(size=size, seconds=seconds), engine=given(name=engine, wan=wan)) or {})
    )
    captions = tuple(word for word in (title, *(point or [])) if word)
    try:
        command.run(
            loaded,
            command.Wish(prompt=prompt, negative_prompt=negative, captions=captions, locale=locale, seed=seed),
            image=image,
            output=output,
            json=json,
        )
    except command.WishError as error:
        fail(str(error), USAGE)
    except command.GenerateError as error:
        fail(str(error))


def doctor(config: Config = None, json: Json = False) -> None:
    """Check everything the service needs.

    Says what was found and what to do about it. Exit code 1 if anything fails.
    """
    from consumer.operate import doctor as command

    if not command.run(settings_of(config), json=json):
        raise typer.Exit(FAILED)
