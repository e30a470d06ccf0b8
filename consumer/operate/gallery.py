"""The gallery: one HTML page of clips that opens from the disk, with nothing to fetch from anywhere else.

Clips that a promotion changed for a while stand beside what they were before. It knows no broker and no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What a product showed while a promotion ran. Paths as in ``Tile``."""

    kind: str
    """What the promotion shows: ribbon, end card."""
    work: str
    """What it took: dressed, spliced, rendered, taken from the store."""
    video: str
    poster: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A figure of the promotions, and what it counts."""

    figure: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One product of the page. Paths are relative to it, '/'-separated."""

    product_id: str
    name: str
    category: str
    locale: str
    points: tuple[str, ...]
    video: str
    poster: str
    width: int
    height: int
    seconds: float
    size: int
    engine: str
    from_photo: bool
    revision: int
    promoted: Promoted | None = None


PAGE = Path(__file__).with_name("gallery.html")
"""The page's template: style and script inside, so that it opens from the disk."""


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MiB"


def render(tiles: Sequence[Tile], facts: Sequence[Fact] = ()) -> str:
    """The page, with facts about the promotions above the clips. Every text is escaped: names come from events."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(PAGE.read_text(encoding="utf-8")).render(
        tiles=tiles,
        facts=facts,
        kinds=sorted({tile.promoted.kind for tile in tiles if tile.promoted}),
        categories=sorted({tile.category for tile in tiles}),
        locales=sorted({tile.locale for tile in tiles}),
        engines=sorted({tile.engine for tile in tiles}) or ["storyboard"],
        total_seconds=round(sum(tile.seconds for tile in tiles)),
        total_size=_size(sum(tile.size for tile in tiles)),
    )


def relative_url(key: str, folder: str = "store") -> str:
    """A store key as an address relative to the page."""
    return quote(f"{folder}/{key}")


def write(path: Path, tiles: Sequence[Tile], facts: Sequence[Fact] = ()) -> None:
    """Write the page whole: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(render(tiles, facts), encoding="utf-8")
    unfinished.replace(path)
