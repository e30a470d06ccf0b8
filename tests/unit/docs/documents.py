"""Documents as what they are made of: headings, fenced blocks, links, tables. Knows no document by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<text>.+)$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
ROW = re.compile(r"^\|(?P<cells>.+)\|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; ``kind`` is all that stands behind the fence."""

    kind: str
    text: str


def blocks(document: str) -> list[Block]:
    """Every fenced block, in order."""
    return [Block(found["info"].strip(), found["text"]) for found in FENCE.finditer(document)]


def prose(document: str) -> str:
    """The document without its fenced blocks."""
    return FENCE.sub("", document)


def headings(document: str) -> list[tuple[int, str]]:
    """Level and text of every heading, in order."""
    return [(len(found["marks"]), found["text"].strip()) for found in HEADING.finditer(prose(document))]


def links(document: str) -> list[str]:
    """Every link's target, pictures included, in order."""
    return [found["target"] for found in LINK.finditer(prose(document))]


def rows(document: str) -> list[tuple[str, ...]]:
    """Every row of every table, heads and rules included, in order."""
    lines = (found["cells"] for found in ROW.finditer(prose(document)))
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)) for line in lines]


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def anchors(file: Path) -> set[str]:
    """The anchors of a document's headings."""
    return {anchor(text) for _, text in headings(file.read_text(encoding="utf-8"))}


def broken_links(root: Path, file: Path, document: str) -> list[str]:
    """Links that lead to no file of the project or to no heading. Other sites are not asked."""
    broken = []
    for target in links(document):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, fragment = target.partition("#")
        where = (file.parent / path).resolve() if path else file
        inside = where.is_relative_to(root) and where.exists()
        if not inside or (fragment and fragment not in anchors(where)):
            broken.append(target)
    return broken
