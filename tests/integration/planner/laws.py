"""What must hold of a planner's database and of what it published, however it got there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from consumer.events import ClipRequest, Product, Promo, Work
from consumer.planner.recipes import mode_of, recipe_of
from consumer.stream.types import Record
from tests.integration.planner.world import TOPICS, World

NOTHING = ""
"""The digest of no clip."""


@dataclass(slots=True)
class Life:
    """A product as the log alone tells it, record by record."""

    revision: int = -1
    wanted: str = NOTHING
    retired: bool = False
    changes: int = 0
    """Plans that somebody makes who takes one record at a time."""
    digests: set[str] = field(default_factory=set)
    product: Product | None = None
    """The newest revision of it."""


def recipe_digest(world: World, product: Product) -> str:
    """The clip a product should have."""
    return recipe_of(product, world.composer.compose(product, mode_of(product, world.plan)), world.plan).digest


def lives(world: World) -> dict[str, Life]:
    """The plain model of the planner: the log read once, in order."""
    found: defaultdict[str, Life] = defaultdict(Life)
    for (topic, _), records in world.log.items():
        if topic == TOPICS.product_created:
            for record in records:
                _live(world, found, record)
    return dict(found)


def _live(world: World, found: defaultdict[str, Life], record: Record) -> None:
    assert record.key is not None
    product_id = record.key.decode()
    if record.value is None:
        life = found.get(product_id)
        if life and not life.retired:
            life.retired, life.wanted = True, NOTHING
            life.changes += 1
        return
    product = Product.from_avro(world.codec.decode(record.topic, record.value, record.headers))
    life = found[product_id]
    if product.revision > life.revision or (life.retired and product.revision == life.revision):
        digest = recipe_digest(world, product)
        life.changes += digest != life.wanted
        life.revision, life.wanted, life.retired = product.revision, digest, False
        life.digests.add(digest)
        life.product = product


def content(request: ClipRequest) -> str:
    """What a request asks for."""
    return request.recipe.digest if request.recipe else NOTHING


def check(world: World, *, one_by_one: bool = False) -> None:
    """All laws at once. ``one_by_one`` says that no batch had more than one record: then the count is exact too."""
    requests = world.requests()
    plans = {
        product_id: (revision, digest or NOTHING, bytes(request))
        for product_id, revision, digest, request in world.rows(
            "SELECT product_id, revision, recipe_digest, request FROM plans"
        )
    }
    published: defaultdict[str, dict[int, ClipRequest]] = defaultdict(dict)
    for request in requests:
        first = published[request.product_id].setdefault(request.revision, request)
        assert first == request, "one plan number, two different requests"
    for product_id, life in lives(world).items():
        if product_id not in plans:
            assert life.wanted == NOTHING, f"{product_id} has no plan"
            assert product_id not in published
            continue
        revision, digest, stored = plans[product_id]
        assert digest == life.wanted, f"{product_id}: the plan is not the newest revision's"
        seen = published[product_id]
        assert revision in seen, f"{product_id}: the newest request was lost"
        assert content(seen[revision]) == digest
        assert stored in {output.value for output in world.published}
        assert set(seen) <= set(range(1, revision + 1))
        history = [content(seen[number]) for number in sorted(seen)]
        if len(seen) == revision:
            assert all(a != b for a, b in pairwise(history)), "a plan that changes nothing"
        assert all((r.work is Work.RETIRE) == (r.recipe is None) for r in seen.values())
        assert revision <= life.changes
        if one_by_one:
            assert revision == life.changes
            assert set(seen) == set(range(1, revision + 1))
    assert world.waiting() == []


@dataclass(slots=True)
class Campaign:
    """A promo as the log alone tells it."""

    revision: int = -1
    retired: bool = False
    promo: Promo | None = None


def campaigns(world: World) -> dict[str, Campaign]:
    """The log of promos read once, in order."""
    found: defaultdict[str, Campaign] = defaultdict(Campaign)
    for (topic, _), records in world.log.items():
        if topic != TOPICS.promo_changed:
            continue
        for record in records:
            assert record.key is not None
            campaign = found[record.key.decode()]
            if record.value is None:
                campaign.retired = True
                continue
            promo = Promo.from_avro(world.codec.decode(record.topic, record.value, record.headers))
            if promo.revision > campaign.revision or (campaign.retired and promo.revision == campaign.revision):
                campaign.revision, campaign.retired, campaign.promo = promo.revision, False, promo
    return dict(found)


def shown(world: World, product: Product) -> Promo | None:
    """The promo that a product shows now: looked for one by one, in the words of the contract."""
    now = world.now()
    best: Promo | None = None
    for campaign in campaigns(world).values():
        promo = campaign.promo
        if promo is None or campaign.retired or promo.status != "ACTIVE":
            continue
        if (promo.starts_at and now < promo.starts_at) or (promo.ends_at and now >= promo.ends_at):
            continue
        scope = promo.scope
        named = product.product_id in scope.product_ids or product.category in scope.categories
        if not (scope.all or named or set(product.tags) & set(scope.tags)):
            continue
        if best is None or (promo.priority, promo.occurred_at, promo.promo_id) > (
            best.priority,
            best.occurred_at,
            best.promo_id,
        ):
            best = promo
    return best


def check_promoted(world: World) -> None:
    """Every product ends on the clip of its newest revision and of the promo it shows, and its request went out."""
    published: defaultdict[str, dict[int, ClipRequest]] = defaultdict(dict)
    for request in world.requests():
        first = published[request.product_id].setdefault(request.revision, request)
        assert first == request, "one plan number, two different requests"
    plans = {row[0]: row[1:] for row in world.rows("SELECT product_id, revision, recipe_digest, held FROM plans")}
    for product_id, life in lives(world).items():
        if life.product is None or product_id not in plans:
            assert life.retired or life.product is None
            continue
        revision, digest, held = plans[product_id]
        wanted = NOTHING
        if not life.retired:
            words = world.composer.compose(life.product, mode_of(life.product, world.plan))
            wanted = recipe_of(life.product, words, world.plan, shown(world, life.product)).digest
        assert (digest or NOTHING) == wanted, f"{product_id}: not the clip of the newest state"
        if held:
            continue
        assert revision in published[product_id], f"{product_id}: the newest request was lost"
        newest = published[product_id][revision]
        assert content(newest) == wanted
        assert set(published[product_id]) <= set(range(1, revision + 1))
    assert world.waiting() == []
    assert world.rows("SELECT id FROM fan_outs WHERE state = 'PENDING'") == []
    assert world.rows("SELECT id FROM batches WHERE state = 'planned'") == []
