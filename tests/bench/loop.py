"""The stream loop beside the bare loop: the same decoding, building and encoding, exactly once in both."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.bench import bare, ours
from tests.bench.events import PARTITIONS, publish
from tests.bench.figures import Comparison, Round
from tests.bench.outputs import DifferentError, Written, drop, written
from tests.bench.report import Report
from tests.bench.rounds import Scale, take_turns
from tests.bench.task import Task
from tests.services import KafkaAddress, sources, unique

AIM = 0.85
VARIANTS = {"without headers": False, "with CloudEvents headers": True}
METHOD = (
    "A product event (Avro, single-object encoding) is decoded, a request is built and encoded, exactly once: "
    "skureel's Loop and BatchWorker beside a loop of confluent-kafka and fastavro. Same client configuration, same "
    "batches and transactions; from the first commit after the warm-up to the last commit. Every round's output is "
    "read back and must be the same bytes. Ratio: median over the rounds of ours / bare; one turn before the rounds "
    "is not counted."
)


def run(scale: Scale) -> Report:
    """Measure both variants."""
    with sources.kafka() as kafka:
        source = publish(kafka, scale.records)
        comparisons = tuple(_compare(kafka, source, scale, name, headers=headers) for name, headers in VARIANTS.items())
        drop(kafka, source)
    facts = {
        "records": scale.records - scale.warm_up,
        "warm_up_records": scale.warm_up,
        "rounds": scale.rounds,
        "partitions": PARTITIONS,
        "batch": 2_000,
    }
    return Report(bench="loop", method=METHOD, comparisons=comparisons, facts=facts)


def _compare(kafka: KafkaAddress, source: str, scale: Scale, name: str, *, headers: bool) -> Comparison:
    seen: list[Written] = []

    def side(run_side: Callable[[Task], Round]) -> Round:
        target = unique("bench-requests")
        kafka.create_topics({target: PARTITIONS})
        task = Task(
            bootstrap=kafka.bootstrap,
            source=source,
            target=target,
            records=scale.records,
            warm_up=scale.warm_up,
            headers=headers,
        )
        result = run_side(task)
        seen.append(written(kafka.bootstrap, target))
        check_same(seen, scale.records)
        drop(kafka, target)
        return result

    series = take_turns({"bare": partial(side, run_bare), "ours": partial(side, run_ours)}, scale.rounds)
    return Comparison(name=name, unit="records/s", bare=series["bare"], ours=series["ours"], aim=AIM)


def run_bare(task: Task) -> Round:
    """A round of the bare loop."""
    return bare.run(task)


def run_ours(task: Task) -> Round:
    """A round of the stream loop."""
    codec = SingleObjectCodec(schemas.load(topics={task.source: "product-created", task.target: "clip-render"}))
    codec.prepare([task.target])
    return ours.run(task, ours.Requests(codec, task))


def check_same(seen: list[Written], records: int) -> None:
    """Raises DifferentError unless every round wrote the same, once a record."""
    if any(each != seen[0] for each in seen) or seen[0].count != records or seen[0].keys != records:
        raise DifferentError(f"of {records} records the rounds wrote {seen}")
