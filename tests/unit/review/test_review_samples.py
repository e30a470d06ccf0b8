"""Laws of the choice among published clips, and of what Label Studio is given and gives back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.operate.review_audits import Audit, Shown, chosen, samples
from consumer.operate.review_label_studio import read_annotations
from consumer.operate.review_records import ReviewError, Word
from model.recipe import digest
from tests.commands import skureel
from tests.unit.renderer.conftest import NOW
from tests.unit.review.conftest import Shop

CLIPS = [
    Shown(
        id=digest(number)[:32],
        product=f"p-{number}",
        template="home@1.0.0" if number % 3 else "food@2.0.0",
        base_digest=digest(["base", number]),
        at=NOW + timedelta(seconds=number),
        url=f"https://cdn.example/{number}.mp4",
    )
    for number in range(300)
]


def audit(clip: Shown, *, first: bool = True) -> Audit:
    """Somebody found a clip to be good."""
    return Audit(
        base_digest=clip.base_digest,
        template=clip.template,
        product=clip.product,
        first=first,
        found="ok",
        word=Word(reviewer="r", reason="ok"),
        at=NOW,
        url=clip.url,
        policy=None,
    )


@given(st.permutations(CLIPS), st.integers(0, 40), st.sampled_from([0.0, 5.0, 100.0]))
def test_everybody_is_shown_the_same_clips(shuffled: list[Shown], first: int, percent: float) -> None:
    """In whatever order they were read: the first of each template version, then those whose digest is drawn."""
    found = samples(shuffled, [], first=first, percent=percent)
    assert found == samples(CLIPS, [], first=first, percent=percent)
    assert [each.template for each in found] == ["food@2.0.0", "home@1.0.0"]
    for each in found:
        here = [clip for clip in CLIPS if clip.template == each.template]
        wanted = [c for n, c in enumerate(here) if n < first or chosen(c.base_digest, percent)]
        assert [clip for clip, _ in each.left] == wanted
        assert sum(is_first for _, is_first in each.left) == first


@given(st.sets(st.integers(0, 299)))
def test_what_was_looked_at_is_not_shown_again(seen: set[int]) -> None:
    """Nor does it make room for others: a verdict on one of the first clips counts when the log has lost it."""
    before = {clip for each in samples(CLIPS, [], first=20, percent=5) for clip, _ in each.left}
    firsts = {clip for each in samples(CLIPS, [], first=20, percent=0) for clip, _ in each.left}
    done = [audit(CLIPS[number], first=CLIPS[number] in firsts) for number in seen if CLIPS[number] in before]
    audited = {each.base_digest for each in done}
    expected = {clip for clip in before if clip.base_digest not in audited}
    kept = [clip for clip in CLIPS if clip.base_digest not in audited]
    for clips in (CLIPS, kept):
        found = samples(clips, done, first=20, percent=5)
        assert {clip for each in found for clip, _ in each.left} == expected
        assert sum(len(each.audits) for each in found) == len(done)


def test_the_share_is_what_was_asked_for() -> None:
    """Within what chance allows over ten thousand clips: five standard deviations; and a larger one has the smaller."""
    digests = [digest(["any", number]) for number in range(10_000)]
    three, five = ([each for each in digests if chosen(each, percent)] for percent in (3.0, 5.0))
    assert abs(len(three) - 300) < 5 * (10_000 * 0.03 * 0.97) ** 0.5
    assert set(three) < set(five)
    assert not any(chosen(each, 0.0) for each in digests)
    assert all(chosen(each, 100.0) for each in digests)


def test_a_verdict_survives_the_store() -> None:
    """Through JSON and back."""
    made = replace(audit(CLIPS[0]), found="bad", word=Word(reviewer="r", reason="other", note="一只手"))
    assert Audit.from_json(json.loads(json.dumps(made.to_json()))) == made


def annotated(verdict: str, reason: str = "intended", **more: Any) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    return {
        "completed_by": 3,
        "created_at": "2031-01-01T00:00:00Z",
        "was_cancelled": False,
        "result": [
            {"from_name": "verdict", "to_name": "video", "type": "choices", "value": {"choices": [verdict]}},
            {"from_name": "reason", "to_name": "video", "type": "choices", "value": {"choices": [reason]}},
            {"from_name": "note", "to_name": "video", "type": "textarea", "value": {"text": ["one", "two"]}},
        ],
        **more,
    }


def task(*annotations: dict[str, Any], identity: str = "ab" * 16) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    return {"id": 1, "data": {"id": identity, "video": "x"}, "annotations": list(annotations), "predictions": []}


def written(folder: Path, value: Any) -> Path:
    """A file of it."""
    file = folder / "annotated.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_of_several_annotations_the_newest_counts(tmp_path: Path) -> None:
    """Cancelled ones are none, and tasks without a verdict are passed over; mail addresses are not taken for ids."""
    later = annotated("reject", "deformed", created_at="2031-01-02T00:00:00Z", completed_by={"id": 5, "email": "a@b.c"})
    cancelled = annotated("approve", created_at="2031-01-03T00:00:00Z", was_cancelled=True)
    open_ = {**annotated("approve"), "result": []}
    (found,) = read_annotations(written(tmp_path, [task(annotated("approve"), later, cancelled), task(open_), task()]))
    assert (found.approve, found.reason, found.note, found.by) == (False, "deformed", "one\ntwo", "label-studio-5")
    (named,) = read_annotations(written(tmp_path, [task(annotated("approve", completed_by="li.wei@example.com"))]))
    assert named.by is None


@pytest.mark.parametrize(
    "wrong",
    ["not json", "{}", "[1]", '[{"annotations": [{}]}]', json.dumps([task(annotated("perhaps"))]), "[" * 100_000],
)
def test_what_is_no_export_is_refused(tmp_path: Path, wrong: str) -> None:
    """As wrong usage, with the file's name; nothing is guessed."""
    with pytest.raises(ReviewError, match=r"annotated\.json") as caught:
        read_annotations(written(tmp_path, wrong))
    assert caught.value.kind == "usage"


def test_one_wrong_reason_stops_an_import_before_anything_is_decided(shop: Shop, tmp_path: Path) -> None:
    """So does an id that nobody knows; mended, all of it is taken in."""
    first, second = shop.reject("p-1"), shop.reject("p-2")
    good = task(annotated("approve"), identity=first.event_id)
    for bad in (
        task(annotated("reject", "intended"), identity=second.event_id),
        task(annotated("reject", "deformed"), identity="0" * 32),
        task(annotated("reject", "deformed"), identity="../../x"),
    ):
        assert skureel("review", "import", written(tmp_path, [good, bad])).code == 2
        assert shop.decided() == []
    both = [good, task(annotated("reject", "deformed"), identity=second.event_id)]
    ran = skureel("review", "import", written(tmp_path, both), "--json")
    assert [(line["verdict"], line["reviewer"]) for line in ran.lines()] == [
        ("approved", "label-studio-3"),
        ("rejected", "label-studio-3"),
    ]


def test_tasks_fit_the_labelling_configuration(shop: Shop) -> None:
    """Every control that a prediction names is there, with its choices; values from outside are quoted."""
    event = shop.reject("p-1")
    shop.publish(event, product_id="p-2", event_id="cd" * 16, base_digest=None, tried=(), quarantine_key=None)
    assert len(json.loads(skureel("review", "export", "--state", "all").out)) == 1
    tasks = json.loads(skureel("review", "export").out)
    view = ET.fromstring(skureel("review", "export", "--labelling").out)  # noqa: S314 - our own output
    video = view.find("Video")
    assert video is not None
    assert video.get("value", "").removeprefix("$") in tasks[0]["data"]
    controls = {each.get("name"): [choice.get("value") for choice in each] for each in view.findall("Choices")}
    for result in tasks[0]["predictions"][0]["result"]:
        assert set(result["value"]["choices"]) <= set(controls[result["from_name"]])
    assert controls["verdict"] == ["approve", "reject"]
