"""Laws of the process: how it starts, what it says of itself, and how it ends, on real services."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.harness import Process, Reader, World, running, until
from tests.products import product

Make = Callable[..., World]


def ended(world: World, role: str = "all", **environment: str) -> tuple[int, str]:
    """Run a service that is expected to end by itself; its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "consumer", "run", "--role", role],
        env=world.environment(**environment),
        cwd=world.folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"SKUREEL_ENGINE__NAME": "no-such-engine"}, 2, "no-such-engine"),
        ({"SKUREEL_ENGINE__NAME": "tests.engines:missing"}, 2, "missing"),
        ({"SKUREEL_KAFKA__OPTIONS": '{"enable.idempotence": "false"}'}, 2, "enable.idempotence"),
        ({"SKUREEL_DATABASE__URL": "mysql://nobody:secret@127.0.0.1/x"}, 2, "database"),
        ({"SKUREEL_DATABASE__URL": "postgresql+psycopg://nobody:secret@127.0.0.1:9/x"}, 3, "database"),
        ({"SKUREEL_KAFKA__BOOTSTRAP": "127.0.0.1:9"}, 3, "127.0.0.1:9"),
        ({"SKUREEL_STORE__S3__ENDPOINT": "http://127.0.0.1:9"}, 3, "127.0.0.1:9"),
        ({"SKUREEL_STORE__S3__BUCKET": "there-is-no-such-bucket"}, 2, "there-is-no-such-bucket"),
        ({"SKUREEL_PLANNER__TEMPLATES": "/no/such/folder"}, 2, "/no/such/folder"),
        ({"SKUREEL_KAFKA__BATCH": "0"}, 2, "kafka.batch"),
        ({"SKUREEL_KAFAK__BATCH": "5"}, 2, "SKUREEL_KAFAK__BATCH"),
    ],
)
def test_a_service_that_cannot_start_says_what_to_mend_and_shows_no_secret(
    world: Make, environment: dict[str, str], code: int, words: str
) -> None:
    """Exit 2 for a wrong setting, 3 for a part that is out; the message names it; no traceback, no password."""
    here = world()
    found, said = ended(here, **environment)
    assert (found, words in said) == (code, True), said
    assert "Traceback" not in said
    assert "secret" not in said
    assert here.s3.secret_key not in said


def test_a_port_in_use_is_a_wrong_setting(world: Make) -> None:
    """The metrics page must not move silently to where nobody looks."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = ended(world(), SKUREEL_OBSERVE__PORT=str(port))
    assert code == 2
    assert str(port) in said


def test_an_engine_that_cannot_load_ends_the_process_with_its_reason(world: Make) -> None:
    """A supervisor restarts it; the log says why."""
    code, said = ended(world(engine="tests.engines:broken"))
    assert code == 1
    assert "no such checkpoint" in said


def test_fault_04_a_stopped_service_drains_commits_and_leaves_and_a_new_one_goes_on(world: Make) -> None:
    """SIGTERM in the middle of the work: exit 0, nothing lost, nothing twice."""
    here = world(extra={"SKUREEL_TEST_ENGINE_SECONDS": "0.1"})
    with running(here) as first:
        first.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(number) for number in range(30)])
        assert reader.wait(3, 60) >= 3
        assert first.stop() == 0
    with running(here) as second:
        second.wait_ready()
        assert reader.wait(30, 120) == 30, second.tail()
        assert reader.wait(31, 2) == 30
        reader.close()
    assert len(here.renders()) == 30


def test_a_second_signal_ends_a_draining_service_at_once(world: Make) -> None:
    """The operator who insists is obeyed."""
    here = world(extra={"SKUREEL_TEST_ENGINE_SECONDS": "30"})
    process = Process(here)
    try:
        process.wait_ready()
        here.publish("product_created", [product(1)])
        until(lambda: process.metric("skureel_in_flight_records", role="renderer") >= 1, 60, process.tail)
        process.process.send_signal(signal.SIGTERM)
        until(lambda: any(line.get("event") == "stopping" for line in process.lines()), 30, process.tail)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(20) == -signal.SIGTERM
    finally:
        process.kill()


def test_health_pages_tell_the_truth(world: Make) -> None:
    """Alive and ready with its parts there; metrics carry the catalogue's names."""
    with running(world()) as process:
        process.wait_ready()
        assert process.get("/healthz")[0] == 200
        assert json.loads(process.get("/readyz")[1]) is not None
        page = process.get("/metrics")[1]
        assert 'skureel_build_info{engine="test"' in page
        until(lambda: process.metric("skureel_assigned_partitions") == 28, 30, process.tail)


def test_a_retired_product_loses_its_alias_and_gets_it_back_when_it_returns(world: Make) -> None:
    """Tombstone in, RETIRED out with a hard purge; a later revision brings the clip back without a render."""
    here = world()
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(7)])
        assert reader.wait(1, 60) == 1, process.tail()
        here.publish("product_created", [{"product_id": "SKU-00007", "tombstone": True}])
        assert reader.wait(2, 60) == 2, process.tail()
        here.publish("product_created", [product(7, revision=2)])
        assert reader.wait(3, 60) == 3, process.tail()
        reader.close()
    events = [json.loads(line) for line in here.command("tail", here.topic("video_ready")).splitlines()]
    events.sort(key=lambda event: event["revision"])
    assert [event["status"] for event in events] == ["READY", "RETIRED", "READY"]
    assert events[1]["purge_mode"] == "HARD"
    assert events[2]["lineage"]["work"] == "NONE"
    assert len(here.renders()) == 1


def test_the_planner_and_the_renderer_run_apart(world: Make) -> None:
    """Each role alone, as on a cluster; a renderer that comes later works off what the planner asked for."""
    here = world()
    with running(here, "planner") as planner:
        planner.wait_ready()
        here.publish("product_created", [product(number) for number in range(5)])
        until(lambda: planner.metric("skureel_outputs_total", topic=here.topic("clip_render")) == 5, 60, planner.tail)
        with running(here, "renderer") as renderer:
            renderer.wait_ready()
            reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
            assert reader.wait(5, 60) == 5, renderer.tail()
            reader.close()


def test_kip_848_and_at_least_once_work_too(world: Make) -> None:
    """The other group protocol and the other delivery give the same clips."""
    here = world(extra={"SKUREEL_KAFKA__PROTOCOL": "consumer", "SKUREEL_KAFKA__DELIVERY": "at_least_once"})
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(number) for number in range(10)])
        assert reader.wait(10, 60) == 10, process.tail()
        assert reader.wait(11, 2) == 10
        reader.close()


def test_fault_09_a_hung_engine_is_killed_and_its_clip_is_made_all_the_same(world: Make) -> None:
    """With a process of its own: polling never stops, the clip is tried again, and one announcement comes of it."""
    file = {"SKUREEL_TEST_HANG_FILE": "hung", "SKUREEL_ENGINE__ON_HANG": "restart", "SKUREEL_ENGINE__HANG_AFTER": "1"}
    here = world(engine="tests.engines:hangs_once", extra=file)
    with running(here) as process:
        process.wait_ready()
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        here.publish("product_created", [product(1), product(2)])
        assert reader.wait(2, 60) == 2, process.tail()
        assert reader.wait(3, 2) == 2
        assert process.metric("skureel_engine_restarts_total", reason="hang") == 1
        assert process.metric("skureel_dead_letters_total") == 0
        assert process.get("/healthz")[0] == 200
        reader.close()
        assert process.stop() == 0


def test_a_hung_engine_ends_its_process_where_that_is_asked_for(world: Make) -> None:
    """With ``exit``: all stacks go to the log, the exit code is 1, and the next process makes the clip."""
    file = {"SKUREEL_TEST_HANG_FILE": "hung", "SKUREEL_ENGINE__ON_HANG": "exit", "SKUREEL_ENGINE__HANG_AFTER": "1"}
    here = world(engine="tests.engines:hangs_once", extra=file)
    first = Process(here)
    try:
        first.wait_ready()
        here.publish("product_created", [product(1)])
        assert first.process.wait(60) == 1
        assert "skureel-engine" in first.tail(400)
        assert "hangs_once" not in first.tail(1), "it ended by itself, not by a traceback"
    finally:
        first.kill()
    with running(here) as second:
        reader = Reader(here.kafka.bootstrap, here.topic("video_ready"))
        assert reader.wait(1, 90) == 1, second.tail()
        reader.close()
