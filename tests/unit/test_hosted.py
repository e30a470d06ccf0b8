"""Laws of an engine in a process of its own: same frames, nothing it does reaches us, nothing is left behind."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from model.engine import CancelledError, Engine, EngineError, EngineSpec, Rendered, Shot
from model.hosted import Hosted, LateError, LostError, host, process
from model.hosted.wire import FRAMES_NAME
from model.recipe import Scene
from tests.engines import SPEC, TestEngine, Troubled, Unclosable, moving_gradient

SECONDS = 60
Make = Callable[..., Hosted]


def shot(trouble: str = "", seed: int = 1, frames: int = 3) -> Shot:
    """A small shot with a trouble of its own, or none."""
    return Shot(
        scene=Scene(
            mode="text",
            prompt=trouble,
            seed=seed,
            width=64,
            height=48,
            frames=frames,
            fps=24,
            engine="test",
            engine_revision="1",
        )
    )


@pytest.fixture
def hosted() -> Iterator[Make]:
    """Makes hosts; closes them, and sees that no process and no shared memory is left."""
    made: list[Hosted] = []
    before, others = open_files(), children()

    def make(factory: Callable[[], Engine] = Troubled, **more: object) -> Hosted:
        made.append(Hosted(factory, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert children() <= others
    assert open_files() <= before
    assert shared_frames() == 0


def children() -> set[str]:
    """Our processes. Tests of other modules that ran in this one may have left some, which are not a host's."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended just now
            found |= set((task / "children").read_text().split())
    return found


def open_files() -> int:
    """How many files, sockets and pieces of shared memory we have open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def shared_frames() -> int:
    """How many frames of others are mapped into our memory."""
    return Path("/proc/self/maps").read_text().count(FRAMES_NAME)


@contextmanager
def ends(pid: int) -> Iterator[None]:
    """What is done inside leads to the end of a process."""
    descriptor = os.pidfd_open(pid)
    try:
        yield
        assert select.select([descriptor], [], [], SECONDS)[0], f"{pid} lives"
    finally:
        os.close(descriptor)


def only(results: list[Rendered | EngineError]) -> LostError:
    """The loss that befell every shot of a batch."""
    assert results
    assert all(isinstance(result, LostError) and result.retryable for result in results)
    first = results[0]
    assert isinstance(first, LostError)
    return first


def frames_of(result: Rendered | EngineError) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The frames of a shot that was rendered."""
    assert isinstance(result, Rendered)
    return result.frames


class Watching:
    """Keeps the beats; cancels at the n-th."""

    def __init__(self, cancel_at: int = 0) -> None:
        self.beats: list[tuple[str, int, int]] = []
        self._cancel_at = cancel_at

    def beat(self, stage: str, done: int, total: int) -> None:
        self.beats.append((stage, done, total))
        if len(self.beats) == self._cancel_at:
            raise CancelledError("enough")


def test_frames_and_measurements_are_the_engines_own(hosted: Make) -> None:
    """What comes out of the other process is what the engine gives in this one, bit for bit."""
    one = hosted()
    one.start()
    shots = [shot(seed=1), shot(seed=2, frames=5)]
    theirs, ours = one.render(shots), Troubled().render(shots)
    for their, our in zip(theirs, ours, strict=True):
        assert isinstance(their, Rendered)
        assert isinstance(our, Rendered)
        np.testing.assert_array_equal(their.frames, our.frames)
        assert their.frames.dtype == np.uint8
        assert their.stages == our.stages
        assert their.figures == our.figures
        assert their.seconds > 0


def test_frames_outlive_the_process_and_are_freed_when_dropped(hosted: Make) -> None:
    """They lie in memory without a name, which lives as long as somebody looks at it."""
    one = hosted()
    one.start()
    before = shared_frames()
    results = one.render([shot(), shot(seed=2)])
    one.close()
    assert shared_frames() == before + 2
    np.testing.assert_array_equal(frames_of(results[1]), moving_gradient(shot(seed=2).scene))
    results.clear()
    assert shared_frames() == before


def test_refusals_keep_their_place_and_kind(hosted: Make) -> None:
    """An engine's own errors are not losses: the process stays, and the other shots are rendered."""
    one = hosted()
    one.start()
    pid = one.pid
    never, drawn, later = one.render([shot("refuse"), shot(), shot("stumble")])
    assert isinstance(never, EngineError)
    assert isinstance(later, EngineError)
    assert not isinstance(never, LostError | LateError)
    assert (str(never), never.retryable) == ("this one never", False)
    assert (str(later), later.retryable) == ("no memory just now", True)
    assert isinstance(drawn, Rendered)
    assert one.pid == pid


def test_the_spec_costs_no_process(hosted: Make) -> None:
    """A planner asks for it; nothing is loaded."""
    spec = EngineSpec(name="wonder", revision="7", generative=True, captions=False, photos=True)
    before = children()
    one = hosted(partial(Troubled, batch_size=4, spec=spec))
    assert (one.spec, one.batch_size, one.pid) == (spec, 4, None)
    assert children() <= before


def test_every_step_is_told(hosted: Make) -> None:
    """Beats come in order, those of the start and those of the batch."""
    one, watch = hosted(), Watching()
    one.start(watch)
    one.render([shot(), shot(seed=2)], watch)
    before = ("before", 1, 1)
    assert watch.beats == [before, ("load", 1, 1), before, ("draw", 1, 2), before, ("draw", 2, 2)]


def test_log_lines_come_out_here(hosted: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The process' lines look like ours, with its own logger and level."""
    one = hosted()
    with caplog.at_level(logging.WARNING):
        one.start()
    assert ("tests.troubled", logging.WARNING, f"hello from {one.pid}") in caplog.record_tuples


def test_a_hang_costs_its_shots_a_try_and_the_process(hosted: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """Even one that keeps the interpreter's lock is seen, told with its stack, and killed; the next batch goes on."""
    one = hosted(hang_after=0.5)
    one.start()
    assert one.pid is not None
    pid = one.pid
    with ends(pid):
        loss = only(one.render([shot("hang"), shot()]))
    assert loss.reason == "hang"
    assert "hung: no sign of life for " in str(loss)
    assert str(loss).endswith("since stage before (1 of 1)")
    assert "in _hang" in capfd.readouterr().err
    assert isinstance(one.render([shot()])[0], Rendered)
    assert one.pid not in {None, pid}


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("killed", "ended by SIGKILL (out of memory?)"),
        ("segfault", "ended by SIGSEGV"),
        ("leave", "ended with code 7"),
        ("break", "RuntimeError: device lost"),
    ],
)
def test_a_crash_costs_its_shots_a_try(hosted: Make, trouble: str, told: str) -> None:
    """Whatever ends the engine's process does not end ours, and is told."""
    one = hosted()
    one.start()
    loss = only(one.render([shot(), shot(trouble)]))
    assert loss.reason == "crash"
    assert told in str(loss)
    assert isinstance(one.render([shot()])[0], Rendered)


def test_losses_in_a_row_break_the_engine(hosted: Make) -> None:
    """A card that is gone loses every process: the third loss is raised, for a supervisor to act on."""
    one = hosted(restarts=3)
    one.start()
    for _ in range(2):
        only(one.render([shot("killed")]))
    with pytest.raises(EngineError, match=r"test engine was lost 3 times in a row; the last time: .*SIGKILL") as caught:
        one.render([shot("killed")])
    assert not isinstance(caught.value, LostError)


def test_a_clip_between_begins_the_count_anew(hosted: Make) -> None:
    """Now and then a process may be lost for ever; refusals do not count as clips."""
    one = hosted(restarts=2)
    one.start()
    for _ in range(2):
        only(one.render([shot("killed")]))
        assert isinstance(one.render([shot()])[0], Rendered)
    only(one.render([shot("killed")]))
    one.render([shot("refuse")])
    with pytest.raises(EngineError, match="2 times in a row"):
        one.render([shot("killed")])


def test_a_process_that_ends_between_batches_costs_no_try(hosted: Make) -> None:
    """The next batch finds it gone and starts another."""
    one = hosted()
    one.start()
    pid = one.pid
    assert pid is not None
    with ends(pid):
        os.kill(pid, signal.SIGKILL)
    assert isinstance(one.render([shot()])[0], Rendered)
    assert one.pid != pid


def test_cancelling_between_steps_keeps_the_engine(hosted: Make) -> None:
    """The batch ends at its next step; the same process renders the next one."""
    one = hosted()
    one.start()
    pid = one.pid
    with pytest.raises(CancelledError, match="enough"):
        one.render([shot("steps")], Watching(cancel_at=3))
    assert isinstance(one.render([shot()])[0], Rendered)
    assert one.pid == pid


def test_a_frozen_process_that_reads_no_commands_is_killed(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command larger than the socket's buffer does not hold us up for ever."""
    monkeypatch.setattr(process, "TELL_SECONDS", 0.2)
    one = hosted(hang_after=0.4)
    one.start()
    assert one.pid is not None
    with ends(one.pid):
        os.kill(one.pid, signal.SIGSTOP)
        loss = only(one.render([Shot(scene=shot().scene, photo=bytes(4_000_000))]))
    assert loss.reason == "hang"


def test_closing_from_another_thread_ends_a_batch_that_hangs(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ends the process does not wait for patience to end."""
    monkeypatch.setattr(host, "CLOSE_SECONDS", 0.2)
    one, hangs = hosted(), threading.Event()
    one.start()

    class Telling(Watching):
        def beat(self, stage: str, done: int, total: int) -> None:
            super().beat(stage, done, total)
            hangs.set()

    lost: list[Rendered | EngineError] = []
    rendering = threading.Thread(target=lambda: lost.extend(one.render([shot("hang")], Telling())))
    rendering.start()
    assert hangs.wait(SECONDS)
    one.close()
    rendering.join(SECONDS)
    assert only(lost).reason == "crash"


def test_a_batch_that_cannot_be_cancelled_is_killed(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that does not end is given a short time."""
    monkeypatch.setattr(host, "LEAST_GRACE", 0.3)
    one = hosted()
    one.start()
    assert one.pid is not None
    with ends(one.pid), pytest.raises(CancelledError, match="enough"):
        one.render([shot("deaf")], Watching(cancel_at=1))
    assert isinstance(one.render([shot()])[0], Rendered)


def test_a_late_batch_is_cancelled_and_may_be_tried_again(hosted: Make) -> None:
    """It gives signs of life, but takes too long: the engine itself stays."""
    one = hosted(job_timeout=0.3)
    one.start()
    pid = one.pid
    late = one.render([shot("steps"), shot()])
    assert [(str(each), each.retryable) for each in late if isinstance(each, LateError)] == [
        ("took longer than 0.3 s", True)
    ] * 2
    assert isinstance(one.render([shot()])[0], Rendered)
    assert one.pid == pid


def test_a_late_batch_that_does_not_stop_is_killed(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that tells nothing is bound by the same time."""
    monkeypatch.setattr(host, "LEAST_GRACE", 0.2)
    one = hosted(job_timeout=0.3)
    one.start()
    loss = only(one.render([shot("deaf")]))
    assert loss.reason == "timeout"
    assert "took longer than 0.3 s, stuck since stage before (1 of 1)" in str(loss)


def test_an_engine_that_refuses_to_start_says_why(hosted: Make) -> None:
    """Its own error, and no process is left."""
    one = hosted(partial(Troubled, trouble_at_start="refuse"))
    with pytest.raises(EngineError, match=r"^this one never$") as caught:
        one.start()
    assert not caught.value.retryable
    assert one.pid is None


@pytest.mark.parametrize(("trouble", "reason"), [("hang", "hang"), ("segfault", "crash"), ("break", "crash")])
def test_an_engine_lost_at_the_start_is_told(hosted: Make, trouble: str, reason: str) -> None:
    """Loading is watched as well."""
    one = hosted(partial(Troubled, trouble_at_start=trouble), silent=1.0 if trouble == "hang" else SECONDS)
    with pytest.raises(LostError) as caught:
        one.start()
    assert caught.value.reason == reason
    assert one.pid is None


def test_an_engine_that_does_not_come_up_again_is_lost_again(hosted: Make, tmp_path: Path) -> None:
    """Shots are not lost for it; after a few times the engine is."""
    door = tmp_path / "door"
    door.touch()
    one = hosted(partial(Troubled, trouble_at_start=f"refuse once {door}"), restarts=3)
    one.start()
    only(one.render([shot("killed")]))
    door.unlink()
    loss = only(one.render([shot()]))
    assert (loss.reason, str(loss)) == ("start", "it did not start again: this one never")
    assert isinstance(one.render([shot()])[0], Rendered)


def test_stopping_while_it_loads(hosted: Make) -> None:
    """Loading has no steps to stop between that are worth waiting for: the process is ended."""
    one = hosted(partial(Troubled, trouble_at_start="steps"))
    with pytest.raises(CancelledError):
        one.start(Watching(cancel_at=3))
    assert one.pid is None


def test_signals_to_the_group_leave_it_to_us(hosted: Make) -> None:
    """A terminal's interrupt and a service manager's stop reach every process: what is in work is still finished."""
    one = hosted()
    one.start()
    assert one.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(one.pid, number)
    assert isinstance(one.render([shot()])[0], Rendered)


def test_closing_frees_the_device_and_ends_the_process(hosted: Make) -> None:
    """Twice is as good as once."""
    one = hosted()
    one.start()
    assert one.pid is not None
    with ends(one.pid):
        one.close()
    one.close()
    assert one.pid is None


def test_an_engine_that_hangs_when_closed_is_killed(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing takes a bounded time."""
    monkeypatch.setattr(host, "CLOSE_SECONDS", 0.2)
    one = hosted(Unclosable)
    one.start()
    assert one.pid is not None
    with ends(one.pid):
        one.close()


DYING = """
import sys
from model.hosted import Hosted
from tests.engines import Troubled
from tests.unit.test_hosted import shot

class Telling:
    def beat(self, stage, done, total):
        if stage == "before":
            print(hosted.pid, flush=True)

hosted = Hosted(Troubled)
hosted.start()
hosted.render([shot("hang")], Telling())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_never_outlives_us(number: signal.Signals) -> None:
    """However we end, the kernel ends it: even while it hangs with the interpreter's lock."""
    with subprocess.Popen([sys.executable, "-c", DYING], stdout=subprocess.PIPE, cwd=Path.cwd()) as parent:
        assert parent.stdout is not None
        with ends(int(parent.stdout.readline())):
            parent.send_signal(number)


def test_a_factory_that_cannot_travel_is_refused_at_once() -> None:
    """Not when the first clip is due."""
    with pytest.raises(EngineError, match="cannot be given to another process") as caught:
        Hosted(lambda: TestEngine())  # noqa: PLW0108 - a lambda is the point
    assert not caught.value.retryable


def test_a_factory_that_the_process_does_not_find_is_told(hosted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that exists in this process alone."""
    module = types.ModuleType("nowhere_but_here")
    made: Callable[[], Engine] = type("Made", (Troubled,), {"__module__": module.__name__, "__qualname__": "Made"})
    vars(module)["Made"] = made
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(LostError, match="ModuleNotFoundError: No module named 'nowhere_but_here'"):
        hosted(made).start()


def test_big_photos_and_many_shots_travel(hosted: Make) -> None:
    """Commands larger than a socket's buffer arrive whole."""
    one = hosted(partial(Troubled, batch_size=40, spec=SPEC))
    one.start()
    photo = bytes(range(256)) * 4000
    results = one.render([Shot(scene=shot(seed=seed).scene, photo=photo) for seed in range(40)])
    for seed, result in enumerate(results):
        np.testing.assert_array_equal(frames_of(result), moving_gradient(shot(seed=seed).scene))
