"""What clip a product should have now, and how far it is from the planned one. Writes nothing.

The same for a product's own records, for a fan-out and for the forecast of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from consumer.events import Product, ProductColour, Promo, Tier
from consumer.planner import payload
from consumer.planner.book import Member
from consumer.planner.creatives import phrased
from consumer.planner.promotions import Running
from consumer.planner.prompting import vocabulary
from consumer.planner.prompting.lint import Finding, Linter
from consumer.planner.prompts import Composed
from consumer.planner.recipes import Planning, mode_of, recipe_of
from consumer.planner.refusals import REFUSED, RefusedError, name_of
from consumer.planner.words import Composer, Words
from model.recipe import Digests, Recipe


@dataclass(frozen=True, slots=True)
class Draft:
    """The clip that a product should have."""

    product: Product
    promo: Promo | None
    """The one it shows."""
    recipe: Recipe
    digests: Digests
    """The recipe's; a refused one has a name of its own, so that it never equals a clip."""
    captions: tuple[str, ...]
    """Words for whatever draws in the engine's stead; no part of the recipe."""
    hold: bool
    """Whether its plan waits until somebody asks for the clip."""
    findings: tuple[Finding, ...] = ()
    """What the wording rules say."""
    refused: tuple[Finding, ...] = ()
    """Those for which there shall be no clip."""
    calm_prompt: str | None = None
    """The prompt with the least that moves, for a clip that fails inspection; no part of the recipe."""
    template: str | None = None
    """The prompt's template, ``NAME@VERSION``; no part of the recipe."""

    @property
    def colour(self) -> ProductColour | None:
        """The product's recorded colour, for the inspection; no part of the recipe."""
        word = (self.product.colour or "").strip()
        return ProductColour(word=word, rgb=vocabulary.rgb(word)) if word else None


@dataclass(frozen=True, slots=True)
class Drafter:
    """Makes drafts. Stateless but for its parts."""

    prompts: Composer
    planning: Planning
    on_demand: bool = False
    """Whether products of the long tail wait."""
    rules: Linter | None = None
    """What judges the words; without it nothing does."""

    def draft(self, product: Product, running: Running) -> Draft:
        """Raises ValueError where there can be no recipe."""
        promo = running.of(product)
        words = self.prompts.compose(product, mode_of(product, self.planning))
        recipe = recipe_of(product, words, self.planning, promo)
        captions = () if self.planning.engine.captions else words.captions
        # A promotion's words were judged when it came in.
        findings = judged(self.rules, words, product.category) if self.rules else ()
        refused = self.rules.refusing(findings) if self.rules and findings else ()
        digests = name_of(refused) if refused else recipe.digests
        hold = self.on_demand and product.tier is Tier.LONG_TAIL and not refused
        said = phrased(words, promo.creative) if promo else words
        return Draft(
            product=product,
            promo=promo,
            recipe=recipe,
            digests=digests,
            captions=captions,
            hold=hold,
            findings=findings,
            refused=refused,
            calm_prompt=None if self.planning.engine.captions else said.calm_prompt,
            template=words.source,
        )

    def of_member(self, member: Member, running: Running) -> Draft:
        """The draft of a product that the catalog has. Raises ValueError, also where its words are refused for the
        first time: its next own event says so to the world.
        """
        draft = self.draft(payload.load(member.payload), running)
        if draft.refused and (member.work != REFUSED or member.recipe_digest != draft.digests.clip):
            raise RefusedError(draft.refused)
        return draft


def judged(rules: Linter, words: Words, category: str) -> tuple[Finding, ...]:
    """What the rules say of composed words. A template's own are not looked at where they are known to be clean."""
    spoken = words.spoken if isinstance(words, Composed) else (words.prompt,)
    return rules.words(words.captions, spoken, category)
