"""Checkpoints by name: a sealed folder, or a hub id at a pinned revision; opened, verified, or fetched where allowed.

Imports no torch: planners ask here for the revision of weights they do not have.
"""

from __future__ import annotations

from pathlib import Path

from model.wan.components import Component, check_components
from model.wan.fetch import fetch
from model.wan.hub import UnavailableError
from model.wan.manifest import (
    MANIFEST,
    Checkpoint,
    CheckpointError,
    Progress,
    SealedFile,
    digest_files,
    is_commit,
    is_hub_id,
    open_checkpoint,
    seal,
)

__all__ = [
    "MANIFEST",
    "Checkpoint",
    "CheckpointError",
    "Component",
    "Progress",
    "SealedFile",
    "UnavailableError",
    "cached",
    "check_components",
    "open_checkpoint",
    "resolve",
    "revision_of",
    "seal",
    "verify",
]

_SHOWN = 5
"""Damaged files named in one message."""


def verify(checkpoint: Checkpoint, *, digests: bool, progress: Progress | None = None) -> None:
    """Hold the files against the manifest: their sizes, and their digests where asked.

    Raises CheckpointError naming the files that differ, what was expected, what was found and what to do.
    """
    faults = [fault for file in checkpoint.files if (fault := _size_fault(checkpoint.folder, file))]
    if digests and not faults:
        try:
            found = digest_files(checkpoint.folder, [file.path for file in checkpoint.files], progress)
        except OSError as error:
            raise CheckpointError(f"{error.filename}: cannot be read: {error.strerror}") from error
        faults = [
            f"{kept.path}: its sha256 is {now.sha256}, the manifest says {kept.sha256}"
            for kept, now in zip(checkpoint.files, found, strict=True)
            if kept != now
        ]
    if faults:
        more = f" … and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise CheckpointError(f"{checkpoint.folder}: {'; '.join(faults[:_SHOWN])}{more}; {advice(checkpoint)}")


def advice(checkpoint: Checkpoint) -> str:
    """What to do about a damaged checkpoint."""
    if checkpoint.source and checkpoint.hub_revision:
        where = f"{checkpoint.source} --revision {checkpoint.hub_revision} --to {checkpoint.folder}"
        return f"fetch it again: skureel model fetch {where}"
    return "copy or make it again; if the change is meant, seal it anew"


def _size_fault(folder: Path, file: SealedFile) -> str | None:
    try:
        size = (folder / file.path).stat().st_size
    except FileNotFoundError:
        return f"{file.path}: missing ({file.size} bytes expected)"
    except OSError as error:
        return f"{file.path}: {error.strerror}"
    return None if size == file.size else f"{file.path}: {size} bytes, the manifest says {file.size}"


def cached(repo_id: str, revision: str, cache: Path) -> Path:
    """Where a fetched checkpoint lies: ``cache/owner--name/<commit>``."""
    return cache / repo_id.replace("/", "--") / revision


def resolve(
    name: str,
    *,
    revision: str | None,
    cache: Path,
    offline: bool,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
) -> Checkpoint:
    """The sealed checkpoint a name stands for. An existing folder goes before a hub id of the same spelling.

    A hub id needs the full commit, is looked for in the cache, and is fetched only when not ``offline``. Files are
    not verified here. Raises CheckpointError.
    """
    if name and (folder := Path(name)).is_dir():
        checkpoint = open_checkpoint(folder)
        if revision is not None and revision not in {checkpoint.revision, checkpoint.content}:
            raise CheckpointError(
                f"{folder}: is revision {checkpoint.revision}, not {revision} as configured; "
                "name the folder of that revision, or correct the setting"
            )
        return checkpoint
    commit = _pinned(name, revision)
    place = cached(name, commit, cache)
    if place.is_dir():
        return open_checkpoint(place)
    if offline:
        raise CheckpointError(
            f"{name} at {commit}: not in {cache}, and nothing is downloaded here; "
            f"run: skureel model fetch {name} --revision {commit}"
        )
    return fetch(name, commit, place, endpoint=endpoint, token=token, progress=progress)


def _pinned(name: str, revision: str | None) -> str:
    """The commit that goes with a hub id."""
    if not is_hub_id(name):
        raise CheckpointError(f"{name}: neither an existing folder nor a hub id (owner/name)")
    if revision is None:
        raise CheckpointError(
            f"{name}: a hub id needs a pinned revision: set the full commit that `skureel model fetch {name}` prints"
        )
    if not is_commit(revision):
        raise CheckpointError(
            f"{name}: revision {revision!r} is no full commit hash (40 hexadecimal digits); a branch or tag may move, "
            f"and clips could no longer be traced to their weights: set what `skureel model fetch {name} "
            f"--revision {revision}` prints"
        )
    return revision


def revision_of(name: str, *, revision: str | None, cache: Path) -> str:
    """The revision of a checkpoint whose weights need not be here: the pinned one, or else the folder's own.

    Raises CheckpointError where neither tells.
    """
    if revision is not None and not Path(name).is_dir() and is_hub_id(name):
        return _pinned(name, revision)
    if revision is not None:
        if not 12 <= len(revision) <= 64 or not set(revision) <= set("0123456789abcdef"):
            raise CheckpointError(f"{name}: revision {revision!r} is neither a commit nor a content digest")
        return revision
    return resolve(name, revision=None, cache=cache, offline=True).revision
