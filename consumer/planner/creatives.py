"""What a promotion's creative makes of a clip's words and dressing: pure functions. Decides neither scope nor time.

Words for the prompt change the scene, a ribbon the overlays, an end card the end card, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, cast

from consumer.events import Creative
from consumer.planner.prompting import vocabulary
from consumer.planner.prompting.text import clean, cut
from consumer.planner.words import Words
from model.recipe import Dressing, EndCard, Ribbon

PHRASE_LIMIT = (40, 200)
"""Words (or 字) and characters of a phrase in a prompt: a guest in it, not its author."""
STYLE_LIMIT = (12, 60)

FALLBACK = "en"
"""The language of a text for products whose own is not among its locales."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrased:
    """Composed words with a promotion's own."""

    prompt: str
    negative_prompt: str
    captions: tuple[str, ...]
    locale: str
    calm_prompt: str | None
    source: str | None


def tag(locale: str) -> str:
    """A locale in the form in which locales are compared."""
    return locale.strip().replace("_", "-").lower()


def plain(text: str) -> str:
    """One line of printable characters: no control or direction marks, no doubled spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def said(texts: Mapping[str, str], locale: str) -> tuple[str, str] | None:
    """The locale and the text for ``locale``; None where no text says anything.

    Its own locale, else the first of its language, else of English, else the first of all; in alphabetical order,
    because a map keeps none.
    """
    known = {tag(name): (name, plain(text)) for name, text in sorted(texts.items()) if plain(text)}
    return next((known[name] for name in _preferred(known, locale)), None)


def _preferred(known: Collection[str], locale: str) -> Iterator[str]:
    wanted = tag(locale)
    if wanted in known:
        yield wanted
    for language in (vocabulary.language(wanted), FALLBACK):
        yield from (name for name in sorted(known) if vocabulary.language(name) == language)
    yield from sorted(known)


def phrased(words: Words, creative: Creative) -> Words:
    """The words with the promotion's phrase and style in their prompt; the same where it has none."""
    if not creative.prompt_phrases and not creative.style:
        return words
    found = said(creative.prompt_phrases, words.locale)
    phrase = cut(clean(found[1]), *PHRASE_LIMIT) if found else ""
    style = cut(clean(creative.style), *STYLE_LIMIT) if creative.style else ""
    between, stop, gap = vocabulary.JOINTS.get(vocabulary.language(words.locale)) or vocabulary.JOINTS[""]
    added = between.join(part for part in (phrase, style) if part)
    if not added:
        return words
    end = f"{gap}{added}{stop}"
    return Phrased(
        prompt=f"{words.prompt}{end}",
        negative_prompt=words.negative_prompt,
        captions=words.captions,
        locale=words.locale,
        calm_prompt=f"{words.calm_prompt}{end}" if words.calm_prompt else None,
        source=words.source,
    )


def dressed(dressing: Dressing, creative: Creative, locale: str) -> Dressing:
    """The dressing with the promotion's ribbon and end card for a product of ``locale``.

    The same object for all products of a locale, so that neither it nor its digest is made again for each of a million.
    """
    return _dressed(dressing, _Same(creative), locale)


class _Same:
    """A creative as a key: equal to itself alone. It holds mappings, and so has no hash of its own."""

    __slots__ = ("creative",)

    def __init__(self, creative: Creative) -> None:
        self.creative = creative

    def __hash__(self) -> int:
        return id(self.creative)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.creative is other.creative


@lru_cache(maxsize=1_024)
def _dressed(dressing: Dressing, same: _Same, locale: str) -> Dressing:
    creative = same.creative
    ribbon, card = _ribbon(creative, locale), _end_card(creative, locale)
    if ribbon is not None:
        dressing = replace(dressing, overlays=replace(dressing.overlays, ribbon=ribbon))
    return replace(dressing, end_card=card) if card is not None else dressing


def _ribbon(creative: Creative, locale: str) -> Ribbon | None:
    ribbon = creative.ribbon
    found = said(ribbon.text, locale) if ribbon else None
    if ribbon is None or found is None:
        return None
    position = cast("Literal['top', 'bottom']", ribbon.position.lower())
    return Ribbon(text=found[1], locale=found[0], colour=ribbon.colour, position=position)


def _end_card(creative: Creative, locale: str) -> EndCard | None:
    card = creative.end_card
    found = said(card.headline, locale) if card else None
    if card is None or found is None:
        return None
    # One card speaks one language: a second line that has no text in the headline's stays away.
    second = said(card.subline, found[0])
    same = second is not None and vocabulary.language(second[0]) == vocabulary.language(found[0])
    return EndCard(
        headline=found[1], subline=second[1] if second and same else None, locale=found[0], colour=card.colour
    )
