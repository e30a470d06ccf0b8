"""A checkpoint folder and the manifest that seals it: which files, how large, with which digests, from where.

Knows nothing of what the files mean, and imports neither torch nor a hub's client.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "skureel-checkpoint.json"
FORMAT = 1
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
"""Weights that can run code while they are read: never part of a checkpoint."""
THREADS = 4
"""Files digested side by side; hashlib works without the interpreter's lock."""
_CHUNK = 4 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HUB_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_][A-Za-z0-9._-]*")

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all, from any thread but never from two at once."""


class CheckpointError(Exception):
    """Raised when a checkpoint cannot be had or used; the message names what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """One file of a checkpoint. ``path`` is relative to its folder, with ``/``; ``size`` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A sealed folder, as its manifest describes it."""

    folder: Path
    source: str | None = None
    """Hub id (owner/name) it was fetched from."""
    hub_revision: str | None = None
    """The hub's commit, 40 hexadecimal digits."""
    licence: str | None = None
    """As the model card has it, e.g. ``apache-2.0``."""
    files: tuple[SealedFile, ...]
    """Sorted by path."""

    @property
    def content(self) -> str:
        """SHA-256 over the sorted paths and digests: the same for the same bytes, wherever they came from."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{file.sha256}\n".encode())
        return digest.hexdigest()

    @property
    def revision(self) -> str:
        """The hub's commit where there is one, the content digest otherwise."""
        return self.hub_revision or self.content

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def is_commit(text: str) -> bool:
    """True for a full commit hash; branches and tags may move and are none."""
    return _COMMIT.fullmatch(text) is not None


def is_hub_id(text: str) -> bool:
    """True for what reads as owner/name."""
    return _HUB_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read and validate a folder's manifest; no other file is looked at. Raises CheckpointError."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        if not folder.is_dir():
            raise CheckpointError(f"{folder}: no such folder") from None
        raise CheckpointError(
            f"{folder}: has no {MANIFEST}; if its files are what you want, run: skureel model seal {folder}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: cannot be read: {error}") from error
    try:
        return _from_json(folder, json.loads(text))
    except (ValueError, RecursionError) as error:
        advice = f"fetch the checkpoint again, or seal it anew: skureel model seal {folder}"
        raise CheckpointError(f"{folder / MANIFEST}: {error}; {advice}") from error


def _from_json(folder: Path, value: Any) -> Checkpoint:
    """Raises ValueError naming the field."""
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted, not {type(value).__name__}")  # noqa: TRY004 - all faults of the text
    if value.get("format") != FORMAT:
        raise ValueError(f"format: {value.get('format')!r}; this release reads {FORMAT}")
    hub_revision = _optional(value, "hub_revision")
    if hub_revision is not None and not is_commit(hub_revision):
        raise ValueError(f"hub_revision: {hub_revision!r} is no full commit hash")
    listed = value.get("files")
    if not isinstance(listed, list) or not listed:
        raise ValueError("files: a list of at least one file is wanted")
    files = sorted((_file(folder, f"files[{place}]", item) for place, item in enumerate(listed)), key=lambda f: f.path)
    if doubles := {file.path for file in files if sum(other.path == file.path for other in files) > 1}:
        raise ValueError(f"files: {min(doubles)} is listed twice")
    checkpoint = Checkpoint(
        folder=folder,
        source=_optional(value, "source"),
        hub_revision=hub_revision,
        licence=_optional(value, "licence"),
        files=tuple(files),
    )
    if value.get("content") != checkpoint.content:
        raise ValueError(f"content: {value.get('content')!r}, but the files' digests give {checkpoint.content}")
    return checkpoint


def _optional(value: Mapping[str, Any], name: str) -> str | None:
    found = value.get(name)
    if found is None or (isinstance(found, str) and found):
        return found
    raise ValueError(f"{name}: a text or null is wanted, not {found!r}")


def _file(folder: Path, where: str, item: Any) -> SealedFile:
    if not isinstance(item, dict):
        raise ValueError(f"{where}: an object is wanted, not {type(item).__name__}")  # noqa: TRY004 - as above
    path, size, sha256 = item.get("path"), item.get("size"), item.get("sha256")
    if not isinstance(path, str) or not _stays_inside(folder, path):
        raise ValueError(f"{where}.path: {path!r} does not stay inside the folder")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"{where}.size: {size!r} is no number of bytes")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{where}.sha256: {sha256!r} is no SHA-256 in hexadecimal")
    return SealedFile(path=path, size=size, sha256=sha256)


def _stays_inside(folder: Path, path: str) -> bool:
    """False for absolute paths, ``..``, other spellings of a plain path, and links that lead out."""
    plain = PurePosixPath(path)
    if not path or plain.is_absolute() or ".." in plain.parts or "\\" in path or "\0" in path or str(plain) != path:
        return False
    return (folder / path).resolve().is_relative_to(folder.resolve())


def seal(
    folder: Path,
    source: str | None = None,
    hub_revision: str | None = None,
    licence: str | None = None,
    *,
    progress: Progress | None = None,
) -> Checkpoint:
    """Digest a folder's files and write its manifest, last and at once. Raises CheckpointError.

    Hidden files, Python files and pickles stay outside; a folder whose weights are pickles alone is refused.
    """
    if hub_revision is not None and not is_commit(hub_revision):
        raise CheckpointError(f"revision {hub_revision!r}: no full commit hash (40 hexadecimal digits)")
    paths = _sealable(folder)
    try:
        files = digest_files(folder, paths, progress)
    except OSError as error:
        raise CheckpointError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error
    return write_manifest(folder, files, source=source, hub_revision=hub_revision, licence=licence)


def _sealable(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    seen = [path for path in found if not any(part.startswith(".") for part in path.parts)]
    safe = {path.parent for path in seen if path.suffix == ".safetensors"}
    for path in seen:
        if path.suffix in PICKLES and path.parent not in safe:
            raise CheckpointError(
                f"{folder / path}: a pickle, which can run code when it is read, and no safetensors beside it; "
                "only safetensors are loaded: convert the weights, or take a checkpoint that has them"
            )
    kept = [p.as_posix() for p in seen if p.suffix not in PICKLES | {".py"} and p.as_posix() != MANIFEST]
    if not kept:
        raise CheckpointError(f"{folder}: holds no files to seal")
    for path_text in kept:
        if not _stays_inside(folder, path_text):
            raise CheckpointError(f"{folder / path_text}: a link that leads out of the folder; copy the file in")
    return kept


def digest_files(folder: Path, paths: Iterable[str], progress: Progress | None = None) -> tuple[SealedFile, ...]:
    """Sizes and digests of files as they are, sorted by path. Raises OSError."""
    listed = sorted(paths)
    total = sum((folder / path).stat().st_size for path in listed)
    lock, done = threading.Lock(), 0

    def advance(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            if progress is not None:
                progress(done, total)

    def one(path: str) -> SealedFile:
        size, sha256 = digest(folder / path, advance)
        return SealedFile(path=path, size=size, sha256=sha256)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="skureel-digest") as pool:
        return tuple(pool.map(one, listed))


def digest(path: Path, advance: Callable[[int], None] | None = None) -> tuple[int, str]:
    """A file's size and SHA-256; ``advance`` is told the bytes of each piece read. Raises OSError."""
    whole, size, buffer = hashlib.sha256(), 0, bytearray(_CHUNK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            whole.update(memoryview(buffer)[:count])
            size += count
            if advance is not None:
                advance(count)
    return size, whole.hexdigest()


def write_manifest(
    folder: Path,
    files: Iterable[SealedFile],
    *,
    source: str | None = None,
    hub_revision: str | None = None,
    licence: str | None = None,
) -> Checkpoint:
    """Write the manifest of files whose digests are known, so that it is there whole or not at all."""
    checkpoint = Checkpoint(
        folder=folder,
        source=source,
        hub_revision=hub_revision,
        licence=licence,
        files=tuple(sorted(files, key=lambda file: file.path)),
    )
    value = {
        "format": FORMAT,
        "source": source,
        "hub_revision": hub_revision,
        "licence": licence,
        "content": checkpoint.content,
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in checkpoint.files],
    }
    aside = folder / f".{MANIFEST}.new"
    try:
        with aside.open("w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder / MANIFEST)
    except OSError as error:
        raise CheckpointError(f"{folder / MANIFEST}: cannot be written: {error.strerror}") from error
    return checkpoint
