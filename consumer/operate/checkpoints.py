"""``skureel model …``: checkpoints fetched, made, sealed and checked, with what came of it for people or machines.

Knows no weights: the work is done in ``model.wan``.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from model.wan import checkpoint as checkpoints
from model.wan.checkpoint import Checkpoint, CheckpointError, Component, UnavailableError, cached
from model.wan.fetch import download, look
from model.wan.hub import INSTALL
from model.wan.manifest import Progress as Told


@contextmanager
def _bar(what: str) -> Iterator[Told]:
    """A bar of bytes for people who watch."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def fetch(
    repo_id: str,
    *,
    revision: str,
    to: Path | None,
    cache: Path,
    endpoint: str | None,
    token: str | None,
    json: bool,
) -> None:
    """Download a repository at a revision into ``to``, or the cache. Raises CheckpointError."""
    listing = look(repo_id, revision, endpoint=endpoint, token=token)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"{repo_id}: {revision} is commit {listing.commit}, {decimal(listing.size)}", markup=False)
    folder = to or cached(repo_id, listing.commit, cache)
    with _bar(repo_id) as told:
        fetched = download(listing, folder, endpoint=endpoint, token=token, progress=told)
    checkpoints.check_components(fetched)
    name = str(folder) if to else repo_id
    _tell(
        fetched,
        json,
        [f'set engine.wan.checkpoint = "{name}" and engine.wan.revision = "{listing.commit}"'],
    )


def tiny(folder: Path, *, seed: int, json: bool) -> None:
    """Make the tiny checkpoint. Raises CheckpointError."""
    try:
        from model.wan.tiny import make_tiny  # noqa: PLC0415 - torch, diffusers and transformers are an extra
    except ImportError as error:
        raise UnavailableError(f"making weights needs {error.name or 'torch'}: {INSTALL}") from error
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CheckpointError(f"{folder}: is already there; name a new folder")
    _tell(make_tiny(folder, seed=seed), json, [f'set engine.wan.checkpoint = "{folder}"'])


def seal(folder: Path, *, source: str | None, hub_revision: str | None, licence: str | None, json: bool) -> None:
    """Write a folder's manifest. Raises CheckpointError."""
    with _bar("digests") as told:
        sealed = checkpoints.seal(folder, source, hub_revision, licence, progress=told)
    _tell(sealed, json, [f"look at its parts: skureel model check {folder}"])


def check(folder: Path, *, json: bool) -> None:
    """Hold a folder against its manifest and the pipeline's needs. Raises CheckpointError."""
    found = checkpoints.open_checkpoint(folder)
    with _bar("digests") as told:
        checkpoints.verify(found, digests=True, progress=told)
    parts = checkpoints.check_components(found)
    if not json:
        Console().print(_table(parts))
    _tell(found, json, [], parts)


def _table(parts: Sequence[Component]) -> Table:
    table = Table("part", "class", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("files", "size", "parameters"):
        table.add_column(title, justify="right")
    for part in parts:
        counted = f"{part.parameters:,}" if part.parameters else ""
        table.add_row(Text(part.name), Text(part.kind), str(part.files), decimal(part.size), counted)
    return table


def _tell(found: Checkpoint, json: bool, then: Sequence[str], parts: Sequence[Component] = ()) -> None:
    if json:
        value: dict[str, object] = {
            "folder": str(found.folder),
            "source": found.source,
            "revision": found.revision,
            "content": found.content,
            "licence": found.licence,
            "files": len(found.files),
            "bytes": found.size,
        }
        if parts:
            value["components"] = [
                {"name": p.name, "class": p.kind, "files": p.files, "bytes": p.size, "parameters": p.parameters}
                for p in parts
            ]
        print(jsonlib.dumps(value, ensure_ascii=False))
        return
    lines = [
        f"{found.folder}: {len(found.files)} files, {decimal(found.size)}",
        f"source    {found.source or 'this folder'}",
        f"revision  {found.revision}",
        f"content   {found.content}",
        f"licence   {found.licence or 'not stated'}",
        *then,
    ]
    print("\n".join(lines))
