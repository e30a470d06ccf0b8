"""``skureel promo``: what it foresees is what then happens, and what it shows is what is there."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.events import Creative, EndCardCreative, Promo, Scope, Tier, utc_now
from consumer.operate.promo import cost_of
from consumer.planner.fanout import FanOutOptions
from consumer.planner.forecast import Forecast
from consumer.planner.promotions import Phase
from consumer.planner.prompts import Prompts
from consumer.settings import Settings
from consumer.stream.jsonform import to_json
from consumer.wiring import engine_of, open_codec, planning_of
from tests.commands import Ran, jsonl, leave_settings, skureel
from tests.integration.planner.test_promos import made
from tests.integration.planner.world import TOPICS, World
from tests.unit.planner.samples import CARD, NOW, PHRASE, RIBBON, product, promo

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """A planner as the service has it, its database in the environment, and products whose clips are made."""
    leave_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("SKUREEL_DATABASE__URL", world.url)
    settings = Settings()
    world.composer = Prompts.load()
    world.plan = planning_of(settings, engine_of(settings).spec)
    world.now = utc_now
    for n in range(9):
        world.put(product(f"p{n}", tier=list(Tier)[n % 3], tags=("x",) if n < 4 else (), name=f"Kettle {n}"))
    world.run()
    made(world)
    return world


def plan(folder: Path, item: Promo, *arguments: str) -> Ran:
    """Ask what a promo would do."""
    parsed = open_codec(Settings()).schemas.of(TOPICS.promo_changed).parsed
    return skureel("promo", "plan", jsonl(folder, to_json(parsed, item.to_avro())), *arguments)


@pytest.mark.parametrize(
    ("item", "work"),
    [
        pytest.param(promo(creative=CARD), {"splice": 9}, id="an end card over everything"),
        pytest.param(promo(scope=Scope(tags=("x",), product_ids=("p0", "p8"))), {"dress": 5}, id="a ribbon over some"),
        pytest.param(promo(creative=PHRASE, scope=Scope(product_ids=("p1", "p2"))), {"render": 2}, id="a phrase"),
        pytest.param(promo(creative=Creative()), {}, id="nothing"),
        pytest.param(promo(scope=Scope(categories=("none",), product_ids=("a", "b"))), {}, id="zero products"),
    ],
)
def test_what_is_foreseen_is_what_happens(shop: World, tmp_path: Path, item: Promo, work: dict[str, int]) -> None:
    """Splices, dresses and renders of the forecast are the requests that the published promo leads to."""
    told = plan(tmp_path, item, "--json").json()
    assert {name: told[name] for name in ("splice", "dress", "render") if told[name]} == work
    since = len(shop.published)
    shop.promote(item)
    shop.run()
    asked = Counter(request.work.value.lower() for request in shop.requests(shop.published[since:]))
    assert dict(asked) == work
    again = plan(tmp_path, item, "--json").json()
    assert again["skipped"] == "duplicate"


def test_renders_cost_gpu_hours(shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the settings, for engines with a model; the storyboard needs none."""
    monkeypatch.setenv("SKUREEL_PLANNER__GPU_SECONDS_PER_CLIP", "400")
    monkeypatch.setenv("SKUREEL_PLANNER__GPU_PRICE_PER_HOUR", "3")
    assert plan(tmp_path, promo(creative=PHRASE), "--json").json()["gpu_hours"] == 0
    forecast = Forecast(promo(), Phase.RUNNING, None, 0, 9, results=Counter({"RENDER": 9, "DRESS": 5}))
    cost = cost_of(Settings(), forecast, generative=True)
    assert (cost.gpu_hours, cost.price) == (1.0, 3.0)
    assert shop.rows("SELECT * FROM promos") == []


def test_the_end_and_the_future_are_foreseen(shop: World, tmp_path: Path) -> None:
    """An ended promo takes back what it showed; one that waits is judged as if it ran."""
    shop.promote(promo())
    shop.run()
    made(shop)
    ended = plan(tmp_path, promo(revision=2, status="ENDED"), "--json").json()
    assert (ended["phase"], ended["products"], ended["dress"]) == ("OVER", 9, 9)
    later = plan(tmp_path, promo("next", starts_at=utc_now() + HOUR, priority=1, creative=CARD), "--json").json()
    assert (later["phase"], later["dress"]) == ("WAITING", 9)


def test_people_read_sentences(shop: World, tmp_path: Path) -> None:
    """Without --json: a table, and what is odd about the promo."""
    scope = Scope(product_ids=("p0", "nobody"))
    said = plan(tmp_path, promo(scope=scope, creative=RIBBON)).out
    for words in (
        "spring, revision 1: would start now",
        "looked at",
        "dress (ribbon)",
        "ids nobody knows",
        "cost 0.00",
    ):
        assert words in said
    assert "would wait until" in plan(tmp_path, promo(starts_at=utc_now() + HOUR)).out
    shop.promote(promo(revision=5))
    shop.run()
    assert "would be skipped (stale)" in plan(tmp_path, promo()).out


def test_status_shows_promos_and_fan_outs(shop: World) -> None:
    """Before, during and after: how far, how fast, how long, and what came of it."""
    assert skureel("promo", "status", "--json").json() == {"promos": [], "fan_outs": []}
    assert "no fan-outs yet" in skureel("promo", "status").out
    shop.options = {"fan_out": FanOutOptions(page=2)}
    shop.restart()
    shop.promote(promo(creative=CARD))
    shop.promote(promo("later", starts_at=utc_now() + HOUR))
    shop.promote(promo("gone", status="ENDED"))
    shop.step()
    while not shop.rows("SELECT * FROM fan_out_pages WHERE state = 'DONE'"):
        assert shop.piece()
    told = skureel("promo", "status", "--json").json()
    assert [(row["promo_id"], row["phase"]) for row in told["promos"]] == [
        ("gone", "OVER"),
        ("later", "WAITING"),
        ("spring", "RUNNING"),
    ]
    (running,) = told["fan_outs"]
    assert (running["state"], running["visited"], running["total"], running["splice"]) == ("PENDING", 2, 9, 2)
    assert running["per_second"] > 0
    assert running["seconds_left"] > 0
    said = skureel("promo", "status").out
    for words in ("spring", "2 of 9", "2 promotions running or waiting, 1 over"):
        assert words in said
    shop.run()
    (done,) = skureel("promo", "status", "--json").json()["fan_outs"]
    assert (done["state"], done["visited"], done["splice"], done["seconds_left"]) == ("DONE", 9, 9, None)
    assert "done" in skureel("promo", "status").out


def one(**fields: Any) -> str:
    """A promo as JSON with some fields replaced."""
    parsed = open_codec(Settings()).schemas.of(TOPICS.promo_changed).parsed
    return json.dumps(to_json(parsed, promo(ends_at=NOW + HOUR).to_avro()) | fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1:"),
        ("[]", "line 1: a JSON object is wanted"),
        ("", "no promotion in it"),
        (one(revision=-1), "line 1: revision: -1 is negative"),
        (one(starts_at="2026-05-01T00:00:00"), "no time zone"),
        (one(scop={}), "no such field"),
        (one() + "\n" + one(promo_id=""), "line 2: promo_id"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_file_that_is_no_promo_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """With 2, line and field; nothing is printed where results go."""
    file = tmp_path / "promo.json"
    file.write_text(text, encoding="utf-8")
    ran = skureel("promo", "plan", file)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


@pytest.mark.usefixtures("shop")
def test_a_promo_that_cannot_be_drawn_is_refused_by_name(tmp_path: Path) -> None:
    """With 2 and the reason, before anything is counted, though another promo of the file is fine."""
    card = Creative(end_card=EndCardCreative(headline={"en": "Sale", "ar": "خصم"}))
    parsed = open_codec(Settings()).schemas.of(TOPICS.promo_changed).parsed
    file = jsonl(tmp_path, *(to_json(parsed, each.to_avro()) for each in (promo(), promo("arabic", creative=card))))
    ran = skureel("promo", "plan", file, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "arabic: creative.end_card.headline[ar]: " in ran.err
    assert "the typeface cannot draw" in ran.err


@pytest.mark.usefixtures("shop")
def test_a_promo_may_be_written_over_several_lines(tmp_path: Path) -> None:
    """One object, as people write it."""
    file = tmp_path / "promo.json"
    file.write_text(json.dumps(json.loads(one()), indent=2), encoding="utf-8")
    assert skureel("promo", "plan", file, "--json").json()["promo_id"] == "spring"


def test_without_a_catalog_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """2 where none was made yet, and none is made by asking; 3 where the database does not answer."""
    leave_settings(monkeypatch, tmp_path)
    for command in (("promo", "status"), ("promo", "plan", jsonl(tmp_path, json.loads(one())))):
        ran = skureel(*command)
        assert (ran.code, "start `skureel run` first" in ran.err) == (2, True)
    assert not (tmp_path / ".skureel").exists()
    monkeypatch.setenv("SKUREEL_DATABASE__URL", "postgresql+psycopg://nobody:secret@127.0.0.1:1/x")
    ran = skureel("promo", "status")
    assert ran.code == 3
    assert "secret" not in ran.err
