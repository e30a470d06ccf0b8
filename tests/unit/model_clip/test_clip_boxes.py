"""The box reader: what is written is read, and no bytes make it do anything but answer or raise BoxError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.boxes import MAX_BOXES, MAX_TAG_BYTES, MAX_TAGS, boxes, check_counts, find, is_faststart, number, read_tags
from model.errors import BoxError
from tests.unit.model_clip.samples import base_of_gradient, box, meta

KINDS = st.sampled_from([b"free", b"mdat", b"moov", b"udta", b"\xa9nam"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.tuples(KINDS, st.binary(max_size=30)), max_size=8))
def test_boxes_tile_the_bytes(parts: list[tuple[bytes, bytes]]) -> None:
    """Every box is found in order, with its kind and content, and together they cover every byte."""
    data = b"".join(box(*part) for part in parts)
    found = list(boxes(data))
    assert [(b.kind.encode("latin-1"), data[b.body : b.end]) for b in found] == parts
    assert [b.start for b in found] == [0, *(b.end for b in found)][: len(found)]


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_a_box_error(data: bytes) -> None:
    """No byte string makes the readers hang or raise anything else."""
    for read in (lambda d: list(boxes(d)), read_tags, is_faststart, lambda d: check_counts(d, 10)):
        with contextlib.suppress(BoxError):
            read(data)


@given(st.data())
def test_a_damaged_file_ends_in_an_answer_or_a_box_error(draw: st.DataObject) -> None:
    """Nor does a real file with bytes changed or its end cut off."""
    data = bytearray(base_of_gradient(3, 64, 48))
    for place in draw.draw(st.lists(st.integers(0, 900), max_size=6)):
        data[place] = draw.draw(st.integers(0, 255))
    cut = bytes(data[: draw.draw(st.integers(0, len(data)))])
    with contextlib.suppress(BoxError):
        read_tags(cut)
        check_counts(cut, 100)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_tags_are_read_back_in_order_with_duplicates(tags: list[tuple[str, str]]) -> None:
    """Keyed metadata comes back as written, and a key that occurs twice is seen twice."""
    assert read_tags(box(b"moov", box(b"udta", meta(*tags)))) == tags


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: box(b"moov", m), lambda m: box(b"moov", box(b"udta", m))])
def test_tags_are_found_wherever_a_file_may_keep_them(wrap: object) -> None:
    """At the top, under moov and under udta: a second copy anywhere counts."""
    assert callable(wrap)
    data = wrap(meta(("a", "1"))) + box(b"meta", meta(("b", "2"))[12:])
    assert ("a", "1") in read_tags(data)


def test_a_quicktime_meta_without_version_is_read() -> None:
    """QuickTime writes ``meta`` without the version field that MP4 has."""
    plain = meta(("key", "value"))
    assert read_tags(box(b"meta", plain[12:])) == [("key", "value")]


def test_other_values_and_foreign_indices_are_passed_over() -> None:
    """Values that are not text, and items whose index names no key, are no tags of ours."""
    keys = box(b"keys", bytes(4) + (1).to_bytes(4, "big") + box(b"mdta", b"k"))
    number_value = box(b"data", (21).to_bytes(4, "big") + bytes(4) + b"\0")
    items = box((1).to_bytes(4, "big"), number_value) + box((9).to_bytes(4, "big"), b"") + box(b"\xa9nam", b"")
    handler = box(b"hdlr", bytes(8) + b"mdta")
    assert read_tags(box(b"meta", bytes(4) + handler + keys + box(b"ilst", items))) == []


def test_a_64_bit_size_and_a_box_to_the_end_are_understood() -> None:
    """Size 1 announces eight more bytes of size, size 0 a box that runs to the end."""
    long = (1).to_bytes(4, "big") + b"free" + (20).to_bytes(8, "big") + b"abcd"
    rest = (0).to_bytes(4, "big") + b"mdat" + b"xyz"
    first, last = boxes(long + rest)
    assert (first.body, first.end, last.kind, last.end) == (16, 20, "mdat", 31)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0", "stray"),
        (b"\0\0\0\x07free", "claims 7 bytes"),
        (b"\0\0\0\x09free", "claims 9 bytes of 8"),
        (b"\0\0\0\x01free\0\0", "cut inside its size"),
        (b"\0\0\0\x01free" + (2**63).to_bytes(8, "big"), "claims 9223372036854775808"),
        (box(b"free") * (MAX_BOXES + 1), "more than"),
    ],
)
def test_malformed_boxes_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    """Sizes that do not fit, and more boxes than any clip has, raise BoxError saying so."""
    with pytest.raises(BoxError, match=reason):
        list(boxes(data))


def keys(count: int, entries: bytes = b"") -> bytes:
    """A ``meta`` box whose ``keys`` claim a count."""
    handler = box(b"hdlr", bytes(8) + b"mdta")
    content = box(b"keys", bytes(4) + count.to_bytes(4, "big") + entries) + box(b"ilst")
    return box(b"meta", bytes(4) + handler + content)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (keys(1), "too short"),
        (keys(1, (4).to_bytes(4, "big") + b"mdta"), "claims 4 bytes"),
        (keys(1, (99).to_bytes(4, "big") + b"mdta"), "claims 99 bytes"),
        (keys(2**32 - 1, box(b"mdta", b"k") * (MAX_TAGS + 1)), "at most"),
        (meta(("k", "v" * (MAX_TAG_BYTES + 1))), "at most"),
        (meta(*[("k", "v")] * MAX_TAGS) + meta(("k", "v")), "more than"),
    ],
)
def test_metadata_beyond_the_bounds_is_refused(data: bytes, reason: str) -> None:
    """Counts and sizes that the file has no room for, or that no clip needs, raise BoxError."""
    with pytest.raises(BoxError, match=reason):
        read_tags(data)


def test_one_item_with_many_values_is_bounded() -> None:
    """A single item may not smuggle in more entries than are read."""
    value = box(b"data", (1).to_bytes(4, "big") + bytes(4) + b"v")
    keys_box = box(b"keys", bytes(4) + (1).to_bytes(4, "big") + box(b"mdta", b"k"))
    items = box(b"ilst", box((1).to_bytes(4, "big"), value * (MAX_TAGS + 1)))
    with pytest.raises(BoxError, match="more than"):
        read_tags(box(b"meta", bytes(4) + box(b"hdlr", bytes(8) + b"mdta") + keys_box + items))


def table(*content: bytes) -> bytes:
    """A movie with one track that has one sample table."""
    data = box(b"stbl", b"".join(content))
    for kind in (b"minf", b"mdia", b"trak", b"moov"):
        data = box(kind, data)
    return data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (box(b"stsz", bytes(8) + (11).to_bytes(4, "big")), "claims 11 samples"),
        (
            box(b"stts", bytes(4) + (2).to_bytes(4, "big") + ((6).to_bytes(4, "big") + bytes(4)) * 2),
            "claims 12 samples",
        ),
        (box(b"ctts", bytes(4) + (2**31).to_bytes(4, "big")), "has not the room"),
        (box(b"stsz", bytes(4)), "too short"),
    ],
)
def test_tables_that_claim_too_much_are_refused(content: bytes, reason: str) -> None:
    """A small file that claims a great many samples is refused before a library allocates room for them."""
    with pytest.raises(BoxError, match=reason):
        check_counts(table(content), 10)


def test_honest_tables_pass() -> None:
    """Up to the bound, samples are welcome."""
    check_counts(table(box(b"stsz", bytes(8) + (10).to_bytes(4, "big")), box(b"stsc", bytes(8))), 10)


def test_find_follows_a_path_through_every_branch() -> None:
    """All boxes at a path are found, in file order."""
    data = box(b"moov", box(b"trak", box(b"mdia") * 2)) + box(b"moov", box(b"trak", box(b"mdia")))
    assert len(find(data, "moov/trak/mdia")) == 3
    assert find(data, "moov/udta") == []


def test_number_stays_inside_its_box() -> None:
    """A number that reaches beyond its box is refused, on either side."""
    data = box(b"free", b"\0\x01")
    (only,) = boxes(data)
    assert number(data, only.body, 2, only) == 1
    for place in (only.body - 1, only.body + 1):
        with pytest.raises(BoxError, match="too short"):
            number(data, place, 2, only)


@pytest.mark.parametrize(
    ("order", "answer"),
    [((b"ftyp", b"moov", b"mdat"), True), ((b"ftyp", b"mdat", b"moov"), False), ((b"moov",), False), ((), False)],
)
def test_faststart_means_headers_before_pictures(order: tuple[bytes, ...], answer: bool) -> None:
    """True only when moov comes before mdat, and both are there."""
    assert is_faststart(b"".join(box(kind) for kind in order)) is answer
