"""``skureel audit``: an id from a file leads to the clip, its maker, its recipe and every announcement of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from consumer.events import VideoReady
from tests.commands import leave_settings, skureel
from tests.integration.planner.test_audit import labelled
from tests.integration.planner.test_planner import announce
from tests.integration.planner.world import World
from tests.unit.model_clip.samples import PRODUCER
from tests.unit.planner.samples import NOW

ID = "skureel-clip"


def event(revision: int, produce_id: str, product: str = "kettle-1") -> VideoReady:
    """An announcement, each a day after the one before."""
    when = NOW + timedelta(days=revision)
    return labelled(revision, produce_id, product_id=product, occurred_at=when)


@pytest.fixture
def log(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """A catalog that heard of two clips, one of them announced twice, with its database in the environment."""
    leave_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("SKUREEL_DATABASE__URL", world.url)
    for each in (event(1, ID), event(2, "skureel-other"), event(3, ID)):
        announce(world, each)
    announce(world, event(4, "skureel-other", "pot\x1b[31m-1"), b"pot\x1b[31m-1")
    announce(world, event(4, "skureel-other", "锅-1"), "锅-1".encode())
    world.run()
    return world


@pytest.mark.usefixtures("log")
def test_an_id_leads_to_the_clip_and_all_that_is_known_of_it() -> None:
    """For people and for machines; a foreign id is exit code 1."""
    ran = skureel("audit", "show", ID)
    assert ran.code == 0
    for told in (ID, PRODUCER, "clip-3", "sha256     s", "visible aigc", "recipe     digest", "e 1"):
        assert told in ran.out
    assert [line.split()[3] for line in ran.out.splitlines() if "kettle-1" in line] == ["1", "3"]
    rows = skureel("audit", "show", ID, "--json").json()
    assert [row["revision"] for row in rows] == [1, 3]
    assert rows[0]["producer"] == PRODUCER
    assert rows[0]["labels"] == ["visible", "aigc"]
    assert rows[0]["announced_at"] == (NOW + timedelta(days=1)).isoformat(timespec="milliseconds")
    ran = skureel("audit", "show", "skureel-none")
    assert ran.code == 1
    assert "not announced within the last 400 days" in ran.out
    assert skureel("audit", "show", "skureel-none", "--json").json() == []


@pytest.mark.usefixtures("log")
def test_the_list_has_the_newest_first_and_filters() -> None:
    """By product, by time, by number; ids that no key of ours can be were never in it."""

    def revisions(*options: str) -> list[int]:
        return [row["revision"] for row in skureel("audit", "list", "--json", *options).json()]

    assert revisions() == [4, 3, 2, 1]
    assert revisions("--limit", "2") == [4, 3]
    assert revisions("--product", "锅-1") == [4]
    assert revisions(
        "--since", (NOW + timedelta(days=2)).isoformat(), "--until", (NOW + timedelta(days=4)).isoformat()
    ) == [
        3,
        2,
    ]
    assert revisions("--producer", "nobody") == []
    assert revisions("--clip", "clip-2", "--sha256", "s") == [2]
    out = skureel("audit", "list").out
    assert "4 shown" in out
    assert "\x1b" not in out
    assert "nothing was announced" in skureel("audit", "list", "--product", "none").out
    assert skureel("audit", "list", "--since", "soon").code == 2


@pytest.mark.usefixtures("log")
def test_the_export_is_whole_and_readable_by_any_program(tmp_path: Path) -> None:
    """CSV with a header, or JSON lines; oldest first; a file appears when it is whole."""
    lines = skureel("audit", "export", "--json").lines()
    assert [line["revision"] for line in lines] == [1, 2, 3, 4]
    target = tmp_path / "audit.csv"
    ran = skureel("audit", "export", "-o", str(target))
    assert (ran.code, ran.out) == (0, "")
    rows = list(csv.DictReader(io.StringIO(target.read_text("utf-8"))))
    assert [{**row, "labels": row["labels"].split()} for row in rows] == [
        {name: value if isinstance(value, list) else str(value) for name, value in line.items()} for line in lines
    ]
    assert [path.name for path in tmp_path.glob("audit*")] == ["audit.csv"]
    ran = skureel("audit", "export", "-o", str(tmp_path / "no" / "audit.csv"))
    assert ran.code == 2
    assert "cannot be written" in ran.err
    assert json.loads(skureel("audit", "export", "--format", "jsonl", "--since", "1d").out or "[]") == []


def test_without_a_catalog_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And makes none."""
    leave_settings(monkeypatch, tmp_path)
    ran = skureel("audit", "list")
    assert ran.code == 2
    assert "start `skureel run` first" in ran.err
    assert not list(tmp_path.rglob("*.db"))
