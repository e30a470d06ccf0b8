"""Reads the box structure of an MP4 (ISO/IEC 14496-12) and the metadata keys inside it; decodes no picture.

Written for hostile bytes: every size is checked against its parent and every loop is bounded, so that a broken
file ends in BoxError, never in a hang or in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.errors import BoxError

MAX_BOXES = 4096
"""Most boxes at one level; our own files have fewer than twenty."""
MAX_TAGS = 256
"""Most metadata entries read from one file."""
MAX_TAG_BYTES = 64 * 1024
"""Longest metadata value read."""

_META_PATHS = ("moov/udta/meta", "moov/meta", "meta", "moov/trak/udta/meta", "moov/trak/meta")
_UTF8 = 1
"""The well-known type of an ilst data box that holds UTF-8 text (QuickTime File Format, metadata)."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-character type, and where its content starts and ends in the file."""

    kind: str
    start: int
    """Offset of the box's own header."""
    body: int
    end: int


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that fill ``data[start:end]``, in order. Raises BoxError at the first that does not fit."""
    limit = len(data) if end is None else end
    at = start
    for _ in range(MAX_BOXES):
        if at >= limit:
            return
        box = _box(data, at, limit)
        yield box
        at = box.end
    raise BoxError(f"more than {MAX_BOXES} boxes at one level, from offset {start}")


def find(data: bytes, path: str, inside: Box | None = None) -> list[Box]:
    """Every box at a path such as ``moov/trak/mdia``, in file order."""
    first, _, rest = path.partition("/")
    span = _inner(data, inside) if inside else (0, len(data))
    here = [box for box in boxes(data, *span) if box.kind == first]
    if not rest:
        return here
    return [found for box in here for found in find(data, rest, box)]


def number(data: bytes, at: int, size: int, box: Box) -> int:
    """A big-endian unsigned number inside a box. Raises BoxError when the box is too short for it."""
    if at < box.body or at + size > box.end:
        raise BoxError(f"box {box.kind!r} at {box.start} is too short")
    return int.from_bytes(data[at : at + size], "big")


def is_faststart(data: bytes) -> bool:
    """True when the headers come before the pictures, so that a player can start on the first bytes."""
    order = [box.kind for box in boxes(data) if box.kind in ("moov", "mdat")]
    return "mdat" in order and order[:1] == ["moov"]


def read_tags(data: bytes) -> list[tuple[str, str]]:
    """Every (key, text) of the file's keyed metadata, duplicates included, in file order.

    Looks in ``moov.udta.meta``, ``moov.meta``, a ``meta`` at the top and those of the tracks, so that a second copy
    anywhere is seen.
    """
    found = [tag for path in _META_PATHS for meta in find(data, path) for tag in _meta_tags(data, meta)]
    if len(found) > MAX_TAGS:
        raise BoxError(f"more than {MAX_TAGS} metadata entries")
    return found


def check_counts(data: bytes, most: int) -> None:
    """Raises BoxError when a table claims more than ``most`` samples, or more metadata than is read.

    To be called before the bytes are given to a library: some allocate what a count claims before they look whether
    the file has it, and a file of a few kilobytes then takes gigabytes.
    """
    read_tags(data)
    for table in find(data, "moov/trak/mdia/minf/stbl"):
        for box in boxes(data, table.body, table.end):
            claimed = _claimed(data, box)
            if claimed > most:
                raise BoxError(f"box {box.kind!r} at {box.start} claims {claimed} samples; at most {most} are read")


def _claimed(data: bytes, box: Box) -> int:
    """How many samples a box of a sample table speaks of; 0 for boxes that are no longer than their counts."""
    if box.kind == "stsz":
        return number(data, box.body + 8, 4, box)
    if box.kind not in ("stts", "ctts"):
        return 0
    runs = number(data, box.body + 4, 4, box)
    if box.body + 8 + 8 * runs > box.end:
        raise BoxError(f"box {box.kind!r} at {box.start} claims {runs} runs and has not the room")
    return sum(int.from_bytes(data[at : at + 4], "big") for at in range(box.body + 8, box.body + 8 + 8 * runs, 8))


def _box(data: bytes, at: int, limit: int) -> Box:
    header = 8
    if at + header > limit:
        raise BoxError(f"{limit - at} stray bytes at {at} where a box should start")
    size = int.from_bytes(data[at : at + 4], "big")
    raw = data[at + 4 : at + 8]
    kind = raw.decode("latin-1")
    if size == 1:
        header = 16
        if at + header > limit:
            raise BoxError(f"box {kind!r} at {at} is cut inside its size")
        size = int.from_bytes(data[at + 8 : at + 16], "big")
    elif size == 0:
        size = limit - at  # allowed for the last box of a file: it runs to the end
    if size < header or at + size > limit:
        raise BoxError(f"box {kind!r} at {at} claims {size} bytes of {limit - at}")
    return Box(kind, at, at + header, at + size)


def _inner(data: bytes, box: Box) -> tuple[int, int]:
    """Where a container's children are. ``meta`` has a version field in MP4 and none in QuickTime files."""
    body = box.body
    if box.kind == "meta" and data[body + 4 : body + 8] != b"hdlr":
        body += 4
    return min(body, box.end), box.end


def _meta_tags(data: bytes, meta: Box) -> list[tuple[str, str]]:
    names = [name for keys in find(data, "keys", meta) for name in _key_names(data, keys)]
    tags: list[tuple[str, str]] = []
    for items in find(data, "ilst", meta):
        for item in boxes(data, *_inner(data, items)):
            index = int.from_bytes(item.kind.encode("latin-1"), "big")
            if not 1 <= index <= len(names):
                continue  # a four-character iTunes name, or an index that points nowhere: not keyed metadata
            tags += [(names[index - 1], text) for text in _texts(data, item)]
            if len(tags) > MAX_TAGS:
                raise BoxError(f"more than {MAX_TAGS} metadata entries")
    return tags


def _key_names(data: bytes, keys: Box) -> list[str]:
    """The names of a ``keys`` box: version and flags, a count, then size, namespace and name of each."""
    count = number(data, keys.body + 4, 4, keys)
    at = keys.body + 8
    names: list[str] = []
    for _ in range(min(count, MAX_TAGS + 1)):
        size = number(data, at, 4, keys)
        if size < 8 or at + size > keys.end:
            raise BoxError(f"metadata key at {at} claims {size} bytes")
        names.append(data[at + 8 : at + size].decode("utf-8", "replace"))
        at += size
    if count > MAX_TAGS:
        raise BoxError(f"{count} metadata keys; at most {MAX_TAGS} are read")
    return names


def _texts(data: bytes, item: Box) -> list[str]:
    texts = []
    for value in boxes(data, *_inner(data, item)):
        if value.kind != "data" or number(data, value.body, 4, value) != _UTF8:
            continue
        text = data[value.body + 8 : value.end]
        if len(text) > MAX_TAG_BYTES:
            raise BoxError(f"metadata value of {len(text)} bytes; at most {MAX_TAG_BYTES} are read")
        texts.append(text.decode("utf-8", "replace"))
    return texts
