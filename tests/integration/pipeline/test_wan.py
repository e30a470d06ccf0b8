"""The wan engine in the whole service, on real Kafka, MinIO and PostgreSQL: words and photos become announced clips."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.label import read_labels
from model.probe import probe
from model.wan.manifest import open_checkpoint
from model.wan.tiny import make_tiny
from tests.harness import Process, Reader, World, running
from tests.products import product
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.model_wan.stock import photo

Make = Callable[..., World]
WIDTH, HEIGHT, FRAMES = 160, 96, 25


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint."""
    return make_tiny(tmp_path_factory.mktemp("wan") / "tiny").folder


def settings(checkpoint: Path, **more: str) -> dict[str, str]:
    """What makes a world's engine the wan engine."""
    return {
        "SKUREEL_ENGINE__WAN__CHECKPOINT": str(checkpoint),
        "SKUREEL_ENGINE__WAN__PROFILE": "cpu-tiny",
        "SKUREEL_CLIP__PRODUCER": PRODUCER,
        **more,
    }


def with_photos(here: World, numbers: list[int]) -> list[dict[str, Any]]:
    """Products whose photos lie in the store, one each."""
    client, products = here.s3.client(), []
    for number in numbers:
        key, picture = f"uploads/{number}.png", photo(number, (320, 240))
        client.put_object(here.bucket, key, io.BytesIO(picture), len(picture))
        products.append(product(number, images=[{"url": f"store:{key}", "role": "MAIN"}]))
    return products


def announced(here: World, process: Process, reader: Reader, count: int) -> dict[str, dict[str, Any]]:
    """The announcements of so many products, by product."""
    assert reader.wait(count, 120) == count, process.tail()
    events = [json.loads(line) for line in here.command("tail", here.topic("video_ready")).splitlines()]
    return {event["product_id"]: event for event in events}


def fetched(here: World, event: dict[str, Any]) -> bytes:
    """The clip of an announcement."""
    reply = here.s3.client().get_object(here.bucket, event["clip"]["key"])
    try:
        return bytes(reply.read())
    finally:
        reply.close()
        reply.release_conn()


def test_words_and_photos_become_labelled_clips(world: Make, checkpoint: Path) -> None:
    """Each product is announced once, with its lineage and both labels in the bytes; the same again renders nothing."""
    here = world(engine="wan", size=f"{WIDTH}x{HEIGHT}", seconds=1.0, extra=settings(checkpoint))
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        photographed = with_photos(here, [0, 1, 2])
        missing = product(9, images=[{"url": "store:uploads/nowhere.png", "role": "MAIN"}])
        products = [*photographed, *(product(number) for number in (5, 6, 7)), missing]
        here.publish("product_created", products)
        events = announced(here, process, reader, len(products))
        assert set(events) == {each["product_id"] for each in products}
        for event in events.values():
            data = fetched(here, event)
            seen = probe(data)
            assert (seen.width, seen.height, seen.frames) == (WIDTH, HEIGHT, FRAMES)
            assert event["labels"] == ["visible", "aigc"]
            aigc = read_labels(data).aigc
            assert aigc is not None
            assert aigc["ContentProducer"] == PRODUCER
            lineage = event["lineage"]
            assert lineage["engine"] == "wan"
            assert lineage["engine_revision"].startswith("1-cpu-tiny-")
            assert lineage["generative"] is True
            assert lineage["steps"] == 3
            assert lineage["engine_seconds"] > 0
        for each in photographed:
            assert events[each["product_id"]]["lineage"]["photo_sha256"]
        assert events[missing["product_id"]]["lineage"]["photo_sha256"] is None
        assert process.metric("skureel_fallbacks_total", kind="photo") == 1
        assert process.metric("skureel_renders_total", engine="wan", result="ok") >= len(products)
        renders = process.metric("skureel_renders_total", engine="wan")
        here.publish("product_created", [each | {"revision": 2, "event_id": "again"} for each in products])
        assert reader.wait(len(products) + 1, 3) == len(products)
        assert process.metric("skureel_renders_total", engine="wan") == renders
        reader.close()
        assert process.stop() == 0


def test_a_planner_needs_no_weights(world: Make, checkpoint: Path, tmp_path: Path) -> None:
    """Planner without checkpoint and renderer with it agree by the revision; another revision is a dead letter."""
    here = world(engine="wan", size=f"{WIDTH}x{HEIGHT}", seconds=1.0, extra=settings(checkpoint))
    pinned = open_checkpoint(checkpoint).revision
    bare = {"SKUREEL_ENGINE__WAN__CHECKPOINT": str(tmp_path / "absent"), "SKUREEL_ENGINE__WAN__REVISION": pinned}
    with running(here, "planner", **bare) as planner, running(here, "renderer") as renderer:
        planner.wait_ready()
        renderer.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(1)])
        events = announced(here, renderer, reader, 1)
        reader.close()
    assert pinned[:12] in events["SKU-00001"]["lineage"]["engine_revision"]


def test_a_checkpoint_that_is_spoilt_ends_the_process_with_its_reason(world: Make, checkpoint: Path) -> None:
    """The log names the file; the supervisor restarts a process, not a fault."""
    here = world(engine="wan", size=f"{WIDTH}x{HEIGHT}", seconds=1.0, extra=settings(checkpoint))
    copy = here.folder / "spoilt"
    for file in checkpoint.rglob("*"):
        if file.is_file():
            target = copy / file.relative_to(checkpoint)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    shard = copy / "vae" / "diffusion_pytorch_model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    process = Process(here, "renderer", SKUREEL_ENGINE__WAN__CHECKPOINT=str(copy))
    assert process.process.wait(90) == 1
    assert "vae/diffusion_pytorch_model.safetensors" in process.tail()
