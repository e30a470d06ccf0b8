"""``skureel prompt`` and what other commands say of words: results, formats and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.planner.prompting import lint
from tests.commands import jsonl, leave_settings, product, skureel


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Away from this machine's settings, and wide enough for a table."""
    leave_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def text(folder: Path, *lines: str) -> Path:
    """A file of texts."""
    file = folder / "texts.txt"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["普通杯子", "A plain cup"], 0),
        (["高端大气", "A beautiful cup"], 0),
        (["The best cup"], 1),
        (["国家级保温杯"], 1),
    ],
)
def test_lint_ends_with_what_it_found(tmp_path: Path, lines: list[str], code: int) -> None:
    """0 for clean texts and for warnings, 1 where something blocks or needs review."""
    ran = skureel("prompt", "lint", text(tmp_path, *lines))
    assert (ran.code, ran.err) == (code, "")
    assert f"{len(lines)} checked" in ran.out


def test_lint_says_what_where_and_why(tmp_path: Path) -> None:
    """In a table and in JSON, by line."""
    file = text(tmp_path, "普通杯子", "", "世界级保温杯", "nice")
    ran = skureel("prompt", "lint", file)
    for part in ("zh-world-level", "line 3", "世界级", "Art. 9(3)", "en-vague-praise", "line 4"):
        assert part in ran.out
    told = skureel("prompt", "lint", file, "--json").json()
    assert {name: told[name] for name in ("checked", "block", "review", "warn")} == {
        "checked": 3,
        "block": 1,
        "review": 0,
        "warn": 1,
    }
    assert told["findings"][0] == {
        "about": "line 3",
        "rule": "zh-world-level",
        "severity": "block",
        "claim": "absolute",
        "field": "line 3",
        "found": "世界级",
        "text": "世界级保温杯",
        "basis": "Advertising Law of the PRC, Art. 9(3)",
        "suggestion": "name what can be compared, and the source",
    }


def test_lint_reads_standard_input_and_knows_categories() -> None:
    """A claim that is forbidden to cosmetics may stand elsewhere."""
    assert skureel("prompt", "lint", "-", "--category", "beauty", stdin="药妆面霜\n").code == 1
    assert skureel("prompt", "lint", "-", "--category", "beauty", stdin="强效祛斑\n").code == 1
    assert skureel("prompt", "lint", "-", "--category", "appliances", stdin="强效去污\n").code == 0


def test_lint_of_products_looks_at_their_clips(tmp_path: Path) -> None:
    """By product and field; tombstones say nothing."""
    file = jsonl(
        tmp_path,
        product("a", name="最佳水壶", locale="zh-CN"),
        product("b"),
        {"product_id": "c", "tombstone": True},
        product("d", selling_points=["Keeps warm", "Guaranteed results"]),
    )
    ran = skureel("prompt", "lint", "--product", file, "--json")
    assert ran.code == 1
    told = ran.json()
    assert told["checked"] == 3
    assert [(f["about"], f["field"], f["rule"]) for f in told["findings"]] == [
        ("a", "title", "zh-absolute-best"),
        ("d", "point 2", "en-guaranteed-effect"),
    ]


def promo(**creative: object) -> dict[str, object]:
    """A promo-changed event as JSON."""
    return {
        "event_id": "e",
        "occurred_at": "2026-01-31T12:00:00Z",
        "promo_id": "spring",
        "revision": 1,
        "status": "ACTIVE",
        "scope": {"all": True},
        "creative": creative,
    }


def test_lint_of_promotions_looks_at_all_they_say(tmp_path: Path) -> None:
    """Ribbon and end card, by locale."""
    file = jsonl(tmp_path, promo(ribbon={"text": {"en": "20% off", "zh-CN": "全网最低价"}}))
    told = skureel("prompt", "lint", "--promo", file, "--json").json()
    assert [(f["about"], f["field"], f["rule"]) for f in told["findings"]] == [
        ("spring", "creative.ribbon.text.zh-CN", "zh-price-lowest")
    ]


def test_lint_of_a_template_looks_at_its_phrases(tmp_path: Path) -> None:
    """By place in the file; a wrong template is a wrong file."""
    built_in = lint.BUILT_IN.parent.parent / "templates" / "home.yaml"
    assert skureel("prompt", "lint", built_in).code == 0
    own = tmp_path / "own.yaml"
    own.write_text(built_in.read_text(encoding="utf-8").replace("subject: ", "subject: 顶级", 1), encoding="utf-8")
    told = skureel("prompt", "lint", own, "--json").json()
    assert [(f["field"], f["rule"]) for f in told["findings"]] == [("locales.zh-CN.subject", "zh-top")]
    lines = built_in.read_text(encoding="utf-8").splitlines(keepends=True)
    own.write_text("".join(lines).replace("      motion: 光线", "      motion: 顶级光线", 1), encoding="utf-8")
    told = skureel("prompt", "lint", own, "--json").json()
    assert [(f["field"], f["rule"]) for f in told["findings"]] == [("locales.zh-CN.calm.motion", "zh-top")]
    calm = ("    calm:", "      camera: ", "      motion: ")
    own.write_text("".join(line for line in lines if not line.startswith(calm)), encoding="utf-8")
    assert skureel("prompt", "lint", own).code == 0
    own.write_text("category: x\n", encoding="utf-8")
    assert skureel("prompt", "lint", own).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("absent.txt",),
        ("absent.yaml",),
        ("--product", "absent.jsonl"),
        ("a.txt", "--product", "b.jsonl"),
        ("--product", "b.jsonl", "--category", "food"),
        ("--nope",),
    ],
)
def test_lint_refuses_wrong_usage(arguments: tuple[str, ...]) -> None:
    """With 2, and nothing where results go."""
    ran = skureel("prompt", "lint", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err


def test_rules_of_ones_own_count_and_faults_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """planner.prompt_rules is read by every command; a fault in it ends with 2 and its name."""
    own = tmp_path / "own.yaml"
    own.write_text("version: 1.0.0\ndisabled: [en-best]\n", encoding="utf-8")
    monkeypatch.setenv("SKUREEL_PLANNER__PROMPT_RULES", str(own))
    assert skureel("prompt", "lint", "-", stdin="The best cup\n").code == 0
    count = len(skureel("prompt", "rules", "--json").json())
    assert count == len(lint.load().rules) - 1
    assert f"{count} rules of version 1.0.0+own.1.0.0" in skureel("prompt", "rules").out
    own.write_text("version: 1.0.0\ndisabled: [en-nope]\n", encoding="utf-8")
    for arguments in (("lint", "-"), ("rules",), ("preview", "-")):
        ran = skureel("prompt", *arguments, stdin="x\n")
        assert (ran.code, "en-nope" in ran.err) == (2, True)


def test_preview_shows_a_product_in_each_locale(tmp_path: Path) -> None:
    """Its own first, then the template's others: words, template, seed and digests, twice the same."""
    file = jsonl(tmp_path, product("p-1", locale="zh-CN", selling_points=["24 小时保温"], category="home"))
    told = skureel("prompt", "preview", file, "--json").json()
    assert [each["locale"] for each in told] == ["zh-CN", "en"]
    chinese, english = told
    assert chinese["template"] == "home"
    assert chinese["captions"] == ["保温杯 Flask", "24 小时保温"]
    assert "镜头" in chinese["prompt"]
    assert "camera" in english["prompt"]
    assert chinese["seed"] == english["seed"]
    assert chinese["recipe_digest"] != english["recipe_digest"]
    assert len(chinese["base_digest"]) == 64
    assert told == skureel("prompt", "preview", file, "--json").json()
    people = skureel("prompt", "preview", file).out
    for part in ("p-1, zh-CN", "p-1, en", "home 1.", chinese["recipe_digest"], chinese["prompt"][:20]):
        assert part in people


def test_preview_shows_the_calmer_prompt_where_the_engine_reads_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what a clip that fails inspection is made from next; the storyboard reads no prompt."""
    file = jsonl(tmp_path, product())
    [drawn, *_] = skureel("prompt", "preview", file, "--json").json()
    assert drawn["calm_prompt"] is None
    monkeypatch.setenv("SKUREEL_ENGINE__NAME", "tests.engines:fast")
    [told, *_] = skureel("prompt", "preview", file, "--json").json()
    assert "stays fixed" in told["calm_prompt"]
    assert told["calm_prompt"] in skureel("prompt", "preview", file).out


def test_preview_takes_locales_and_tells_refusals(tmp_path: Path) -> None:
    """A product that would not be made is shown all the same, with what is wrong."""
    file = jsonl(tmp_path, product(name="The number one flask"))
    [told] = skureel("prompt", "preview", file, "--locale", "fr", "--json").json()
    assert (told["locale"], told["template_locale"], told["refused"]) == ("fr", "en", True)
    assert [finding["rule"] for finding in told["findings"]] == ["en-number-one"]
    people = skureel("prompt", "preview", file, "--locale", "fr").out
    assert "video-rejected" in people
    assert "en-number-one" in people


def test_publish_check_tells_what_would_be_refused(tmp_path: Path) -> None:
    """The event is valid, so it may be published; but one knows."""
    file = jsonl(tmp_path, product("good"), product("bad", name="最佳水壶"))
    ran = skureel("publish", "--check", "product-created", file)
    assert (ran.code, ran.out) == (0, "product-created: 2 valid\n")
    assert "bad: prompt:zh-absolute-best" in ran.err
    assert "good" not in ran.err
    told = json.loads(skureel("publish", "--check", "--json", "product-created", file).out)
    assert (told["valid"], len(told["refused"])) == (2, 1)
    clean = skureel("publish", "--check", "--json", "product-created", jsonl(tmp_path, product("good")))
    assert json.loads(clean.out) == {"topic": "product-created", "valid": 1}
    ran = skureel("publish", "--check", "promo-changed", jsonl(tmp_path, promo(ribbon={"text": {"en": "Number one"}})))
    assert (ran.code, "spring: prompt:en-number-one" in ran.err) == (0, True)
