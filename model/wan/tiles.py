"""Where tiles lie on a picture, and how their overlaps are blended. Knows no decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of latent cells, and how much each of its rows and columns counts where tiles overlap."""

    rows: slice
    columns: slice
    row_shares: Tensor
    """One a row of pixels, in (0, 1]."""
    column_shares: Tensor


def cut(height: int, width: int, tile: tuple[int, int], overlap: int, *, cell: int = 16) -> list[Tile]:
    """Tiles of equal size, evenly spread over (height, width) cells, overlapping by at least ``overlap`` cells.

    ``cell``: pixels a side of a cell, for the shares. Raises ValueError for a tile that is not larger than the overlap.
    """
    if overlap < 0 or any(size <= overlap and size < whole for size, whole in zip(tile, (height, width), strict=True)):
        raise ValueError(f"tile: {tile} cells with an overlap of {overlap}: larger than the overlap is wanted")
    rows, columns = _spread(height, tile[0], overlap), _spread(width, tile[1], overlap)
    return [
        Tile(row, column, row_shares, column_shares)
        for row, row_shares in zip(rows, _shares(rows, height, cell), strict=True)
        for column, column_shares in zip(columns, _shares(columns, width, cell), strict=True)
    ]


def _spread(length: int, tile: int, overlap: int) -> list[slice]:
    if tile >= length:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [index * (length - tile) // (count - 1) for index in range(count)]
    return [slice(start, start + tile) for start in starts]


def _shares(spans: list[slice], length: int, cell: int) -> Iterator[Tensor]:
    """For each span, its share of each pixel: one where it is alone, linear from edge to edge where two overlap."""
    edge = length * cell
    ramps = []
    for span in spans:
        place = torch.arange(span.start * cell, span.stop * cell) + 0.5
        far = torch.full_like(place, edge)
        left = far if span.start == 0 else place - span.start * cell
        right = far if span.stop == length else span.stop * cell - place
        ramps.append(torch.minimum(left, right))
    total = torch.zeros(edge)
    for span, ramp in zip(spans, ramps, strict=True):
        total[span.start * cell : span.stop * cell] += ramp
    for span, ramp in zip(spans, ramps, strict=True):
        yield ramp / total[span.start * cell : span.stop * cell]


def blended(decodes: Iterable[tuple[Tile, Iterable[Tensor]]], shape: tuple[int, int, int, int], cell: int) -> Tensor:
    """The whole clip, (frames, 3, height, width) float32 in the host's memory, of the chunks of each tile in turn."""
    clip = torch.zeros(shape)
    for tile, chunks in decodes:
        shares = tile.row_shares[:, None] * tile.column_shares
        top, left = tile.rows.start * cell, tile.columns.start * cell
        done = 0
        for chunk in chunks:
            count, _, height, width = chunk.shape
            place = clip[done : done + count, :, top : top + height, left : left + width]
            place.addcmul_(chunk.cpu(), shares)
            done += count
    return clip
