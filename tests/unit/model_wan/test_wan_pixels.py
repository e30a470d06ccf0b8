"""Frames to bytes, and where tiles lie."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.engine import Size
from model.wan.pixels import ChunkError, collect, to_uint8
from model.wan.tiles import blended, cut


def picture(count: int, height: int = 6, width: int = 10) -> Tensor:
    """Noise in [-1, 1]."""
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_every_level_survives() -> None:
    """All 256 of them, and channels come last."""
    levels = torch.arange(256, dtype=torch.float32)
    chunk = (levels / 127.5 - 1).reshape(1, 1, 16, 16).repeat(1, 3, 1, 1)
    found = to_uint8(chunk)
    assert found.shape == (1, 16, 16, 3)
    assert torch.equal(found[0, ..., 1].flatten().float(), levels)


def test_halves_are_rounded_to_even_and_values_beyond_the_range_are_cut_off() -> None:
    """As diffusers' own conversion through NumPy does."""
    values = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5, 1 / 127.5 * 0.5 - 1, 1 / 127.5 * 1.5 - 1])
    found = to_uint8(values.reshape(1, 1, 1, -1).repeat(1, 3, 1, 1))[0, 0, :, 0]
    assert found.tolist()[:2] == [0, 0]
    assert found.tolist()[2] == 128
    assert found.tolist()[3:5] == [255, 255]
    plain = ((values.numpy() + 1) * np.float32(127.5)).round().clip(0, 255)
    assert found.tolist() == plain.tolist()


def test_the_chunk_itself_is_not_changed() -> None:
    """Its owner may still want it."""
    chunk = picture(2)
    before = chunk.clone()
    to_uint8(chunk)
    to_uint8(chunk, Size(5, 3))
    assert torch.equal(chunk, before)


def test_a_smaller_size_averages_and_does_not_pick() -> None:
    """Stripes of one pixel become their mean, where picking pixels would give one of them; one colour stays."""
    stripes = torch.tensor([-1.0, 1.0]).repeat(32).expand(1, 3, 64, 64)
    small = to_uint8(stripes, Size(16, 16))
    assert small.shape == (1, 16, 16, 3)
    assert (small[:, 2:-2, 2:-2].int() - 128).abs().max() <= 2
    assert set(to_uint8(torch.full((1, 3, 64, 64), 0.2), Size(30, 20)).flatten().tolist()) == {153}


def test_overshoot_at_edges_is_cut_off() -> None:
    """White beside black stays white: no value turns over."""
    edge = torch.full((1, 3, 64, 64), -1.0)
    edge[..., 32:] = 1.0
    small = to_uint8(edge, Size(30, 30))[0, 15, :, 0].int()
    assert small[:13].max() < 20
    assert small[17:].min() > 235


def test_collected_chunks_are_the_whole_clip() -> None:
    """In order, at the size asked for."""
    clip = picture(9)
    chunks = [clip[:1], clip[1:5], clip[5:]]
    whole = collect(iter(chunks), 9)
    assert whole.dtype == np.uint8
    assert np.array_equal(whole, to_uint8(clip).numpy())
    assert np.array_equal(collect(iter(chunks), 9, Size(5, 3)), to_uint8(clip, Size(5, 3)).numpy())


@pytest.mark.parametrize(("frames", "told"), [(8, "more than 8 frames"), (10, "9 frames of 10")])
def test_other_than_the_expected_frames_are_refused(frames: int, told: str) -> None:
    """Neither black frames at the end nor a cut: the caller is told."""
    clip = picture(9)
    with pytest.raises(ChunkError, match=told):
        collect(iter([clip[:1], clip[1:5], clip[5:]]), frames)


def test_no_chunks_are_refused() -> None:
    """There is no size to make a clip of."""
    with pytest.raises(ChunkError, match="0 frames of 1"):
        collect(iter([]), 1)


@given(st.integers(1, 60), st.integers(1, 60), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(0, 12))
def test_tiles_cover_a_picture_evenly_and_overlap_as_asked(
    height: int, width: int, tile: tuple[int, int], overlap: int
) -> None:
    """Every cell is in a tile, all tiles are of one size, neighbours share the overlap, and shares add up to one."""
    short = [size <= overlap and size < whole for size, whole in zip(tile, (height, width), strict=True)]
    if any(short):
        with pytest.raises(ValueError, match="larger than the overlap"):
            cut(height, width, tile, overlap)
        return
    tiles = cut(height, width, tile, overlap, cell=2)
    sums = torch.zeros(2 * height, 2 * width)
    for each in tiles:
        assert each.rows.stop - each.rows.start == min(tile[0], height)
        assert each.columns.stop - each.columns.start == min(tile[1], width)
        rows = slice(2 * each.rows.start, 2 * each.rows.stop)
        columns = slice(2 * each.columns.start, 2 * each.columns.stop)
        sums[rows, columns] += each.row_shares[:, None] * each.column_shares
        assert each.row_shares.min() > 0
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5)
    for spans in (
        {(each.rows.start, each.rows.stop) for each in tiles},
        {(e.columns.start, e.columns.stop) for e in tiles},
    ):
        ordered = sorted(spans)
        assert all(here[1] - there[0] >= overlap for here, there in pairwise(ordered))


def test_an_overlap_is_blended_linearly() -> None:
    """From all of one tile at its inner end to all of the other at its own."""
    left, right = cut(4, 10, (4, 6), 2, cell=1)
    assert left.column_shares.tolist() == [1, 1, 1, 1, 0.75, 0.25]
    assert right.column_shares.tolist() == [0.25, 0.75, 1, 1, 1, 1]
    assert left.row_shares.tolist() == [1] * 4


def test_tiles_of_one_picture_blend_into_it() -> None:
    """Pieces of the same clip, in chunks, give the clip again."""
    clip = picture(5, 8, 20)
    tiles = cut(4, 10, (3, 6), 2, cell=2)
    pieces = [clip[:, :, 2 * t.rows.start : 2 * t.rows.stop, 2 * t.columns.start : 2 * t.columns.stop] for t in tiles]
    decodes = ((tile, iter([piece[:1], piece[1:]])) for tile, piece in zip(tiles, pieces, strict=True))
    assert torch.allclose(blended(decodes, (5, 3, 8, 20), 2), clip, atol=1e-6)
