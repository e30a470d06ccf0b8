"""The policy file: what it may say, how it is named, and that it survives being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.inspect import POLICY, PolicyError, load_policy
from model.inspect.catalogue import CATALOGUE, checks_of
from model.inspect.frames import COMPARED, PLAIN
from model.inspect.policy import BUILT_IN, LEVELS


def written(folder: Path, text: str) -> Path:
    """A policy file."""
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_policy_covers_every_check_and_level() -> None:
    """No check and no level has a limit that is written anywhere else."""
    text = BUILT_IN.read_text(encoding="utf-8")
    assert set(POLICY.rules) == set(CATALOGUE)
    assert all(f"\n{name} " in text for name in (*CATALOGUE, *LEVELS))
    assert set(checks_of("frames")) == {*PLAIN, *COMPARED}


def test_a_file_names_only_what_it_changes(tmp_path: Path) -> None:
    """All else is as shipped; None is the shipped one itself."""
    path = written(
        tmp_path, 'version = "mine"\n[levels]\nstill = 1\n[checks]\nflash = { limit = 20 }\ncut = { action = "off" }'
    )
    policy = load_policy(path)
    assert (policy.version, policy.still, policy.rules["flash"].limit) == ("mine", 1.0, 20.0)
    assert policy.rules["flash"].action == POLICY.rules["flash"].action
    assert not policy.runs("cut")
    assert policy.rules["cut"].limit == POLICY.rules["cut"].limit
    assert policy.rules["black"] == POLICY.rules["black"]
    assert load_policy(None) is POLICY


def test_a_written_policy_reads_back_the_same(tmp_path: Path) -> None:
    """What calibration writes is the policy it found, to the digest."""
    policy = POLICY.with_limits("found", {"flash": 17.25, "colour": 0.07})
    again = load_policy(written(tmp_path, policy.to_toml()))
    assert again.digest == policy.digest
    assert again.name == policy.name


def test_the_name_changes_with_whatever_decides(tmp_path: Path) -> None:
    """Two policies of one version and other limits, actions or levels are told apart by their names."""
    texts = (
        "",
        "[checks]\nflash = { limit = 20 }",
        '[checks]\nflash = { action = "warn" }',
        "[levels]\ndark = 20",
    )
    names = {load_policy(written(tmp_path, f'version = "1"\n{text}')).name for text in texts}
    assert len(names) == len(texts)
    assert all(name.startswith("1+") and len(name) == len("1+") + 12 for name in names)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "version: give your policy a version"),
        ('version = ""', "version"),
        ("version = 3", "version"),
        ('version = "1"\nlimits = 3', "limits: a policy has version, [levels] and [checks]"),
        ('version = "1"\nchecks = 3', "checks: is a table"),
        ('version = "1"\n[checks]\nblakc = { limit = 1 }', "checks.blakc: no such check; there are black,"),
        ('version = "1"\n[checks]\nblack = 1', "checks.black: write { limit = 0.12"),
        ('version = "1"\n[checks]\nblack = { limt = 1 }', "checks.black: unknown limt; write"),
        ('version = "1"\n[checks]\nblack = { limit = "1" }', "checks.black.limit: '1' is not a number"),
        ('version = "1"\n[checks]\nblack = { limit = true }', "checks.black.limit: True is not a number"),
        ('version = "1"\n[checks]\nblack = { limit = nan }', "checks.black.limit: nan is not a number"),
        ('version = "1"\n[checks]\nblack = { action = "note" }', "checks.black.action: 'note' is not one of reject"),
        ('version = "1"\n[levels]\ndrak = 1', "levels.drak: no such level; there are dark,"),
        ('version = "1"\n[levels]\ndark = 300', "levels.dark: 300 is outside 0…255"),
        ("version = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    """The message has the file, the entry and what it may be: a typing error must not switch a check off."""
    path = written(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Not the shipped policy in its place."""
    with pytest.raises(PolicyError, match="No such file"):
        load_policy(tmp_path / "none.toml")
