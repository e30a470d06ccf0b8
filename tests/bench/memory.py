"""Memory over many events: of the planner on SQLite and of the loop alone, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from consumer.observe import logs
from consumer.observe.metrics import Metrics
from consumer.planner.catalog import Catalog
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.bench import bare, ours
from tests.bench.events import PARTITIONS, publish
from tests.bench.figures import Growth, Sample
from tests.bench.machine import peak_mib, resident_mib
from tests.bench.outputs import drop
from tests.bench.planner import handler_of, sqlite, topics_of
from tests.bench.report import Report
from tests.bench.rounds import Scale
from tests.bench.task import Task
from tests.services import KafkaAddress, sources, unique

AIM = 5.0
"""MiB per 100,000 events, about 50 bytes an event: less than keeping every product's id as a string would cost."""
METHOD = (
    "Resident memory of a fresh process while product events go through, all products different: the planner on "
    "SQLite, the loop with the loop benchmark's handler, and the bare loop for comparison. Flat: the slope by least "
    "squares after the warm-up, in which the caches fill (SQLite's own takes 64 MiB)."
)
Measured = tuple[list[Sample], float]


@dataclass(slots=True)
class Watch:
    """Samples memory every so many events."""

    every: int
    samples: list[Sample] = field(default_factory=list)

    def __call__(self, done: int) -> None:
        """So many are through."""
        if done >= self.every * (len(self.samples) + 1):
            self.samples.append(Sample(done, resident_mib()))


def run(scale: Scale) -> Report:
    """Measure each in turn."""
    runs: dict[str, Callable[[Task, int], Measured]] = {
        "planner on SQLite": through_planner,
        "loop": through_loop,
        "bare loop": through_bare,
    }
    growths = []
    with sources.kafka() as kafka:
        source = publish(kafka, scale.events)
        for name, through in runs.items():
            samples, peak = _apart(kafka, source, scale, through)
            growths.append(
                Growth(name=name, samples=tuple(samples), peak_mib=peak, warm_up=scale.warm_up_events, aim=AIM)
            )
        drop(kafka, source)
    facts = {"events": scale.events, "warm_up_events": scale.warm_up_events, "partitions": PARTITIONS}
    return Report(bench="memory", method=METHOD, growths=tuple(growths), facts=facts)


def _apart(kafka: KafkaAddress, source: str, scale: Scale, through: Callable[[Task, int], Measured]) -> Measured:
    """Run in a fresh process, with an output topic of its own."""
    target = unique("bench-requests")
    kafka.create_topics({target: PARTITIONS})
    task = Task(
        bootstrap=kafka.bootstrap, source=source, target=target, records=scale.events, warm_up=scale.warm_up_events
    )
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        measured = apart.submit(through, task, scale.every).result()
    drop(kafka, target)
    return measured


def through_planner(task: Task, every: int) -> Measured:
    """All events through the planner's handler, every request into ``task.target``."""
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    topics = topics_of(task.source).model_copy(update={"clip_render": task.target})
    watch = Watch(every)
    with sqlite() as url:
        catalog = Catalog.open(url)
        try:
            ours.run(task, handler_of(catalog, topics, Metrics()), each=watch)
        finally:
            catalog.close()
    return watch.samples, peak_mib()


def through_loop(task: Task, every: int) -> Measured:
    """All events through the loop benchmark's handler."""
    logs.configure(log_format="console", level="error", role="bench", instance="bench")
    codec = SingleObjectCodec(schemas.load(topics={task.source: "product-created", task.target: "clip-render"}))
    watch = Watch(every)
    ours.run(task, ours.Requests(codec, task), each=watch)
    return watch.samples, peak_mib()


def through_bare(task: Task, every: int) -> Measured:
    """All events through the bare loop."""
    watch = Watch(every)
    bare.run(task, each=watch)
    return watch.samples, peak_mib()
