"""Laws of the breaker of template versions: it opens for what is unusual, not for chance, and tries again by itself."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

import pytest

from consumer.observe import metrics as m
from consumer.renderer.templates import LONGEST, TEMPLATES, BreakerRules, TemplateBreakers

RULES = BreakerRules(window=20, minimum=5, baseline=0.2, pause=60.0, probe=4)
KETTLE, SHIRT = "appliances@1.0.0", "apparel@1.0.0"


class Bench:
    """Breakers with a clock of their own."""

    def __init__(self, rules: BreakerRules = RULES) -> None:
        self.now, self.metrics = 1000.0, m.Metrics()
        self.breakers = TemplateBreakers(rules, self.metrics, lambda: self.now)

    def first_attempts(self, good: int, bad: int, template: str = KETTLE) -> int:
        """So many clips, the bad ones last; how many were let through."""
        let = 0
        for rejected in [False] * good + [True] * bad:
            if self.breakers.admits(template):
                let += 1
                self.breakers.note(template, rejected=rejected)
        return let

    def opened(self) -> Bench:
        """With the kettle's out of use."""
        self.first_attempts(0, 5)
        assert not self.breakers.admits(KETTLE)
        return self


def test_it_opens_at_twice_the_usual_share_and_for_that_template_alone() -> None:
    """Told by its metric and on the page; other versions of the same template are others."""
    bench = Bench()
    bench.first_attempts(15, 0)
    bench.first_attempts(0, 20)
    assert not bench.breakers.admits(KETTLE)
    assert bench.breakers.admits(SHIRT)
    assert bench.breakers.admits("appliances@1.0.1")
    assert bench.metrics.value(m.TEMPLATE_BREAKER, template=KETTLE) == 1
    assert bench.metrics.value(m.TEMPLATE_OPENINGS, template=KETTLE) == 1
    (note,) = bench.breakers.notes().items()
    assert note[0] == KETTLE
    assert "first attempts rejected, 20% are usual; next try in 60 s" in note[1]


def test_it_says_nothing_before_it_has_seen_enough() -> None:
    """Four rejections of four may be chance."""
    bench = Bench()
    assert bench.first_attempts(0, 4) == 4
    assert bench.breakers.admits(KETTLE)


def test_after_its_pause_a_few_are_tried_and_it_closes_when_they_are_good() -> None:
    """No more than the probe's number; afterwards it begins anew."""
    bench = Bench().opened()
    bench.now += 60
    assert [bench.breakers.admits(KETTLE) for _ in range(5)] == [True] * 4 + [False]
    assert bench.breakers.notes()[KETTLE].endswith("trying 4 clips")
    for _ in range(4):
        bench.breakers.note(KETTLE, rejected=False)
    assert bench.breakers.admits(KETTLE)
    assert bench.breakers.notes() == {}
    assert bench.metrics.value(m.TEMPLATE_BREAKER, template=KETTLE) == 0


def test_a_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    """Sixty seconds, then two minutes, … never more than sixteen times the first."""
    bench = Bench().opened()
    pause = 60.0
    for _ in range(7):
        bench.now += pause
        assert bench.first_attempts(0, 4) == 4
        pause = min(pause * 2, LONGEST * 60.0)
        bench.now += pause - 1
        assert not bench.breakers.admits(KETTLE)
        bench.now -= pause - 1


def test_a_probe_that_comes_to_nothing_is_made_again() -> None:
    """Clips that were let through may be superseded or handed back: nobody waits for them for ever."""
    bench = Bench().opened()
    bench.now += 60
    assert [bench.breakers.admits(KETTLE) for _ in range(5)][-1] is False
    bench.now += 60
    assert bench.breakers.admits(KETTLE)


def test_results_of_what_began_before_it_opened_change_nothing() -> None:
    """They neither close nor prolong it."""
    bench = Bench().opened()
    for _ in range(20):
        bench.breakers.note(KETTLE, rejected=False)
    assert not bench.breakers.admits(KETTLE)


def test_a_template_whose_usual_share_is_high_stays_in_use_while_it_keeps_to_it() -> None:
    """One that always loses 40 % is not taken out of use for that; when it loses all, it is."""
    bench = Bench(replace(RULES, baseline=0.4))
    for _ in range(40):
        for rejected in (True, False, False, True, False):
            bench.breakers.note(KETTLE, rejected=rejected)
    assert bench.breakers.admits(KETTLE)
    bench.first_attempts(0, 20)
    assert not bench.breakers.admits(KETTLE)


def test_a_template_that_worsens_is_measured_by_its_own_past() -> None:
    """The share before the window counts, not a constant."""
    bench = Bench(replace(RULES, baseline=None, floor=0.05))
    assert bench.first_attempts(100, 0) == 100
    let = bench.first_attempts(0, 20)
    assert 3 <= let < 20
    assert "5% are usual" in bench.breakers.notes()[KETTLE]


def test_chance_does_not_open_it() -> None:
    """Ten thousand clips of a template that loses what is usual: however often it is asked, it stays in use."""
    dice = random.Random(20260101)
    bench = Bench(BreakerRules(baseline=0.1))
    for _ in range(10_000):
        bench.breakers.note(KETTLE, rejected=dice.random() < 0.1)
    openings = bench.metrics.value(m.TEMPLATE_OPENINGS, template=KETTLE)
    assert openings == 0, bench.breakers.notes()


@pytest.mark.parametrize("rules", [replace(RULES, enabled=False), RULES])
def test_without_a_template_or_where_it_is_off_everything_is_let_through(rules: BreakerRules) -> None:
    """Requests of planners before this release name no template."""
    bench = Bench(rules)
    template = KETTLE if not rules.enabled else None
    for _ in range(50):
        bench.breakers.note(template, rejected=True)
    assert bench.breakers.admits(template)
    assert bench.breakers.notes() == {}


def test_it_remembers_a_bounded_number_of_versions() -> None:
    """The one not heard of for longest goes, and its gauge with it."""
    bench = Bench().opened()
    for number in range(TEMPLATES):
        bench.breakers.note(f"t{number}@1.0.0", rejected=False)
    assert bench.breakers.notes() == {}
    assert bench.metrics.value(m.TEMPLATE_BREAKER, template=KETTLE) == 0


def test_a_probe_has_as_many_places_as_it_says_however_many_ask_at_once() -> None:
    """Eight threads, four places."""
    bench = Bench().opened()
    bench.now += 60
    start, let = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        let.append(bench.breakers.admits(KETTLE))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let) == 4
