"""Which products a fan-out looks at, and in which order: hot tiers first, then scope by scope, then by key.

A span names products by what the catalog has an index of; where its products lie there, ``book`` knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from consumer.events import Scope, Tier
from consumer.planner.tables import member_key, storable

T = TypeVar("T")

TIERS = (Tier.HOT, Tier.STANDARD, Tier.LONG_TAIL)
"""In the order of a fan-out; a tier's rank is its place here."""

PROBES = 200
"""Strands looked at for one page: a scope of ten thousand unknown categories must not take all the time there is."""

MOST = 30_000
"""Names of a span; above it everything is looked at, which is never wrong."""

Kind = Literal["all", "ids", "category", "tag"]


def tier_rank(tier: Tier) -> int:
    """0 for the tier that comes first."""
    return TIERS.index(tier)


class Strand(NamedTuple):
    """Products that one range of an index holds; of kind ``ids``, a list of them."""

    kind: Kind
    name: str = ""


class Cursor(NamedTuple):
    """How far a fan-out is: everything before it was looked at."""

    tier: int = 0
    strand: int = 0
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """A union of products. Categories and tags are index keys."""

    all: bool = False
    product_ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, scope: Scope) -> Spans:
        """The products of a promotion's scope. Those it names and the catalog does not know are never met."""
        if scope.all:
            return cls(all=True)
        return cls(
            product_ids=tuple(sorted(set(map(storable, scope.product_ids)))),
            categories=tuple(sorted(set(map(member_key, scope.categories)))),
            tags=tuple(sorted(set(map(member_key, scope.tags)))),
        )

    def __bool__(self) -> bool:
        return bool(self.all or self.product_ids or self.categories or self.tags)

    def __or__(self, other: Spans) -> Spans:
        union = Spans(
            all=self.all or other.all,
            product_ids=tuple(sorted({*self.product_ids, *other.product_ids})),
            categories=tuple(sorted({*self.categories, *other.categories})),
            tags=tuple(sorted({*self.tags, *other.tags})),
        )
        names = len(union.product_ids) + len(union.categories) + len(union.tags)
        return Spans(all=True) if union.all or names > MOST else union

    @property
    def strands(self) -> tuple[Strand, ...]:
        """What is read, one after another, within each tier."""
        if self.all:
            return (Strand("all"),)
        ids = (Strand("ids"),) if self.product_ids else ()
        categories = (Strand("category", name) for name in self.categories)
        return (*ids, *categories, *(Strand("tag", name) for name in self.tags))

    def dump(self) -> bytes:
        """As the catalog keeps it."""
        return json.dumps([self.all, self.product_ids, self.categories, self.tags]).encode()

    @classmethod
    def load(cls, kept: bytes) -> Spans:
        """The inverse of ``dump``."""
        everything, ids, categories, tags = json.loads(kept)
        return cls(all=everything, product_ids=tuple(ids), categories=tuple(categories), tags=tuple(tags))


Fetch = Callable[[Strand, int, str, int], tuple[Sequence[T], "str | None"]]
"""Reads up to so many of a strand's products of one tier after a key. Gives them and the key to go on after; None when
the strand has no more in this tier.
"""


def walk(spans: Spans, cursor: Cursor, limit: int, fetch: Fetch[T]) -> tuple[list[T], Cursor | None]:
    """The next page from ``cursor`` on, about ``limit`` products at most, and where the one after begins; None at the
    end. A page may be short or empty before the end. A product of several strands is met in each of them.
    """
    strands = spans.strands
    page: list[T] = []
    tier, strand, key = cursor
    for _ in range(PROBES):
        if not strands or tier >= len(TIERS):
            return page, None
        if len(page) >= limit:
            break
        found, last = fetch(strands[strand], tier, key, limit - len(page))
        page += found
        if last is not None:
            key = last
            continue
        key, strand = "", strand + 1
        if strand == len(strands):
            tier, strand = tier + 1, 0
    return page, Cursor(tier, strand, key) if tier < len(TIERS) else None
