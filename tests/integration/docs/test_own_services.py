"""The README's way to one's own Kafka, S3 and PostgreSQL, followed on real ones."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from tests.harness import World, running
from tests.services import KafkaAddress, S3Address
from tests.unit.docs.documents import blocks
from tests.unit.docs.pages import ROOT


def shown() -> dict[str, str]:
    """The variables that the README tells to export."""
    found = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = "\n".join(block.text for block in found if block.kind == "sh env")
    return dict(word.split("=", 1) for word in shlex.split(lines) if word != "export")


def product() -> str:
    """The product that the README publishes, as its line of JSON."""
    found = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    (text,) = [block.text for block in found if "cat > products.jsonl" in block.text]
    line = re.search(r"^\{.*\}$", text, re.MULTILINE)
    assert line
    return line[0]


def test_the_variables_of_the_readme_lead_to_ones_own_services(
    kafka: KafkaAddress, minio: S3Address, bucket: str, database_url: str, tmp_path: Path
) -> None:
    """With addresses put in place of the examples', doctor is content, and a published product is announced under the
    CDN's address, exactly once, its object in the bucket.
    """
    ours = {
        "SKUREEL_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "SKUREEL_KAFKA__OPTIONS": "{}",  # this broker asks for no password
        "SKUREEL_KAFKA__PASSWORD": "",
        "SKUREEL_KAFKA__REPLICATION": "1",  # and has no second node
        "SKUREEL_KAFKA__PARTITIONS": "2",
        "SKUREEL_STORE__S3__ENDPOINT": f"http://{minio.endpoint}",
        "SKUREEL_STORE__S3__BUCKET": bucket,
        "SKUREEL_STORE__S3__ACCESS_KEY": minio.access_key,
        "SKUREEL_STORE__S3__SECRET_KEY": minio.secret_key,
        "SKUREEL_STORE__S3__REGION": "us-east-1",
        "SKUREEL_DATABASE__URL": database_url,
        "SKUREEL_OBSERVE__HOST": "127.0.0.1",
    }
    given = shown()
    assert set(ours) <= set(given)
    # No registry server is among the services; without one, records carry single-object encoding.
    chosen = {name: value for name, value in {**given, **ours}.items() if name != "SKUREEL_REGISTRY__URL" and value}
    world = World(
        kafka=kafka,
        s3=minio,
        bucket=bucket,
        database_url=database_url,
        folder=tmp_path,
        engine="storyboard",
        extra=chosen,
    )
    findings = json.loads(world.command("doctor", "--json"))
    assert [finding for finding in findings if finding["status"] == "fail"] == []

    with running(world) as process:
        process.wait_ready()
        assert "1 published" in world.command("publish", world.topic("product_created"), "-", stdin=product())
        line = world.command("tail", world.topic("video_ready"), "--follow", "--limit", "1")
    event = json.loads(line)
    assert (event["product_id"], event["status"]) == ("mug-1", "READY")
    assert event["clip"]["url"] == f"{given['SKUREEL_STORE__PUBLIC_URL']}/{event['clip']['key']}"
    assert len(world.command("tail", world.topic("video_ready")).splitlines()) == 1
    assert minio.client().stat_object(bucket, event["clip"]["key"]).size == event["clip"]["size"]
    assert minio.client().stat_object(bucket, "products/mug-1/default/current.mp4").size == event["clip"]["size"]
