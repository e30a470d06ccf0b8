"""What is known to be made of a product's clips, and how little work is left from there. Asks no store."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.events import Work
from model.recipe import Digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Which layers of a product's clips are in the store, because they were announced once."""

    bases: frozenset[str] = frozenset()
    body: str | None = None
    """Of the clip that the product shows; of earlier ones only the bases are remembered, for they cost the engine."""

    def least(self, digests: Digests) -> Work:
        """The least work that leads from them to the clip of ``digests``."""
        if self.body == digests.body:
            return Work.SPLICE
        return Work.DRESS if digests.base in self.bases else Work.RENDER


NOTHING_MADE = Made()
