"""Laws of the demo's first act: the whole service on this machine alone leaves clips, events, a page; nothing twice."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import pytest

from consumer.operate import demo_promos, demo_run, samples
from tests.commands import PROGRAM, Ran, skureel

LIMIT = 4


def small(out: Path, *more: str) -> Ran:
    """A small demo."""
    return skureel("demo", "--out", out, "--limit", LIMIT, "--size", "320x240", "--seconds", 1, *more)


def events(out: Path, topic: str) -> list[dict[str, Any]]:
    """The events that the demo left."""
    path = out / "events" / f"{topic}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def of_products(out: Path, topic: str) -> list[dict[str, Any]]:
    """Those of them that an event of a product led to."""
    return [event for event in events(out, topic) if event["cause"]["event_id"].startswith("sample-")]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A finished small demo: its folder and what it said."""
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, small(out)


def test_every_product_gets_a_clip_that_plays_and_one_event_that_is_true_of_it(first: tuple[Path, Ran]) -> None:
    """Size, length and digest are those of the file on the disk."""
    out, ran = first
    assert ran.code == 0, ran.err
    ready = of_products(out, "video-ready")
    assert {event["product_id"] for event in ready} == {p["product_id"] for p in samples.load()[:LIMIT]}
    assert len(ready) == LIMIT
    for event in ready:
        path = out / "store" / event["clip"]["key"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == event["clip"]["sha256"]
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 24
        alias = out / "store" / "products" / event["product_id"] / "default" / "current.mp4"
        assert alias.read_bytes() == path.read_bytes()


def test_the_page_shows_every_clip_and_every_file_it_names_is_there(first: tuple[Path, Ran]) -> None:
    """The gallery works from the disk: each product's clip, and beside it the one that a promotion made of it."""
    out, _ = first
    page = (out / "index.html").read_text(encoding="utf-8")
    named = re.findall(r"""(?:src|poster)="([^"]*)\"""", page)
    assert len(named) == 4 * LIMIT == 2 * page.count("<video ")
    assert all((out / unquote(name)).is_file() for name in named)
    assert {f"store/{event['clip']['key']}" for event in events(out, "video-ready")} <= set(named)


def test_the_events_folder_has_what_went_in_and_what_was_asked_for(first: tuple[Path, Ran]) -> None:
    """A reader can follow one product through the topics."""
    out, _ = first
    assert len(events(out, "product-created")) == LIMIT
    requests = events(out, "clip-render")
    assert len(requests) == LIMIT
    assert {request["work"] for request in requests} == {"RENDER"}
    assert events(out, "video-rejected") == []


def works(out: Path, cause: str) -> list[str]:
    """The work of each clip that an event led to, as announced."""
    return [event["lineage"]["work"] for event in events(out, "video-ready") if event["cause"]["event_id"] == cause]


def test_promotions_are_dressed_and_spliced_and_nothing_is_rendered_for_them(first: tuple[Path, Ran]) -> None:
    """The ribbon's category is dressed, all else spliced; each product changes once, and no request asks to render."""
    out, _ = first
    category = [p["product_id"] for p in samples.load()[:LIMIT] if p["category"] == "appliances"]
    assert works(out, "appliance-week-r1") == ["DRESS"] * len(category) != []
    assert works(out, "summer-sale-r1") == ["SPLICE"] * (LIMIT - len(category)) != []
    assert events(out, "clip-render-bulk") == []
    assert {event["status"] for event in events(out, "promo-changed")} == {"ACTIVE", "ENDED"}


def test_when_promotions_end_the_earlier_clips_return_with_no_work_but_the_announcements(
    first: tuple[Path, Ran],
) -> None:
    """The last announcement of each product names the clip of the first one, its work is NONE, and its alias agrees."""
    out, ran = first
    ready = events(out, "video-ready")
    assert sorted(works(out, "appliance-week-r2") + works(out, "summer-sale-r2")) == ["NONE"] * LIMIT
    for product in (p["product_id"] for p in samples.load()[:LIMIT]):
        one, promoted, last = sorted(
            (event for event in ready if event["product_id"] == product), key=lambda event: event["revision"]
        )
        assert last["clip"] == one["clip"] != promoted["clip"]
        alias = json.loads((out / "store" / "products" / product / "default" / "current.json").read_text())
        assert alias["announcement"]["event_id"] == last["event_id"]
    assert f"{LIMIT} of {LIMIT} products show their earlier clip again" in " ".join(ran.out.split())


def test_what_an_interrupted_run_left_running_is_ended_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped while promotions run: the next run begins from clips without any, and ends as if nothing had been."""

    def stopped(*_: object) -> None:
        raise demo_run.DemoError("stopped here")

    out = tmp_path / "d"
    with monkeypatch.context() as patch:
        patch.setattr(demo_promos, "_ended", stopped)
        ran = skureel("demo", "--out", out, "--limit", 1, "--size", "320x240", "--seconds", 1)
        assert (ran.code, "stopped here" in ran.err) == (1, True)
    facts = skureel("demo", "--out", out, "--limit", 1, "--size", "320x240", "--seconds", 1, "--json").json()
    assert (facts["requests"], facts["promoted"], facts["made_for_promotions"], facts["returned"]) == (0, 1, 0, 1)
    one, *_, last = events(out, "video-ready")
    assert last["clip"] == one["clip"]


def test_a_second_run_renders_nothing_and_says_so(first: tuple[Path, Ran]) -> None:
    """The same data again is a look-up: no request, no event, the same files."""
    out, ran = first
    assert f"{LIMIT} rendered" in ran.out
    before = {path: path.stat().st_mtime_ns for path in (out / "store" / "clips").rglob("*.mp4")}
    again = small(out)
    assert again.code == 0, again.err
    assert f"Nothing rendered: all {LIMIT} clips are up to date" in again.out
    assert f"Nothing dressed or spliced anew: the {LIMIT} clips" in again.out
    assert {path: path.stat().st_mtime_ns for path in (out / "store" / "clips").rglob("*.mp4")} == before
    assert len(of_products(out, "video-ready")) == LIMIT
    assert len(events(out, "product-created")) == 2 * LIMIT


def test_json_says_what_was_done(first: tuple[Path, Ran]) -> None:
    """For machines: one object on standard output and nothing else there."""
    out, _ = first
    facts = small(out, "--json").json()
    assert (facts["products"], facts["requests"], facts["rendered"], facts["clips"]) == (LIMIT, 0, 0, LIMIT)
    assert facts["works"]["kettle-1001"] == {"clip": "–", "promo": "none", "after": "none"}
    catalog, *promotions = facts["steps"]
    assert (catalog["name"], catalog["seconds"] > 0) == ("sample catalog", True)
    for step in promotions:
        assert (step["render"], step["dress"], step["splice"], step["rejected"]) == (0, 0, 0, 0)
        assert step["render_seconds"] == step["dress_seconds"] == step["splice_seconds"] == 0
        assert step["none"] > 0
        assert step["rerender_seconds"] > 0
    assert sum(step["none"] for step in promotions) == 2 * LIMIT


def test_other_clip_settings_make_other_clips_of_the_same_products(tmp_path: Path) -> None:
    """A changed recipe is a new plan: a higher revision, and the old clip's address is named as superseded."""
    assert skureel("demo", "--out", tmp_path / "d", "--limit", 1, "--size", "320x240", "--seconds", 1).code == 0
    assert skureel("demo", "--out", tmp_path / "d", "--limit", 1, "--size", "240x320", "--seconds", 1).code == 0
    ready = of_products(tmp_path / "d", "video-ready")
    assert [event["revision"] for event in ready] == [1, 4]
    assert ready[1]["superseded_urls"] == [ready[0]["clip"]["url"], ready[0]["clip"]["poster_url"]]
    assert (ready[1]["clip"]["width"], ready[1]["clip"]["height"]) == (240, 320)


def test_a_demo_killed_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    """Its broker forgot every request; the catalog did not, and what was asked for is asked for again."""
    out = tmp_path / "d"
    arguments: list[str] = [
        str(PROGRAM),
        "demo",
        "--out",
        str(out),
        "--limit",
        "6",
        "--size",
        "320x240",
        "--seconds",
        "1",
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not list((out / "store" / "clips").rglob("*.mp4")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait(30)
    ran = skureel("demo", "--out", out, "--limit", 6, "--size", "320x240", "--seconds", 1)
    assert ran.code == 0, ran.err
    aliases = list((out / "store" / "products").glob("*/default/current.mp4"))
    assert len(aliases) == 6
    last = {event["product_id"]: event for event in events(out, "video-ready")}
    assert len(last) == 6


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--size", "9x9"), "clip.size"),
        (("--size", "huge"), "clip.size"),
        (("--seconds", "100"), "clip.seconds"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_starts(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    """Exit code 2 and the name of what was wrong; no folder is left behind."""
    ran = skureel("demo", "--out", tmp_path / "d", *arguments)
    assert ran.code == 2
    assert word in ran.err
    assert not (tmp_path / "d" / "store").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says which folder."""
    (tmp_path / "file").write_text("not a folder")
    ran = skureel("demo", "--out", tmp_path / "file" / "out")
    assert ran.code != 0
    assert "file" in ran.err


def test_the_demo_needs_no_torch() -> None:
    """A laptop has nothing but Python: importing the demo and the engine imports no model library."""
    heavy = "{'torch', 'diffusers', 'transformers'}"
    code = f"import sys, consumer.operate.demo, model.storyboard.engine; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_demo_that_stalls_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves for too long: an error, not a bar that stands for ever."""
    monkeypatch.setattr(demo_run, "STALL_SECONDS", 0.0)
    monkeypatch.setattr(demo_run, "TICK", 0.01)
    ran = small(tmp_path / "d")
    assert ran.code == 1
    assert "no progress" in ran.err
