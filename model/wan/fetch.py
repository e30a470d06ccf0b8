"""From a hub to a sealed folder: what a repository holds at one commit, downloaded, resumed, compared and sealed.

The hub's own library keeps nothing of a file whose download was killed; here it is kept: a shard is gigabytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from model.wan.components import CLASSES
from model.wan.hub import Hub, Patience, StoppedError, online, trouble
from model.wan.manifest import (
    MANIFEST,
    Checkpoint,
    CheckpointError,
    Progress,
    SealedFile,
    is_commit,
    is_hub_id,
    open_checkpoint,
    write_manifest,
)

THREADS = 4
"""Files downloaded side by side."""
_LOCK = ".lock"
_PART = ".part"
_PATIENT = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as the hub lists it. ``sha256`` for large files, ``blob`` (git's SHA-1) for all others."""

    path: str
    size: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a repository holds at one commit, as far as a checkpoint needs it."""

    repo_id: str
    commit: str
    licence: str | None
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def look(
    repo_id: str,
    revision: str,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    patience: Patience = _PATIENT,
) -> Listing:
    """What a repository holds at a commit, branch or tag; the listing names the commit. Raises CheckpointError.

    Without an ``endpoint`` the library's own is asked; without a ``token`` none is sent, not even a stored one.
    """
    if not is_hub_id(repo_id):
        raise CheckpointError(f"{repo_id}: no hub id (owner/name)")
    with online() as library:
        info = Hub(library=library, endpoint=endpoint, token=token, patience=patience).info(repo_id, revision)
    if not info.sha or not is_commit(info.sha):
        raise CheckpointError(f"{repo_id}: the hub names no commit for revision {revision!r}")
    files = [_remote(repo_id, sibling) for sibling in info.siblings or () if _wanted(sibling.rfilename)]
    if not any(file.path == "model_index.json" for file in files):
        raise CheckpointError(
            f"{repo_id} at {info.sha}: has no model_index.json: no checkpoint in diffusers' layout; "
            "take the repository of the same model that has one (their names end in -Diffusers)"
        )
    licence = getattr(info.card_data, "license", None)
    return Listing(
        repo_id=repo_id,
        commit=info.sha,
        licence=licence if isinstance(licence, str) else None,
        files=tuple(sorted(files, key=lambda file: file.path)),
    )


def _wanted(path: str) -> bool:
    """True for weights, configurations, vocabularies and licences of the pipeline's own folders."""
    plain = PurePosixPath(path)
    if plain.is_absolute() or ".." in plain.parts or str(plain) != path or path == MANIFEST:
        return False
    if len(plain.parts) > 2 or (len(plain.parts) == 2 and plain.parts[0] not in CLASSES):
        return False
    return plain.suffix in {".safetensors", ".json", ".model"} or plain.name.startswith(("LICENSE", "README.md"))


def _remote(repo_id: str, sibling: Any) -> RemoteFile:
    size = sibling.lfs.size if sibling.lfs else sibling.size
    if not isinstance(size, int):
        raise CheckpointError(f"{repo_id}: the hub tells no size of {sibling.rfilename}")
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    return RemoteFile(path=sibling.rfilename, size=size, sha256=sha256, blob=None if sha256 else sibling.blob_id)


def fetch(
    repo_id: str,
    revision: str,
    folder: Path,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
    patience: Patience = _PATIENT,
) -> Checkpoint:
    """Download a repository's checkpoint at a revision into a folder and seal it. Raises CheckpointError.

    The folder appears whole or not at all. What an interrupted fetch left is gone on with; a sealed folder of the
    same commit is compared anew and, where damaged, mended.
    """
    listing = look(repo_id, revision, endpoint=endpoint, token=token, patience=patience)
    return download(listing, folder, endpoint=endpoint, token=token, progress=progress, patience=patience)


def download(
    listing: Listing,
    folder: Path,
    *,
    endpoint: str | None = None,
    token: str | None = None,
    progress: Progress | None = None,
    patience: Patience = _PATIENT,
) -> Checkpoint:
    """``fetch`` of what was looked up."""
    staging = folder.parent / f".{folder.name}.fetching"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _make_room(listing, folder, staging)
        staging.mkdir(exist_ok=True)
        with _alone(staging), online() as library:
            hub = Hub(library=library, endpoint=endpoint, token=token, patience=patience)
            files = _Download(listing, staging, hub, progress).run()
            write_manifest(staging, files, source=listing.repo_id, hub_revision=listing.commit, licence=listing.licence)
            (staging / _LOCK).unlink()
            staging.rename(folder)
    except OSError as error:
        raise CheckpointError(f"{folder}: {trouble(error)}") from error
    return open_checkpoint(folder)


def _make_room(listing: Listing, folder: Path, staging: Path) -> None:
    """Clear the way for the folder. One that was fetched before becomes the beginning of this fetch."""
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        return
    with suppress(CheckpointError):
        found = open_checkpoint(folder)
        if (found.source, found.hub_revision) == (listing.repo_id, listing.commit) and not staging.exists():
            folder.rename(staging)
            return
    raise CheckpointError(
        f"{folder}: is already there, and is not {listing.repo_id} at {listing.commit}; name another folder"
    )


@contextmanager
def _alone(staging: Path) -> Iterator[None]:
    """Keeps a second fetch of the same checkpoint away. The lock goes with the process, however that ends."""
    with (staging / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(f"{staging}: another fetch is at work here; wait for it to end") from error
        yield


@dataclass(slots=True)
class _Download:
    """The files of one listing on their way."""

    listing: Listing
    staging: Path
    hub: Hub
    progress: Progress | None
    have: dict[str, int] = field(default_factory=dict)
    """Bytes there, by file."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[SealedFile]:
        """Every file, complete and compared. Raises CheckpointError, OSError."""
        self._clear()
        missing = self.listing.size - sum(self.have.values())
        if (free := shutil.disk_usage(self.staging).free) < missing:
            raise CheckpointError(
                f"{self.staging.parent}: {missing / 1e9:.1f} GB are still to come and {free / 1e9:.1f} GB are free; "
                "make room, or name a folder on another disk"
            )
        with ThreadPoolExecutor(THREADS, thread_name_prefix="skureel-fetch") as pool:
            try:
                return _results([pool.submit(self._one, file) for file in self.listing.files])
            finally:
                # Also when the person in front of it stops it: threads end at their next piece.
                self.stopped.set()
                pool.shutdown(cancel_futures=True)

    def _clear(self) -> None:
        """Remove what does not belong to this listing, and count what does."""
        known = {file.path for file in self.listing.files}
        for path in [path for path in self.staging.rglob("*") if path.is_file()]:
            name = path.relative_to(self.staging).as_posix()
            if name.removesuffix(_PART) in known:
                self.have[name.removesuffix(_PART)] = path.stat().st_size
            elif name != _LOCK:
                path.unlink()

    def _one(self, file: RemoteFile) -> SealedFile:
        place = self.staging / file.path
        part = place.with_name(place.name + _PART)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            # Compared when it came; but this may be a folder that is to be mended.
            place.replace(part)
        resumed = part.exists()
        sha256 = self._complete(file, part)
        if sha256 is None and resumed:  # what was there was wrong, not what came
            part.unlink()
            sha256 = self._complete(file, part)
        if sha256 is None:
            part.unlink()
            raise CheckpointError(
                f"{self.listing.repo_id}: {file.path} came with another digest than the hub's listing has; run it "
                "again; if that does not help, something on the way to the hub changes files"
            )
        part.replace(place)
        return SealedFile(path=file.path, size=file.size, sha256=sha256)

    def _complete(self, file: RemoteFile, part: Path) -> str | None:
        """Bring a file to its full length; its SHA-256, or None where the content is not what was listed."""
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
        with part.open("ab+") as target:
            if target.tell() > file.size:
                target.truncate(0)
            start = target.seek(0)
            while data := target.read(1 << 22):
                sha256.update(data)
                git.update(data)
                start += len(data)
                self._reached(file, start)
            repo_id, commit = self.listing.repo_id, self.listing.commit
            for data in self.hub.rest(repo_id, commit, file.path, start=start, size=file.size, stopped=self.stopped):
                target.write(data)
                sha256.update(data)
                git.update(data)
                self._reached(file, target.tell())
        right = sha256.hexdigest() == file.sha256 if file.sha256 else file.blob in {None, git.hexdigest()}
        return sha256.hexdigest() if right else None

    def _reached(self, file: RemoteFile, there: int) -> None:
        if self.stopped.is_set():
            raise StoppedError
        with self.lock:
            self.have[file.path] = there
            if self.progress is not None:
                self.progress(sum(self.have.values()), self.listing.size)


def _results(futures: list[Future[SealedFile]]) -> list[SealedFile]:
    """Every result; or the first error, as soon as there is one."""
    done = wait(futures, return_when=FIRST_EXCEPTION).done
    return [future.result() for future in (*(f for f in done if f.exception() is not None), *futures)]
