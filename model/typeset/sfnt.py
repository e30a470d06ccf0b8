"""Reads what a shop needs to know of a TrueType file: which characters it has and what it calls itself.

Knows the sfnt container, ``cmap`` formats 4 and 12 and the ``name`` table (OpenType 1.9 specification); draws nothing.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

_WINDOWS = 3
_FAMILY, _VERSION, _TYPOGRAPHIC_FAMILY = 1, 5, 16


class SfntError(ValueError):
    """Raised when the bytes are no TrueType file with a Unicode character map."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The characters of a font as sorted, disjoint, inclusive ranges."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __contains__(self, character: str) -> bool:
        code = ord(character)
        index = bisect_right(self.starts, code) - 1
        return index >= 0 and code <= self.ends[index]


@dataclass(frozen=True, slots=True)
class FontFile:
    """Facts of one font file. ``version`` is the font's own words, such as ``Version 2.004``."""

    path: Path
    family: str
    version: str
    coverage: Coverage


def read_font(path: Path) -> FontFile:
    """Read coverage and names. Raises OSError, or SfntError when it is no font or has no Unicode map."""
    data = path.read_bytes()
    try:
        tables = _tables(data)
        ranges = _coverage(data, tables["cmap"])
        names = _names(data, tables["name"])
    except (struct.error, KeyError, IndexError) as error:
        raise SfntError(f"{path.name}: not a TrueType font with a Unicode character map ({error!r})") from error
    starts, ends = zip(*sorted(ranges), strict=True) if ranges else ((), ())
    family = names.get(_TYPOGRAPHIC_FAMILY) or names.get(_FAMILY) or path.stem
    return FontFile(path, family, names.get(_VERSION, "unknown"), Coverage(starts, ends))


def _tables(data: bytes) -> dict[str, int]:
    (count,) = struct.unpack_from(">H", data, 4)
    entries = (struct.unpack_from(">4sIII", data, 12 + 16 * index) for index in range(count))
    return {tag.decode("latin-1"): offset for tag, _, offset, _ in entries}


def _coverage(data: bytes, base: int) -> list[tuple[int, int]]:
    (count,) = struct.unpack_from(">H", data, base + 2)
    records = [struct.unpack_from(">HHI", data, base + 4 + 8 * index) for index in range(count)]
    # Platform 3 encoding 10 is full Unicode, 1 is the basic plane; platform 0 is Unicode under an older name.
    ranked = sorted(records, key=lambda record: (record[:2] == (3, 10), record[:2] == (0, 4), record[0] == _WINDOWS))
    for _, _, offset in reversed(ranked):
        (layout,) = struct.unpack_from(">H", data, base + offset)
        if layout == 12:
            return _segmented_coverage(data, base + offset)
        if layout == 4:
            return _basic_plane(data, base + offset)
    raise SfntError("no cmap subtable of format 4 or 12")


def _segmented_coverage(data: bytes, base: int) -> list[tuple[int, int]]:
    (groups,) = struct.unpack_from(">I", data, base + 12)
    found = (struct.unpack_from(">III", data, base + 16 + 12 * index) for index in range(groups))
    # A group that starts at glyph 0 maps its first character to .notdef: present in the table, absent on paper.
    return [(start + (glyph == 0), end) for start, end, glyph in found if end > start or glyph]


def _basic_plane(data: bytes, base: int) -> list[tuple[int, int]]:
    (twice,) = struct.unpack_from(">H", data, base + 6)
    count = twice // 2
    ends = struct.unpack_from(f">{count}H", data, base + 14)
    starts = struct.unpack_from(f">{count}H", data, base + 16 + twice)
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start != 0xFFFF]


def _names(data: bytes, base: int) -> dict[int, str]:
    _, count, strings = struct.unpack_from(">HHH", data, base)
    names: dict[int, str] = {}
    for index in range(count):
        platform, _, language, name, length, offset = struct.unpack_from(">6H", data, base + 6 + 12 * index)
        if platform == _WINDOWS and (name not in names or language == 0x409):
            raw = data[base + strings + offset : base + strings + offset + length]
            names[name] = raw.decode("utf-16-be", errors="replace")
    return names
