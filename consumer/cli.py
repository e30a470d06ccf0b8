"""The command line: arguments in, exit codes out. Each command's work lives in ``consumer.operate``.

Exit codes: 0 done; 1 it failed; 2 wrong usage or configuration; 3 something it needs is not available.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from consumer import __version__, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.settings import Settings

app = typer.Typer(
    name="skureel",
    help="Every SKU gets its reel: product events in, inspected and labelled product clips out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

model_app = typer.Typer(
    name="model",
    help="Fetch, make, seal and check the wan engine's checkpoints.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(model_app)
bench_app = typer.Typer(
    name="bench",
    help="Measure this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench_app)
promo_app = typer.Typer(
    name="promo",
    help="Promotions: what one would cost, and how far the running ones are.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(promo_app)

FAILED, USAGE, UNAVAILABLE = 1, 2, 3

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file of settings (default: $SKUREEL_CONFIG, then ./skureel.toml)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]


def _fail(message: str, code: int = FAILED) -> NoReturn:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"skureel: {message}", markup=False)
    raise typer.Exit(code)


def _settings(config: Path | None, **overrides: Any) -> Settings:
    try:
        return settings.load(config, **overrides)
    except settings.SettingsError as error:
        _fail(str(error), USAGE)


def _given(**options: Any) -> dict[str, Any] | None:
    """The options that were given, as a branch of settings; None where none was."""
    return {name: value for name, value in options.items() if value is not None} or None


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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the clips, the gallery and the events.")] = Path("demo-out"),
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT, or 360p, 480p, portrait, square.")] = "640x480",
    seconds: Annotated[float, typer.Option(help="Length of each clip, 0.5 to 10.")] = 4.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N products of the sample catalog.")] = None,
    json: Json = False,
) -> None:
    """Make the sample catalog's clips on this machine alone.

    Embedded broker, SQLite, files, CPU engine. Leaves OUT/index.html (the gallery), OUT/store/ (clips) and
    OUT/events/TOPIC.jsonl. Run it again: nothing is rendered twice.
    """
    from consumer.operate import demo as command

    try:
        command.run(out, size=size, seconds=seconds, limit=limit, json=json)
    except settings.SettingsError as error:
        _fail(str(error), USAGE)
    except command.DemoError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("stopped; run it again to go on where it was", 130)


@app.command()
def run(
    role: Annotated[str, typer.Option(help="all, planner, renderer or dresser.")] = "all",
    config: Config = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    It then drains, commits and leaves; a second signal exits at once.
    """
    from consumer import service

    if role not in service.ROLES:
        _fail(f"--role {role}: choose one of {', '.join(service.ROLES)}", USAGE)
    loaded = _settings(config)
    try:
        code = service.run(loaded, role)
    except service.ServiceError as error:
        _fail(str(error), USAGE if error.configuration else UNAVAILABLE)
    raise typer.Exit(code)


@app.command()
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

    loaded = _settings(config)
    try:
        command.run(loaded, topic, file, check=check, json=json)
    except (command.InvalidError, settings.SettingsError) as error:
        _fail(str(error), USAGE)
    except command.PublishError as error:
        _fail(str(error), UNAVAILABLE)


@app.command()
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

    loaded = _settings(config)
    try:
        command.run(loaded, topic, limit=limit, follow=follow or latest, latest=latest, meta=meta)
    except BrokenPipeError:  # the reader has what it wanted: `skureel tail … | head`
        # What is still in the buffer must not fail once more when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except settings.SettingsError as error:
        _fail(str(error), USAGE)
    except command.TailError as error:
        _fail(str(error), UNAVAILABLE)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
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

    wan = _given(checkpoint=checkpoint, profile=profile)
    loaded = _settings(
        config, **(_given(clip=_given(size=size, seconds=seconds), engine=_given(name=engine, wan=wan)) or {})
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
        _fail(str(error), USAGE)
    except command.GenerateError as error:
        _fail(str(error))


@promo_app.command("plan")
def promo_plan(
    file: Annotated[Path, typer.Argument(help="promo-changed events as for publish, or one JSON object.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Say what a promotion would cost, before it is published.

    How many products it touches, how many clips are spliced, dressed and rendered, the GPU hours and their price
    (planner.gpu_seconds_per_clip, planner.gpu_price_per_hour). Looks at every product; writes nothing.
    """
    from consumer.operate import promo as command

    loaded = _settings(config)
    try:
        command.plan(loaded, file, json=json)
    except command.PromoError as error:
        _fail(str(error), USAGE if error.usage else UNAVAILABLE)


@promo_app.command("status")
def promo_status(config: Config = None, json: Json = False) -> None:
    """Show the promotions and how far their fan-outs are.

    Products looked at, rate, time left, and the work they led to.
    """
    from consumer.operate import promo as command

    loaded = _settings(config)
    try:
        command.status(loaded, json=json)
    except command.PromoError as error:
        _fail(str(error), USAGE if error.usage else UNAVAILABLE)


@app.command()
def doctor(config: Config = None, json: Json = False) -> None:
    """Check everything the service needs.

    Says what was found and what to do about it. Exit code 1 if anything fails.
    """
    from consumer.operate import doctor as command

    if not command.run(_settings(config), json=json):
        raise typer.Exit(FAILED)


def _with_checkpoints(work: Callable[[], None]) -> None:
    """Run a ``model`` command and give its errors their exit codes."""
    from model.wan.checkpoint import CheckpointError, UnavailableError

    try:
        work()
    except UnavailableError as error:
        _fail(str(error), UNAVAILABLE)
    except CheckpointError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("stopped; run it again to go on where it was", 130)


@model_app.command("fetch")
def model_fetch(
    repo: Annotated[str, typer.Argument(help="Hub id: owner/name.")],
    revision: Annotated[str, typer.Option(help="Commit, or a branch or tag: its commit is printed.")] = "main",
    to: Annotated[Path | None, typer.Option(help="Folder to make (default: in the cache, by name and commit).")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Address of another hub of the same kind.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Download a checkpoint from a hub and seal it.

    Only safetensors, configurations, vocabularies and licences. An interrupted download goes on where it was; every
    file is compared with the hub's digest; the folder appears when all are there.
    """
    from consumer.operate import checkpoints as command

    wan = _settings(config).engine.wan
    token = wan.hub_token.get_secret_value() if wan.hub_token else None
    _with_checkpoints(
        lambda: command.fetch(
            repo, revision=revision, to=to, cache=wan.cache, endpoint=endpoint or wan.hub_url, token=token, json=json
        )
    )


@model_app.command("tiny")
def model_tiny(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights: the same again gives the same bytes.")] = 0,
    json: Json = False,
) -> None:
    """Make a tiny checkpoint of the real classes, without a download.

    It invents soft moving colours, from words and from photos, in a second on a CPU: for trying things out.
    """
    from consumer.operate import checkpoints as command

    _with_checkpoints(lambda: command.tiny(folder, seed=seed, json=json))


@model_app.command("seal")
def model_seal(
    folder: Annotated[Path, typer.Argument(help="Folder of a checkpoint in diffusers' layout.")],
    source: Annotated[str | None, typer.Option(help="Hub id it came from: owner/name.")] = None,
    revision: Annotated[str | None, typer.Option(help="The hub's commit it came from.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights, e.g. apache-2.0.")] = None,
    json: Json = False,
) -> None:
    """Write a folder's manifest: each file's size and digest.

    Pickles and Python files stay outside; a folder that has its weights as pickles alone is refused.
    """
    from consumer.operate import checkpoints as command

    _with_checkpoints(lambda: command.seal(folder, source=source, hub_revision=revision, licence=licence, json=json))


@model_app.command("check")
def model_check(
    folder: Annotated[Path, typer.Argument(help="Folder of a sealed checkpoint.")],
    json: Json = False,
) -> None:
    """Check a checkpoint: manifest, digests, parts and shards.

    Reads every byte once. Exit code 1 when a file is missing, damaged or not what it should be.
    """
    from consumer.operate import checkpoints as command

    _with_checkpoints(lambda: command.check(folder, json=json))


@bench_app.callback()
def _bench() -> None:
    """Measure this machine."""


@bench_app.command("engine")
def bench_engine(
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder of a sealed checkpoint (default: the tiny one, made here).")
    ] = None,
    full_size: Annotated[
        bool, typer.Option("--full-size", help="The real 5B with random weights, built on the device.")
    ] = False,
    profile: Annotated[
        list[str] | None, typer.Option(help="fast, quality, …, or a TOML file; may be repeated.")
    ] = None,
    size: Annotated[list[str] | None, typer.Option(help="Render size, WIDTHxHEIGHT; may be repeated.")] = None,
    frames: Annotated[list[int] | None, typer.Option(min=1, max=1000, help="4k+1; may be repeated.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, max=32, help="Clips a batch; may be repeated.")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="text or image; may be repeated.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of a case, ours and stock in turn.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=200, help="Other than the profile's (unipc only).")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Leave out what has not begun by then.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    stock: Annotated[bool, typer.Option(help="Stock diffusers beside it.")] = True,
    switches: Annotated[bool, typer.Option(help="What each switch brings.")] = True,
    compile: Annotated[  # noqa: A002 - the option's name
        bool | None, typer.Option(help="Compile, or not (default: as the profile says on a GPU).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The first of each, and two rounds.")] = False,
    json: Json = False,
) -> None:
    """Measure the wan engine beside stock diffusers.

    The device's ceilings first; then seconds a clip by stage, memory, and what is spent outside the models; then each
    switch beside what it was predicted to bring. Without options: the tiny checkpoint on a CPU, in a minute.
    """
    from consumer.operate import bench as command

    wanted = command.Wanted(
        checkpoint=checkpoint,
        full_size=full_size,
        profiles=profile or (),
        sizes=size or (),
        frames=frames or (),
        batches=batch or (),
        modes=mode or (),
        rounds=rounds,
        steps=steps,
        minutes=minutes,
        device=device,
        stock=stock,
        switches=switches,
        compile=compile,
        quick=quick,
    )
    try:
        finished = command.run(wanted, json=json)
    except command.UsageError as error:
        _fail(str(error), USAGE)
    except command.UnavailableError as error:
        _fail(str(error), UNAVAILABLE)
    except command.BenchError as error:
        _fail(str(error))
    if not finished:
        raise typer.Exit(130)


def main() -> None:
    """The ``skureel`` program."""
    app()
