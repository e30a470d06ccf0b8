"""Laws of the typeface: found or explained, measured as drawn, safe among threads."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont, features

from model.typeset import FontError, check_fonts, drawable, fonts, missing_glyphs
from model.typeset.fonts import coverage, face, font_file, font_path, unit_advance
from model.typeset.sfnt import Coverage, FontFile, SfntError, read_font


@pytest.fixture
def fresh() -> Iterator[None]:
    """Caches emptied before and after, so that a broken font seen by one test is not seen by the next."""
    for cache in (fonts.font_file, fonts._face, fonts.unit_advance):
        cache.cache_clear()
    yield
    for cache in (fonts.font_file, fonts._face, fonts.unit_advance):
        cache.cache_clear()


def test_the_check_names_the_font_and_its_version() -> None:
    """An operator reads which typeface draws the clips."""
    answer = check_fonts()
    assert answer.startswith("Noto Sans SC, Version ")
    assert fonts.WHEEL in answer


@pytest.mark.usefixtures("fresh")
def test_a_missing_wheel_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the font package the error says what to install."""
    monkeypatch.setitem(sys.modules, "justmytype_intl_cjk", None)
    with pytest.raises(FontError, match="pip install justmytype-intl-cjk"):
        check_fonts()


@pytest.mark.usefixtures("fresh")
def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged installation is told from a missing one."""
    monkeypatch.setattr(fonts, "_FILE", "fonts/none.ttf")
    with pytest.raises(FontError, match=r"none\.ttf is missing"):
        font_path()


@pytest.mark.usefixtures("fresh")
def test_a_broken_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bytes that are no font give a FontError from the check and from drawing."""
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\0\1\0\0" + bytes(40))
    monkeypatch.setattr(fonts, "font_path", lambda: broken)
    with pytest.raises(FontError, match=r"broken\.ttf .* cannot be read"):
        font_file()
    with pytest.raises(FontError, match=r"broken\.ttf .* cannot be opened"):
        face(20)


def test_pillow_without_shaping_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails before a clip does."""
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(FontError, match="raqm"):
        check_fonts()


def test_a_font_that_draws_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check draws: a font without Chinese glyphs does not pass."""
    bare = FontFile(font_path(), "Bare", "1", Coverage((65,), (90,)))
    monkeypatch.setattr(fonts, "font_file", lambda: bare)
    with pytest.raises(FontError, match="draws no '中'"):
        check_fonts()


@pytest.mark.parametrize(("size", "weight"), [(0, 400), (2001, 400), (20, 99), (20, 901)])
def test_impossible_faces_are_refused(size: int, weight: int) -> None:
    """Sizes and weights outside the font's range are the caller's mistake."""
    with pytest.raises(ValueError, match="outside"):
        face(size, weight)


def test_weight_changes_the_ink() -> None:
    """The variable weight is really set: bold covers more than light."""
    sums = []
    for weight in (200, 800):
        mask = Image.new("L", (60, 60))
        face(40, weight).draw(mask, (5, 45), "便")
        sums.append(int(np.asarray(mask, dtype=np.int64).sum()))
    assert sums[1] > 1.5 * sums[0]


def test_ink_is_where_the_measure_says() -> None:
    """The measured box is the drawn one, pixel for pixel."""
    left, top, right, bottom = face(48, 700).ink("便gÅ")
    mask = Image.new("L", (200, 120))
    face(48, 700).draw(mask, (20, 70), "便gÅ")
    assert mask.getbbox() == (20 + left, 70 + top, 20 + right, 70 + bottom)


def test_advances_scale_with_size() -> None:
    """The estimate made before a size is opened agrees with that size within two per cent."""
    for text in ("便携榨汁杯 350ml", "Portable Blender"):
        assert unit_advance(text, 700) * 30 == pytest.approx(face(30, 700).advance(text), rel=0.02)


def test_no_ink_has_no_box() -> None:
    """Blank text measures nothing."""
    assert face(20).ink("") == (0, 0, 0, 0)
    assert face(20).ink(" ")[2:] == face(20).ink(" ")[:2]


def test_threads_draw_what_one_thread_draws() -> None:
    """Sizes and weights used side by side do not disturb each other."""
    jobs = [(size, weight) for size in (18, 33, 47) for weight in (300, 500, 800)] * 6

    def drawn(job: tuple[int, int]) -> bytes:
        mask = Image.new("L", (240, 80))
        face(*job).draw(mask, (4, 60), "榨汁杯 Ag")
        return mask.tobytes()

    alone = [drawn(job) for job in jobs]
    fonts._face.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(drawn, jobs)) == alone


def test_coverage_agrees_with_the_glyphs_drawn() -> None:
    """A character counted as known draws something else than the font's box for unknown ones."""
    font = ImageFont.truetype(str(font_path()), 40)
    unknown = bytes(font.getmask("\U0001f389"))
    for char in "便A1。é€":
        assert char in coverage()
        assert bytes(font.getmask(char)) != unknown
    for char in "\U0001f389ש한ع":
        assert char not in coverage()
        assert bytes(font.getmask(char)) == unknown


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\0\1\0\0\0\1" + bytes(6) + b"glyf" + bytes(12)])
def test_bytes_that_are_no_font_are_refused(data: bytes, tmp_path: Path) -> None:
    """Whatever is not a font with a character map ends in one kind of error."""
    path = tmp_path / "x.ttf"
    path.write_bytes(data)
    with pytest.raises(SfntError, match="not a TrueType font"):
        read_font(path)


def sfnt(cmap: bytes, name: bytes) -> bytes:
    """A font file of two tables."""
    start = 12 + 2 * 16
    entries = struct.pack(">4sIII", b"cmap", 0, start, len(cmap))
    entries += struct.pack(">4sIII", b"name", 0, start + len(cmap), len(name))
    return b"\0\1\0\0" + struct.pack(">H", 2) + bytes(6) + entries + cmap + name


NO_NAMES = struct.pack(">HHH", 0, 0, 6)


def test_the_basic_plane_map_is_read(tmp_path: Path) -> None:
    """Format 4, the map of older fonts, gives its ranges, the sentinel left out."""
    ends, starts = struct.pack(">2H", 90, 0xFFFF), struct.pack(">2H", 65, 0xFFFF)
    table = struct.pack(">7H", 4, 32, 0, 4, 0, 0, 0) + ends + bytes(2) + starts
    path = tmp_path / "old.ttf"
    path.write_bytes(sfnt(struct.pack(">HHHHI", 0, 1, 3, 1, 12) + table, NO_NAMES))
    found = read_font(path)
    assert found.coverage == Coverage((65,), (90,))
    assert (found.family, found.version) == ("old", "unknown")


def test_a_character_mapped_to_no_glyph_is_not_covered(tmp_path: Path) -> None:
    """Format 12 may name characters only to give them glyph 0, the box for unknown ones."""
    groups = struct.pack(">3I", 48, 48, 0) + struct.pack(">3I", 65, 70, 0) + struct.pack(">3I", 80, 81, 5)
    table = struct.pack(">HHIII", 12, 0, 16 + len(groups), 0, 3) + groups
    path = tmp_path / "new.ttf"
    path.write_bytes(sfnt(struct.pack(">HHHHI", 0, 1, 3, 10, 12) + table, NO_NAMES))
    assert read_font(path).coverage == Coverage((66, 80), (70, 81))


def test_a_map_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    """A font whose only map cannot be read says so."""
    path = tmp_path / "odd.ttf"
    path.write_bytes(sfnt(struct.pack(">HHHHI", 0, 1, 1, 0, 12) + struct.pack(">HH", 6, 0), NO_NAMES))
    with pytest.raises(SfntError, match="no cmap subtable"):
        read_font(path)


def test_missing_glyphs_are_named_without_the_invisible() -> None:
    """Emoji and absent scripts are missing; controls and joiners are not glyphs at all."""
    assert missing_glyphs("中a\0\u202e\u200d\ufe0f\n🎉한") == {"🎉", "한"}
    assert drawable("🎉🎊") == ""
