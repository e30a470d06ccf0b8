"""The laws of the soak's report: it counts what was seen, names what is wrong, and says how to have it again."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.soak.checker import Case, check
from tests.soak.report import Report, report, show
from tests.soak.run import Options, Script
from tests.soak.slots import Life
from tests.soak.workload import Scale, workload
from tests.unit.soak.perfect import perfect

SCALE = Scale(seconds=60, products=12, promos=4)


def reported(case: Case, folder: Path) -> Report:
    """A report of a case, with one process that logged two lines that count and two that do not."""
    log = folder / "renderer.log"
    log.write_text('{"event": "lost"}\n{"event": "lost"}\n{"event": "listening"}\nTraceback\n')
    life = Life(slot="renderer-0", pid=1, began=1.0, ended=2.0, code=-9, log=str(log))
    return report(
        case,
        check(case),
        seed=3,
        replay="the command",
        seconds=60,
        settling=1,
        faults={"renderer kill": 1},
        lives=[life],
    )


def test_a_report_counts_what_was_seen(tmp_path: Path) -> None:
    """A request that is neither announced nor given up was skipped; log lines and ends are counted by their kind."""
    case = perfect(workload(3, SCALE), SCALE.seconds)
    twice = replace(case.seen, requests=[*case.seen.requests, *case.seen.requests[:5]])
    found = reported(replace(case, seen=twice), tmp_path)
    assert found.ok
    assert (found.requests, found.skipped) == (len(case.seen.announced) + 5, 5)
    assert found.announced == sum(found.works.values()) == len(case.seen.announced)
    assert found.dead_letters == found.poison > 0
    assert found.exits == {"-9": 1}
    assert found.logged == {"partitions lost": 2}


def test_a_report_names_what_is_wrong_and_how_to_have_it_again(tmp_path: Path) -> None:
    """A violation is told in words, and so is the command."""
    case = perfect(workload(3, SCALE), SCALE.seconds)
    told = io.StringIO()
    found = reported(replace(case, seen=replace(case.seen, unread=["a record"])), tmp_path)
    show(found, Console(file=told, width=200))
    assert not found.ok
    assert "VIOLATION all is read: a record" in told.getvalue()
    assert "the same again: the command" in told.getvalue()


def test_the_command_of_a_run_makes_the_same_script(tmp_path: Path) -> None:
    """What it says decides the same input and the same faults; without faults it says so too."""
    options = Options(seed=17, seconds=90, products_a_minute=40, folder=tmp_path)
    assert options.replay == "python -m tests.soak run --seed 17 --minutes 1.5 --products 40"
    assert Script.of(options) == Script.of(replace(options, folder=tmp_path / "other"))
    assert Script.of(options).faults
    calm = replace(options, faults=False)
    assert calm.replay.endswith(" --calm")
    assert not Script.of(calm).faults
