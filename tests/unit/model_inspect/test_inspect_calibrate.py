"""Calibration: counts are what they say, and a suggested limit is never worse than the present one."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from model.inspect import Rule
from model.inspect.calibrate import NOTHING, Worth, suggest, worth

SCORES = st.lists(st.floats(0, 100), min_size=1, max_size=12)


def test_precision_and_recall_by_hand() -> None:
    """Three of four defects found, one of ten good clips refused."""
    found = worth(Rule(5, ""), [6, 7, 8, 4], [1, 1, 1, 1, 1, 1, 1, 1, 1, 9])
    assert found == Worth(3, 1, 1, 9)
    assert (found.recall, found.precision, found.false_positives) == (0.75, 0.75, 0.1)
    assert math.isnan(NOTHING.recall)
    assert math.isnan(NOTHING.precision)
    assert math.isnan(NOTHING.false_positives)
    assert found + NOTHING == found


@example(bad=[7e-167], good=[2e-254], limit=1.0, least=False)
@example(bad=[1.0000000000000002], good=[1.0], limit=50.0, least=False)
@given(SCORES, SCORES, st.floats(0, 100), st.booleans())
def test_a_suggestion_refuses_no_good_clip_and_finds_all_that_can_be_told_from_them(
    bad: list[float], good: list[float], limit: float, least: bool
) -> None:
    """Unless the present limit stays: then it does as well, or nothing can be told apart."""
    rule = Rule(limit, "", least)
    suggested = Rule(suggest(rule, bad, good), "", least)
    now, then = worth(rule, bad, good), worth(suggested, bad, good)
    if suggested.limit != limit:
        assert then.wrongly == 0
        edge = min(good) if least else max(good)
        assert then.found == sum(score < edge if least else score > edge for score in bad)
        assert (then.found, -then.wrongly) != (now.found, -now.wrongly)


def test_the_limit_lies_in_the_middle_of_the_gap() -> None:
    """By ratio: as far from the last good clip as from the first defect; and by difference where scores are below 0."""
    low, high = [1.0, 2.0, 4.0], [10.0, 20.0]
    assert suggest(Rule(100.0, ""), high, low) == 6.32
    assert suggest(Rule(0.0, "", least=True), low, high) == 7.0


def test_a_share_of_good_clips_may_be_given_up() -> None:
    """With one odd clip in fifty allowed for, the limit lies below it."""
    good = [1.0] * 49 + [50.0]
    assert suggest(Rule(100, ""), [4.0, 60.0], good) > 50
    assert 1 < suggest(Rule(100, ""), [4.0, 60.0], good, allowed=0.02) < 4


def test_nothing_to_go_by_changes_nothing() -> None:
    """Without defects, without good clips, or with both alike, the present limit stays."""
    rule = Rule(5, "")
    assert suggest(rule, [], [1]) == suggest(rule, [9], []) == suggest(rule, [1, 2], [3, 4]) == 5
