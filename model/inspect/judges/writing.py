"""The check of writing that nobody asked for: read by OCR, compared with the words that may be there.

RapidOCR carries its models in its package and reads Chinese and English; it is the extra ``ocr``.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import unicodedata
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

import numpy as np

from model.engine import EngineError, Frames
from model.inspect.expected import Expected
from model.inspect.judges.judge import JudgeError, some_of
from model.inspect.report import Outcome, Score
from model.photo import load_photo

_FRAMES = 3
_SURE = 0.8
"""Confidence below which a reading is not taken for writing: folds and seams are read with less."""
_LIKE = 0.72
"""Likeness from which a reading is one of the words that may be there: a letter in four may be misread."""
_SIDE = 640
"""Longest side in pixels at which pictures are read: writing that visitors can read is legible at it."""
_OPTIONS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,  # clips are upright
    "Det.limit_type": "max",
    "Det.limit_side_len": _SIDE,
    # Clips are inspected side by side: threads of its own would only get in their way.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def installed() -> bool:
    """True when the ``ocr`` extra is there."""
    return all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


class Writing:
    """Counts the characters of writing that is neither in the known words nor on the photo."""

    check = "text"

    def __init__(self) -> None:
        if not installed():
            raise JudgeError("inspection.ocr: rapidocr is not installed: pip install 'skureel[ocr]', or turn it off")
        from rapidocr import RapidOCR  # noqa: PLC0415 - ten seconds of imports, for those who use it

        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        self._reader: Any = RapidOCR(params=_OPTIONS)
        self._lock = threading.Lock()
        self._on_photo = lru_cache(maxsize=64)(self._photo_words)

    def look(self, frames: Frames, expected: Expected) -> Outcome:
        """The most characters of unknown writing in any of three frames."""
        known = [plain(word) for word in expected.words]
        if expected.photo is not None:
            known += self._on_photo(expected.photo)
        worst: list[str] = []
        for frame in some_of(frames, _FRAMES):
            strange = [text for text in self.read(frame) if not is_known(plain(text), known)]
            if _length(strange) > _length(worst):
                worst = strange
        return Score(float(_length(worst)), " ".join(worst)[:80])

    def read(self, picture: Frames) -> list[str]:
        """The writing on one picture (height, width, 3), line by line, as far as it is read with confidence."""
        with self._lock:
            found = self._reader(np.ascontiguousarray(picture[..., ::-1]))
        texts, scores = found.txts or (), found.scores or ()
        return [text for text, score in zip(texts, scores, strict=True) if score >= _SURE and plain(text)]

    def _photo_words(self, photo: bytes) -> tuple[str, ...]:
        try:
            picture = load_photo(photo, _SIDE)
        except EngineError:
            return ()
        return tuple(plain(text) for text in self.read(np.asarray(picture.convert("RGB"))))


def plain(text: str) -> str:
    """Letters and digits alone, small, in one form: what is left of a word however it is set."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def is_known(text: str, known: list[str]) -> bool:
    """True when a plain reading is in the plain words, misread letters and broken lines allowed for."""
    joined = "".join(known)
    if not text or text in joined:
        return True
    return any(_part_of(text, word) >= _LIKE for word in (*known, joined) if word)


def _part_of(text: str, word: str) -> float:
    """Share of the reading that the word has in the same order and close together."""
    blocks = [block for block in SequenceMatcher(None, text, word, autojunk=False).get_matching_blocks() if block.size]
    if not blocks:
        return 0.0
    span = blocks[-1].b + blocks[-1].size - blocks[0].b
    return sum(block.size for block in blocks) / max(len(text), span)


def _length(texts: list[str]) -> int:
    return sum(len(plain(text)) for text in texts)
