"""Three clips of ten are spoilt, on real Kafka, MinIO and PostgreSQL: none of them is shown, and every count agrees."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import av
import numpy as np
import pytest

from consumer.events import VideoReady, VideoRejected
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from model.engine import Frames
from model.inspect import inspect_frames
from model.recipe import Scene
from tests.defective import HOPELESS, JITTERY, STUBBY, defect_of
from tests.engines import moving_gradient
from tests.harness import Process, Reader, World, running, until
from tests.kills import stored_bases, wait_for_renders
from tests.products import product

FIRST, LATER = 24, 10
"""Products before the process is killed in the middle of its work, and those that come then."""
ENCODED = 6.0
"""Mean difference in levels that encoding may make to a frame of a soft gradient."""


class Said:
    """What two topics say, as typed events."""

    def __init__(self, here: World) -> None:
        names = {here.topic(name): name.replace("_", "-") for name in ("video_ready", "video_rejected")}
        self._codec = SingleObjectCodec(schemas.load(topics=names))
        self.readers = {name: Reader(here.kafka.bootstrap, name) for name in names}
        self._ready, self._rejected = names

    def products(self) -> int:
        """How many products have come to an end."""
        return len({each.key() for reader in self.readers.values() for each in list(reader.messages)})

    def _decoded(self, name: str) -> list[Any]:
        return [
            self._codec.decode(each.topic(), each.value(), each.headers() or ())
            for each in list(self.readers[name].messages)
        ]

    @property
    def ready(self) -> list[VideoReady]:
        """The announcements so far."""
        return [VideoReady.from_avro(each) for each in self._decoded(self._ready)]

    @property
    def rejected(self) -> list[VideoRejected]:
        """The rejections so far."""
        return [VideoRejected.from_avro(each) for each in self._decoded(self._rejected)]

    def close(self) -> None:
        """Stop reading."""
        for reader in self.readers.values():
            reader.close()


def catalog(numbers: range) -> list[dict[str, Any]]:
    """Products; among the first some that other seeds do not mend, in either language."""
    products = [product(number) for number in numbers]
    for index, name in ((3, HOPELESS), (7, JITTERY), (8, JITTERY), (11, STUBBY)):
        if index in numbers:
            products[index - numbers.start]["name"] += f" {name}"
    return products


def scene_of(event: VideoReady) -> Scene:
    """The scene that an announcement's lineage describes."""
    lineage, clip = event.lineage, event.clip
    assert lineage is not None
    assert clip is not None
    return Scene(
        mode="text",
        prompt=lineage.prompt,
        negative_prompt=lineage.negative_prompt or "",
        locale="zh-CN" if int(event.product_id[-5:]) % 2 == 0 else "en",
        seed=lineage.seed,
        width=clip.width,
        height=clip.height,
        frames=clip.frames,
        fps=clip.fps,
        steps=lineage.steps,
        guidance=lineage.guidance,
        engine=lineage.engine,
        engine_revision=lineage.engine_revision,
    )


def shown(here: World, event: VideoReady) -> Frames:
    """The frames of an announced clip, as a shop page plays them."""
    assert event.clip is not None
    reply = here.s3.client().get_object(here.bucket, event.clip.key)
    try:
        data = reply.read()
    finally:
        reply.close()
        reply.release_conn()
    with av.open(io.BytesIO(data), mode="r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def check_shown(here: World, event: VideoReady) -> None:
    """An announced clip passes the inspection as it is played, and is, frame by frame, what a sound engine draws."""
    scene, frames = scene_of(event), shown(here, event)
    report = inspect_frames(frames, scene)
    assert report.passed, f"{event.product_id}: {report.faults}"
    assert event.lineage is not None
    if event.lineage.engine == "test":
        assert event.lineage.base_digest == scene.digest
        assert defect_of(scene) is None
        apart = np.abs(moving_gradient(scene).astype(np.int16) - frames).mean(axis=(1, 2, 3))
        assert apart.max() < ENCODED, f"{event.product_id}: {apart.max():.1f} levels from what was to be drawn"


def check_rejected(here: World, event: VideoRejected) -> None:
    """A rejected clip lies where a reviewer finds it, and says why."""
    assert event.quarantine_key is not None
    assert here.s3.client().stat_object(here.bucket, event.quarantine_key).size
    assert event.reasons
    assert event.attempts == len(event.tried)


def check_counts(process: Process, said: Said) -> None:
    """What one process counted is what the topics hold."""
    ready, rejected = said.ready, said.rejected
    lineages = [event.lineage for event in ready if event.lineage]
    metric = process.metric
    assert metric("skureel_clips_total") == len(ready)
    assert metric("skureel_rejections_total") == len(rejected)
    failures = sum(each.attempts - 1 for each in lineages) + sum(event.attempts for event in rejected)
    assert metric("skureel_attempts_total", result="rejected") == failures
    assert metric("skureel_attempts_total", result="accepted") == len(ready)
    assert metric("skureel_clip_attempts_count") == len(ready)
    assert metric("skureel_clip_attempts_sum") == sum(each.attempts for each in lineages)
    assert metric("skureel_renders_total", result="ok") == failures + len(ready)
    for kind, count in Counter(each.fallback for each in lineages if each.fallback).items():
        assert metric("skureel_fallbacks_total", kind=kind) == count
    spent = sum(each.engine_seconds for each in lineages) + sum(event.engine_seconds for event in rejected)
    assert metric("skureel_engine_seconds_total") == pytest.approx(spent)
    assert metric("skureel_dead_letters_total") == 0
    assert metric("skureel_skipped_records_total", role="renderer") == 0


def test_no_spoilt_clip_is_ever_announced_and_every_product_comes_to_an_end(world: Callable[..., World]) -> None:
    """Announced after another seed or a fallback, or rejected for review; nothing twice, not even by kill -9."""
    here = world(engine="tests.defective:engine", seconds=1.25)
    first, later = catalog(range(FIRST)), catalog(range(FIRST, FIRST + LATER))
    with running(here) as process:
        process.wait_ready()
        said = Said(here)
        here.publish("product_created", first)
        until(lambda: said.products() >= FIRST, 120, process.tail)
        check_counts(process, said)
        here.publish("product_created", later)
        wait_for_renders(here, len(here.renders()) + 3, process)
        process.kill()
        # What is stored is asked first: a scene is logged when rendered, which is before it is stored.
        stored, rendered = stored_bases(here), len(here.renders())
    with running(here) as process:
        process.wait_ready()
        until(lambda: said.products() >= FIRST + LATER, 120, process.tail)
        assert process.metric("skureel_dead_letters_total") == 0
    said.close()
    # A planner that died before it noted what it had published does so again, and a rejection is told again: one event.
    ready, rejected = said.ready, list({event.event_id: event for event in said.rejected}.values())
    ended = Counter([event.product_id for event in ready] + [event.product_id for event in rejected])
    assert set(ended.values()) == {1}
    assert set(ended) == {each["product_id"] for each in (*first, *later)}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(check_shown, here), ready))
        list(pool.map(partial(check_rejected, here), rejected))
    assert stored & set(here.renders()[rendered:]) == set()
    by_product = {event.product_id: event.lineage for event in ready if event.lineage}
    for number, fallback in ((3, "pan"), (7, "calm"), (8, "calm")):
        assert by_product[f"SKU-{number:05d}"].fallback == fallback
        assert by_product[f"SKU-{number:05d}"].attempts == (5 if fallback == "pan" else 3)
    assert all(each.template and each.template.count("@") == 1 for each in by_product.values())
    short = next(event for event in rejected if event.product_id == "SKU-00011")
    assert (short.attempts, [each.check for each in short.reasons]) == (1, ["frames"])
    attempts = Counter(each.attempts for each in by_product.values())
    fallbacks = Counter(each.fallback for each in by_product.values())
    print(f"{len(ready)} announced, {len(rejected)} rejected; attempts {dict(attempts)}; fallbacks {dict(fallbacks)}")
