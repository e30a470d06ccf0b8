"""Broken and hostile files: always a verdict, soon, that machines and terminals can take."""

from __future__ import annotations

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.encode import encode
from model.label import tags_for
from model.recipe import Encoding
from model.verify import CHECKS, Verdict, verify
from tests.unit.model_clip.samples import box, generated, gradient, scene
from tests.unit.model_verify.files import failing

CLIP = encode(
    gradient(12, 48, 64),
    (64, 48),
    24,
    Encoding(gop=6),
    tags_for(generated(scene(width=64, height=48, frames=12)), generative=True),
)
"""A small clip with all metadata."""
KINDS = st.sampled_from(
    [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stsz", b"hdlr", b"meta", b"keys", b"ilst"]
)


def boxed(kind: bytes, first: bytes, second: bytes) -> bytes:
    """A box with two things in it."""
    return box(kind, first + second)


def sound(verdict: Verdict) -> bool:
    """A verdict is whole, and nothing in it would trouble who prints it."""
    assert [each.check for each in verdict.findings] == list(CHECKS)
    assert all(len(each.found) + len(each.why) < 2000 for each in verdict.findings)
    json.dumps(dict(verdict.facts))
    return True


@given(st.integers(0, len(CLIP) - 1))
@settings(max_examples=60, deadline=None)
@example(0)
@example(len(CLIP) - 1)
def test_a_truncated_file_never_holds(length: int) -> None:
    """Wherever it is cut, one byte before its end too."""
    verdict = verify(CLIP[:length], origin="drawn")
    assert sound(verdict)
    assert failing(verdict)


@given(st.lists(st.tuples(st.integers(0, len(CLIP) - 1), st.integers(0, 7)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_flipped_bits_get_a_verdict(flips: list[tuple[int, int]]) -> None:
    """Anywhere in the file: headers, tables, labels, pictures."""
    data = bytearray(CLIP)
    for place, bit in flips:
        data[place] ^= 1 << bit
    assert sound(verify(bytes(data)))


@given(st.integers(0, len(CLIP)), st.binary(max_size=64), st.integers(0, 64))
@settings(max_examples=100, deadline=None)
def test_bytes_put_in_or_taken_out_get_a_verdict(place: int, more: bytes, less: int) -> None:
    """Every size and offset after them is then wrong."""
    assert sound(verify(CLIP[:place] + more + CLIP[place + less :]))


@given(st.recursive(st.binary(max_size=32), lambda inner: st.builds(boxed, KINDS, inner, inner), max_leaves=12))
@settings(max_examples=100, deadline=None)
def test_boxes_put_together_at_random_get_a_verdict(data: bytes) -> None:
    """Files that no program would write."""
    assert sound(verify(box(b"ftyp", b"isom" + bytes(4)) + data))


def test_a_table_that_claims_a_billion_pictures_is_refused_at_once() -> None:
    """Before a library makes room for them."""
    data = bytearray(CLIP)
    at = data.index(b"stsz") + 4 + 8
    data[at : at + 4] = (2**30).to_bytes(4, "big")
    verdict = verify(bytes(data))
    assert failing(verdict) == ["container"]
    assert "claims 1073741824" in verdict.findings[0].why
