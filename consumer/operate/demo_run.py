"""A running demo: events published to the service, waited for, and each step of it measured by what really came of it.

Knows no products and no promotions.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from consumer.events import VideoReady, Work
from consumer.observe import metrics as m
from consumer.operate.follow import Follower
from consumer.operate.publish import Line, encode_lines, send
from consumer.service import Service
from consumer.stream.codec import FramedCodec
from consumer.stream.jsonform import from_json
from consumer.wiring import DRESSER, PLANNER, RENDERER

START_SECONDS = 120.0
"""Longest wait for the roles to be ready."""
STALL_SECONDS = 180.0
"""Longest time in which nothing moves before the demo gives up and says so."""
TICK = 0.1


class DemoError(Exception):
    """Raised when the demo cannot start or stops making progress; the message says where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """How far a step is. ``total`` is None while nobody knows it."""

    label: str
    done: int
    total: int | None
    over: bool
    moved: float
    """Anything that changes while the step makes progress."""


class Told(Protocol):
    """Who hears how far a step is."""

    def __call__(self, at: At) -> None:
        """Called several times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step came to: its announcements as a CMS reads them, and the seconds that the service measured."""

    name: str
    clips: tuple[VideoReady, ...] = ()
    rejected: int = 0
    seconds: float = 0.0
    """From the event to the last announcement."""
    engine_seconds: float = 0.0
    dress_seconds: float = 0.0
    splice_seconds: float = 0.0
    rerender_seconds: float = 0.0
    """What rendering these clips takes on this machine: what it took when each of them was rendered."""
    works: Counter[Work] = field(init=False)
    """Clips by the work that they needed, as the announcements say."""

    def __post_init__(self) -> None:
        works = Counter(clip.lineage.work for clip in self.clips if clip.lineage)
        object.__setattr__(self, "works", works)

    @property
    def work_seconds(self) -> float:
        """Seconds of rendering, dressing and splicing."""
        return self.engine_seconds + self.dress_seconds + self.splice_seconds

    def by_product(self) -> dict[str, VideoReady]:
        """The announcements by their product; the last one where there are several."""
        return {clip.product_id: clip for clip in self.clips}


class _Figures(NamedTuple):
    """Counters of the service so far."""

    engine: float
    dress: float
    splice: float
    saved: float
    ready: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Run:
    """The running service, who feeds it and who looks on."""

    service: Service
    codec: FramedCodec
    options: Mapping[str, Any]
    follower: Follower
    console: Console
    sent: Counter[str] = field(default_factory=Counter)
    """Events published so far, by topic."""

    @property
    def followed(self) -> tuple[str, ...]:
        """The topics whose events are kept."""
        return followed(self.service)

    def value(self, spec: m.Spec, **labels: str) -> float:
        """A metric of the service."""
        return self.service.metrics.value(spec, **labels)

    def outputs(self, topic: str) -> int:
        """Records that the roles wrote to a topic."""
        return int(sum(self.value(m.OUTPUTS, role=role, topic=topic) for role in _ROLES))

    def open_requests(self) -> int:
        """Requests that are not answered."""
        answered = sum(self.value(m.RECORDS, role=role, topic=topic) for role in _ROLES for topic in self._requests())
        return int(sum(map(self.outputs, self._requests())) - answered)

    def _requests(self) -> tuple[str, ...]:
        topics = self.service.settings.topics
        return topics.clip_render, topics.clip_render_bulk, topics.clip_dress

    def answers(self) -> int:
        """Requests that ended so far: announced, rejected, or given up."""
        topics = self.service.settings.topics
        heard = self.follower.count(topics.video_ready) + self.follower.count(topics.video_rejected)
        return heard + int(self.service.dead_letters())

    def step(
        self, name: str, topic: str, events: Sequence[Mapping[str, Any]], progress: Callable[[int], At], told: Told
    ) -> Step:
        """Publish events and wait until all that follows from them has happened.

        ``progress`` is given the answers of earlier steps. Raises DemoError, PublishError, ServiceError.
        """
        before, earlier, started = self._figures(), self.answers(), time.monotonic()
        lines = [Line(number, json.dumps(event)) for number, event in enumerate(events, 1)]
        self.sent[topic] += send(self.options, encode_lines(self.codec, topic, lines))
        self._wait(lambda: progress(earlier), told)
        self._collect()
        seconds = time.monotonic() - started
        after, topics = self._figures(), self.service.settings.topics
        schema = self.codec.schemas.of(topics.video_ready).parsed
        seen = self.follower.seen(topics.video_ready, before.ready)
        engine = after.engine - before.engine
        return Step(
            name=name,
            clips=tuple(VideoReady.from_avro(from_json(schema, each, topics.video_ready)) for each in seen),
            rejected=after.rejected - before.rejected,
            seconds=seconds,
            engine_seconds=engine,
            dress_seconds=after.dress - before.dress,
            splice_seconds=after.splice - before.splice,
            rerender_seconds=engine + after.saved - before.saved,
        )

    def _wait(self, progress: Callable[[], At], told: Told) -> None:
        last, moved = -1.0, time.monotonic()
        while True:
            self.service.check()
            at = progress()
            told(at)
            if at.over:
                return
            if at.moved != last:
                last, moved = at.moved, time.monotonic()
            elif time.monotonic() - moved > STALL_SECONDS:
                why = self.service.unready() or "see the log above"
                raise DemoError(f"{at.label}: no progress for {STALL_SECONDS:.0f} s: {why}")
            time.sleep(TICK)

    def _collect(self) -> None:
        """Wait until the events folder has all that was written. Raises DemoError."""
        for topic in self.followed:
            number = self.sent[topic] + self.outputs(topic)
            if not self.follower.wait_for(topic, number, STALL_SECONDS):
                raise DemoError(f"{topic}: {self.follower.count(topic)} of {number} records arrived")

    def _figures(self) -> _Figures:
        topics = self.service.settings.topics
        return _Figures(
            engine=self.value(m.ENGINE_SECONDS, engine=self.service.settings.engine.name),
            dress=self._stage("dress"),
            splice=self._stage("splice"),
            saved=sum(self.value(m.SAVED_SECONDS, work=work.value) for work in Work),
            ready=self.follower.count(topics.video_ready),
            rejected=self.follower.count(topics.video_rejected),
        )

    def _stage(self, stage: str) -> float:
        """Seconds spent in a stage."""
        name = f"{m.STAGE_SECONDS.name}_sum"
        return self.service.metrics.registry.get_sample_value(name, {"stage": stage}) or 0.0


_ROLES = (PLANNER, RENDERER, DRESSER)


def followed(service: Service) -> tuple[str, ...]:
    """The topics whose events the demo keeps: all but the dead letters."""
    topics = service.settings.topics
    requests = (topics.clip_render, topics.clip_render_bulk, topics.clip_dress)
    return (topics.product_created, topics.promo_changed, *requests, topics.video_ready, topics.video_rejected)


@contextmanager
def bar(console: Console) -> Iterator[Told]:
    """One line that shows how far each step is while it runs; silent where nobody watches."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        label = ""

        def told(at: At) -> None:
            nonlocal task, label
            if at.label != label:  # a task that has a total cannot lose it again
                progress.remove_task(task)
                task, label = progress.add_task(at.label, total=None), at.label
            progress.update(task, completed=at.done, total=at.total)

        yield told
