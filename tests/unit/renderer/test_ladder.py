"""Laws of the ladder: it always ends, within its bounds, and what it decides follows from the attempts alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from consumer.renderer.ladder import DETERMINISTIC, Decision, Rung, Seen, Stop, Take, Try, decide, most_renders

CHECKS = ("flash", "black", "cut", "noise", "text")
FINAL = Seen()

rungs = st.sampled_from([("planned",), ("planned", "calm"), ("planned", "pan"), ("planned", "calm", "pan")])
attempts = st.integers(1, 4)
best_of = st.integers(1, 3)
failures = st.sets(st.sampled_from(CHECKS), min_size=1, max_size=3).map(lambda checks: Seen(failed=frozenset(checks)))
hopeless = st.sampled_from(sorted(DETERMINISTIC)).map(lambda check: Seen(failed=frozenset({check})))
candidates = st.integers(0, 3).map(lambda rank: Seen(candidate=True, rank=(float(rank),)))
passed_over = st.just(Seen(passed_over=True))
outcomes = st.one_of(failures, failures, failures, candidates, st.just(FINAL), hopeless, passed_over)
"""What may become of one attempt; failures are likelier, for they are what leads on."""
worlds = st.lists(outcomes, min_size=24, max_size=24)
"""What becomes of the first attempt, the second, …"""


def failed(*checks: str) -> Seen:
    """An attempt that failed these checks."""
    return Seen(failed=frozenset(checks))


def climb(
    world: Sequence[Seen], ways: Sequence[Rung], *, attempts: int, best_of: int = 1
) -> tuple[list[Seen], list[Try], Decision]:
    """Try until there is nothing to try any more: the history, every try, and the end."""
    history: list[Seen] = []
    tries: list[Try] = []
    while isinstance(decision := decide(history, ways, attempts=attempts, best_of=best_of), Try):
        tries.append(decision)
        assert len(history) < len(world), "does not end"
        history.append(world[len(history)])
    return history, tries, decision


@given(worlds, rungs, attempts, best_of)
def test_every_clip_comes_to_an_end_within_its_bound(
    world: list[Seen], ways: tuple[Rung, ...], attempts: int, best_of: int
) -> None:
    """Whatever fails however: taken or stopped, and never more renders than promised."""
    history, _, end = climb(world, ways, attempts=attempts, best_of=best_of)
    rendered = [seen for seen in history if not seen.passed_over]
    assert isinstance(end, Take | Stop)
    assert len(rendered) <= most_renders(ways, attempts=attempts, best_of=best_of)


@given(worlds, rungs, attempts, best_of, st.integers(0, 24))
def test_a_crash_at_any_moment_changes_nothing(
    world: list[Seen], ways: tuple[Rung, ...], attempts: int, best_of: int, crash: int
) -> None:
    """Who starts from the records of any prefix goes on as who never stopped; what comes after an end is ignored."""
    history, tries, end = climb(world, ways, attempts=attempts, best_of=best_of)
    found = decide(history[:crash], ways, attempts=attempts, best_of=best_of)
    assert found == (tries[crash] if crash < len(tries) else end)
    assert decide([*history, *world], ways, attempts=attempts, best_of=best_of) == end


@given(worlds, rungs, attempts, best_of)
def test_no_scene_is_rendered_twice(world: list[Seen], ways: tuple[Rung, ...], attempts: int, best_of: int) -> None:
    """Rung and number name a scene, and rungs are only ever left upwards."""
    history, tries, _ = climb(world, ways, attempts=attempts, best_of=best_of)
    rendered = [each for each, seen in zip(tries, history, strict=True) if not seen.passed_over]
    assert len({(each.rung, each.number) for each in rendered}) == len(rendered)
    assert [each.number for each in rendered] == list(range(len(rendered)))
    order = [ways.index(each.rung) for each in tries]
    assert order == sorted(order)


@given(worlds, rungs, attempts, best_of)
def test_what_is_taken_passed_and_nothing_is_rejected_that_could_be_taken(
    world: list[Seen], ways: tuple[Rung, ...], attempts: int, best_of: int
) -> None:
    """A rejection means that no attempt of any rung passed."""
    history, _, end = climb(world, ways, attempts=attempts, best_of=best_of)
    passed = [index for index, seen in enumerate(history) if not (seen.failed or seen.passed_over)]
    if isinstance(end, Take):
        assert end.index in passed
        best = max((history[index].rank for index in passed), default=())
        assert history[end.index].rank == best or not history[end.index].candidate
    else:
        assert passed == []


@given(st.lists(failures, max_size=12), rungs, attempts)
def test_the_same_check_twice_in_a_row_leaves_the_rung(
    world: list[Seen], ways: tuple[Rung, ...], attempts: int
) -> None:
    """And nothing else does before its attempts are used up."""
    history, tries, _ = climb([*world, *[FINAL] * 24], ways, attempts=attempts)
    for at, (before, now) in enumerate(pairwise(tries)):
        on_rung = [seen for seen, each in zip(history, tries[: at + 1], strict=False) if each.rung == before.rung]
        twice = len(on_rung) > 1 and bool(on_rung[-1].failed & on_rung[-2].failed)
        assert (now.rung != before.rung) == (twice or len(on_rung) >= attempts)


def test_chance_gets_another_seed_until_the_attempts_are_used_up() -> None:
    """Other checks each time: three seeds, then the next rung, whose count begins anew."""
    end = climb(
        [failed("flash"), failed("cut"), failed("noise"), failed("noise"), FINAL], ("planned", "calm"), attempts=3
    )
    assert [each.rung for each in end[1]] == ["planned"] * 3 + ["calm"] * 2
    assert end[2] == Take(4, "calm", 4)


def test_what_no_seed_changes_stops_at_once() -> None:
    """No other attempt is made, on no rung; but a candidate that is there is taken."""
    ways: tuple[Rung, ...] = ("planned", "calm", "pan")
    assert decide([failed("size", "flash")], ways, attempts=3) == Stop("deterministic")
    some = Seen(candidate=True, rank=(0.5,))
    assert decide([some, failed("shape")], ways, attempts=3, best_of=3) == Take(0, "planned", 0)


def test_a_rung_that_is_passed_over_costs_no_attempt() -> None:
    """The next one begins with the planned seed."""
    assert decide([Seen(passed_over=True)], ("planned", "pan"), attempts=3) == Try("pan", 0)
    assert decide([Seen(passed_over=True)], ("planned",), attempts=3) == Stop("exhausted")


def _candidates(*ranks: float) -> list[Seen]:
    return [Seen(candidate=True, rank=(rank,)) for rank in ranks]


def test_of_several_the_best_is_taken_and_the_earliest_among_equals() -> None:
    """Once there are as many as asked for, or the rung has no more to give."""
    ask: Callable[[list[Seen]], Decision] = lambda seen: decide(seen, ("planned", "pan"), attempts=2, best_of=3)  # noqa: E731
    assert ask(_candidates(0.2, 0.9)) == Try("planned", 2)
    assert ask(_candidates(0.2, 0.9, 0.4)) == Take(1, "planned", 1)
    assert ask(_candidates(0.9, 0.2, 0.9)) == Take(0, "planned", 0)
    assert ask([failed("cut"), *_candidates(0.3), failed("cut")]) == Take(1, "planned", 1)
    assert ask([failed("cut"), failed("cut")]) == Try("pan", 2)


def test_a_pass_between_two_alike_failures_means_that_they_are_chance() -> None:
    """Twice in a row means in a row."""
    history = [failed("cut"), *_candidates(0.3), failed("cut")]
    assert decide(history, ("planned",), attempts=3, best_of=2) == Try("planned", 3)


def test_a_choice_that_was_made_stands_whatever_is_asked_for_later() -> None:
    """A clip that was taken is no candidate any more: asking for more of the best renders no old clip anew."""
    assert decide([FINAL], ("planned",), attempts=3, best_of=5) == Take(0, "planned", 0)
