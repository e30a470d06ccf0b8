"""File-system steps that cannot be led astray: every folder is entered by descriptor, links are never followed."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Which content a head speaks of.

    ``etag`` is the content's SHA-256. ``stamp`` (inode, modification time in ns, size) recognises it without reading:
    two contents of one key exist side by side for a moment, so their inodes differ.
    """

    etag: str
    stamp: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stamp[2]


def stamp(descriptor: int) -> tuple[int, int, int]:
    """The stamp of an open file."""
    about = os.fstat(descriptor)
    return about.st_ino, about.st_mtime_ns, about.st_size


def chunks(descriptor: int) -> Iterator[bytes]:
    """An open file's bytes from its beginning, wherever others have read it to."""
    offset = 0
    while block := os.pread(descriptor, CHUNK, offset):
        offset += len(block)
        yield block


def fingerprint(descriptor: int) -> Fingerprint:
    """The fingerprint of an open file; reads all of it."""
    sha256 = hashlib.sha256()
    for block in chunks(descriptor):
        sha256.update(block)
    return Fingerprint(sha256.hexdigest(), stamp(descriptor))


@contextmanager
def walk(root: Path, where: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """The folder below ``root``, open. Raises FileNotFoundError, or NotADirectoryError at a file or a link.

    A root that is gone is another matter than an object that is not there: OSError with ENODEV.
    """
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise OSError(errno.ENODEV, "the store's folder is gone: mount it again, or see store.path") from error
    try:
        for name in where:
            inner = _enter(folder, name, create=create)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _enter(folder: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
        os.fsync(folder)
    return os.open(name, _FOLDER, dir_fd=folder)


@contextmanager
def spooled(folder: int, content: Iterator[bytes]) -> Iterator[tuple[str, Fingerprint]]:
    """A new, durable file in ``folder`` with this content, under a name of its own; gone at the end unless renamed."""
    name = uuid.uuid4().hex
    descriptor = os.open(name, _NEW, 0o666, dir_fd=folder)
    try:
        try:
            sha256 = hashlib.sha256()
            for block in content:
                sha256.update(block)
                _write(descriptor, block)
            os.fsync(descriptor)
            mark = Fingerprint(sha256.hexdigest(), stamp(descriptor))
        finally:
            os.close(descriptor)
        yield name, mark
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _write(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def entries(folder: int) -> list[tuple[str, bool]]:
    """Names in an open folder and whether each is a folder, in the order of the keys below them; links are left out."""
    with os.scandir(folder) as found:
        names = [
            (entry.name, entry.is_dir(follow_symlinks=False))
            for entry in found
            if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
        ]
    # A folder sorts by its name and the slash that follows it: 'a-b' and 'a.b' come before 'a/b', 'a0' after.
    return sorted(names, key=lambda entry: f"{entry[0]}/" if entry[1] else entry[0])


def clear(folder: int, *, older_than: float) -> None:
    """Remove files last changed before ``older_than`` (Unix time, seconds)."""
    for name, is_folder in entries(folder):
        with suppress(FileNotFoundError):
            if not is_folder and os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime < older_than:
                os.unlink(name, dir_fd=folder)
