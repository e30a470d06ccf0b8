"""The files store: objects as plain files under their own names. Knows no clip; safe across threads and processes.

``<root>/<key>`` is the object and nothing else, so a page can link to it. ``<root>/.skureel/`` holds what S3 would
keep beside it: heads (content type, metadata), locks and files in the making.
"""

from __future__ import annotations

import errno
import os
import stat as modes
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from consumer.storage import folders, keys
from consumer.storage.heads import Head, Heads
from consumer.storage.store import (
    Attributes,
    Capabilities,
    Condition,
    ConditionFailedError,
    Matches,
    ObjectNotFoundError,
    Stat,
    StoreError,
    StoreUnavailableError,
)

CONTROL = ".skureel"
"""No key begins with a dot, so no object can lie here."""
MAKING = (CONTROL, "making")
LEFTOVER_SECONDS = 86_400.0
"""Age after which a file in the making belongs to a process that died."""

T = TypeVar("T")

_READS = 100
"""Times a reader starts again because a writer replaced the content under its hands."""
# Outages that pass: the disk is full, the folder or its network is away, too many files are open, somebody removes
# folders under our hands.
_PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.EAGAIN,
    errno.EINTR, errno.ENOMEM, errno.EBUSY, errno.EHOSTDOWN, errno.ENOTCONN, errno.ECONNRESET, errno.ENODEV,
    errno.ENOENT,
}  # fmt: skip
_NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_SHAPE = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST}


class FilesStore:
    """Objects in a folder. Every write is whole, durable when it returns, and conditional without a race.

    A put writes the new head *beside* the old one, then renames the content into place; a reader takes the head that
    fits the content it holds. So a crash between the two leaves the old object whole. Raises StoreError where the
    folder cannot be made, ValueError for a bad ``public_url``.
    """

    def __init__(self, root: Path, public_url: str | None = None) -> None:
        self._public_url = keys.check_public_url(public_url) if public_url else None
        try:
            root.mkdir(parents=True, exist_ok=True)
            self.root = root.resolve(strict=True)
        except OSError as error:
            raise StoreError(f"{root}: cannot make the store's folder ({error.strerror}); see store.path") from error
        self._heads = Heads(self.root, CONTROL, MAKING)

    def __repr__(self) -> str:
        return f"FilesStore({str(self.root)!r})"

    def probe(self) -> Capabilities:
        """See Store.probe. Clears away what processes that died left in the making."""
        key = f"probe-{uuid.uuid4().hex}"
        self.put(key, b"probe", Attributes())
        try:
            if self.get(key)[0] != b"probe":
                raise StoreError(f"{self.root}: what was written is not what was read")
        finally:
            self.delete(key)
        with self._faults(key), folders.walk(self.root, MAKING, create=True) as making:
            folders.clear(making, older_than=time.time() - LEFTOVER_SECONDS)
        return Capabilities(conditional_put=True, tagging=True)

    def put(self, key: str, data: bytes | Path, attributes: Attributes, *, condition: Condition | None = None) -> Stat:
        """See Store.put. Raises the source's own OSError where ``data`` names a file that cannot be read."""
        keys.check_key(key)
        keys.check_attributes(attributes)
        if isinstance(data, bytes):
            return self._put(key, iter([data]), attributes, condition)
        with data.open("rb") as source:
            return self._put(key, folders.chunks(source.fileno()), attributes, condition)

    def _put(
        self, key: str, content: Iterator[bytes], attributes: Attributes, condition: Condition | None = None
    ) -> Stat:
        where, name = _split(key)
        with (
            self._faults(key),
            folders.walk(self.root, MAKING, create=True) as making,
            folders.spooled(making, content) as (temporary, fingerprint),
            self._heads.locked(key),
            folders.walk(self.root, where, create=True) as folder,
        ):
            new = Head(fingerprint, attributes)
            current = self._head(key)
            if condition is not None and not _holds(condition, current):
                raise ConditionFailedError(key)
            self._heads.write(key, [new] if current is None else [new, current])
            os.replace(temporary, name, src_dir_fd=making, dst_dir_fd=folder)
            os.fsync(folder)
            return new.stat(key)

    def get(self, key: str) -> tuple[bytes, Stat]:
        """See Store.get."""
        keys.check_key(key)
        with self._faults(key):
            found = self._read(key, lambda content: b"".join(folders.chunks(content)))
        if found is None:
            raise ObjectNotFoundError(key)
        content, head = found
        return content, head.stat(key)

    def stat(self, key: str) -> Stat | None:
        """See Store.stat."""
        keys.check_key(key)
        with self._faults(key):
            head = self._head(key)
        return None if head is None else head.stat(key)

    def copy(self, source: str, target: str, attributes: Attributes) -> Stat:
        """See Store.copy."""
        keys.check_key(source)
        keys.check_key(target)
        keys.check_attributes(attributes)
        with self._faults(source), self._opened(source) as content:
            if content is None:
                raise ObjectNotFoundError(source)
            return self._put(target, folders.chunks(content), attributes)

    def delete(self, key: str) -> None:
        """See Store.delete."""
        where, name = _split(keys.check_key(key))
        with self._faults(key), self._heads.locked(key):
            with suppress(*_NOTHING_THERE), folders.walk(self.root, where) as folder:
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
            self._heads.remove(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Store.list. A prefix is a beginning of keys, as in S3, and need not end at a slash."""
        keys.check_prefix(prefix)
        for key in self._walk(tuple(prefix.split("/")[:-1]), prefix):
            found = self.stat(key)
            if found is not None:  # it may have gone since the folder was read
                yield found

    def url(self, key: str) -> str:
        """See Store.url: below ``public_url``, else a file address."""
        keys.check_key(key)
        return keys.address(self._public_url, key) if self._public_url else (self.root / key).as_uri()

    def link(self, key: str, seconds: int) -> str:  # noqa: ARG002 - files are read by whoever may
        """See Store.link: the address of the file."""
        return self.url(key)

    def _walk(self, where: tuple[str, ...], prefix: str) -> Iterator[str]:
        found: Sequence[tuple[str, bool]] = ()
        nothing = suppress(FileNotFoundError, NotADirectoryError)
        with self._faults(prefix), nothing, folders.walk(self.root, where) as folder:
            found = folders.entries(folder)
        for name, is_folder in found:
            key = "/".join([*where, name])
            if not keys.is_key(key):
                continue
            if is_folder and f"{key}/".startswith(prefix):
                yield from self._walk((*where, name), prefix)
            elif not is_folder and key.startswith(prefix):
                yield key

    def _head(self, key: str) -> Head | None:
        found = self._read(key, lambda _: None)
        return None if found is None else found[1]

    def _read(self, key: str, take: Callable[[int], T]) -> tuple[T, Head] | None:
        """What ``take`` makes of the object's open content, and the head of that same content."""
        for _ in range(_READS):
            with self._opened(key) as content:
                if content is None:
                    return None
                head = self._heads.of(key, content)
                if head is not None:
                    return take(content), head
        raise StoreUnavailableError(f"{key} is being written faster than it can be read")

    @contextmanager
    def _opened(self, key: str) -> Iterator[int | None]:
        """The object's content, open for reading; None where there is none."""
        where, name = _split(key)
        content = None
        with suppress(FileNotFoundError, NotADirectoryError), folders.walk(self.root, where) as folder:
            # Without O_NONBLOCK a pipe that somebody put here would hold us for ever.
            content = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            yield content if content is not None and modes.S_ISREG(os.fstat(content).st_mode) else None
        finally:
            if content is not None:
                os.close(content)

    @contextmanager
    def _faults(self, key: str) -> Iterator[None]:
        """Say of the system's errors what they mean for whoever asked."""
        try:
            yield
        except OSError as error:
            raise self._named(key, error) from error

    def _named(self, key: str, error: OSError) -> StoreError:
        reason = error.strerror or str(error)
        if error.errno in _PASSING:
            return StoreUnavailableError(f"{self.root}: {reason} ({key})")
        if error.errno in _SHAPE:
            return StoreError(f"{key}: {reason}: a symbolic link, or an object where a folder must be, or the reverse")
        return StoreError(f"{self.root}: {reason} ({key}); check who owns the folder and how it is mounted")


def _split(key: str) -> tuple[tuple[str, ...], str]:
    """Folders and name of a key."""
    *where, name = key.split("/")
    return tuple(where), name


def _holds(condition: Condition, current: Head | None) -> bool:
    if isinstance(condition, Matches):
        return current is not None and current.fingerprint.etag == condition.etag
    return current is None
