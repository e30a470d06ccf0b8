"""A renderer over a files store, driven by a settler that keeps what it is told: the loop's side of a lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumer.events import Cause, ClipRequest, VideoReady, VideoRejected, Work, utc_now
from consumer.observe import metrics as m
from consumer.renderer.ends import Addresses
from consumer.renderer.engine_room import EngineRoom, Limits
from consumer.renderer.options import RendererOptions, Rules
from consumer.renderer.photos import Photos
from consumer.renderer.renderer import Renderer
from consumer.storage.files import FilesStore
from consumer.storage.store import Store
from consumer.stream import headers, schemas
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.types import Lease, Output, Partition, Record, Settlement
from model.engine import Engine
from model.recipe import Dressing, Encoding, EndCard, Overlays, Photo, Recipe, Ribbon, Scene
from tests.engines import TestEngine

CODEC = SingleObjectCodec(schemas.load())
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECONDS = 60.0


class Settler:
    """Keeps settlements, releases and failures, and lets a test wait for them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.settled: dict[int, Settlement] = {}
        self.released: list[Lease] = []
        self.failures: list[BaseException] = []

    def settle(self, settlements: Iterable[Settlement]) -> None:
        with self.changed:
            for settlement in settlements:
                (lease,) = settlement.leases
                offset = lease.records[0].offset
                assert offset not in self.settled, f"offset {offset} was settled twice"
                self.settled[offset] = settlement
            self.changed.notify_all()

    def release(self, leases: Iterable[Lease]) -> None:
        with self.changed:
            self.released += leases
            self.changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self.changed:
            self.failures.append(error)
            self.changed.notify_all()

    def wait(self, condition: Callable[[Settler], bool], seconds: float = SECONDS) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), seconds)

    def outputs(self, offset: int) -> list[Output]:
        """What the record at an offset led to, once it was settled."""
        assert self.wait(lambda s: offset in s.settled), f"offset {offset} was not settled"
        return list(self.settled[offset].outputs)

    def event(self, offset: int) -> VideoReady | VideoRejected:
        """The one event that the record at an offset led to."""
        (output,) = self.outputs(offset)
        assert output.value is not None
        decoded = CODEC.decode(output.topic, output.value, output.headers)
        return VideoReady.from_avro(decoded) if output.topic == "video-ready" else VideoRejected.from_avro(decoded)


class Bench:
    """One renderer at work, and helpers that speak its language."""

    def __init__(
        self,
        store: Store,
        engine: Engine | None,
        *,
        cluster: str = "c",
        look_ahead: int = 16,
        bulk_share: float = 0.1,
        limits: Limits | None = None,
        fallback: Engine | None = None,
        wait: bool = True,
        **rules: object,
    ) -> None:
        self.store, self.engine, self.settler, self.metrics = store, engine, Settler(), m.Metrics()
        role = "renderer" if engine is not None else "dresser"
        addresses = Addresses(
            role=role,
            group=f"g-{role}",
            source="/test",
            video_ready="video-ready",
            video_rejected="video-rejected",
            clip_render_bulk="clip-render-bulk",
        )
        options = RendererOptions(
            addresses=addresses,
            cluster=cluster,
            bulk_topics=frozenset({"clip-render-bulk", "clip-dress"}),
            bulk_share=bulk_share,
            look_ahead=look_ahead,
            finishers=2,
            rules=Rules(**{"attempts": 2, "photo_policy": "text"} | rules),  # type: ignore[arg-type]
            limits=limits or Limits(),
        )
        photos = Photos(store, ("images.example.com",))
        self.renderer = Renderer(
            options,
            engine=engine,
            store=store,
            codec=CODEC,
            photos=photos,
            metrics=self.metrics,
            clock=utc_now,
            fallback=fallback,
        )
        self.renderer.start(self.settler)
        while wait and not self.renderer.ready.wait(0.05) and not self.settler.failures:
            pass

    @property
    def room(self) -> EngineRoom:
        """Its engine's room."""
        assert self.renderer._main is not None
        return self.renderer._main

    def send(
        self,
        request: ClipRequest | bytes | None,
        offset: int,
        *,
        partition: int = 0,
        key: bytes | None = None,
        topic: str = "clip-render",
    ) -> Lease:
        """Submit one request as the loop would. Offsets are told apart by the settler, whatever the topic."""
        value, extra = (request, ()) if not isinstance(request, ClipRequest) else CODEC.encode(topic, request.to_avro())
        if isinstance(request, ClipRequest):
            key = key if key is not None else request.product_id.encode()
            extra = headers.outgoing(extra, ce_id="i", ce_type="t", source="/s", time=NOW)
        record = Record(topic, partition, offset, key, value, extra, 0)
        lease = Lease(Partition(topic, partition), 1, [record], offset + 1)
        self.renderer.submit([lease])
        return lease


@pytest.fixture
def store(tmp_path: Path) -> FilesStore:
    """An empty files store."""
    return FilesStore(tmp_path / "store")


@pytest.fixture
def bench(store: FilesStore) -> Iterator[Callable[..., Bench]]:
    """Makes renderers over one store; closes them afterwards."""
    made: list[Bench] = []

    def make(engine: Engine | None = None, *, dresser: bool = False, **more: object) -> Bench:
        made.append(Bench(store, None if dresser else engine or TestEngine(), **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.renderer.close()


def recipe(
    seed: int = 1,
    *,
    photo: Photo | None = None,
    crf: int = 28,
    engine: str = "test",
    prompt: str = "a kettle",
    ribbon: str | None = None,
    card: str | None = None,
    size: tuple[int, int] = (64, 48),
) -> Recipe:
    """A small recipe for the test engine: a base of 24 frames of 64×48; ``size`` is the clip's."""
    width, height = size
    scene = Scene(
        mode="image" if photo else "text",
        prompt=prompt,
        photo=photo,
        seed=seed,
        width=64,
        height=48,
        frames=24,
        fps=24,
        engine=engine,
        engine_revision="1",
    )
    overlays = Overlays(
        width=width,
        height=height,
        encoding=Encoding(crf=crf),
        ribbon=Ribbon(text=ribbon, locale="en", colour="#c81e3c") if ribbon else None,
    )
    end_card = EndCard(headline=card, locale="en", colour="#1e3cc8") if card else None
    return Recipe(scene=scene, dressing=Dressing(overlays=overlays, end_card=end_card))


def request(
    product: str = "p",
    revision: int = 1,
    made_of: Recipe | None = None,
    work: Work = Work.RENDER,
    captions: tuple[str, ...] = (),
) -> ClipRequest:
    """A request for a product's clip; without a recipe, one that retires it when the work says so."""
    wanted = None if work is Work.RETIRE else (made_of or recipe())
    return ClipRequest(
        request_id=f"{product}-{revision}",
        product_id=product,
        revision=revision,
        work=work,
        recipe=wanted,
        captions=captions,
        cause=Cause(event_id="e", product_revision=revision),
        requested_at=NOW,
    )
