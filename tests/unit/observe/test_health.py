"""Laws of life and readiness, on a clock of our own."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from consumer.observe.health import Health, Liveness, stacks


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A fresh clock."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """A process without roles, on that clock."""
    return Health(clock)


def test_a_process_without_probes_is_well(health: Health) -> None:
    """Nothing that could be wrong is wrong."""
    assert health.live().well
    assert health.ready().well


def test_work_that_waits_too_long_is_death(clock: Clock) -> None:
    """A loop that turns while nothing gets finished is stuck, after stuck_after and not before."""
    pulse = Liveness(10, clock)
    pulse.beat(waiting=True)
    clock.now += 10
    pulse.beat(waiting=True)
    assert pulse() is None
    clock.now += 0.5
    pulse.beat(waiting=True)
    assert pulse() == "work waits and nothing was finished for 10 s"


def test_progress_is_life(clock: Clock) -> None:
    """However much waits, a process that finishes something now and then is left alone; a stuck one recovers so."""
    pulse = Liveness(10, clock)
    for _ in range(5):
        pulse.beat(waiting=True)
        clock.now += 9
        pulse.progress()
        assert pulse() is None
    pulse.beat(waiting=True)
    clock.now += 11
    assert pulse() is not None
    pulse.progress()
    assert pulse() is None


def test_an_idle_role_is_well_for_ever(clock: Clock) -> None:
    """Nothing waits, so nothing can be late; and work that has just come is not late yet."""
    pulse = Liveness(10, clock)
    for _ in range(100):
        clock.now += 9
        pulse.beat(waiting=False)
        assert pulse() is None
    pulse.beat(waiting=True)
    clock.now += 9
    assert pulse() is None


def test_work_that_stays_is_not_always_new(clock: Clock) -> None:
    """Telling again that work waits does not start the clock again."""
    pulse = Liveness(10, clock)
    for _ in range(11):
        pulse.beat(waiting=True)
        clock.now += 1
    assert pulse() is not None


def test_a_loop_that_stands_still_is_death(clock: Clock) -> None:
    """Even an idle role must turn."""
    pulse = Liveness(10, clock)
    pulse.beat(waiting=False)
    clock.now += 11
    assert pulse() == "the loop has not turned for 11 s"


def test_the_first_failure_logs_every_threads_stack_once(health: Health, clock: Clock) -> None:
    """Whoever reads the log of a killed process finds where it hung; a page asked every second does not fill it."""
    hold = threading.Event()
    begun = threading.Event()

    def hang_here() -> None:
        begun.set()
        hold.wait()

    thread = threading.Thread(target=hang_here, name="finisher-1")
    thread.start()
    try:
        begun.wait()
        pulse = health.liveness("renderer", 10)
        pulse.beat(waiting=True)
        clock.now += 11
        with capture_logs() as lines:
            assert health.live().reasons == {"renderer": "the loop has not turned for 11 s"}
            assert not health.live().well
        assert len(lines) == 1
        told = [text for name, text in lines[0]["stacks"].items() if name.startswith("finisher-1")]
        assert "hang_here" in told[0]
        pulse.progress()
        assert health.live().well
        clock.now += 11
        with capture_logs() as lines:
            assert not health.live().well
        assert len(lines) == 1
    finally:
        hold.set()
        thread.join()


def test_a_second_role_that_dies_is_news(health: Health, clock: Clock) -> None:
    """Each role's first failure is logged, also while another has failed before."""
    health.liveness("planner", 10)
    health.liveness("renderer", 20)
    clock.now += 11
    with capture_logs() as lines:
        assert set(health.live().reasons) == {"planner"}
        clock.now += 10
        assert set(health.live().reasons) == {"planner", "renderer"}
    assert [set(line["reasons"]) for line in lines] == [{"planner"}, {"renderer"}]


def test_a_role_is_not_ready_before_it_says_so(health: Health) -> None:
    """Starting is a reason; it has to be taken back."""
    readiness = health.readiness("planner")
    assert health.ready().reasons == {"planner": "start: starting"}
    readiness.started()
    assert health.ready().well


def test_outages_are_reasons_by_name(health: Health) -> None:
    """What is out is told with why, and goes when it is restored; what was never out may be restored too."""
    readiness = health.readiness("planner", starting=False)
    readiness.missing("database", "connection refused")
    readiness.missing("store", "timed out")
    readiness.missing("database", "too many clients")
    assert health.ready().reasons == {"planner": "database: too many clients; store: timed out"}
    assert health.live().well
    readiness.restored("database")
    readiness.restored("store")
    readiness.restored("store")
    assert health.ready().well


def test_who_is_not_alive_is_not_ready(health: Health, clock: Clock) -> None:
    """A stuck process gets no work."""
    health.liveness("planner", 10)
    health.readiness("planner", starting=False)
    clock.now += 11
    assert "planner" in health.ready().reasons


def test_a_probe_that_breaks_is_a_reason(health: Health) -> None:
    """The page answers, whatever a probe does."""

    def broken() -> str | None:
        raise RuntimeError("no such column")

    health.watch_readiness("catalog", broken)
    assert health.ready().reasons == {"catalog": "the probe failed: RuntimeError: no such column"}
    health.forget("catalog")
    assert health.ready().well


def test_a_role_that_ended_is_not_missed(health: Health, clock: Clock) -> None:
    """A role that has left in order cannot be stuck."""
    health.liveness("planner", 10)
    clock.now += 11
    assert not health.live().well
    health.forget("planner")
    health.forget("planner")
    assert health.live().well


def test_stacks_name_this_very_function() -> None:
    """Every thread is there, the asking one too."""
    assert any("test_stacks_name_this_very_function" in text for text in stacks().values())
