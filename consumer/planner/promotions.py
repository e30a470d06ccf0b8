"""Which promotions run, which products they touch, and which one wins: pure functions of promos, products and a clock.

They know no database. Instants are UTC; a window includes its start and excludes its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import IntEnum

from consumer.events import Product, Promo, Scope
from consumer.planner.tables import member_key, storable

SKEW = timedelta(minutes=1)
"""How far a clock may go back before what it had begun or ended is taken back. Clocks of two planners differ a little,
and one clock is set back a little now and then: neither may start and stop a promotion again and again.
"""


class Phase(IntEnum):
    """Where a promotion stands in its life; later ones are greater."""

    WAITING = 0
    RUNNING = 1
    OVER = 2


def phase_at(promo: Promo, now: datetime) -> Phase:
    """Where the event and the clock say that it stands."""
    if promo.status == "ENDED" or (promo.ends_at is not None and now >= promo.ends_at):
        return Phase.OVER
    if promo.starts_at is not None and now < promo.starts_at:
        return Phase.WAITING
    return Phase.RUNNING


def turned(promo: Promo, phase: Phase, now: datetime) -> Phase:
    """The phase that follows ``phase`` now. A clock that went back by SKEW or less changes nothing; one that went back
    further is believed.
    """
    wanted = phase_at(promo, now)
    if wanted >= phase:
        return wanted
    return min(phase, phase_at(promo, now + SKEW))


def due_at(promo: Promo, phase: Phase) -> datetime | None:
    """When the clock ends this phase; None where only an event does."""
    if phase is Phase.WAITING:
        return promo.starts_at
    return promo.ends_at if phase is Phase.RUNNING else None


def since(promo: Promo, phase: Phase) -> datetime | None:
    """When the clock began this phase; None where an event did."""
    if promo.status == "ENDED" or phase is Phase.WAITING:
        return None
    return promo.starts_at if phase is Phase.RUNNING else promo.ends_at


def rank(promo: Promo) -> tuple[int, datetime, str]:
    """Greater wins: the priority, then the newest, then the id, so that the outcome never depends on an order."""
    return promo.priority, promo.occurred_at, promo.promo_id


def touches(scope: Scope, product: Product) -> bool:
    """Whether a promotion of this scope is about the product. Names are compared exactly."""
    return (
        scope.all
        or product.product_id in map(storable, scope.product_ids)
        or member_key(product.category) in map(member_key, scope.categories)
        or not {member_key(tag) for tag in product.tags}.isdisjoint(map(member_key, scope.tags))
    )


class Running:
    """The promotions that run, arranged so that a product finds its own without looking through all of them."""

    def __init__(self, promos: Iterable[Promo] = ()) -> None:
        self.promos = tuple(sorted(promos, key=rank))
        self._everywhere: Promo | None = None
        self._ids: dict[str, Promo] = {}
        self._categories: dict[str, Promo] = {}
        self._tags: dict[str, Promo] = {}
        for promo in self.promos:  # what comes later wins
            scope = promo.scope
            if scope.all:
                self._everywhere = promo
            self._ids.update((storable(name), promo) for name in scope.product_ids)
            self._categories.update((member_key(name), promo) for name in scope.categories)
            self._tags.update((member_key(name), promo) for name in scope.tags)

    def of(self, product: Product) -> Promo | None:
        """The one promotion that the product shows; None while no promotion is about it."""
        if not self.promos:
            return None
        found = [self._everywhere, self._ids.get(product.product_id)]
        if self._categories:
            found.append(self._categories.get(member_key(product.category)))
        if self._tags:
            found += [self._tags.get(member_key(tag)) for tag in product.tags]
        return max((promo for promo in found if promo is not None), key=rank, default=None)

    def with_promo(self, promo: Promo, *, runs: bool) -> Running:
        """The same, with ``promo`` in place of what was known of it before."""
        others = [other for other in self.promos if other.promo_id != promo.promo_id]
        return Running([*others, promo] if runs else others)
