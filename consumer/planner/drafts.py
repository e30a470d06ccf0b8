"""What clip a product should have now, and how far it is from the planned one. Writes nothing.

The same for a product's own records, for a fan-out and for the forecast of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from consumer.events import Product, Promo, Tier
from consumer.planner import payload
from consumer.planner.book import Member
from consumer.planner.promotions import Running
from consumer.planner.recipes import Planning, mode_of, recipe_of
from consumer.planner.words import Composer
from model.recipe import Digests, Recipe


@dataclass(frozen=True, slots=True)
class Draft:
    """The clip that a product should have."""

    product: Product
    promo: Promo | None
    """The one it shows."""
    recipe: Recipe
    digests: Digests
    captions: tuple[str, ...]
    """Words for whatever draws in the engine's stead; no part of the recipe."""
    hold: bool
    """Whether its plan waits until somebody asks for the clip."""


@dataclass(frozen=True, slots=True)
class Drafter:
    """Makes drafts. Stateless but for its parts."""

    prompts: Composer
    planning: Planning
    on_demand: bool = False
    """Whether products of the long tail wait."""

    def draft(self, product: Product, running: Running) -> Draft:
        """Raises ValueError where there can be no recipe."""
        promo = running.of(product)
        words = self.prompts.compose(product, mode_of(product, self.planning))
        recipe = recipe_of(product, words, self.planning, promo)
        captions = () if self.planning.engine.captions else words.captions
        hold = self.on_demand and product.tier is Tier.LONG_TAIL
        return Draft(product, promo, recipe, recipe.digests, captions, hold)

    def of_member(self, member: Member, running: Running) -> Draft:
        """The draft of a product that the catalog has. Raises ValueError."""
        return self.draft(payload.load(member.payload), running)
