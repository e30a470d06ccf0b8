"""The whole renderer role beside its engine alone: what everything around the engine costs in clips a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from consumer.events import ClipRequest
from consumer.service import Service
from consumer.settings import Topics, load
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.wiring import RENDERER
from model.engine import UNWATCHED, EngineError, Rendered, Shot, Watch
from model.recipe import Scene
from tests.bench.events import PARTITIONS, product, write
from tests.bench.figures import Comparison, Mark, Round, window
from tests.bench.outputs import DifferentError, committed, drop
from tests.bench.report import Report
from tests.bench.request import FPS, FRAMES, HEIGHT, WIDTH, request_of
from tests.bench.rounds import Scale, take_turns
from tests.engines import TestEngine
from tests.harness import Reader
from tests.services import KafkaAddress, MissingProgram, S3Address, sources, unique

AIM = 0.97
SECONDS = 0.2
"""A clip of the engine."""
LIMIT = 300.0
METHOD = (
    f"An engine of {SECONDS * 1000:.0f} ms a clip ({WIDTH}x{HEIGHT}, {FRAMES} frames: small, so that inspecting and "
    "encoding does not become the limit of two cores). Bare: the engine alone, called in a tight loop. Ours: the "
    "renderer role as the service runs it: requests waiting in Kafka, look-up, render, inspect, encode, upload, "
    "announce, exactly once. Steady state: from the moment the engine has finished the last clip of the warm-up to the "
    "last announcement, by the time at which it was produced: finishing and announcing the last clip counts against "
    "us, and a backlog that is worked off does not count for us."
)
StoreSettings = Callable[[], AbstractContextManager[dict[str, Any]]]


def run(scale: Scale) -> Report:
    """Measure with every store that can be had."""
    left_out = {}
    with ExitStack() as stack:
        kafka = stack.enter_context(sources.kafka())
        sides: dict[str, Callable[[], Round]] = {
            "bare": partial(engine_alone, scale),
            "files store": partial(_role, kafka, scale, files),
        }
        try:
            address = stack.enter_context(sources.s3())
            sides["S3 store"] = partial(_role, kafka, scale, partial(s3, address))
        except MissingProgram as missing:
            left_out["S3 store"] = str(missing)
        series = take_turns(sides, max(1, scale.rounds // 2), before=0)
    comparisons = tuple(
        Comparison(name=f"renderer, {name}", unit="clips/s", bare=series["bare"], ours=series[name], aim=AIM)
        for name in list(sides)[1:]
    )
    facts = {
        "clips": scale.clips - scale.warm_up_clips,
        "warm_up_clips": scale.warm_up_clips,
        "rounds": max(1, scale.rounds // 2),
        "partitions": PARTITIONS,
        "clip": f"{WIDTH}x{HEIGHT}, {FRAMES} frames at {FPS} a second",
        "engine_seconds": SECONDS,
    }
    return Report(bench="renderer", method=METHOD, comparisons=comparisons, facts=facts, left_out=left_out)


class Watched(TestEngine):
    """The slow engine, which notes the end of every clip."""

    def __init__(self) -> None:
        super().__init__(seconds=SECONDS)
        self.marks: list[Mark] = []

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        """See Engine."""
        results = super().render(shots, watch)
        for _ in shots:
            # The wall clock: announcements carry no other.
            self.marks.append(Mark(len(self.marks) + 1, time.time(), time.process_time()))
        return results


_made: list[Watched] = []


def slow() -> Watched:
    """An engine for the service, by name; ``_made`` keeps it in sight."""
    _made.append(Watched())
    return _made[-1]


def window_of(rendered: Sequence[Mark], announced: float, warm_up: int) -> Round:
    """From the end of the warm-up's last render to the last announcement. Raises FiguresError."""
    last = rendered[-1]
    return window([*rendered[:-1], Mark(last.done, max(announced, last.wall), last.cpu)], warm_up)


@contextmanager
def files() -> Iterator[dict[str, Any]]:
    """Settings of a files store of its own."""
    with TemporaryDirectory(prefix="skureel-bench-") as folder:
        yield {"kind": "files", "path": Path(folder)}


@contextmanager
def s3(address: S3Address) -> Iterator[dict[str, Any]]:
    """Settings of a bucket of its own."""
    bucket = address.bucket("bench")
    try:
        yield {
            "kind": "s3",
            "s3": {
                "endpoint": f"{'https' if address.secure else 'http'}://{address.endpoint}",
                "bucket": bucket,
                "access_key": address.access_key,
                "secret_key": address.secret_key,
            },
        }
    finally:
        address.remove_bucket(bucket)


def engine_alone(scale: Scale) -> Round:
    """The engine's own rate: one shot after the other, frames thrown away."""
    engine = Watched()
    engine.start()
    for scene in _scenes(scale.clips):
        (result,) = engine.render([Shot(scene=scene)])
        if isinstance(result, EngineError):
            raise result
    engine.close()
    return window(engine.marks, scale.warm_up_clips)


def _scenes(clips: int) -> Iterator[Scene]:
    for number in range(clips):
        request = ClipRequest.from_avro(request_of(product(number)))
        assert request.recipe is not None
        yield request.recipe.scene


def _role(kafka: KafkaAddress, scale: Scale, store: StoreSettings) -> Round:
    """The renderer as a service in this process, from its start to its last announcement."""
    topics = Topics(**{name: f"{unique('bench')}-{name.replace('_', '-')}" for name in Topics.model_fields})
    kafka.create_topics({getattr(topics, name): PARTITIONS for name in Topics.model_fields})
    _request(kafka.bootstrap, topics.clip_render, scale.clips)
    reader = Reader(kafka.bootstrap, topics.video_ready)
    with store() as store_settings:
        settings = load(
            kafka={"bootstrap": kafka.bootstrap, "group_prefix": unique("bench"), "instance": "bench-0"},
            topics=topics.model_dump(),
            store=store_settings,
            engine={"name": f"{__name__}:slow"},
            observe={"port": 0},
        )
        service = Service(settings, RENDERER)
        service.start()
        try:
            count = reader.wait(scale.clips, LIMIT)
        finally:
            service.stop()
            service.close()
            reader.close()
    produced = [message.timestamp()[1] / 1000 for message in committed(kafka.bootstrap, topics.video_ready)]
    rendered = _made.pop().marks
    if not count == len(produced) == len(rendered) == scale.clips:
        raise DifferentError(
            f"{len(produced)} announcements and {len(rendered)} renders of {scale.clips} within {LIMIT:.0f} s"
        )
    drop(kafka, *(getattr(topics, name) for name in Topics.model_fields))
    return window_of(rendered, max(produced), scale.warm_up_clips)


def _request(bootstrap: str, topic: str, clips: int) -> None:
    """Put requests for so many clips into the topic."""
    codec = SingleObjectCodec(schemas.load(topics={topic: "clip-render"}))
    events = (product(number) for number in range(clips))
    write(bootstrap, topic, ((e["product_id"].encode(), codec.encode(topic, request_of(e))[0]) for e in events))
