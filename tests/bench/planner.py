"""The whole planner, catalog in SQL and templates included, beside the bare loop of the loop benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from consumer.observe.metrics import PLANS, Metrics
from consumer.planner.catalog import Catalog
from consumer.planner.planner import PlannerHandler
from consumer.planner.prompts import Prompts
from consumer.planner.recipes import Planning
from consumer.settings import ClipSettings, Topics
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from model.engines import open_engine
from model.recipe import Encoding
from tests.bench import bare, ours
from tests.bench.events import PARTITIONS, publish
from tests.bench.figures import Comparison, Round
from tests.bench.outputs import DifferentError, Written, drop, written
from tests.bench.report import Report
from tests.bench.rounds import Scale, take_turns
from tests.bench.task import Task
from tests.services import KafkaAddress, MissingProgram, PostgresAddress, sources, unique

AIM = 0.25
METHOD = (
    "Every product is new: decoded, validated, looked up, worded by its template, given a recipe and its digests, kept "
    "in SQL with its request as an outbox, and requested with CloudEvents headers, exactly once, by the planner's "
    "handler in Loop and BatchWorker; beside the bare loop of the loop benchmark (no SQL, no headers) on the same "
    "records. Client configuration, batches and window as there; an empty database for each round."
)
Database = Callable[[], AbstractContextManager[str]]
"""Gives the URL of an empty database, and takes it away again."""


def run(scale: Scale) -> Report:
    """Measure on every database that can be had."""
    left_out = {}
    with ExitStack() as stack:
        kafka = stack.enter_context(sources.kafka())
        sides: dict[str, Callable[[], Round]] = {}
        source = publish(kafka, scale.products)
        sides["bare"] = partial(_bare, kafka, source, scale)
        sides["SQLite"] = partial(_planner, kafka, source, scale, sqlite)
        try:
            address = stack.enter_context(sources.postgres())
            sides["PostgreSQL"] = partial(_planner, kafka, source, scale, partial(postgres, address))
        except MissingProgram as missing:
            left_out["PostgreSQL"] = str(missing)
        series = take_turns(sides, scale.rounds)
        drop(kafka, source)
    comparisons = tuple(
        Comparison(name=f"planner on {name}", unit="products/s", bare=series["bare"], ours=series[name], aim=AIM)
        for name in list(sides)[1:]
    )
    facts = {
        "products": scale.products - scale.warm_up,
        "warm_up_products": scale.warm_up,
        "rounds": scale.rounds,
        "partitions": PARTITIONS,
        "batch": 2_000,
        "synchronous": "SQLite FULL; PostgreSQL as the server is set (the local one: fsync off)",
    }
    return Report(bench="planner", method=METHOD, comparisons=comparisons, facts=facts, left_out=left_out)


@contextmanager
def sqlite() -> Iterator[str]:
    """A file in a folder of its own."""
    with TemporaryDirectory(prefix="skureel-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'catalog.db'}"


@contextmanager
def postgres(address: PostgresAddress) -> Iterator[str]:
    """A database of its own."""
    url = address.fresh_database("bench")
    try:
        yield url
    finally:
        address.drop_database(url)


def topics_of(source: str) -> Topics:
    """Topics of a planner of its own, reading ``source``."""
    named = {name: f"{unique('bench')}-{name.replace('_', '-')}" for name in Topics.model_fields}
    return Topics(**(named | {"product_created": source}))


def planning() -> Planning:
    """What the service plans with by default."""
    clip = ClipSettings()
    width, height = clip.pixels
    return Planning(
        engine=open_engine("storyboard").spec,
        width=width,
        height=height,
        frames=clip.frames,
        fps=clip.fps,
        encoding=Encoding(crf=clip.crf, preset=clip.preset),
        label=clip.label,
    )


def handler_of(catalog: Catalog, topics: Topics, metrics: Metrics) -> PlannerHandler:
    """The planner as the service builds it, with the default settings."""
    known = schemas.load(topics={getattr(topics, name): name.replace("_", "-") for name in Topics.model_fields})
    return PlannerHandler(
        catalog=catalog,
        prompts=Prompts.load(),
        planning=planning(),
        codec=SingleObjectCodec(known),
        topics=topics,
        metrics=metrics,
        group="bench-planner",
    )


def _task(kafka: KafkaAddress, source: str, target: str, scale: Scale) -> Task:
    return Task(bootstrap=kafka.bootstrap, source=source, target=target, records=scale.products, warm_up=scale.warm_up)


def _bare(kafka: KafkaAddress, source: str, scale: Scale) -> Round:
    target = unique("bench-requests")
    kafka.create_topics({target: PARTITIONS})
    result = bare.run(_task(kafka, source, target, scale))
    check_whole(written(kafka.bootstrap, target), scale.products)
    drop(kafka, target)
    return result


def _planner(kafka: KafkaAddress, source: str, scale: Scale, database: Database) -> Round:
    topics, metrics = topics_of(source), Metrics()
    made = [topics.clip_render, topics.video_ready, topics.video_rejected]
    kafka.create_topics(dict.fromkeys(made, PARTITIONS))
    with database() as url:
        catalog = Catalog.open(url)
        try:
            handler = handler_of(catalog, topics, metrics)
            task = _task(kafka, source, topics.clip_render, scale)
            result = ours.run(task, handler, topics.video_ready, topics.video_rejected)
        finally:
            catalog.close()
    check_whole(written(kafka.bootstrap, topics.clip_render), scale.products)
    if metrics.value(PLANS, work="RENDER") != scale.products:
        raise DifferentError(f"{metrics.value(PLANS, work='RENDER'):.0f} plans for {scale.products} products")
    drop(kafka, *made)
    return result


def check_whole(found: Written, products: int) -> None:
    """Raises DifferentError unless there is one request a product."""
    if found.count != products or found.keys != products:
        raise DifferentError(f"{found.count} requests for {found.keys} products; {products} were published")
