"""The project's typeface: found in its wheel, opened lazily, cached by size and weight, safe among threads.

Knows Pillow's font objects; knows nothing of lines or layout. One lock guards every use of a face, because FreeType
faces, and variable ones above all, hold mutable state.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from model.typeset.sfnt import Coverage, FontFile, SfntError, read_font

WHEEL = "justmytype-intl-cjk"
_PACKAGE = "justmytype_intl_cjk"
_FILE = "fonts/ofl/notosanssc/NotoSansSC[wght].ttf"
_REFERENCE = 128
"""Size in pixels at which advances are measured before a size is chosen: large, so that rounding is small."""

_LOCK = threading.RLock()

InkBox = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels from the origin on the baseline; y grows downwards."""


class FontError(RuntimeError):
    """Raised when text cannot be drawn at all on this machine; the message says what to install."""


class Face:
    """One size and weight of the typeface."""

    def __init__(self, font: ImageFont.FreeTypeFont) -> None:
        self._font = font

    def advance(self, text: str) -> float:
        """Pen advance in pixels."""
        with _LOCK:
            return float(self._font.getlength(text, direction="ltr"))

    def ink(self, text: str) -> InkBox:
        """The box of the rendered glyphs' ink, from the origin on the baseline."""
        with _LOCK:
            mask, (left, top) = self._font.getmask2(text, mode="L", direction="ltr", anchor="ls")
            box = mask.getbbox() or (0, 0, 0, 0)
        return left + box[0], top + box[1], left + box[2], top + box[3]

    def draw(self, mask: Image.Image, origin: tuple[float, float], text: str) -> None:
        """Draw white ink on an L mask, the baseline's start at the origin."""
        with _LOCK:
            ImageDraw.Draw(mask).text(origin, text, fill=255, font=self._font, anchor="ls", direction="ltr")


def font_path() -> Path:
    """Where the typeface lies. Raises FontError when its wheel is not installed."""
    try:
        path = Path(str(resources.files(_PACKAGE) / _FILE))
    except ModuleNotFoundError as error:
        raise FontError(f"the font package {WHEEL} is missing: install it with `pip install {WHEEL}`") from error
    if not path.is_file():
        raise FontError(f"{path.name} is missing from {WHEEL}: reinstall it (`pip install --force-reinstall {WHEEL}`)")
    return path


@lru_cache(maxsize=1)
def font_file() -> FontFile:
    """Coverage and names of the typeface, read once. Raises FontError."""
    path = font_path()
    try:
        return read_font(path)
    except (OSError, SfntError) as error:
        raise FontError(f"{path.name} of {WHEEL} cannot be read: {error}; reinstall the package") from error


def coverage() -> Coverage:
    """The characters that can be drawn."""
    return font_file().coverage


def face(size: int, weight: int = 400) -> Face:
    """The typeface at a size in pixels and a weight of 100…900. Raises FontError."""
    if not 1 <= size <= 2000 or not 100 <= weight <= 900:
        raise ValueError(f"face: size {size} is outside 1…2000 px or weight {weight} outside 100…900")
    with _LOCK:
        return _face(size, weight)


@lru_cache(maxsize=96)
def _face(size: int, weight: int) -> Face:
    path = font_path()
    try:
        font = ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)
        font.set_variation_by_axes([weight])
    except OSError as error:
        raise FontError(f"{path.name} of {WHEEL} cannot be opened: {error}; reinstall the package") from error
    return Face(font)


@lru_cache(maxsize=8192)
def unit_advance(text: str, weight: int) -> float:
    """Pen advance per pixel of size: multiply by a size to estimate before a face of that size is opened."""
    return face(_REFERENCE, weight).advance(text) / _REFERENCE


def check_fonts() -> str:
    """Name and version of the typeface, proved by drawing with it. Raises FontError saying what to install."""
    if not features.check("raqm"):
        raise FontError("Pillow lacks raqm text shaping: install Pillow's own wheel (`pip install --upgrade pillow`)")
    found = font_file()
    for sample in ("中", "A"):
        left, top, right, bottom = face(32).ink(sample)
        if sample not in found.coverage or right <= left or bottom <= top:
            raise FontError(f"{found.path.name} of {WHEEL} draws no {sample!r}: reinstall the package")
    return f"{found.family}, {found.version} ({WHEEL} {metadata.version(WHEEL)})"
