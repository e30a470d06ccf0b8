"""What is known of a product besides its scene: what the picture is compared with. Measures nothing."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """All optional: a check that lacks what it compares with says so and does not run."""

    colour: tuple[int, int, int] | None = None
    """The product's recorded colour as sRGB; None where there is none to compare with."""
    no_colour: str = "no colour is recorded"
    """Why there is none."""
    photo: bytes | None = field(default=None, repr=False)
    """The product photo (PNG, JPEG, WebP) that the clip starts from."""
    words: tuple[str, ...] = ()
    """Writing that may be on the picture: captions, label, ribbon, end card."""
    caption: str = ""
    """What is to be seen, in a sentence or less."""
    wrong: tuple[str, ...] = ()
    """Captions that are wrong, to compare it with: another colour, another kind of thing."""


NOTHING = Expected()
