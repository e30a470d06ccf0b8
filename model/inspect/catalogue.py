"""Every check by name: what its score measures, which side is bad, and what a fault of it means. Knows no threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Rung = Literal["frames", "file", "models"]
"""``frames``: pixels as an engine made them; ``file``: a finished file; ``models``: what needs a model of its own."""


@dataclass(frozen=True, slots=True)
class Check:
    """What is known of a check whatever the policy says."""

    rung: Rung
    meaning: str
    """What a fault means, for people; formatted with ``value`` and ``limit``."""
    least: bool = False
    """True where high scores are good: the limit is then the lowest that passes."""


_FRAMES = {
    "black": Check("frames", "the picture is black for longer than {limit:g} s ({value:.2f} s)"),
    "black_ends": Check("frames", "the first or last frame is black ({value:.0%} dark pixels)"),
    "flat": Check("frames", "the picture shows nothing for longer than {limit:g} s ({value:.2f} s)"),
    "frozen": Check("frames", "nothing moves for longer than {limit:g} s ({value:.2f} s)"),
    "flash": Check("frames", "brightness jumps and returns within a few frames (by {value:.1f} levels)"),
    "flicker": Check("frames", "brightness flickers throughout (by {value:.1f} levels)"),
    "cut": Check("frames", "the picture is another from one frame to the next (difference {value:.2f})"),
    "tear": Check("frames", "rows are displaced against those above ({value:.1f} levels)"),
    "overexposed": Check("frames", "the picture is burnt out (no detail in {value:.0%} of it)"),
    "cast": Check("frames", "one colour lies over everything (strength {value:.2f})"),
    "noise": Check("frames", "the picture is noise (Laplacian to luma variance {value:.1f}; white noise has 20)"),
    "grain": Check("frames", "the picture is covered in noise (Laplacian to luma variance {value:.1f} at full size)"),
    "colour": Check(
        "frames", "the recorded colour is on {value:.1%} of the product, less than {limit:.1%}", least=True
    ),
    "photo_colours": Check("frames", "the last frames share {value:.0%} of the photo's colours", least=True),
}
_FILE = {
    "frames": Check("file", "{value:g} frames more or fewer than the recipe has"),
    "size": Check("file", "width and height differ from the recipe by {value:g} pixels"),
    "fps": Check("file", "the rate differs from the recipe by {value:g} frames per second"),
    "duration": Check("file", "the duration differs from the recipe by {value:.3f} s"),
    "faststart": Check("file", "the headers come after the pictures: players must load the whole file first"),
    "pix_fmt": Check("file", "the pixel format is not yuv420p, which not every player shows"),
    "audio": Check("file", "there is sound, which no recipe asks for"),
    "labels": Check("file", "{value:g} of the labels are missing or wrong"),
}
_MODELS = {
    "alignment": Check(
        "models", "the picture fits a wrong caption as well as its own (margin {value:.3f})", least=True
    ),
    "fidelity": Check("models", "the last frames do not look like the photo (similarity {value:.2f})", least=True),
    "unsafe": Check("models", "not fit for a shop page (probability {value:.2f})"),
    "text": Check("models", "writing that nobody asked for ({value:g} characters)"),
}
CATALOGUE: Mapping[str, Check] = MappingProxyType(_FRAMES | _FILE | _MODELS)
"""Check by name, in the order of the ladder."""


def checks_of(rung: Rung) -> tuple[str, ...]:
    """Names of a rung's checks."""
    return tuple(name for name, check in CATALOGUE.items() if check.rung == rung)
