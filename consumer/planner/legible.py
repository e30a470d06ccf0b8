"""Whether a promotion's words can be drawn whole at the size of this installation's clips. Asked once a promotion, not
once a product; knows no catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from consumer.events import Creative, EventError, Promo
from consumer.planner.creatives import dressed
from consumer.planner.recipes import Planning
from model.dress import check_words
from model.errors import DressError, WordsError
from model.recipe import Dressing

KEPT = 1_024
"""Dressings whose verdict is remembered: a promotion published again costs nothing."""

_FIELDS = {
    "dressing.overlays.ribbon.text": "creative.ribbon.text",
    "dressing.end_card.headline": "creative.end_card.headline",
    "dressing.end_card.subline": "creative.end_card.subline",
}
"""Where the words of a recipe stand in the event."""


def check_legible(promo: Promo, planning: Planning) -> None:
    """Draw every ribbon and end card that products may get from a promotion. Raises EventError naming field and locale.

    One that has ended shows nothing, and may always end. Costs a few milliseconds a locale, the first time.
    """
    if promo.status == "ENDED":
        return
    for locale, dressing in _dressings(promo.creative, planning.dressing):
        fault = _fault(dressing, planning.base.frames, planning.fps)
        if fault is not None:
            field, reason = fault
            raise EventError(f"{field}[{locale}]", reason)


def _dressings(creative: Creative, plain: Dressing) -> Iterator[tuple[str, Dressing]]:
    """Every dressing that differs from the plain one, with a locale whose products get it.

    A product gets the texts of one of the locales that are named: asking with each of them finds them all.
    """
    ribbons = creative.ribbon.text if creative.ribbon else {}
    headlines = creative.end_card.headline if creative.end_card else {}
    seen = {plain}
    for locale in sorted({*ribbons, *headlines}):
        dressing = dressed(plain, creative, locale)
        if dressing not in seen:
            seen.add(dressing)
            yield locale, dressing


@lru_cache(maxsize=KEPT)
def _fault(dressing: Dressing, frames: int, fps: int) -> tuple[str, str] | None:
    """The field of the event that cannot be drawn, and why; None where all can."""
    try:
        check_words(dressing, frames, fps)
    except WordsError as error:
        return _FIELDS.get(error.field, error.field), str(error).removeprefix(f"{error.field}: ")
    except DressError as error:
        return "creative", str(error)
    return None
