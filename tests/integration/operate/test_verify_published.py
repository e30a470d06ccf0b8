"""What a service has published is verified from the outside: by the address a CDN would ask, on real services."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from consumer.planner.audit import Wanted
from consumer.planner.catalog import Catalog
from tests.commands import skureel
from tests.credentials import Files, credentials
from tests.harness import ROOT, Reader, World, running, until
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
PROMO: dict[str, Any] = {
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


LAST_DAY = PROMO | {
    "event_id": "sale-2",
    "revision": 2,
    "creative": PROMO["creative"]
    | {"end_card": {"headline": {"en": "Last day", "zh": "最后一天"}, "colour": "#1F3A5F"}},
}


def dreaming(world: Make, folder: Path, files: Files) -> World:
    """A world whose engine invents what it draws, as a video model does, and whose clips are signed."""
    (folder / "dreams.py").write_text(ENGINE)
    extra = {"PYTHONPATH": f"{ROOT}:{folder}", "SKUREEL_CLIP__PRODUCER": PRODUCER, **files.environment}
    return world(size="320x240", seconds=1.0, engine="dreams:dreaming", extra=extra)


def address(here: World, key: str) -> str:
    """Where an object can be fetched by anybody for a while: a signed address, its signature in the query."""
    return str(here.s3.client().presigned_get_object(here.bucket, key, timedelta(minutes=10)))


def heard(catalog: Catalog) -> int:
    """Announcements that the planner has in its audit log."""
    return len(catalog.transaction(lambda ledger: ledger.audit.newest(Wanted(), 100)))


def test_every_published_clip_verifies(world: Make, tmp_path: Path) -> None:
    """Rendered, dressed and spliced clips of a generative engine hold, signature included, and so do the stable
    addresses; one that a program without an eye for labels rewrote in the store does not. The audit knows every id.
    """
    files = credentials(tmp_path / "c2pa")
    here = dreaming(world, tmp_path, files)
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(number) for number in range(COUNT)])
        assert reader.wait(COUNT, 90) == COUNT, process.tail()
        for number, promo in enumerate((PROMO, LAST_DAY), 2):
            here.publish("promo_changed", [promo])
            assert reader.wait(number * COUNT, 90) == number * COUNT, process.tail()
        reader.close()
        # The planner reads announcements as readers do: it may be a moment behind them.
        with closing(Catalog.open(here.database_url, migrate=False)) as catalog:
            until(lambda: heard(catalog) == 3 * COUNT, 60, process.tail)
        told = process.log.read_text()
    secret = "".join(files.key.read_text().splitlines()[1:-1])
    assert "clips are signed" in told
    assert secret[:32] not in told
    lines = here.command("tail", here.topic("video_ready"))
    assert secret[:32] not in lines
    events = [json.loads(line) for line in lines.splitlines()]
    assert {event["lineage"]["work"] for event in events} == {"RENDER", "DRESS", "SPLICE"}
    assert {tuple(event["labels"]) for event in events} == {("visible", "aigc", "c2pa")}
    keys = [event["clip"]["key"] for event in events]
    aliases = [f"products/{event['product_id']}/default/current.mp4" for event in events[:COUNT]]
    addresses = [address(here, key) for key in (*keys, *aliases)]
    asked = ("verify", "--allow-private", "--json", "--require", "c2pa", "--trust", str(files.root))
    verdicts = skureel(*asked, *addresses).json()
    assert [verdict["ending"] for verdict in verdicts] == ["holds"] * len(addresses)
    assert {verdict["facts"]["aigc"]["ContentProducer"] for verdict in verdicts} == {PRODUCER}
    assert all(verdict["facts"]["visible_label"]["opening"] for verdict in verdicts)
    assert {verdict["facts"]["c2pa"]["state"] for verdict in verdicts} == {"trusted"}

    published = {verdict["facts"]["aigc"]["ProduceID"]: verdict["facts"]["sha256"] for verdict in verdicts}
    audit = [json.loads(line) for line in here.command("audit", "export", "--json").splitlines()]
    assert {row["produce_id"]: row["sha256"] for row in audit} == published
    assert {row["producer"] for row in audit} == {PRODUCER}

    reply = here.s3.client().get_object(here.bucket, keys[0])
    with reply:
        stripped = remuxed(reply.read())
    here.s3.client().put_object(here.bucket, "elsewhere.mp4", io.BytesIO(stripped), len(stripped))
    ran = skureel(*asked, address(here, "elsewhere.mp4"))
    (verdict,) = ran.json()
    assert (ran.code, verdict["ending"]) == (1, "fails")
    assert [each["check"] for each in verdict["findings"] if each["status"] == "fail"] == ["metadata_label", "c2pa"]
