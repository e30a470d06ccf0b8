"""From the bytes of a product photo to an upright RGB picture, or the reason why not.

Knows formats and their traps (orientation, transparency, colour spaces, decompression bombs); knows no layout.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from model.engine import EngineError

MAX_PIXELS = 50_000_000
"""Larger photos are refused: decoding one would take seconds and hundreds of megabytes."""
FORMATS = ("JPEG", "PNG", "WEBP")

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag Orientation: what brings each of the turned forms upright."""


def load_photo(data: bytes, wanted: int) -> Image.Image:
    """Decode a photo to sRGB, upright, transparency on white.

    ``wanted`` is the longest side in pixels that the clip can use; a larger photo comes back reduced to it. Raises
    EngineError naming what is wrong with the photo, not retryable (save where memory ran out).
    """
    picture = _opened(data)
    kind = f"{picture.format} photo, {picture.width}x{picture.height}"
    if picture.width * picture.height > MAX_PIXELS:
        raise EngineError(f"{kind}: more than {MAX_PIXELS:,} pixels; send a smaller one", retryable=False)
    try:
        return _decoded(picture, wanted)
    except MemoryError as error:
        raise EngineError(f"{kind}: no memory to decode it", retryable=True) from error
    except Exception as error:
        # Decoders raise whatever hostile bytes lead them to: each of them means that this photo cannot be used.
        raise EngineError(f"{kind}: broken data ({error}); export it again", retryable=False) from error


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise EngineError("photo: empty (0 bytes)", retryable=False)
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        start = data[:8].hex(" ")
        message = f"photo: not a JPEG, PNG or WebP picture ({len(data)} bytes, starting {start})"
        raise EngineError(message, retryable=False) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise EngineError(f"photo: more than {MAX_PIXELS:,} pixels ({error})", retryable=False) from error
    except Exception as error:
        raise EngineError(f"photo: broken header ({error}); export it again", retryable=False) from error


def _decoded(picture: Image.Image, wanted: int) -> Image.Image:
    if picture.format == "JPEG" and picture.mode in ("L", "RGB"):
        picture.draft(picture.mode, (2 * wanted, 2 * wanted))  # decodes at a half, a quarter or an eighth
    picture.load()
    turn = _TURNS.get(_orientation(picture))
    profile = picture.info.get("icc_profile")
    colours = _eight_bits(picture)
    factor = max(colours.size) // (2 * wanted)
    if factor > 1:
        colours = colours.reduce((min(factor, colours.width), min(factor, colours.height)))
    colours = _to_srgb(_on_white(colours), profile)
    colours.thumbnail((wanted, wanted), Image.Resampling.LANCZOS)
    return colours.transpose(turn) if turn is not None else colours


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken metadata is no reason against a picture that decodes
        return 1


def _eight_bits(picture: Image.Image) -> Image.Image:
    """One of L, LA, RGB, RGBA or CMYK, 8 bits a channel."""
    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.asarray(picture).astype(np.float64)
        scale = 257.0 if levels.max(initial=0) > 255 else 1.0
        return Image.fromarray(np.clip(levels / scale, 0, 255).astype(np.uint8))
    if picture.mode in ("P", "PA", "1") or (picture.mode in ("L", "RGB") and "transparency" in picture.info):
        return picture.convert("RGBA")
    return picture


def _on_white(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands():
        return picture
    solid = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", solid.size, (255, 255, 255, 255)), solid).convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Honour an embedded colour profile: a product must not change colour on its way into the clip."""
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            turned = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return picture.convert("RGB")  # a broken or mismatched profile: the plain reading is the best left
        if turned is not None:
            return turned
    return picture.convert("RGB")
