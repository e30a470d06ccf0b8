"""What a service has published is verified from the outside: by the address a CDN would ask, on real services."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from tests.commands import skureel
from tests.harness import ROOT, Reader, World, running
from tests.products import product
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.model_verify.files import remuxed

Make = Callable[..., World]
COUNT = 2
ENGINE = """
from dataclasses import replace
from tests.engines import SPEC, TestEngine

def dreaming():
    return TestEngine(spec=replace(SPEC, name="dream", generative=True))
"""
PROMO = {
    "event_id": "sale-1",
    "occurred_at": "2026-01-03T00:00:00Z",
    "promo_id": "sale",
    "revision": 1,
    "status": "ACTIVE",
    "scope": {"all": True},
    "priority": 1,
    "creative": {
        "ribbon": {"text": {"en": "20% off", "zh": "限时八折"}, "colour": "#D0021B"},
        "end_card": {"headline": {"en": "Winter sale", "zh": "年终大促"}, "colour": "#1F3A5F"},
    },
}


def dreaming(world: Make, folder: Path) -> World:
    """A world whose engine invents what it draws, as a video model does."""
    (folder / "dreams.py").write_text(ENGINE)
    extra = {"PYTHONPATH": f"{ROOT}:{folder}", "SKUREEL_CLIP__PRODUCER": PRODUCER}
    return world(size="320x240", seconds=1.0, engine="dreams:dreaming", extra=extra)


def address(here: World, key: str) -> str:
    """Where an object can be fetched by anybody for a while: a signed address, its signature in the query."""
    return str(here.s3.client().presigned_get_object(here.bucket, key, timedelta(minutes=10)))


def test_every_published_clip_verifies(world: Make, tmp_path: Path) -> None:
    """Rendered, dressed and spliced clips of a generative engine hold, and so do the stable addresses; one that a
    program without an eye for labels rewrote in the store does not.
    """
    here = dreaming(world, tmp_path)
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(number) for number in range(COUNT)])
        assert reader.wait(COUNT, 90) == COUNT, process.tail()
        here.publish("promo_changed", [PROMO])
        assert reader.wait(2 * COUNT, 90) == 2 * COUNT, process.tail()
        reader.close()
    events = [json.loads(line) for line in here.command("tail", here.topic("video_ready")).splitlines()]
    assert {event["lineage"]["work"] for event in events} == {"RENDER", "DRESS"}
    keys = [event["clip"]["key"] for event in events]
    aliases = [f"products/{event['product_id']}/default/current.mp4" for event in events[:COUNT]]
    addresses = [address(here, key) for key in (*keys, *aliases)]
    verdicts = skureel("verify", "--allow-private", "--json", *addresses).json()
    assert [verdict["ending"] for verdict in verdicts] == ["holds"] * len(addresses)
    assert {verdict["facts"]["aigc"]["ContentProducer"] for verdict in verdicts} == {PRODUCER}
    assert all(verdict["facts"]["visible_label"]["opening"] for verdict in verdicts)

    reply = here.s3.client().get_object(here.bucket, keys[0])
    with reply:
        stripped = remuxed(reply.read())
    here.s3.client().put_object(here.bucket, "elsewhere.mp4", io.BytesIO(stripped), len(stripped))
    ran = skureel("verify", "--allow-private", "--json", address(here, "elsewhere.mp4"))
    (verdict,) = ran.json()
    assert (ran.code, verdict["ending"]) == (1, "fails")
    assert [each["check"] for each in verdict["findings"] if each["status"] == "fail"] == ["metadata_label"]
