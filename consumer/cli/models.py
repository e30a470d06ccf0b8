"""``skureel model``: the wan engine's checkpoints. The work is in ``consumer.operate.checkpoints``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from consumer.cli.shared import STOPPED, UNAVAILABLE, Config, Json, fail, group, settings_of

app = group("model", "Fetch, make, seal and check the wan engine's checkpoints.")


def _with_checkpoints(work: Callable[[], None]) -> None:
    """Run a ``model`` command and give its errors their exit codes."""
    from model.wan.checkpoint import CheckpointError, UnavailableError

    try:
        work()
    except UnavailableError as error:
        fail(str(error), UNAVAILABLE)
    except CheckpointError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped; run it again to go on where it was", STOPPED)


@app.command("fetch")
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

    wan = settings_of(config).engine.wan
    token = wan.hub_token.get_secret_value() if wan.hub_token else None
    _with_checkpoints(
        lambda: command.fetch(
            repo, revision=revision, to=to, cache=wan.cache, endpoint=endpoint or wan.hub_url, token=token, json=json
        )
    )


@app.command("tiny")
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


@app.command("seal")
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


@app.command("check")
def model_check(
    folder: Annotated[Path, typer.Argument(help="Folder of a sealed checkpoint.")],
    json: Json = False,
) -> None:
    """Check a checkpoint: manifest, digests, parts and shards.

    Reads every byte once. Exit code 1 when a file is missing, damaged or not what it should be.
    """
    from consumer.operate import checkpoints as command

    _with_checkpoints(lambda: command.check(folder, json=json))
