"""The gallery: one HTML page of clips that opens from the disk, with nothing to fetch from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One clip of the page. Paths are relative to it, '/'-separated."""

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


PAGE = Path(__file__).with_name("gallery.html")
"""The page's template: style and script inside, so that it opens from the disk."""


def _size(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MiB"


def render(tiles: Sequence[Tile]) -> str:
    """The page. Every text is escaped: names come from events."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(PAGE.read_text(encoding="utf-8")).render(
        tiles=tiles,
        categories=sorted({tile.category for tile in tiles}),
        locales=sorted({tile.locale for tile in tiles}),
        engines=sorted({tile.engine for tile in tiles}) or ["storyboard"],
        total_seconds=round(sum(tile.seconds for tile in tiles)),
        total_size=_size(sum(tile.size for tile in tiles)),
    )


def relative_url(key: str, folder: str = "store") -> str:
    """A store key as an address relative to the page."""
    return quote(f"{folder}/{key}")


def write(path: Path, tiles: Sequence[Tile]) -> None:
    """Write the page whole: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(render(tiles), encoding="utf-8")
    unfinished.replace(path)
