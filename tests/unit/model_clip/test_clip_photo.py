"""Laws of photos: every honest format comes out upright and in its colours; every broken one is refused by name."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from model import photo as photo_module
from model.engine import EngineError
from model.photo import load_photo
from tests.unit.model_storyboard.samples import busy, encoded, product

RED, WHITE = (220, 40, 40), (255, 255, 255)


def colours(picture: Image.Image) -> tuple[Any, Any]:
    """The colour of the middle and of a corner."""
    assert picture.mode == "RGB"
    return picture.getpixel((picture.width // 2, picture.height // 2)), picture.getpixel((1, 1))


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("JPEG", {"progressive": True})],
)
def test_the_three_formats_keep_their_colours(form: str, options: dict[str, Any]) -> None:
    """PNG, JPEG and WebP decode to the same picture."""
    middle, corner = colours(load_photo(encoded(product(), form, **options), 800))
    assert middle == pytest.approx(RED, abs=8)
    assert corner == pytest.approx(WHITE, abs=3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Grey, palette, 1-bit, 16-bit and print colours all come out: dark middle on a light corner."""
    source = product().convert("L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(source).astype(np.uint16) * 257)
    elif mode == "1":
        picture = source.convert("1", dither=Image.Dither.NONE)
    else:
        picture = product().convert(mode)
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    middle, corner = colours(load_photo(encoded(picture, form), 800))
    assert sum(middle) < sum(corner)
    assert min(corner) > 240


def test_sixteen_bits_keep_their_levels() -> None:
    """Half of 65,535 is half of 255."""
    grey = Image.fromarray(np.full((40, 40), 32768, dtype=np.uint16))
    assert colours(load_photo(encoded(grey), 100))[0] == (127, 127, 127)


def test_transparency_is_laid_on_white() -> None:
    """A cut-out product stands on white, not on the black that lies in its transparent pixels."""
    cut_out = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    cut_out.paste((220, 40, 40, 255), (30, 30, 70, 70))
    assert colours(load_photo(encoded(cut_out), 200)) == (RED, WHITE)


@pytest.mark.parametrize(("mode", "key"), [("RGB", (0, 0, 0)), ("L", 0), ("P", 0)])
def test_a_transparent_colour_is_laid_on_white(mode: str, key: Any) -> None:
    """PNG's other kind of transparency counts too."""
    picture = Image.new(mode, (100, 100), 0)
    assert colours(load_photo(encoded(picture, transparency=key), 200))[1] == WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_comes_upright(orientation: int) -> None:
    """Each of the eight EXIF orientations shows the same picture: red top left, blue bottom right."""
    upright = Image.new("RGB", (80, 60), "white")
    upright.paste((255, 0, 0), (0, 0, 30, 20))
    upright.paste((0, 0, 255), (50, 40, 80, 60))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = load_photo(encoded(stored, exif=exif.tobytes()), 100)
    assert found.size == (80, 60)
    assert found.getpixel((5, 5)) == (255, 0, 0)
    assert found.getpixel((75, 55)) == (0, 0, 255)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_metadata_is_no_reason_against_a_photo() -> None:
    """EXIF that cannot be read is passed over."""
    assert load_photo(encoded(product(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), 400).size == (400, 400)


def test_an_embedded_profile_is_honoured() -> None:
    """A picture in another colour space is converted, not taken for sRGB; a broken profile is passed over."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert colours(load_photo(encoded(product(), icc_profile=lab), 400))[0] == pytest.approx(RED, abs=2)
    assert colours(load_photo(encoded(product(), icc_profile=b"broken"), 400))[0] == RED


def test_a_profile_of_the_wrong_kind_is_passed_over() -> None:
    """An RGB profile on a grey picture cannot be applied; the picture is still used."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    middle, corner = colours(load_photo(encoded(product().convert("L"), icc_profile=profile), 400))
    assert sum(middle) < sum(corner)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 2), (5000, 4000), (12000, 40)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_tiny_huge_and_extreme_shapes(size: tuple[int, int], form: str) -> None:
    """Any size within the limit comes out no larger than wanted, at least a pixel each way."""
    found = load_photo(encoded(Image.new("RGB", size, RED), form), 640)
    assert max(found.size) <= 640
    assert min(found.size) >= 1
    assert found.getpixel((0, 0)) == pytest.approx(RED, abs=8)


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG file whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 5_001), (12_000, 9_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_unopened(size: tuple[int, int]) -> None:
    """More than 50 megapixels are refused by the header, whatever Pillow's own limits."""
    with pytest.raises(EngineError, match="more than 50,000,000 pixels") as caught:
        load_photo(png(*size), 640)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am a picture", "not a JPEG, PNG or WebP"),
        (b"GIF89a" + bytes(40), "not a JPEG, PNG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG, PNG or WebP"),
        (b"\x89PNG\r\n\x1a\n", "broken|not a JPEG"),
        (png(10, 10), "broken data"),
        (png(10, 10, b"not deflated"), "broken data"),
        (png(0, 10, b""), "broken|not a"),
        (encoded(busy(), "JPEG")[:2000], "truncated"),
        (encoded(busy(), "PNG")[:300], "broken data"),
        (encoded(busy(), "WEBP")[:200], "broken|not a"),
    ],
)
def test_what_is_no_photo_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    """Empty, foreign, truncated and corrupt bytes: never retried, and the message says why."""
    with pytest.raises(EngineError, match=reason) as caught:
        load_photo(data, 640)
    assert not caught.value.retryable


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(1, 12))
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_a_picture_or_a_reason(seed: int, form: str, faults: int) -> None:
    """However a file is damaged, nothing but an EngineError comes out of the decoder."""
    dice = np.random.default_rng(seed)
    data = bytearray(encoded(busy((60, 40)), form))
    for position in dice.integers(0, len(data), faults):
        data[position] = int(dice.integers(0, 256))
    with contextlib.suppress(EngineError):
        assert load_photo(bytes(data), 200).mode == "RGB"


def test_want_of_memory_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running out of memory says nothing against the photo."""

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(photo_module, "_decoded", exhausted)
    with pytest.raises(EngineError, match="no memory") as caught:
        load_photo(encoded(product()), 640)
    assert caught.value.retryable


def test_a_header_that_breaks_the_reader_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a format reader raises while it looks at the header becomes an EngineError."""

    def breaks(*_: object, **__: object) -> None:
        raise struct.error("unpack requires 4 bytes")

    monkeypatch.setattr(Image, "open", breaks)
    with pytest.raises(EngineError, match="broken header"):
        load_photo(b"x", 640)


def test_an_animation_gives_its_first_picture() -> None:
    """Of an animated WebP the first frame is the photo."""
    buffer = io.BytesIO()
    product().save(buffer, "WEBP", save_all=True, append_images=[busy((400, 400))], lossless=True)
    assert colours(load_photo(buffer.getvalue(), 400))[0] == RED
