"""A promotion over a whole catalog in PostgreSQL: how fast its requests go out, in how much memory, and how long a new
product waits meanwhile.

`python -m tests.bench.fanout [--products N] [--new N] [--json-only]`. The planner is a process of its own, with the
service's loop, worker and handler; this one is its customer and its witness.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from statistics import median, quantiles
from typing import Any

from confluent_kafka import Producer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from consumer.observe import logs
from consumer.observe.metrics import FAN_OUT_PAGE_SECONDS, TRANSACTION_SECONDS, Metrics
from consumer.planner.catalog import Catalog
from consumer.planner.fanout import CALM_AFTER
from consumer.planner.planner import PlannerHandler
from consumer.settings import Topics
from consumer.stream.batch import BatchWorker
from consumer.stream.loop import Loop
from consumer.stream.options import StreamOptions
from consumer.stream.types import Handled, Partition, Record
from tests.bench import machine
from tests.bench.customer import Customer
from tests.bench.events import PARTITIONS
from tests.bench.figures import Growth, Mark, Round, Sample
from tests.bench.machine import peak_mib, resident_mib
from tests.bench.outputs import committed, drop
from tests.bench.planner import handler_of, postgres, topics_of
from tests.bench.shop import fill
from tests.services import KafkaAddress, sources, unique

RATE_AIM, LATENCY_AIM, SLOPE_AIM = 0.5, 1.5, 5.0
"""Requests a second beside the bare producer's; p99 while it runs beside idle; MiB for 100,000 products."""
LIMIT = 3_000.0
"""Seconds that the whole fan-out may take."""
BARE = 100_000
"""Requests that the bare producer writes, at most, and how many times."""
ROUNDS = 3
METHOD = (
    "A ribbon over every product of a full catalog: each is read, worded, given its recipe and digests, planned in "
    "PostgreSQL with its request as an outbox, and requested (work: dress), a page a transaction. Beside it a bare "
    "producer writes the same records, keys and headers with the same client settings, a thousand a transaction. A new "
    "product comes every tenth of a second on average, first while nothing else happens, then while the fan-out runs; "
    "its latency is from produce() to its committed request at a consumer. The fan-out's rate is taken after that."
)


@dataclass(slots=True)
class Seen:
    """What the planner's process saw."""

    marks: list[Mark] = field(default_factory=list)
    """Requests of the fan-out that were committed by then."""
    samples: list[Sample] = field(default_factory=list)
    peak: float = 0.0
    page_seconds: float = 0.0
    transaction_seconds: float = 0.0
    """On average."""


class Watched:
    """The planner's handler; notes what of the fan-out is committed. What ``background`` returned is a page."""

    def __init__(self, handler: PlannerHandler, total: int) -> None:
        self.seen, self.ended = Seen(), threading.Event()
        self._handler, self._total, self._done = handler, total, 0

    def assigned(self, partitions: Sequence[Partition]) -> Handled:
        """See BatchHandler."""
        return self._handler.assigned(partitions)

    def handle(self, records: Sequence[Record]) -> Handled:
        """See BatchHandler."""
        return self._handler.handle(records)

    def idle(self) -> None:
        """See BatchHandler."""
        self._handler.idle()

    def background(self, held: Collection[Partition]) -> Handled | None:
        """See WorksInBackground."""
        handled = self._handler.background(held)
        if handled is None or not handled.outputs:
            return handled
        told, count = handled.committed, len(handled.outputs)

        def committed() -> None:
            if told is not None:
                told()
            self._add(count)

        return Handled(handled.outputs, committed)

    def _add(self, count: int) -> None:
        """On the committing thread."""
        self._done += count
        seen = self.seen
        seen.marks.append(Mark(self._done, time.perf_counter(), time.process_time()))
        if self._done * 25 >= self._total * (len(seen.samples) + 1):
            seen.samples.append(Sample(self._done, resident_mib()))
        if self._done >= self._total:
            self.ended.set()


def plan(bootstrap: str, url: str, topics: Topics, total: int) -> Seen:
    """A planner's life, until so many requests of a fan-out are committed. Runs in a process of its own."""
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    options = StreamOptions(bootstrap=bootstrap, group=unique("bench-group"), instance="bench-0")
    metrics, catalog = Metrics(), Catalog.open(url)
    try:
        watched = Watched(handler_of(catalog, topics, metrics), total)
        worker = BatchWorker(watched, metrics, role="planner", group=options.group)
        loop = Loop(options, [topics.product_created, topics.promo_changed], worker, metrics, role="planner")
        loop.start()
        end = time.monotonic() + LIMIT
        while not watched.ended.wait(0.25) and not loop.join(0) and time.monotonic() < end:
            pass
        loop.stop()
        loop.join(60)
    finally:
        catalog.close()
    if not watched.ended.is_set():
        raise TimeoutError(f"{len(watched.seen.marks)} pages within {LIMIT:.0f} s")
    watched.seen.peak = peak_mib()
    watched.seen.page_seconds = average(metrics, FAN_OUT_PAGE_SECONDS.name)
    watched.seen.transaction_seconds = average(metrics, TRANSACTION_SECONDS.name, role="planner")
    return watched.seen


def average(metrics: Metrics, name: str, **labels: str) -> float:
    """The mean of a histogram."""
    value = metrics.registry.get_sample_value
    return (value(f"{name}_sum", labels) or 0.0) / max(1.0, value(f"{name}_count", labels) or 0.0)


def bare(kafka: KafkaAddress, source: str, transaction: int = 1_000) -> list[Round]:
    """The same bytes again, by a producer that does nothing else."""
    records = []
    for message in committed(kafka.bootstrap, source):
        records.append((message.key(), message.value(), message.headers()))
        if len(records) == BARE:
            break
    rounds = []
    for _ in range(ROUNDS):
        target = unique("bench-bare")
        kafka.create_topics({target: PARTITIONS})
        options = StreamOptions(bootstrap=kafka.bootstrap, group=target, instance="bench-0")
        producer = Producer({**options.producer(), "log_level": 2})
        producer.init_transactions(30)
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, len(records), transaction):
            producer.begin_transaction()
            for key, value, headers in records[start : start + transaction]:
                producer.produce(target, value, key, headers=headers)
            producer.commit_transaction(30)
        seconds, used = time.perf_counter() - wall, time.process_time() - cpu
        rounds.append(Round(records=len(records), seconds=seconds, cpu=used))
        drop(kafka, target)
    return rounds


def between(marks: Sequence[Mark], start: float, end: float) -> Round | None:
    """What was committed between two instants; None where that is too little to say."""
    inside = [mark for mark in marks if start <= mark.wall <= end]
    if len(inside) < 3:
        return None
    first, last = inside[0], inside[-1]
    return Round(records=last.done - first.done, seconds=last.wall - first.wall, cpu=last.cpu - first.cpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All figures of one run."""

    products: int
    fill_seconds: float
    seconds: float
    """From the promotion's event to its last request."""
    calm: Round
    busy: Round | None
    """While new products came, and after."""
    bare: Round
    growth: Growth
    idle_latencies: list[float]
    busy_latencies: list[float]
    page_seconds: float
    transaction_seconds: float

    @property
    def ratio(self) -> float:
        """The fan-out's rate beside the bare producer's."""
        return self.calm.rate / self.bare.rate

    @property
    def latency_ratio(self) -> float:
        """p99 while the fan-out runs beside idle."""
        return p99(self.busy_latencies) / p99(self.idle_latencies)


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return quantiles(values, n=100, method="inclusive")[98]


def measure(products: int, new: int, say: Callable[[str], None]) -> Found:
    """Fill, run, compare. ``new`` products come while nothing happens, and as many while the fan-out runs."""
    with sources.kafka() as kafka, sources.postgres() as address, postgres(address) as url:
        say(f"filling a catalog with {products:,} products")
        began = time.perf_counter()
        fill(url, products)
        fill_seconds = time.perf_counter() - began
        topics = topics_of(unique("bench-products"))
        made = [topics.product_created, topics.promo_changed, topics.clip_render, topics.clip_dress]
        kafka.create_topics(dict.fromkeys([*made, topics.clip_render_bulk], PARTITIONS))
        customer = Customer(kafka, topics)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            planner = apart.submit(plan, kafka.bootstrap, url, topics, products)
            say("a new product now and then, and nothing else")
            customer.latencies(5)  # the group is joined, caches are warm
            idle = customer.latencies(new)
            say("the fan-out, and a new product now and then")
            start = time.perf_counter()
            customer.promote()
            busy = customer.latencies(new, LIMIT)
            quiet = time.perf_counter()
            say("the rest of the fan-out")
            seen = planner.result()
        customer.close()
        say("the bare producer")
        rounds = bare(kafka, topics.clip_dress)
        drop(kafka, *made, topics.clip_render_bulk)
    end = seen.marks[-1].wall
    whole = between(seen.marks, start, end)
    calm = between(seen.marks, quiet + CALM_AFTER, end) or whole
    if calm is None:
        raise TimeoutError("the fan-out ended before anything could be measured: more products")
    return Found(
        products=products,
        fill_seconds=fill_seconds,
        seconds=end - start,
        calm=calm,
        busy=between(seen.marks, start, quiet),
        bare=sorted(rounds, key=lambda each: each.rate)[len(rounds) // 2],
        growth=Growth(
            name="planner", samples=tuple(seen.samples), peak_mib=seen.peak, warm_up=products // 5, aim=SLOPE_AIM
        ),
        idle_latencies=idle,
        busy_latencies=busy,
        page_seconds=seen.page_seconds,
        transaction_seconds=seen.transaction_seconds,
    )


def show(found: Found, console: Console) -> None:
    """The tables for people."""
    rates = Table(title=f"requests of a fan-out over {found.products:,} products")
    rates.add_column("side")
    for heading in ("requests/s", "CPU µs each", "of the bare producer"):
        rates.add_column(heading, justify="right")
    sides = {"bare producer": found.bare, "fan-out": found.calm, "fan-out, while new products come": found.busy}
    for name, side in sides.items():
        if side is not None:
            ratio = side.rate / found.bare.rate
            style = ("green" if ratio >= RATE_AIM else "red") if name == "fan-out" else ""
            rates.add_row(name, f"{side.rate:,.0f}", f"{side.cpu_each:,.1f}", Text(f"{ratio:.3f}", style=style))
    waits = Table(title="from a new product to its request, ms")
    waits.add_column("while")
    for heading in ("median", "p99", "worst", "products"):
        waits.add_column(heading, justify="right")
    for name, values in (("idle", found.idle_latencies), ("the fan-out runs", found.busy_latencies)):
        shown = (median(values), p99(values), max(values))
        waits.add_row(name, *(f"{1000 * value:,.1f}" for value in shown), str(len(values)))
    style = "green" if found.latency_ratio <= LATENCY_AIM else "red"
    growth = found.growth
    parts: list[Any] = [
        Text(METHOD),
        rates,
        waits,
        Text.assemble("p99 ratio ", (f"{found.latency_ratio:.2f}", style), f" (aim ≤ {LATENCY_AIM})"),
        Text(
            f"memory: peak {growth.peak_mib:.0f} MiB, {growth.slope:+.2f} MiB per 100,000 products (aim ≤ {SLOPE_AIM})"
        ),
        Text(
            f"fan-out {found.seconds:,.0f} s, page {1000 * found.page_seconds:.1f} ms, transaction "
            f"{1000 * found.transaction_seconds:.1f} ms on average; filling took {found.fill_seconds:,.0f} s"
        ),
    ]
    console.rule("[bold]fanout")
    console.print(Group(*parts))


def line(found: Found, described: dict[str, Any]) -> str:
    """All of it as one line of JSON."""

    def side(each: Round | None) -> dict[str, float] | None:
        return None if each is None else {"per_second": round(each.rate), "cpu_us_each": round(each.cpu_each, 1)}

    def wait(values: Sequence[float]) -> dict[str, float]:
        return {name: round(1000 * value, 2) for name, value in (("median", median(values)), ("p99", p99(values)))}

    growth = found.growth
    document = {
        "bench": "fanout",
        **described,
        "method": METHOD,
        "facts": {
            "products": found.products,
            "new_products": len(found.busy_latencies),
            "seconds": round(found.seconds, 1),
            "fill_seconds": round(found.fill_seconds, 1),
            "page_ms": round(1000 * found.page_seconds, 2),
            "transaction_ms": round(1000 * found.transaction_seconds, 2),
        },
        "requests": {"bare": side(found.bare), "calm": side(found.calm), "busy": side(found.busy)},
        "latency_ms": {"idle": wait(found.idle_latencies), "fan_out": wait(found.busy_latencies)},
        "memory_mib": {
            "peak": round(growth.peak_mib, 1),
            "slope_per_100k": round(growth.slope, 2),
            "samples": {sample.events: round(sample.mib, 1) for sample in growth.samples},
        },
        "ratios": {"requests": round(found.ratio, 3), "latency_p99": round(found.latency_ratio, 3)},
        "aims": {"requests": RATE_AIM, "latency_p99": LATENCY_AIM, "slope_per_100k": SLOPE_AIM},
        "met": {
            "requests": found.ratio >= RATE_AIM,
            "latency_p99": found.latency_ratio <= LATENCY_AIM,
            "slope_per_100k": growth.met,
        },
    }
    return json.dumps(document, ensure_ascii=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it. Gives 0 when it ran: a missed aim is a finding, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fanout", description=__doc__)
    parser.add_argument("--products", type=int, default=1_000_000, metavar="N", help="of the catalog")
    parser.add_argument("--new", type=int, default=400, metavar="N", help="new products, idle and while it runs, each")
    parser.add_argument("--json-only", action="store_true", help="the JSON line alone")
    chosen = parser.parse_args(arguments)
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    described = machine.describe()
    console = Console(stderr=True)
    found = measure(chosen.products, chosen.new, lambda words: console.print(words, highlight=False))
    if not chosen.json_only:
        show(found, Console() if Console().is_terminal else Console(width=140))
    print(line(found, described))
    return 0


if __name__ == "__main__":
    sys.exit(main())
