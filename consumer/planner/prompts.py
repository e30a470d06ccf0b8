"""Product in, prompt and captions out, from versioned templates: pure, deterministic, the same words every time.

It invents nothing: each word of a prompt is the template's or the record's. It knows no promo, recipe or engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from consumer.events import Product
from consumer.planner.prompting import library, vocabulary
from consumer.planner.prompting.brand import Brand, Names, brand
from consumer.planner.prompting.library import Block, Category, Library
from consumer.planner.prompting.schema import (
    ATTRIBUTES,
    ATTRIBUTES_SHOWN,
    LIMITS,
    OPTIONAL,
    POINTS,
    TemplateError,
)
from consumer.planner.prompting.text import clean, clean_all, cut, fits, without_tags

__all__ = ["Composed", "Prompts", "TemplateError"]

CAPTIONS = 3
"""Selling points among the captions, at most."""

TITLE_LIMIT = (30, 80)
CAPTION_LIMIT = (18, 48)
"""Words (or 字) and characters of captions: what can be read in the seconds they are shown."""

LONG_NAME, SHORT_NAME = 48, 8
"""Characters above which a name is taken for a title with a list after it, and its least first phrase."""

_POINTS_READ = 6
"""Selling points looked at: they come best first."""

_NOTHING = dict.fromkeys(OPTIONAL, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The words of a clip, and the template they come from."""

    prompt: str
    negative_prompt: str
    captions: tuple[str, ...]
    """Title first, then short selling points, in the product's own language, brand included: text on the picture."""
    template: str
    """Category of the template."""
    version: str
    locale: str
    """Locale of the prompt's template: the product's own, its language's, or English."""
    spoken: tuple[str, ...] = ()
    """What of the prompt is not a built-in template's: the record's words in it, or all of it."""
    calm_prompt: str | None = None
    """The prompt with the least that moves, where the template has such words."""

    @property
    def source(self) -> str:
        """The template and its version, ``NAME@VERSION``."""
        return f"{self.template}@{self.version}"


class Prompts:
    """The template library at work. Build it with ``load``; safe to share between threads."""

    def __init__(self, templates: Library, kept_out: Iterable[str] = (), *, calm: bool = True) -> None:
        """``calm``: whether calmer prompts are wanted; they cost a rendering more."""
        self._templates = templates
        self.calm = calm
        self._kept_out = Names(kept_out)
        # Categories and locales of a catalog are few, but come from outside: bounded.
        self._found = lru_cache(maxsize=4096)(self._find)

    @classmethod
    def load(cls, folder: Path | None = None, kept_out: Iterable[str] = (), *, calm: bool = True) -> Prompts:
        """Reads and proves all templates; those in ``folder`` replace built-in ones of the same category.

        ``kept_out`` are names that enter no prompt; captions keep them, as they keep the brand.
        Raises TemplateError naming file, place and remedy; NotADirectoryError where ``folder`` is none.
        """
        return cls(library.load(folder), kept_out, calm=calm)

    @property
    def versions(self) -> dict[str, str]:
        """Version by category."""
        return {name: category.version for name, category in self._templates.categories.items()}

    def locales(self, category: str, own: str) -> tuple[str, ...]:
        """``own``, then the locales of the category's template in other languages."""
        language = vocabulary.language(own)
        found = self._templates.category(category).blocks.values()
        return (own, *(block.locale for block in found if block.tongue != language))

    def _find(self, category: str, locale: str) -> tuple[Category, Block]:
        found = self._templates.category(category)
        return found, found.block(locale)

    def compose(self, product: Product, mode: Literal["text", "image"] = "text") -> Composed:
        """The prompt of ``product`` for text-to-video or for image-to-video, its negative prompt and its captions."""
        category, block = self._found(product.category, product.locale)
        points = product.selling_points
        name, *points_clean = clean_all((product.name, *points[:_POINTS_READ]))
        mark = brand(product.brand) if product.brand else None
        captions = _captions(name or block.subject, points_clean)
        if self._kept_out:
            product, name, points_clean = self._spoken(product, name, points_clean)
        subject = _subject(name, mark) or block.subject
        choice = int.from_bytes(blake2b(product.product_id.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        choice, scene = divmod(choice, len(block.scenes))
        choice, light = divmod(choice, len(block.light))
        choice, camera = divmod(choice, len(block.camera))
        choice, motion = divmod(choice, len(block.motions))
        style = choice % len(block.style)
        values = {
            "scene": block.scenes[scene],
            "light": block.light[light],
            "camera": block.camera[camera],
            "motion": block.function(subject) or block.motions[motion],
            "style": block.style[style],
        }
        own: dict[str, str] = {}
        if mode == "text":
            own = _fields(product, mark, block.tongue, subject, points_clean)
            values |= own
        template = block.text if mode == "text" else block.image
        prompt = library.render(template, values)
        calm = library.render(template, values | dict(block.calm)) if self.calm and block.calm else None
        return Composed(
            prompt=prompt,
            calm_prompt=calm,
            negative_prompt=block.negative,
            captions=captions,
            template=category.name,
            version=category.version,
            locale=block.locale,
            # Built-in templates are proved to say nothing that needs to be judged.
            spoken=tuple(filter(None, own.values() if category.built_in else (prompt, calm))),
        )

    def _spoken(self, product: Product, name: str, points: list[str]) -> tuple[Product, str, list[str]]:
        """What may enter a prompt: without the names kept out. What is left of a point about one says nothing."""
        without = self._kept_out.without
        product = replace(
            product,
            colour=without(product.colour) if product.colour else None,
            attributes={key: without(value) for key, value in product.attributes.items()},
        )
        return product, without(name), [point for point in points if without(point) == point]


def _subject(name: str, mark: Brand | None) -> str:
    """What the thing is called, in the words of its name: without offers, brand and the list that long titles carry."""
    name = without_tags(name)
    if len(name) > LONG_NAME:
        head = next((head for mark in ",，|;；" if " " in (head := name.partition(mark)[0]) and head != name), name)
        name = head if len(head) >= SHORT_NAME else name
    return _slot("product", name, mark)


def _fields(product: Product, mark: Brand | None, tongue: str, subject: str, points: list[str]) -> dict[str, str]:
    """The record's slots: clean, bounded, without brand, and without what the name already says."""
    filled = _NOTHING | {"product": subject}
    said = f" {subject.lower()} "
    if product.colour:
        word = _colour(product.colour, tongue, mark)
        if not _is_said(word, said) and not _is_said(product.colour, said):
            filled["colour"] = word
    shown = 0
    for slot, value in _attributes(product.attributes):
        word = _attribute(slot, value, tongue, mark)
        if not _is_said(word, said) and not _is_said(value, said):
            filled[slot] = word
            shown += 1
            if shown == ATTRIBUTES_SHOWN:
                break
    filled["points"] = vocabulary.join(_points(points, tongue, said, mark), tongue)
    return filled


def _is_said(words: str, said: str) -> bool:
    """Whether ``said`` has ``words``: as whole words, but ``1.7L`` also as ``1.7 l``. Nothing is always said."""
    words = words.strip().lower()
    if words[:1].isdigit():
        return words.replace(" ", "") in said.replace(" ", "")
    return not words or (f" {words} " in said if words.isascii() else words in said)


def _points(points: list[str], tongue: str, said: str, mark: Brand | None) -> list[str]:
    """The first selling points that speak of what can be seen."""
    kept: list[str] = []
    for point in points:
        if _is_said(point, said) or not vocabulary.seen(point):
            continue
        # What is left of a point about the brand says nothing of its own.
        if (mark is None or mark.without(point) is point) and (words := cut(point, *LIMITS["points"])):
            kept.append(_in_sentence(words) if tongue == "en" else words)
            if len(kept) == POINTS:
                break
    return kept


def _in_sentence(words: str) -> str:
    """``words`` with a small first letter, unless it begins with an abbreviation, a name like iPhone, or a number."""
    first = words.partition(" ")[0]
    return words[0].lower() + words[1:] if first[0].isupper() and first[1:].islower() else words


def _attributes(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Slot and value of the attributes that show, by slot: an Avro map keeps no order, a prompt must."""
    found: dict[str, tuple[str, str]] = {}
    for key, value in attributes.items():
        slot = vocabulary.ATTRIBUTE_SLOTS.get(key) or vocabulary.ATTRIBUTE_SLOTS.get(key.strip().lower())
        if slot and (slot not in found or key < found[slot][0]):
            found[slot] = (key, value)
    return [(slot, found[slot][1]) for slot in ATTRIBUTES if slot in found]


def _slot(name: str, value: str, mark: Brand | None) -> str:
    return cut(mark.without(value) if mark else value, *LIMITS[name])


# Colours and attributes repeat through a catalog as names and selling points do not.
@lru_cache(maxsize=8192)
def _colour(value: str, tongue: str, mark: Brand | None) -> str:
    # A code must be read before cleaning takes its '#' away.
    return _slot("colour", clean(vocabulary.colour(value.strip()[:80], tongue)), mark)


@lru_cache(maxsize=8192)
def _attribute(slot: str, value: str, tongue: str, mark: Brand | None) -> str:
    value = clean(value)
    return _slot(slot, vocabulary.units(value, tongue) if slot == "size" else value, mark)


def _captions(title: str, points: list[str]) -> tuple[str, ...]:
    """The title and the first selling points that fit the picture; longer ones are cut, for want of others."""
    texts = [point for point in dict.fromkeys(points) if point and point != title]
    fitting = [text for text in texts if fits(text, *CAPTION_LIMIT)]
    chosen = (fitting if len(fitting) >= CAPTIONS else texts)[:CAPTIONS]
    return (_shown(title, TITLE_LIMIT), *(text if text in fitting else _shown(text, CAPTION_LIMIT) for text in chosen))


def _shown(text: str, limit: tuple[int, int]) -> str:
    short = cut(text, *limit)
    return short if short == text else f"{short}…"
