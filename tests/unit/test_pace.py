"""The order of a test run: files stay whole, and those that are named are there."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from itertools import groupby

import pytest

from tests import pace


def test_no_file_is_torn_apart(request: pytest.FixtureRequest) -> None:
    """The tests of a file follow each other, so that what they share is made once."""
    files = [path for path, _ in groupby(request.session.items, key=lambda item: item.path)]
    assert len(files) == len(set(files))


def test_the_order_is_the_same_from_wherever_it_begins(request: pytest.FixtureRequest) -> None:
    """Each worker comes to the same one, and no test is lost on the way."""
    found = request.session.items
    once = list(found)
    pace.pytest_collection_modifyitems(once)
    twice = list(once)
    pace.pytest_collection_modifyitems(twice)
    assert twice == once
    assert sorted(item.nodeid for item in once) == sorted(item.nodeid for item in found)


@pytest.mark.parametrize("name", [*pace.UNTRACED, *pace.LONGEST])
def test_what_is_named_is_there(name: str) -> None:
    """A file that was renamed would be traced again, or come last."""
    assert any(path.as_posix().endswith(name.rstrip("/")) for path in pace.ROOT.rglob("*"))


def test_no_helper_beside_tests_hides_a_module_that_others_import() -> None:
    """pytest puts the folders of tests on the path: libraries would get the helper by the name ``requests``."""
    beside = {file.parent for file in pace.ROOT.rglob("test_*.py")}
    modules = [file for folder in beside for file in folder.glob("*.py")]
    helpers = {file.stem: file for file in modules if not file.stem.startswith("test_")}
    assert len(helpers) > 3
    others = sys.stdlib_module_names | packages_distributions().keys()
    assert not {name: file for name, file in helpers.items() if name in others}
