"""Two planners over the same products at once, as when a rebalance overlaps: plan numbers stay whole."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from consumer.observe.metrics import Metrics
from consumer.planner.catalog import Catalog
from consumer.planner.planner import PlannerHandler
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.types import Output, Record
from tests.integration.planner.world import GROUP, TOPICS, World
from tests.unit.planner.samples import NameOnly, planning, product

PRODUCTS = 12
REVISIONS = 15


def planner(catalog: Catalog, codec: SingleObjectCodec) -> PlannerHandler:
    """One of two."""
    return PlannerHandler(
        catalog=catalog,
        prompts=NameOnly(),
        planning=planning(),
        codec=codec,
        topics=TOPICS,
        metrics=Metrics(),
        group=GROUP,
    )


def shuffled(world: World, seed: int) -> list[Record]:
    """Every revision of every product, in an order of its own."""
    world.log.clear()
    pairs = [(f"p{n}", revision) for n in range(PRODUCTS) for revision in range(1, REVISIONS + 1)]
    random.Random(seed).shuffle(pairs)
    return [
        world.put(product(product_id, revision, name=f"name {revision // 2}"), partition=seed)
        for product_id, revision in pairs
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_two_planners_on_the_same_products(world: World, codec: SingleObjectCodec, seed: int) -> None:
    """Whoever commits first, no plan number stands for two requests, none is missing, and the newest revision wins."""
    logs = [shuffled(world, seed * 10 + n) for n in range(2)]
    barrier = threading.Barrier(2)
    catalogs = [Catalog.open(world.url) for _ in logs]

    def work(number: int) -> list[Output]:
        handler = planner(catalogs[number], codec)
        outputs: list[Output] = []
        size = 7 + number
        barrier.wait()
        for start in range(0, len(logs[number]), size):
            handled = handler.handle(logs[number][start : start + size])
            outputs += handled.outputs
            if handled.committed:
                handled.committed()
        handler.idle()
        return outputs

    with ThreadPoolExecutor(2) as pool:
        outputs = [output for part in pool.map(work, range(2)) for output in part]
    for opened in catalogs:
        opened.close()
    contents: defaultdict[tuple[str, int], set[bytes | None]] = defaultdict(set)
    for request, output in zip(world.requests(outputs), outputs, strict=True):
        contents[request.product_id, request.revision].add(output.value)
    assert all(len(values) == 1 for values in contents.values())
    for product_id, revision, request in world.rows("SELECT product_id, revision, request FROM plans"):
        assert {number for key, number in contents if key == product_id} == set(range(1, revision + 1))
        assert contents[product_id, revision] == {bytes(request)}
        newest = world.requests([Output(TOPICS.clip_render, b"", bytes(request))])[0]
        assert newest.recipe is not None
        assert newest.recipe.scene.prompt.startswith(f"name {REVISIONS // 2},")
    assert set(world.rows("SELECT revision FROM products")) == {(REVISIONS,)}
    assert len(world.rows("SELECT product_id FROM plans")) == PRODUCTS


def test_a_planner_that_lost_its_partition_while_it_wrote(world: World, codec: SingleObjectCodec) -> None:
    """It commits to the database, but what it returns is dropped. Its successor, which was assigned before that and
    found nothing, publishes the requests when the records come to it.
    """
    record = world.put(product("a"))
    successor_catalog = Catalog.open(world.url)
    successor = planner(successor_catalog, codec)
    assert list(successor.assigned([]).outputs) == []
    zombie_catalog = Catalog.open(world.url)
    dropped = planner(zombie_catalog, codec).handle([record])
    zombie_catalog.close()
    taken = successor.handle([record])
    assert [output.value for output in taken.outputs] == [output.value for output in dropped.outputs]
    successor_catalog.close()
