"""The heads of the files store: what is known of each object beside its bytes, and the locks of its keys."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumer.storage import folders
from consumer.storage.folders import Fingerprint
from consumer.storage.store import Attributes, Stat

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Head:
    """Attributes, and which content they belong to."""

    fingerprint: Fingerprint
    attributes: Attributes

    def stat(self, key: str) -> Stat:
        """As the protocol shows it."""
        return Stat(
            key=key,
            size=self.fingerprint.size,
            etag=self.fingerprint.etag,
            content_type=self.attributes.content_type,
            cache_control=self.attributes.cache_control,
            metadata=dict(self.attributes.metadata),
        )


class Heads:
    """One small file per key, named by the key's hash, with the newest head first and its predecessor behind.

    Two heads, so that a crash between the head and the content never pairs one object's content with another's head.
    """

    def __init__(self, root: Path, control: str, making: tuple[str, ...]) -> None:
        self._root = root
        self._control = control
        self._making = making

    def of(self, key: str, content: int) -> Head | None:
        """The head that belongs to this open content; None where the content was replaced since it was opened.

        A file that nobody put through the store (or that was edited by hand) has the default attributes.
        """
        mark = folders.stamp(content)
        known = self._read(key)
        for head in known:
            if head.fingerprint.stamp == mark:
                return head
        if os.fstat(content).st_nlink == 0:
            return None
        # Still in its place, so its head was among those read: the store was copied to another disk, or the head
        # is somebody else's.
        actual = folders.fingerprint(content)
        for head in known:
            if head.fingerprint.etag == actual.etag:
                return Head(actual, head.attributes)
        return Head(actual, Attributes())

    def write(self, key: str, heads: list[Head]) -> None:
        """Replace the heads of a key in one step. The caller holds the key's lock."""
        page = json.dumps({"format": FORMAT, "key": key, "heads": [_encoded(head) for head in heads]}).encode()
        where, name = self._place(key)
        with (
            folders.walk(self._root, self._making, create=True) as making,
            folders.spooled(making, iter([page])) as (temporary, _),
            folders.walk(self._root, where, create=True) as folder,
        ):
            os.replace(temporary, name, src_dir_fd=making, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, key: str) -> None:
        """Forget a key. The caller holds its lock."""
        where, name = self._place(key)
        with suppress(FileNotFoundError), folders.walk(self._root, where) as folder:
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Alone with a key, among threads and processes; a process that dies lets go.

        256 locks for all keys: lock files that come and go would race with those who wait for them.
        """
        with folders.walk(self._root, (self._control, "locks"), create=True) as folder:
            stripe = os.open(
                _hash(key)[:2], os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder
            )
        try:
            fcntl.flock(stripe, fcntl.LOCK_EX)
            yield
        finally:
            os.close(stripe)

    def _place(self, key: str) -> tuple[tuple[str, ...], str]:
        name = _hash(key)
        return (self._control, "heads", name[:2]), f"{name}.json"

    def _read(self, key: str) -> list[Head]:
        where, name = self._place(key)
        try:
            with folders.walk(self._root, where) as folder:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            return []
        try:
            page = b"".join(folders.chunks(descriptor))
        finally:
            os.close(descriptor)
        try:
            decoded = json.loads(page)
            return [_head(item) for item in decoded["heads"]] if decoded["format"] == FORMAT else []
        except (ValueError, KeyError, TypeError):
            return []  # not ours any more: the object is there all the same, with default attributes


def _encoded(head: Head) -> dict[str, Any]:
    kept = head.attributes
    return {
        "etag": head.fingerprint.etag,
        "stamp": head.fingerprint.stamp,
        "content_type": kept.content_type,
        "cache_control": kept.cache_control,
        "metadata": dict(kept.metadata),
        "tags": dict(kept.tags),
    }


def _head(item: dict[str, Any]) -> Head:
    inode, modified, size = item["stamp"]
    attributes = Attributes(
        content_type=item["content_type"],
        cache_control=item["cache_control"],
        metadata=item["metadata"],
        tags=item["tags"],
    )
    return Head(Fingerprint(item["etag"], (inode, modified, size)), attributes)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
