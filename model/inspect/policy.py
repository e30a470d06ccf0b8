"""What is too much, and what then happens: every threshold of the inspection, in one versioned place.

Plain data; knows no pixels. Raise the version with any change, because reports and lineage name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Action = Literal["reject", "note"]
"""``reject``: the clip is not published (the renderer may try another seed). ``note``: reported only."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One check's limit. A score above it (or below, where ``least``) is a fault."""

    limit: float
    meaning: str
    """What a fault of this check means, for people."""
    least: bool = False
    action: Action = "reject"

    def broken_by(self, score: float) -> bool:
        """True when the score is on the wrong side of the limit; NaN always is."""
        return not (score >= self.limit if self.least else score <= self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules by check, and the levels by which checks sort pixels and frames. Levels are 0…255, full range."""

    version: str
    rules: Mapping[str, Rule]
    dark: float = 26.0
    """A pixel at or below is black (a tenth of the scale, as ffmpeg's blackdetect has it)."""
    dark_share: float = 0.98
    """A frame with this share of black pixels is black."""
    flat: float = 2.5
    """A frame none of whose colour channels has a larger standard deviation shows nothing."""
    still: float = 0.6
    """Two frames are the same when the mean difference is at most this in every region."""
    blown: float = 250.0
    """A pixel whose luma is at or above has lost its detail."""
    grain_floor: float = 2.0
    """Added to a frame's variance, so that the dither of an almost empty frame does not count as noise."""
    off: frozenset[str] = field(default=frozenset())
    """Checks that are not run."""


_FRAMES = {
    "black": Rule(0.12, "the picture is black for longer than {limit:g} s ({value:.2f} s)"),
    "black_ends": Rule(0.98, "the first or last frame is black ({value:.0%} dark pixels)"),
    "flat": Rule(0.5, "the picture shows nothing for longer than {limit:g} s ({value:.2f} s)"),
    "frozen": Rule(1.0, "nothing moves for longer than {limit:g} s ({value:.2f} s)"),
    "flash": Rule(14.0, "brightness jumps and returns within a few frames (by {value:.1f} levels)"),
    "flicker": Rule(2.0, "brightness flickers throughout (by {value:.1f} levels)"),
    "overexposed": Rule(0.92, "the picture is burnt out ({value:.0%} of its pixels)"),
    # Averaged to a quarter, a page of small print reaches 4; at full size nothing lawful came near 5.
    "noise": Rule(8.0, "the picture is noise (Laplacian to luma variance {value:.1f}; white noise has 20)"),
    "grain": Rule(5.0, "the picture is covered in noise (Laplacian to luma variance {value:.1f} at full size)"),
}

_FILE = {
    "frames": Rule(0, "{value:g} frames more or fewer than the recipe has"),
    "size": Rule(0, "width and height differ from the recipe by {value:g} pixels"),
    "fps": Rule(0.001, "the rate differs from the recipe by {value:g} frames per second"),
    "duration": Rule(0.02, "the duration differs from the recipe by {value:.3f} s"),
    "faststart": Rule(0, "the headers come after the pictures: players must load the whole file first"),
    "pix_fmt": Rule(0, "the pixel format is not yuv420p, which not every player shows"),
    "audio": Rule(0, "there is sound, which no recipe asks for"),
    "labels": Rule(0, "{value:g} of the labels are missing or wrong"),
}

POLICY = Policy(version="1", rules=MappingProxyType(_FRAMES | _FILE))
"""The policy in force."""
