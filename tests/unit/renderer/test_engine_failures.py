"""Laws of the engine room: what is tried again, what is cancelled, what is late, what hangs, and what is told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.events import VideoReady
from consumer.observe import metrics as m
from consumer.renderer import lookout, renderer
from consumer.renderer.buffer import Job
from consumer.renderer.engine_room import Limits
from consumer.renderer.scenes import Turn
from model.engine import UNWATCHED, CancelledError, EngineError, Rendered, Shot, Watch
from model.hosted import Hosted, host
from model.recipe import Scene
from tests.engines import TestEngine, Troubled, moving_gradient
from tests.unit.renderer.conftest import SECONDS, Bench, recipe, request

Make = Callable[..., Bench]


def troubled(trouble: str, seed: int = 1) -> Any:
    """A recipe whose scene troubles its engine."""
    return recipe(seed, prompt=trouble)


def letter(one: Bench, offset: int) -> dict[str, str]:
    """The reasons in the headers of the dead letter that a record became."""
    (output,) = one.settler.outputs(offset)
    assert output.topic == "clip-render.g-renderer.dlq"
    family = "__dlq.errors."
    return {
        name.removeprefix(family): (value or b"").decode() for name, value in output.headers if name.startswith(family)
    }


def await_queue(one: Bench, jobs: int) -> None:
    """Wait until so many jobs wait for the engine, which is busy."""
    queued = one.room._shots
    with queued._changed:
        assert queued._changed.wait_for(lambda: len(queued) == jobs, SECONDS)


class Gate(TestEngine):
    """Takes a step, waits for ``go``, takes another, and so on; notes how its batches ended."""

    __test__ = False

    def __init__(self, batch_size: int = 1, steps: int = 2) -> None:
        super().__init__(batch_size=batch_size)
        self.begun, self.go = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.cancelled = 0
        self._steps = steps

    def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        self.batches.append([shot.scene.seed for shot in shots])
        try:
            for step in range(1, self._steps + 1):
                watch.beat("denoise", step, self._steps)
                self.begun.set()
                assert self.go.wait(SECONDS)
            watch.beat("decode", 1, 1)
        except CancelledError:
            self.cancelled += 1
            raise
        return super().render(shots)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """An engine that waits; it is let go at the end, whatever happened."""
    engine = Gate()
    yield engine
    engine.go.set()


# Trying again.


def test_what_may_pass_is_tried_again_and_the_clip_comes(bench: Make, tmp_path: Path) -> None:
    """A card short of memory for a moment costs a second try, not a dead letter."""
    one = bench(Troubled(), attempts=2)
    one.send(request(made_of=troubled(f"stumble once {tmp_path / 'door'}")), 0)
    assert isinstance(one.settler.event(0), VideoReady)
    assert one.metrics.value(m.ENGINE_FAILURES, engine="test", reason="retryable") == 1
    assert one.metrics.value(m.RENDERS, engine="test", result="failed") == 1
    assert one.metrics.value(m.RENDERS, engine="test", result="ok") == 1


def test_what_does_not_pass_is_given_up_after_its_tries(bench: Make) -> None:
    """The dead letter says how often it was tried; the next product gets its clip."""
    engine = Troubled()
    one = bench(engine, attempts=3)
    one.send(request("bad", made_of=troubled("stumble")), 0)
    one.send(request("good", made_of=troubled("", seed=2)), 1)
    told = letter(one, 0)
    assert (told["attempts"], told["stage"], told["message"]) == ("3", "render", "no memory just now")
    assert isinstance(one.settler.event(1), VideoReady)
    assert len(engine.batches) == 4


def test_what_never_will_is_given_up_at_once(bench: Make) -> None:
    """A broken photo does not get better by trying."""
    engine = Troubled()
    one = bench(engine, attempts=3)
    one.send(request(made_of=troubled("refuse")), 0)
    assert letter(one, 0)["attempts"] == "1"
    assert engine.batches == [1]
    assert one.metrics.value(m.ENGINE_FAILURES, engine="test", reason="refused") == 1


def test_fault_10_a_second_try_is_made_alone(bench: Make) -> None:
    """Alone a shot has all the memory there is, and takes no other with it."""

    class Crowded(Gate):
        def render(self, shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
            results = super().render(shots, watch)
            if len(shots) > 1:
                return [EngineError("no memory for so many", retryable=True) for _ in shots]
            return results

    engine = Crowded(batch_size=3)
    one = bench(engine, attempts=2)
    one.send(request("first", made_of=recipe(0)), 0)
    assert engine.begun.wait(SECONDS)
    for seed in range(1, 4):
        one.send(request(f"p{seed}", made_of=recipe(seed)), seed)
    await_queue(one, 3)
    engine.go.set()
    for offset in range(4):
        assert isinstance(one.settler.event(offset), VideoReady)
    assert engine.batches[0] == [0]
    assert sorted(engine.batches[1]) == [1, 2, 3]
    assert sorted(engine.batches[2:]) == [[1], [2], [3]]


def test_another_seed_begins_with_fresh_tries(bench: Make) -> None:
    """Tries belong to a scene: a clip that fails inspection after a stumble still has its own."""
    stumbled: list[int] = []

    def draw(scene: Scene) -> Any:
        frames = moving_gradient(scene)
        if scene.seed not in stumbled:
            stumbled.append(scene.seed)
            raise EngineError("stumbled", retryable=True)
        return frames * 0 if scene.seed == 1 else frames

    one = bench(TestEngine(draw=draw), attempts=2)
    one.send(request(made_of=recipe(1)), 0)
    event = one.settler.event(0)
    assert isinstance(event, VideoReady)
    assert event.lineage is not None
    assert event.lineage.attempts == 2
    assert len(stumbled) == 2


def test_no_second_try_begins_while_draining(bench: Make) -> None:
    """A stopping pod hands the record to the next owner instead."""
    engine = Gate()
    engine.render = partial(_stumbling, engine)  # type: ignore[method-assign]
    one = bench(engine, attempts=5)
    lease = one.send(request(), 0)
    assert engine.begun.wait(SECONDS)
    assert not one.renderer.drain(0)
    engine.go.set()
    assert one.renderer.drain(SECONDS)
    assert one.settler.released == [lease]
    assert one.settler.settled == {}


def _stumbling(engine: Gate, shots: Sequence[Shot], _: Watch) -> list[Rendered | EngineError]:
    engine.begun.set()
    assert engine.go.wait(SECONDS)
    return [EngineError("stumbled", retryable=True) for _ in shots]


# Cancelling.


def test_closing_stops_the_engine_at_its_next_step(bench: Make, gate: Gate) -> None:
    """What was in work is neither settled nor given up: its next owner does it."""
    one = bench(gate)
    lease = one.send(request(), 0)
    assert gate.begun.wait(SECONDS)
    closing = threading.Thread(target=one.renderer.close)
    closing.start()
    assert one.renderer._stopping.wait(SECONDS)
    gate.go.set()
    closing.join(SECONDS)
    assert gate.cancelled == 1
    assert gate.rendered == []
    assert one.settler.settled == {}
    assert one.settler.released == [lease]
    assert one.settler.failures == []
    assert one.metrics.value(m.RENDERS, engine="test", result="cancelled") == 1


def test_a_batch_nobody_wants_any_more_is_cancelled(bench: Make, gate: Gate) -> None:
    """Its partition left: the device works for those that stay, and the engine is whole."""
    one = bench(gate)
    lost = one.send(request("lost"), 0, partition=1)
    assert gate.begun.wait(SECONDS)
    one.renderer.revoked([lost.partition])
    gate.go.set()
    one.send(request("kept", made_of=recipe(2)), 1, partition=0)
    assert isinstance(one.settler.event(1), VideoReady)
    assert gate.cancelled == 1
    assert one.settler.released == [lost]
    assert 0 not in one.settler.settled


def test_a_batch_is_finished_for_one_that_stays(bench: Make, gate: Gate) -> None:
    """The other's clip is stored for its new owner, as before."""
    gate.batch_size = 2
    one = bench(gate)
    one.send(request("first", made_of=recipe(0)), 0)
    assert gate.begun.wait(SECONDS)
    lost = one.send(request("lost", made_of=recipe(1)), 1, partition=1)
    one.send(request("kept", made_of=recipe(2)), 2, partition=0)
    await_queue(one, 2)
    gate.begun.clear()
    gate.go.set()
    one.settler.event(0)
    assert gate.begun.wait(SECONDS)
    one.renderer.revoked([lost.partition])
    assert isinstance(one.settler.event(2), VideoReady)
    assert gate.cancelled == 0


def test_a_batch_is_finished_for_one_that_waits_for_its_scene(bench: Make, gate: Gate) -> None:
    """Two products share a scene; the one that renders it left, the other stays."""
    one = bench(gate)
    lost = one.send(request("lost"), 0, partition=1)
    assert gate.begun.wait(SECONDS)
    claimed, claim = threading.Event(), one.renderer._scenes.claim

    def telling(digest: str, job: Job) -> Turn:
        turn = claim(digest, job)
        if turn is Turn.WAIT:
            claimed.set()
        return turn

    one.renderer._scenes.claim = telling  # type: ignore[method-assign]
    one.send(request("kept"), 1, partition=0)
    assert claimed.wait(SECONDS)
    one.renderer.revoked([lost.partition])
    gate.go.set()
    assert isinstance(one.settler.event(1), VideoReady)
    assert gate.cancelled == 0
    assert len(gate.rendered) == 1


def test_closing_stops_an_engine_that_loads(bench: Make) -> None:
    """Nobody waits for weights that will not be used; it is no failure."""
    loading, go = threading.Event(), threading.Event()

    class Loading(TestEngine):
        __test__ = False

        def start(self, watch: Watch = UNWATCHED) -> None:
            loading.set()
            assert go.wait(SECONDS)
            watch.beat("load", 1, 2)
            raise AssertionError("was not stopped")

    one = bench(Loading(), wait=False)
    assert loading.wait(SECONDS)
    closing = threading.Thread(target=one.renderer.close)
    closing.start()
    assert one.renderer._stopping.wait(SECONDS)
    go.set()
    closing.join(SECONDS)
    assert not one.renderer.ready.is_set()
    assert one.settler.failures == []


def test_an_engine_that_cancels_by_itself_is_broken(bench: Make) -> None:
    """Nobody asked for it, so nobody may take its record for somebody else's."""

    def draw(_: Scene) -> Any:
        raise CancelledError("tired")

    one = bench(TestEngine(draw=draw))
    one.send(request(), 0)
    assert one.settler.wait(lambda s: bool(s.failures))
    assert str(one.settler.failures[0]) == "tired"
    assert one.settler.released == []


# Taking too long.


def test_a_batch_over_its_time_is_stopped_tried_again_and_given_up(bench: Make) -> None:
    """At its next step; the dead letter names the limit, and the next product gets its clip."""
    one = bench(Troubled(), limits=Limits(job_timeout=0.2), attempts=2)
    one.send(request("slow", made_of=troubled("steps")), 0)
    told = letter(one, 0)
    assert (told["attempts"], told["message"]) == ("2", "took longer than 0.2 s")
    one.send(request("quick", made_of=troubled("", seed=2)), 1)
    assert isinstance(one.settler.event(1), VideoReady)
    assert one.metrics.value(m.ENGINE_FAILURES, engine="test", reason="timeout") == 2


# Hanging.


def test_a_hang_in_this_process_ends_it(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop fails, so that a supervisor starts us again; the log has every thread's stack; closing does not wait."""
    monkeypatch.setattr(renderer, "JOIN_SECONDS", 0.2)
    engine = Troubled()
    with capture_logs() as logged:
        one = bench(engine, limits=Limits(hang_after=0.3, on_hang="exit"))
        one.send(request(made_of=troubled("wait")), 0)
        assert one.settler.wait(lambda s: bool(s.failures))
        one.renderer.close()
    try:
        (failure,) = one.settler.failures
        assert isinstance(failure, EngineError)
        assert str(failure).startswith("the test engine hung: no sign of life for ")
        assert str(failure).endswith("since stage before (1 of 1)")
        (told,) = [line for line in logged if line["event"] == "engine hangs"]
        assert any("_wait" in stack for name, stack in told["stacks"].items() if "skureel-engine" in name)
        assert told["products"] == ["p"]
        assert one.settler.settled == {}
        assert one.metrics.value(m.ENGINE_FAILURES, engine="test", reason="hang") == 1
        assert "engine does not stop; left behind" in {line["event"] for line in logged}
        assert one.room._thread.daemon
    finally:
        engine.go.set()


def test_a_slow_engine_that_tells_its_steps_does_not_hang(bench: Make) -> None:
    """Many times the limit in all, never in one step."""
    engine = Gate(steps=4)
    clock = threading.Event()

    def step(shots: Sequence[Shot], watch: Watch = UNWATCHED) -> list[Rendered | EngineError]:
        for number in range(12):
            clock.wait(0.1)  # stands for a device at work: it is never set
            watch.beat("denoise", number, 12)
        return TestEngine.render(engine, shots, watch)

    engine.render = step  # type: ignore[method-assign]
    one = bench(engine, limits=Limits(hang_after=0.6))
    one.send(request(), 0)
    assert isinstance(one.settler.event(0), VideoReady)
    assert one.settler.failures == []


def test_a_hosted_engine_that_hangs_is_killed_and_the_clip_comes(bench: Make, tmp_path: Path) -> None:
    """The polling thread goes on all the while; a new process makes the clip."""
    limits = Limits(hang_after=0.5, on_hang="restart")
    hosted = Hosted(Troubled, hang_after=0.5)
    one = bench(hosted, limits=limits)
    first = hosted.pid
    one.send(request(made_of=troubled(f"hang once {tmp_path / 'door'}")), 0)
    assert one.renderer.capacity() >= 0
    assert isinstance(one.settler.event(0), VideoReady)
    assert hosted.pid not in {None, first}
    assert one.metrics.value(m.ENGINE_RESTARTS, reason="hang") == 1
    assert one.metrics.value(m.ENGINE_FAILURES, engine="test", reason="hang") == 1
    assert one.settler.failures == []


def test_a_shot_that_kills_every_process_is_given_up_alone(bench: Make) -> None:
    """Poison costs its neighbours one more try and itself its clip."""
    hosted = Hosted(partial(Troubled, batch_size=2), restarts=4)
    one = bench(hosted, limits=Limits(on_hang="restart"), attempts=2)
    one.send(request("bad", made_of=troubled("segfault")), 0)
    one.send(request("good", made_of=troubled("", seed=2)), 1)
    told = letter(one, 0)
    assert told["attempts"] == "2"
    assert "SIGSEGV" in told["message"]
    assert told["exception.class.name"] == "model.hosted.errors.LostError"
    assert isinstance(one.settler.event(1), VideoReady)
    assert one.metrics.value(m.ENGINE_RESTARTS, reason="crash") == 2


def test_a_hosted_engine_lost_too_often_ends_the_process(bench: Make) -> None:
    """A card that is gone is no reason to give up every record: a supervisor must look."""
    one = bench(Hosted(Troubled, restarts=2), limits=Limits(on_hang="restart"), attempts=9)
    one.send(request(made_of=troubled("killed")), 0)
    assert one.settler.wait(lambda s: bool(s.failures))
    assert "lost 2 times in a row" in str(one.settler.failures[0])
    assert one.settler.settled == {}


def test_closing_cancels_a_hosted_batch_too(bench: Make, tmp_path: Path) -> None:
    """Between two steps of the other process."""
    door = tmp_path / "door"
    hosted = Hosted(Troubled)
    one = bench(hosted, limits=Limits(on_hang="restart"))
    begun = threading.Event()
    beat = one.room._lookout.beat

    def telling(stage: str, done: int, total: int) -> None:
        if stage == "steps":
            begun.set()
        beat(stage, done, total)

    one.room._lookout.beat = telling  # type: ignore[method-assign]
    lease = one.send(request(made_of=troubled(f"steps once {door}")), 0)
    assert begun.wait(SECONDS)
    one.renderer.close()
    assert hosted.pid is None
    assert one.settler.released == [lease]
    assert one.settler.settled == {}


def test_closing_does_not_wait_for_a_hosted_engine_that_hangs(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is ended, and with it the batch; nothing is settled."""
    monkeypatch.setattr(renderer, "JOIN_SECONDS", 0.2)
    monkeypatch.setattr(host, "CLOSE_SECONDS", 0.2)
    hosted = Hosted(Troubled)
    one = bench(hosted, limits=Limits(on_hang="restart"))
    hangs, beat = threading.Event(), one.room._lookout.beat

    def telling(stage: str, done: int, total: int) -> None:
        beat(stage, done, total)
        hangs.set()

    one.room._lookout.beat = telling  # type: ignore[method-assign]
    one.send(request(made_of=troubled("hang")), 0)
    assert hangs.wait(SECONDS)
    one.renderer.close()
    assert not one.room._thread.is_alive()
    assert hosted.pid is None
    assert one.settler.settled == {}


# Telling.


def test_steps_stages_memory_and_use_are_measured(bench: Make) -> None:
    """What the engine can tell of a batch is on the metrics page."""
    one = bench(Troubled())
    one.send(request(made_of=troubled("")), 0)
    one.settler.event(0)
    page = one.metrics
    assert page.value(m.ENGINE_STEPS, engine="test", stage="load") == 1
    assert page.value(m.ENGINE_STEPS, engine="test", stage="draw") == 1
    assert page.value(m.ENGINE_STAGE_SECONDS, stage="denoise") == 1
    assert page.value(m.ENGINE_STAGE_SECONDS, stage="decode") == 1
    assert page.value(m.ENGINE_MEMORY, kind="allocated") == 1e9
    assert page.value(m.ENGINE_MEMORY, kind="reserved") == 2e9
    assert page.value(m.ENGINE_MFU) == 0.6


def test_a_batch_is_told_with_its_products_and_quick_ones_not_each(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At level info at most one in a while; every step and every batch at debug."""
    with capture_logs() as logged:
        one = bench(Troubled())
        for offset in range(3):
            one.send(request(f"p{offset}", made_of=troubled("", seed=offset)), offset)
            one.settler.event(offset)
    begun = [line for line in logged if line["event"] == "batch begun"]
    assert [(line["products"], line["log_level"]) for line in begun] == [
        (["p0"], "info"),
        (["p1"], "debug"),
        (["p2"], "debug"),
    ]
    steps = [line for line in logged if line["event"] == "step" and line["stage"] == "draw"]
    assert len(steps) == 3
    assert {line["log_level"] for line in steps} == {"debug"}
    monkeypatch.setattr(lookout, "LOUD_SECONDS", 0.0)
    with capture_logs() as logged:
        one.send(request("slow", made_of=troubled("", seed=9)), 9)
        one.settler.event(9)
    (ended,) = [line for line in logged if line["event"] == "batch ended"]
    assert (ended["products"], ended["log_level"], ended["outcome"]) == (["slow"], "info", "ok")


def test_the_last_sign_of_life_can_be_asked_for(bench: Make, gate: Gate) -> None:
    """A clip that takes longer than any patience with commits is no stuck process while its engine beats."""
    one = bench(gate)
    assert one.renderer.last_sign() is None
    one.send(request(), 0)
    assert gate.begun.wait(SECONDS)
    assert one.renderer.last_sign() is not None
    gate.go.set()
    one.settler.event(0)
