"""The review queue from the command line on real services: decided twice in a row, by two at once, and when killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consumer.operate.deadletters import options_of
from consumer.operate.publish import send
from consumer.planner.catalog import Catalog
from consumer.planner.outbox import stored
from consumer.settings import load
from consumer.storage import layout
from consumer.storage.open import open_store
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from model.recipe import digest
from tests.commands import skureel
from tests.harness import ROOT, Process, Reader, World, running, until
from tests.products import product
from tests.services import KafkaAddress, PostgresAddress, S3Address
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.review.conftest import one_stands

SECONDS = 60.0
PASSES, FAILS = (1, 3, 6), (0, 2, 4, 5, 8, 10, 11, 12, 14)
"""Products whose first clip has a colour cast below and above the policy's limit: the test engine draws by the seed."""
WORDS = 13
"""A product whose words are refused."""
POLICY = """
version = "strict-1"
[checks]
cast = { limit = 0.166, action = "review" }
"""
ENGINE = """
from dataclasses import replace
from tests.engines import SPEC, TestEngine

def dreaming():
    return TestEngine(spec=replace(SPEC, name="dream", generative=True))
"""


@dataclass
class Shop:
    """A running installation that rejects some of its clips, and what it said."""

    world: World
    process: Process
    ready: Reader
    rejected: Reader

    def announced(self, product_id: str) -> dict[str, Any]:
        """The announcement of a product's clip, once there is one."""
        return self._of(self.ready, product_id)

    def _of(self, reader: Reader, product_id: str) -> dict[str, Any]:
        def found() -> list[Any]:
            return [message for message in reader.messages if message.key() == product_id.encode()]

        with reader.changed:
            assert reader.changed.wait_for(lambda: bool(found()), SECONDS), (product_id, self.process.tail())
            message = found()[-1]
        name = self.world.topic("video_ready")
        return SingleObjectCodec(schemas.load(topics={name: "video-ready"})).decode(name, message.value(), ())


@pytest.fixture(scope="module")
def shop(
    kafka: KafkaAddress, minio: S3Address, postgres: PostgresAddress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """One service for all of these tests: nine products rejected, three announced, one of refused words."""
    folder, bucket, database = tmp_path_factory.mktemp("shop"), minio.bucket(), postgres.fresh_database()
    (folder / "policy.toml").write_text(POLICY)
    (folder / "dreams.py").write_text(ENGINE)
    extra = {
        "PYTHONPATH": f"{ROOT}:{folder}",
        "SKUREEL_CLIP__PRODUCER": PRODUCER,
        "SKUREEL_INSPECTION__POLICY": str(folder / "policy.toml"),
        "SKUREEL_RENDERER__ATTEMPTS": "1",
        "SKUREEL_RENDERER__FALLBACKS": "[]",
        "SKUREEL_REVIEW__AUDIT_FIRST": "2",
        "SKUREEL_REVIEW__AUDIT_PERCENT": "0",
    }
    world = World(
        kafka=kafka,
        s3=minio,
        bucket=bucket,
        database_url=database,
        folder=folder,
        engine="dreams:dreaming",
        size="320x240",
        extra=extra,
    )
    with running(world) as process:
        process.wait_ready()
        world.publish(
            "product_created",
            [
                *(named(number) for number in (*PASSES, *FAILS)),
                named(WORDS, name="The number one kettle"),
            ],
        )
        with (
            closing(Reader(kafka.bootstrap, world.topic("video_ready"))) as ready,
            closing(Reader(kafka.bootstrap, world.topic("video_rejected"))) as rejected,
        ):
            assert ready.wait(len(PASSES), SECONDS) == len(PASSES), process.tail()
            assert rejected.wait(len(FAILS) + 1, SECONDS) == len(FAILS) + 1, process.tail()
            yield Shop(world, process, ready, rejected)
    minio.remove_bucket(bucket)
    postgres.drop_database(database)


def named(number: int, **more: Any) -> dict[str, Any]:
    """A product whose seed is known."""
    return product(number, product_id=f"r-{number}", category="home", locale="en", **{"name": "Steel kettle", **more})


@pytest.fixture(autouse=True)
def _settings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process have the shop's settings."""
    for name, value in shop.world.environment().items():
        if name.startswith("SKUREEL_"):
            monkeypatch.setenv(name, value)


def listed(*options: str) -> dict[str, dict[str, Any]]:
    """What `review list` has, by product."""
    ran = skureel("review", "list", "--json", *options)
    assert ran.code == 0, ran.err
    return {line["product_id"]: line for line in ran.lines()}


def identity(number: int) -> str:
    """The id of the rejection of a product's first plan."""
    return digest(["rejected", f"r-{number}", "default", 1])[:32]


def start(*arguments: str, module: str = "consumer") -> subprocess.Popen[str]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


APPROVE = ("--reason", "false-alarm", "--json")


def test_the_queue_has_what_waits_and_nothing_else(shop: Shop) -> None:
    """Rejected clips with reasons and scores, and refused words; neither what was announced, nor anything twice."""
    waiting = listed()
    assert set(waiting) == {f"r-{number}" for number in (*FAILS, WORDS)}
    one = waiting["r-0"]
    assert (one["state"], one["action"], one["policy"][:9]) == ("pending", "review", "strict-1+")
    assert [reason["check"] for reason in one["reasons"]] == ["cast"]
    assert waiting[f"r-{WORDS}"]["state"] == "no-clip"
    assert set(listed("--check", "cast", "--action", "review", "--limit", "3")) < set(waiting)
    assert set(listed("--action", "reject")) == {f"r-{WORDS}"}
    assert listed("--since", "2031-01-01") == {}
    assert "r-0" in skureel("review", "list").out
    assert shop.process.metric("skureel_rejections_total", action="review") == len(FAILS)


@pytest.mark.parametrize("number", [0, 2])
def test_an_approved_clip_is_announced_as_any_clip(shop: Shop, number: int, tmp_path: Path) -> None:
    """Dressed, labelled and verified, with who approved it; the planner takes it for the product's clip. A second word
    by the same person is no harm, by another one refused. Twice in a row, with two products.
    """
    found = identity(number)
    ran = skureel("review", "approve", found[:10], "--reviewer", "r-07", "--note", "brass, warm light", *APPROVE)
    assert ran.code == 0, ran.err
    assert (ran.json()["reviewer"], ran.json()["policy"][:9]) == ("r-07", "strict-1+")
    event = shop.announced(f"r-{number}")
    review = event["lineage"]["review"]
    assert (review["reviewer"], review["reason"], review["policy"]) == ("r-07", "false-alarm", ran.json()["policy"])
    assert event["revision"] == 1
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(open_store(load().store).get(event["clip"]["key"])[0])
    verified = skureel("verify", str(clip), "--json")
    assert verified.code == 0, verified.out
    assert listed("--product", f"r-{number}") == {}
    assert listed("--state", "approved", "--product", f"r-{number}")[f"r-{number}"]["decision"]["note"] != ""
    assert skureel("review", "approve", found, "--reviewer", "r-07", *APPROVE).code == 0
    late = skureel("review", "approve", found, "--reviewer", "r-08", *APPROVE)
    assert (late.code, "approved by r-07" in late.json()["said"]) == (1, True)
    catalog = Catalog.open(shop.world.database_url)
    with closing(catalog):

        def status() -> tuple[int, str]:
            return catalog.transaction(lambda ledger: ledger.clip_standings([f"r-{number}"]))[f"r-{number}", "default"]

        wait_until(lambda: status() == (1, "READY"))
    assert len([m for m in shop.ready.messages if m.key() == f"r-{number}".encode()]) == 1


def wait_until(condition: Callable[[], bool]) -> None:
    """See ``tests.harness.until``."""
    until(condition, SECONDS, lambda: "the service did not get so far")


@pytest.mark.parametrize("number", [4, 14])
def test_a_confirmed_rejection_stays_unpublished(shop: Shop, number: int) -> None:
    """Listed no more, and not to be approved; the same word again is no harm. Twice in a row, with two products."""
    found = identity(number)
    for _ in range(2):
        ran = skureel("review", "reject", found, "--reviewer", "r-07", "--reason", "wrong-colour", "--json")
        assert (ran.code, ran.json()["verdict"]) == (0, "rejected"), ran.err
    assert listed("--product", f"r-{number}") == {}
    assert listed("--state", "rejected")[f"r-{number}"]["decision"]["reason"] == "wrong-colour"
    late = skureel("review", "approve", found, "--reviewer", "r-08", *APPROVE)
    assert (late.code, "rejected by r-07" in late.json()["said"]) == (1, True)
    assert not [m for m in shop.ready.messages if m.key() == f"r-{number}".encode()]


def test_of_two_reviewers_at_once_one_decides(shop: Shop) -> None:
    """Two processes, an approval and a rejection of the same two clips: of each, one wins, and the other is told."""
    found = [identity(number) for number in (5, 8)]
    first = start("review", "approve", *found, "--reviewer", "r-01", *APPROVE)
    second = start("review", "reject", *found, "--reviewer", "r-02", "--reason", "confirmed", "--json")
    told = [
        [json.loads(line) for line in each.communicate(timeout=SECONDS)[0].splitlines()] for each in (first, second)
    ]
    for number, approved, rejected in zip((5, 8), *told, strict=True):
        assert {approved["done"], rejected["done"]} == {True, False}
        loser, winner = (approved, "rejected by r-02") if rejected["done"] else (rejected, "approved by r-01")
        assert winner in loser["said"]
        if approved["done"]:
            assert shop.announced(f"r-{number}")["lineage"]["review"]["reviewer"] == "r-01"
        else:
            assert listed("--state", "rejected")[f"r-{number}"]["decision"]["reviewer"] == "r-02"
    assert {first.returncode, second.returncode} <= {0, 1}


def test_an_approval_that_was_killed_is_finished_by_the_next(shop: Shop) -> None:
    """Killed between decision and publication: it is listed as unfinished; another reviewer has to say so."""
    found = identity(10)
    halted = start("produce", "review", "approve", found, "--reviewer", "r-07", *APPROVE, module=HALTING)
    assert halted.stdout is not None
    assert halted.stdout.readline() == "halted before produce\n"
    halted.kill()
    halted.communicate(timeout=20)
    assert listed("--product", "r-10")["r-10"]["state"] == "unfinished"
    other = skureel("review", "approve", found, "--reviewer", "r-08", *APPROVE)
    assert (other.code, "--resume" in other.json()["said"]) == (1, True)
    assert skureel("review", "approve", found, "--reviewer", "r-08", "--resume", *APPROVE).code == 0
    assert shop.announced("r-10")["lineage"]["review"]["reviewer"] == "r-07"


def test_of_many_decisions_on_the_object_store_one_stands() -> None:
    """By the server's own conditional write, however many try at once."""
    one_stands(open_store(load().store))
    open_store(load().store).delete(layout.review_key("0" * 64))


def test_a_request_that_is_published_twice_is_acted_on_once(shop: Shop) -> None:
    """As after a crash between publication and the note of it: the second one is counted as a duplicate."""
    skips = "skureel_skipped_records_total"
    before = shop.process.metric(skips, role="renderer", reason="duplicate")
    assert skureel("review", "approve", identity(2), "--reviewer", "r-07", *APPROVE).code == 0
    shop.announced("r-2")
    catalog = Catalog.open(shop.world.database_url)
    with closing(catalog):
        known = catalog.transaction(lambda ledger: ledger.known(["r-2"], "default")["r-2"])
        (stored_,) = catalog.transaction(lambda ledger: ledger.requests(["r-2"], [str(known.batch)]))
    send(options_of(load()), [stored(stored_)])
    wait_until(lambda: shop.process.metric(skips, role="renderer", reason="duplicate") == before + 1)
    assert len([message for message in shop.ready.messages if message.key() == b"r-2"]) == 1


HALTING = "tests.integration.operate.halting"


def test_what_a_newer_plan_took_the_place_of_is_not_decided(shop: Shop) -> None:
    """It waits no more, and both words are refused."""
    found = identity(11)
    shop.world.publish("product_created", [named(11, revision=2, name="Steel kettle with a long spout")])
    wait_until(lambda: listed("--state", "all", "--product", "r-11")["r-11"]["revision"] == 2)
    assert listed("--state", "closed")["r-11"]["newer"] == "plan 2 took its place"
    for words in (("approve", *APPROVE), ("reject", "--reason", "confirmed", "--json")):
        ran = skureel("review", words[0], found, "--reviewer", "r-07", *words[1:])
        assert (ran.code, "plan 2 took its place" in ran.json()["said"]) == (1, True)


def test_refused_words_are_not_approved_here() -> None:
    """The answer says what to change instead."""
    ran = skureel("review", "approve", identity(WORDS), "--reviewer", "r-07", *APPROVE)
    assert ran.code == 1
    assert "prompt:en-number-one" in ran.json()["said"]
    assert "change the record" in ran.json()["said"]


def test_a_rejection_is_shown_whole(tmp_path: Path) -> None:
    """Reasons, scores, what it was to be, every attempt; its clip as a file and as a picture."""
    clip, sheet = tmp_path / "clip.mp4", tmp_path / "sheet.png"
    ran = skureel("review", "show", identity(12), "--save", clip, "--contact-sheet", sheet, "--json")
    assert ran.code == 0, ran.err
    shown = ran.json()
    assert shown["id"] == listed("--state", "all", "--product", "r-12")["r-12"]["id"]
    assert shown["scores"]["cast"] > 0.166
    assert "kettle" in shown["request"]["prompt"]
    attempt = shown["tried"][-1]
    assert attempt["key"].startswith("quarantine/")
    assert clip.read_bytes()[4:8] == b"ftyp"
    assert sheet.read_bytes()[:4] == b"\x89PNG"
    assert "quarantine/" in skureel("review", "show", identity(12)).out


def test_label_studio_decides_too(shop: Shop, tmp_path: Path) -> None:
    """Tasks out, with links that can be read; annotations in, each as a decision by the annotator's number."""
    tasks = tmp_path / "tasks.json"
    assert skureel("review", "export", "--product", "r-12", "--output", tasks).code == 0
    (task,) = json.loads(tasks.read_text())
    assert "X-Amz-Signature" in task["data"]["video"]
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["cast"]}
    said = {"verdict": ["approve"], "reason": ["acceptable"]}
    result = [
        {"from_name": name, "to_name": "video", "type": "choices", "value": {"choices": values}}
        for name, values in said.items()
    ]
    done = tmp_path / "done.json"
    done.write_text(json.dumps([task | {"annotations": [{"completed_by": 4, "result": result}]}]))
    ran = skureel("review", "import", done, "--json")
    assert (ran.code, ran.json()["reviewer"]) == (0, "label-studio-4"), ran.err
    assert shop.announced("r-12")["lineage"]["review"]["reason"] == "acceptable"


def test_the_first_clips_of_a_template_are_looked_at() -> None:
    """Two of three, the same for whoever asks; a verdict is written once, and bad ones are listed."""
    sample = skureel("review", "sample", "--json").json()
    (template,) = sample["templates"]
    assert (template["clips"], template["left"], template["template"].partition("@")[0]) == (3, 2, "home")
    first, second = sample["left"]
    assert {first["product_id"], second["product_id"]} < {f"r-{number}" for number in PASSES}
    words = ("--reviewer", "r-07")
    assert skureel("review", "sample", first["id"], "--verdict", "ok", *words).code == 0
    bad = skureel("review", "sample", second["id"], "--verdict", "bad", "--reason", "deformed", *words)
    assert bad.code == 0, bad.err
    late = skureel("review", "sample", second["id"], "--verdict", "ok", "--reviewer", "r-08")
    assert (late.code, "bad by r-07" in late.err) == (1, True)
    after = skureel("review", "sample", "--json").json()
    assert (after["left"], [audit["reason"] for audit in after["bad"]]) == ([], ["deformed"])
    assert "deformed" in skureel("review", "sample", "--bad").out
