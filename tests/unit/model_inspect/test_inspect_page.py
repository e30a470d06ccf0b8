"""docs/INSPECTION.md beside the code: its checks, actions, numbers and policy are the real ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from model.inspect import POLICY, load_policy
from model.inspect.catalogue import CATALOGUE, Rung, checks_of
from model.inspect.policy import Action
from tests.seeded.clips import KINDS
from tests.seeded.spoil import DEFECTS, WRITTEN

PAGE = (Path(__file__).parents[3] / "docs" / "INSPECTION.md").read_text(encoding="utf-8")
NAMED = re.compile("`([a-z_]+)`")


def rows() -> dict[str, set[str]]:
    """Names of checks in the ladder's table, by rung."""
    found: dict[str, set[str]] = {}
    rung = ""
    for line in PAGE.partition("## The ladder")[2].partition("## ")[0].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and not cells[2].startswith("-"):
            rung = cells[1] or rung
            found.setdefault(rung, set()).update(NAMED.findall(cells[2]))
    return found


@pytest.mark.parametrize("rung", get_args(Rung))
def test_the_ladder_has_every_check_and_no_other(rung: Rung) -> None:
    """On its own rung."""
    assert rows()[rung] == set(checks_of(rung))


def test_the_actions_are_those_of_the_policy() -> None:
    """All that a policy file may say."""
    listed = PAGE.partition("Actions: ")[2].partition("\n")[0]
    assert set(NAMED.findall(listed)) >= set(get_args(Action))


def test_the_example_of_a_policy_can_be_loaded(tmp_path: Path) -> None:
    """As it stands, and it changes what it names."""
    (block,) = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / "policy.toml").write_text(block, encoding="utf-8")
    policy = load_policy(tmp_path / "policy.toml")
    changed = {check for check in CATALOGUE if policy.rules[check] != POLICY.rules[check]}
    assert changed == {name for name in CATALOGUE if f"\n{name} = " in block}


def test_the_numbers_of_clips_and_defects_are_counted() -> None:
    """Kinds of good clips, ways to spoil them, strengths of each."""
    assert f"{len(KINDS)} kinds in {len(DEFECTS) + 1} ways at three strengths each" in PAGE
    assert {len(defect.strengths) for defect in (*DEFECTS.values(), WRITTEN.defect)} == {3}
