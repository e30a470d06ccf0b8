"""``skureel bench``: measurements. The work is in ``consumer.operate.bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.shared import STOPPED, UNAVAILABLE, USAGE, Json, fail, group

app = group("bench", "Measure this machine.")


@app.callback()
def _bench() -> None:
    """Measure this machine."""


@app.command("engine")
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
        fail(str(error), USAGE)
    except command.UnavailableError as error:
        fail(str(error), UNAVAILABLE)
    except command.BenchError as error:
        fail(str(error))
    if not finished:
        raise typer.Exit(STOPPED)
