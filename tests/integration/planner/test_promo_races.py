"""Two planners on PostgreSQL: products and promos at the same time, one fan-out shared, and nobody kept waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from consumer.events import Creative, RibbonCreative, Scope
from consumer.observe.metrics import FAN_OUT_PRODUCTS, Metrics
from consumer.planner.catalog import Catalog
from consumer.planner.fanout import FanOutOptions
from consumer.planner.ledger import Ledger
from consumer.planner.planner import PlannerHandler
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.types import Handled, Output, Partition, Record
from tests.integration.planner.laws import check_promoted
from tests.integration.planner.world import GROUP, TOPICS, World
from tests.unit.planner.samples import CARD, NOW, RIBBON, NameOnly, planning, product, promo

SECONDS = 60.0


class Peer:
    """One of several planners, with its own connection and its own partitions."""

    def __init__(self, world: World, codec: SingleObjectCodec, number: int, *, page: int = 3) -> None:
        self.catalog = Catalog.open(world.url)
        self.metrics = Metrics()
        self.handler = PlannerHandler(
            catalog=self.catalog,
            prompts=NameOnly(),
            planning=planning(),
            codec=codec,
            topics=TOPICS,
            metrics=self.metrics,
            group=GROUP,
            clock=lambda: world.now(),  # noqa: PLW0108 - a test changes the clock
            fan_out=FanOutOptions(page=page),
        )
        self.held = [Partition(TOPICS.product_created, number)]
        self.outputs: list[Output] = []

    def take(self, handled: Handled | None) -> bool:
        """Publish, as the loop would. False when there was nothing."""
        if handled is None:
            return False
        self.outputs += handled.outputs
        if handled.committed:
            handled.committed()
        return True

    def work(self, records: list[Record], size: int = 4) -> None:
        """Batches, with a piece of background work after each, until there is nothing left."""
        for start in range(0, len(records), size):
            self.take(self.handler.handle(records[start : start + size]))
            self.take(self.handler.background(self.held))
        self.rest()

    def rest(self) -> None:
        """Background work until there is none, and the idle duties."""
        while self.take(self.handler.background(self.held)):
            pass
        self.handler.idle()


@contextmanager
def peers(world: World, codec: SingleObjectCodec, count: int = 2, page: int = 3) -> Iterator[list[Peer]]:
    """Several planners on one database."""
    made = [Peer(world, codec, number, page=page) for number in range(count)]
    try:
        yield made
    finally:
        for peer in made:
            peer.catalog.close()


@pytest.fixture
def world(database_url: str, codec: SingleObjectCodec) -> Iterator[World]:
    """A world on PostgreSQL: SQLite has one writer."""
    made = World(database_url, codec)
    yield made
    made.close()


def settle(world: World, made: list[Peer]) -> None:
    """Everybody rests until no fan-out is pending; then everything that was published is the world's."""
    for _ in range(50):
        # A second later: what another planner began is noticed.
        world.now = later(world.now())
        for peer in made:
            peer.rest()
        if not world.rows("SELECT id FROM fan_outs WHERE state = 'PENDING'"):
            break
    world.published = [output for peer in made for output in peer.outputs]
    for place, log in world.log.items():
        world.committed[place] = len(log)


def later(now: datetime) -> Callable[[], datetime]:
    """A clock that shows two seconds more."""
    then = now + timedelta(seconds=2)
    return lambda: then


def ribbon(number: int) -> Creative:
    """One that can be told from others."""
    return replace(RIBBON, ribbon=RibbonCreative(text={"en": f"{number}% off"}))


@pytest.mark.parametrize("seed", range(3))
def test_products_and_promos_at_the_same_time(world: World, codec: SingleObjectCodec, seed: int) -> None:
    """Whoever comes first, no product misses a promo: neither does the fan-out pass it unseen, nor does its own
    transaction overlook the promo.
    """
    products = [
        world.put(product(f"p{n % 20:02}", 1 + n // 20, name=f"name {n // 20 % 3}", tags=("x",) if n % 2 else ()))
        for n in range(120)
    ]
    promos = [
        world.promote(
            promo("PQ"[n % 2], n, scope=Scope(all=True) if n % 3 else Scope(tags=("x",)), creative=ribbon(n % 5)),
            partition=1,
        )
        for n in range(16)
    ]
    with peers(world, codec) as (one, other):
        barrier = threading.Barrier(2)

        def run(peer: Peer, records: list[Record], size: int) -> None:
            barrier.wait(SECONDS)
            peer.work(records, size)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, (one, other), (products, promos), (5 + seed, 1 + seed)))
        settle(world, [one, other])
    check_promoted(world)


def test_a_fan_out_is_shared(world: World, codec: SingleObjectCodec) -> None:
    """Both planners work its pages, each product is planned once, and the end is seen by both."""
    count = 120
    with peers(world, codec, page=4) as (one, other):
        one.work([world.put(product(f"p{n:03}")) for n in range(count)], size=50)
        one.take(one.handler.handle([world.promote(promo())]))
        world.now = lambda: NOW + timedelta(seconds=5)
        barrier = threading.Barrier(2)

        def run(peer: Peer) -> None:
            barrier.wait(SECONDS)
            while world_pending(one.catalog):
                peer.take(peer.handler.background(peer.held))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, (one, other)))
        shares = [peer.metrics.value(FAN_OUT_PRODUCTS, result="RENDER") for peer in (one, other)]
        assert sum(shares) == count
        assert min(shares) > 0
        settle(world, [one, other])
    check_promoted(world)
    assert len(world.requests()) == 2 * count


def world_pending(catalog: Catalog) -> bool:
    """Whether a fan-out is not finished."""
    return catalog.transaction(lambda ledger: ledger.book.progress()).fan_outs > 0


def test_two_fan_outs_are_worked_side_by_side(world: World, codec: SingleObjectCodec) -> None:
    """While one planner has a page of the first in hand, the other works the second instead of waiting."""
    with peers(world, codec) as (one, other):
        one.work([world.put(product(f"p{n}")) for n in range(9)])
        one.take(one.handler.handle([world.promote(promo("A")), world.promote(promo("B", creative=CARD))]))
        held, done = threading.Event(), threading.Event()

        def hold() -> str:
            def work(ledger: Ledger) -> str:
                row = ledger.book.claim()
                assert row is not None
                held.set()
                assert done.wait(SECONDS)
                return row.promo_id

            return one.catalog.transaction(work)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(hold)
            assert held.wait(SECONDS)
            second = other.catalog.transaction(lambda ledger: ledger.book.claim())
            done.set()
            assert second is not None
            assert {first.result(), second.promo_id} == {"A", "B"}


def test_a_promo_waits_for_products_in_hand_and_products_for_it(world: World, codec: SingleObjectCodec) -> None:
    """The gate is shared by those who plan and closed by who changes promos; who waits is served in turn."""
    with peers(world, codec) as (one, other):
        order: list[str] = []
        inside, leave = threading.Event(), threading.Event()

        def shared(name: str) -> None:
            def work(ledger: Ledger) -> None:
                ledger.book.enter()
                if name == "first":
                    inside.set()
                    assert leave.wait(SECONDS)
                order.append(name)

            one.catalog.transaction(work)

        def alone() -> None:
            def work(ledger: Ledger) -> None:
                ledger.book.enter(alone=True)
                order.append("promo")

            other.catalog.transaction(work)

        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(shared, "first")
            assert inside.wait(SECONDS)
            shared("beside")
            waiting = pool.submit(alone)
            until_waiting(one.catalog)
            late = pool.submit(shared, "late")
            until_waiting(one.catalog, 2)
            leave.set()
            for each in (first, waiting, late):
                each.result(SECONDS)
    assert order == ["beside", "first", "promo", "late"]


def until_waiting(catalog: Catalog, count: int = 1) -> None:
    """Until so many transactions wait for the gate's lock."""
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
        "WHERE c.relname = 'promo_gate' AND NOT l.granted AND l.database = (SELECT oid FROM pg_database WHERE "
        "datname = current_database())"
    )
    pause = threading.Event()
    for _ in range(round(SECONDS * 100)):
        with catalog.engine.begin() as connection:
            if connection.exec_driver_sql(query).scalar_one() >= count:
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits")
