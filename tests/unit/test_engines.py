"""Engines by name: the built-in one, one's own, and names that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model.engine import EngineError
from model.engines import BUILT_IN, open_engine
from model.wan.options import WanOptions

OPTIONS = {"wan": (WanOptions(checkpoint="owner/name", revision="0" * 40, profile="quality"),)}
"""What an engine must be told before it can say what it is. No weights: a planner has none."""

OWN = """
from model.engine import EngineError, EngineSpec

class Own:
    spec = EngineSpec(name="own", revision="1", generative=False, captions=False, photos=False)
    batch_size = 1
    def start(self): ...
    def render(self, shots): return []
    def close(self): ...

def refusing():
    raise EngineError("no such device", retryable=False)

def broken():
    return 1 / 0

def needy(argument):
    return Own()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an importable module of engines."""
    (tmp_path / "engines_of_my_own.py").write_text(OWN)
    (tmp_path / "engines_that_break.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "engines_of_my_own", raising=False)
    return "engines_of_my_own"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_built_in_engines_open(name: str) -> None:
    """Every built-in name gives an engine of that name, not started."""
    engine = open_engine(name, *OPTIONS.get(name, ()))
    assert engine.spec.name == name
    assert engine.batch_size >= 1
    engine.close()


def test_an_engine_of_ones_own(own: str) -> None:
    """MODULE:FACTORY opens whatever has an engine's parts."""
    assert open_engine(f"{own}:Own").spec.name == "own"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "neither one of storyboard, wan nor MODULE:FACTORY"),
        ("stoyboard", "neither one of storyboard, wan nor MODULE:FACTORY"),
        (":", "neither one of"),
        ("json:", "neither one of"),
        (":loads", "neither one of"),
        ("no_such_module_here:Engine", "No module named 'no_such_module_here'"),
        ("json:Engine", "has no attribute 'Engine'"),
        (".relative:Engine", "TypeError"),
        ("engines_that_break:Engine", "RuntimeError: no licence"),
        ("engines_of_my_own:broken", "calling broken with no arguments gave ZeroDivisionError"),
        ("engines_of_my_own:needy", "calling needy with no arguments gave TypeError"),
        ("engines_of_my_own:OWN", "has no attribute 'OWN'"),
        ("engines_of_my_own:__name__", "TypeError"),
        ("collections:Counter", "gave Counter, which has no spec, batch_size, start, render, close"),
    ],
)
@pytest.mark.usefixtures("own")
def test_wrong_names_are_told(name: str, told: str) -> None:
    """A name that gives no engine is an error that repeats it and says why, whatever was raised on the way."""
    with pytest.raises(EngineError) as caught:
        open_engine(name)
    assert f"engine {name!r}: " in str(caught.value)
    assert told in str(caught.value)
    assert not caught.value.retryable


def test_an_engines_own_refusal_is_passed_on(own: str) -> None:
    """What a factory says about its device is not wrapped."""
    with pytest.raises(EngineError, match=r"^no such device$"):
        open_engine(f"{own}:refusing")
