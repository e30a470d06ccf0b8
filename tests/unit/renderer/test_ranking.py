"""Laws of the choice among clips that passed: farther from the limits is better, and the right product comes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.renderer.ranking import headroom, rank
from model.inspect import POLICY, Rule


@pytest.mark.parametrize(
    ("score", "rule", "room"),
    [
        (0.0, Rule(2.0, ""), 1.0),
        (1.5, Rule(2.0, ""), 0.25),
        (2.0, Rule(2.0, ""), 0.0),
        (-1.0, Rule(2.0, ""), 1.0),
        (0.6, Rule(0.6, "", least=True), 0.0),
        (0.9, Rule(0.6, "", least=True), 0.5),
        (0.0, Rule(0.0, ""), 0.0),
        (0.3, Rule(0.0, "", least=True), 0.3),
    ],
)
def test_headroom_is_the_share_of_the_limit_that_is_left(score: float, rule: Rule, room: float) -> None:
    """On either side, cut to 0…1; at a limit of 0 the score itself."""
    assert headroom(score, rule) == pytest.approx(room)


@given(st.floats(0, 14), st.floats(0, 14), st.floats(0, 2))
def test_less_of_a_fault_is_never_worse(one: float, other: float, flicker: float) -> None:
    """All else equal, the clip with the smaller score of a fault ranks at least as high."""
    low, high = sorted((one, other))
    assert rank({"flash": low, "flicker": flicker}, POLICY) >= rank({"flash": high, "flicker": flicker}, POLICY)


def test_the_worst_score_decides_before_the_mean() -> None:
    """One check at its limit is worse than two halfway."""
    assert rank({"flash": 7.0, "flicker": 1.0}, POLICY) > rank({"flash": 13.9, "flicker": 0.0}, POLICY)


def test_the_alignment_margin_comes_first_where_a_model_gave_one() -> None:
    """The right product in the right colour is worth more than smoothness."""
    assert rank({"alignment": 0.2, "flash": 10.0}, POLICY) > rank({"alignment": 0.1, "flash": 1.0}, POLICY)


def test_what_only_warns_and_what_has_no_rule_is_not_looked_at() -> None:
    """Nor does a clip without scores break anything."""
    assert rank({"cast": 100.0, "no-such-check": 1.0, "flash": 7.0}, POLICY) == rank({"flash": 7.0}, POLICY)
    assert rank({}, POLICY) == (0.0, 0.0, 0.0)
