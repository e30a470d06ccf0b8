"""Laws of an engine's pulse: what silence is borne, and for how long."""

from __future__ import annotations

import pytest

from model.pulse import LEAST_PATIENCE, SILENT_PATIENCE, STEPS, Looks, Pulse


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_under_way_is_no_silence() -> None:
    """An engine without work may be silent for ever."""
    clock = Clock()
    pulse = Pulse(1.0, clock=clock)
    assert pulse.last is None
    clock.now += 1e6
    assert pulse.silence() is None
    pulse.begin("batch")
    pulse.end()
    clock.now += 1e6
    assert pulse.silence() is None


def test_silence_counts_from_the_last_sign_and_says_where_it_was() -> None:
    """Each beat begins a new silence; the message names the stage."""
    clock = Clock()
    pulse = Pulse(10.0, clock=clock)
    pulse.begin("the start")
    clock.now += 9
    pulse.beat("denoise", 3, 20)
    clock.now += 10
    assert pulse.silence() is None
    clock.now += 0.1
    silence = pulse.silence()
    assert silence is not None
    assert str(silence) == "no sign of life for 10 s since stage denoise (3 of 20)"


def test_before_the_first_beat_the_message_says_so() -> None:
    """A hang in the first step is told as one."""
    clock = Clock()
    pulse = Pulse(10.0, clock=clock)
    pulse.begin("the start of the batch")
    clock.now += 11
    assert str(pulse.silence()) == "no sign of life for 11 s since the start of the batch"


@pytest.mark.parametrize(("step", "borne"), [(0.5, LEAST_PATIENCE), (3.0, LEAST_PATIENCE), (10.0, STEPS * 10)])
def test_patience_follows_the_slowest_step(step: float, borne: float) -> None:
    """Twenty of the slowest steps seen, a minute at least."""
    clock = Clock()
    pulse = Pulse(clock=clock)
    pulse.begin("batch")
    for done in range(3):
        clock.now += step if done == 1 else step / 2
        pulse.beat("denoise", done, 3)
    assert pulse.slowest == step
    assert pulse.patience() == borne


def test_what_follows_the_last_beat_is_a_step_too() -> None:
    """Copying frames out after the last step may be the slowest part."""
    clock = Clock()
    pulse = Pulse(clock=clock)
    pulse.begin("batch")
    pulse.beat("denoise", 1, 1)
    clock.now += 7
    pulse.end()
    assert pulse.slowest == 7


def test_an_engine_that_never_told_of_a_step_is_given_long() -> None:
    """Its work cannot be told from a hang."""
    clock = Clock()
    pulse = Pulse(clock=clock)
    pulse.begin("batch")
    clock.now += 90
    pulse.end()
    assert pulse.patience() == 90 * STEPS
    assert Pulse().patience() == SILENT_PATIENCE


def test_loading_is_given_long_and_is_no_measure_for_steps() -> None:
    """Reading weights and compiling are silent for minutes, whatever patience batches have."""
    clock = Clock()
    pulse = Pulse(5.0, clock=clock)
    pulse.begin("the start", starting=True)
    clock.now += 300
    pulse.beat("load", 1, 2)
    clock.now += SILENT_PATIENCE - 1
    assert pulse.silence() is None
    clock.now += 2
    assert pulse.silence() is not None
    pulse.end()
    assert pulse.slowest == 0
    assert pulse.patience() == 5.0
    assert pulse.patience(starting=True) == SILENT_PATIENCE


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """Who was stopped with the engine finds it as silent as before."""
    clock = Clock()
    pulse = Pulse(10.0, clock=clock)
    looks = Looks(pulse, clock)
    pulse.begin("batch")
    for _ in range(8):
        clock.now += 1
        assert looks.silence() is None
    clock.now += 1000
    assert looks.silence() is None
    for _ in range(2):
        clock.now += 1
        assert looks.silence() is None
    clock.now += 1
    silence = looks.silence()
    assert silence is not None
    assert silence.seconds == 11


def test_a_new_sign_begins_a_new_silence_for_who_looks() -> None:
    """What was excused before it does not lengthen its patience."""
    clock = Clock()
    pulse = Pulse(10.0, clock=clock)
    looks = Looks(pulse, clock)
    pulse.begin("batch")
    assert looks.silence() is None
    clock.now += 1000
    assert looks.silence() is None
    pulse.beat("denoise", 1, 2)
    for _ in range(10):
        clock.now += 1
        assert looks.silence() is None
    clock.now += 1
    assert looks.silence() is not None
