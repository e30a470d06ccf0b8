"""The bench of dressing: it runs, compares sides that do the same work, and ends in one line of JSON."""

from __future__ import annotations

import json

import pytest

from tests.bench import dressing


def test_the_bench_runs_and_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """Every depth of work has a time, and joining costs the least of those that make a clip."""
    assert dressing.main(["--quick"]) == 0
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert document["bench"] == "dressing"
    for times in document["cpu_ms"].values():
        assert 0 < times["splice"] < times["dress"]
        assert times["splice"] < times["re-encode"]
    assert document["aims"] == {"splice": 15.0}
