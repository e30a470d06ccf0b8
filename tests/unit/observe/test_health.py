"""Laws of life and readiness: what the probes say, and what is made of it."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from consumer.observe.health import Health, Verdict, stacks


class Probe:
    """A probe that says what it was told to, and counts how often it was asked."""

    def __init__(self, reason: str | None = None) -> None:
        self.reason = reason
        self.asked = 0

    def __call__(self) -> str | None:
        self.asked += 1
        return self.reason


@pytest.fixture
def health() -> Health:
    """A process without roles."""
    return Health()


def broken() -> str | None:
    """A probe that fails."""
    raise RuntimeError("no such column")


def test_a_process_without_probes_is_well(health: Health) -> None:
    """Nothing that could be wrong is wrong."""
    assert health.live() == Verdict({})
    assert health.live().well
    assert health.ready().well


def test_a_verdict_is_well_where_there_are_no_reasons() -> None:
    """One reason is enough."""
    assert Verdict({}).well
    assert not Verdict({"planner": "stuck"}).well


def test_probes_are_asked_each_time(health: Health) -> None:
    """The verdict is that of now: what fails is told, and what recovers is well again."""
    probe = Probe()
    health.watch_life("renderer", probe)
    assert health.live().well
    probe.reason = "no poll for 11 s"
    assert health.live().reasons == {"renderer": "no poll for 11 s"}
    probe.reason = None
    assert health.live().well
    assert probe.asked == 3


def test_the_empty_reason_is_a_reason(health: Health) -> None:
    """Only None means well: a probe that has no words for what is wrong is not overheard."""
    health.watch_life("renderer", Probe(""))
    assert not health.live().well


def test_a_probe_replaces_the_one_of_its_name(health: Health) -> None:
    """A role that is built anew is asked anew; its old probe is asked no more."""
    old, new = Probe("stuck"), Probe()
    health.watch_life("renderer", old)
    health.watch_life("renderer", new)
    assert health.live().well
    assert (old.asked, new.asked) == (0, 1)


def test_not_ready_is_not_dead(health: Health) -> None:
    """A restart would not bring the database back."""
    health.watch_readiness("planner", Probe("out: database"))
    assert health.live().well
    assert health.ready().reasons == {"planner": "out: database"}


def test_who_is_not_alive_is_not_ready(health: Health) -> None:
    """A stuck process gets no work, whatever its readiness says; and being stuck is the reason that counts."""
    ready = Probe()
    health.watch_life("planner", Probe("stuck"))
    health.watch_readiness("planner", ready)
    assert health.ready().reasons == {"planner": "stuck"}
    ready.reason = "out: database"
    assert health.ready().reasons == {"planner": "stuck"}


def test_every_role_is_heard(health: Health) -> None:
    """One role's reason hides no other's."""
    health.watch_life("planner", Probe("stuck"))
    health.watch_life("renderer", Probe())
    health.watch_readiness("renderer", Probe("the engine is loading"))
    assert health.live().reasons == {"planner": "stuck"}
    assert health.ready().reasons == {"planner": "stuck", "renderer": "the engine is loading"}


def test_a_probe_that_breaks_is_a_reason(health: Health) -> None:
    """The page answers, whatever a probe does, and the others are asked all the same."""
    other = Probe()
    health.watch_readiness("catalog", broken)
    health.watch_readiness("store", other)
    assert health.ready().reasons == {"catalog": "the probe failed: RuntimeError: no such column"}
    assert other.asked == 1
    health.forget("catalog")
    assert health.ready().well
    health.watch_life("catalog", broken)
    assert not health.live().well


def test_a_role_that_ended_is_not_missed(health: Health) -> None:
    """A role that has left in order cannot be stuck; to forget it twice, or one that never was, is harmless."""
    health.watch_life("planner", Probe("stuck"))
    health.watch_readiness("planner", Probe("stopped"))
    assert not health.ready().well
    for name in ("planner", "planner", "dresser"):
        health.forget(name)
    assert health.live().well
    assert health.ready().well


def test_a_role_that_comes_back_and_fails_is_news(health: Health) -> None:
    """What was forgotten is not known to be dead: its next failure is logged."""
    health.watch_life("planner", Probe("stuck"))
    with capture_logs() as lines:
        health.live()
        health.forget("planner")
        health.watch_life("planner", Probe("stuck again"))
        health.live()
    assert [line["reasons"] for line in lines] == [{"planner": "stuck"}, {"planner": "stuck again"}]


def test_the_first_failure_logs_every_threads_stack_once(health: Health) -> None:
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
        probe = Probe("no poll for 11 s")
        health.watch_life("renderer", probe)
        with capture_logs() as lines:
            assert health.live().reasons == {"renderer": "no poll for 11 s"}
            assert not health.ready().well
            assert not health.live().well
        assert [(line["event"], line["log_level"]) for line in lines] == [("not alive", "error")]
        told = [text for name, text in lines[0]["stacks"].items() if name.startswith("finisher-1")]
        assert "hang_here" in told[0]
        probe.reason = None
        assert health.live().well
        probe.reason = "no poll for 12 s"
        with capture_logs() as lines:
            assert not health.live().well
        assert len(lines) == 1
    finally:
        hold.set()
        thread.join()


def test_a_second_role_that_dies_is_news(health: Health) -> None:
    """Each role's first failure is logged, also while another has failed before."""
    renderer = Probe()
    health.watch_life("planner", Probe("stuck"))
    health.watch_life("renderer", renderer)
    with capture_logs() as lines:
        assert set(health.live().reasons) == {"planner"}
        renderer.reason = "stuck too"
        assert set(health.live().reasons) == {"planner", "renderer"}
    assert [set(line["reasons"]) for line in lines] == [{"planner"}, {"renderer"}]


def test_not_being_ready_logs_no_stacks(health: Health) -> None:
    """Outages are frequent and told elsewhere; stacks are for what hangs."""
    health.watch_readiness("planner", Probe("out: database"))
    with capture_logs() as lines:
        health.ready()
    assert lines == []


def test_a_probe_may_watch_and_forget(health: Health) -> None:
    """Probes are asked outside the lock: one that changes the watch does not wait for itself for ever."""

    def changes() -> str | None:
        health.forget("planner")
        health.watch_life("renderer", Probe("stuck"))
        return None

    health.watch_life("planner", changes)
    assert health.live().well
    assert health.live().reasons == {"renderer": "stuck"}


def test_stacks_name_this_very_function() -> None:
    """Every thread is there, the asking one too."""
    assert any("test_stacks_name_this_very_function" in text for text in stacks().values())


def test_stacks_are_bounded() -> None:
    """A deep recursion does not fill the log: the last frames are those that tell."""

    def deeper(levels: int) -> dict[str, str]:
        return deeper(levels - 1) if levels else stacks()

    told = next(text for text in deeper(200).values() if "in deeper" in text)
    assert told.count('File "') <= 30
