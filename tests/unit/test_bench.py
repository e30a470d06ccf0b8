"""The benchmarks' own arithmetic, tables and JSON, on small made-up results: nothing is timed here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from consumer.events import ClipRequest, Product
from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.bench import __main__ as command
from tests.bench import events, machine
from tests.bench.figures import Comparison, FiguresError, Growth, Mark, Round, Sample, Series, window
from tests.bench.loop import check_same
from tests.bench.memory import Watch
from tests.bench.outputs import DifferentError, Written
from tests.bench.planner import check_whole, topics_of
from tests.bench.renderer import window_of
from tests.bench.report import Report, line, show
from tests.bench.request import request_of
from tests.bench.rounds import FULL, QUICK, Scale, take_turns
from tests.bench.task import Marks, Task


def a_round(rate: float, *, cpu: float = 0.5) -> Round:
    """A round of 1,000 records at this rate."""
    return Round(records=1000, seconds=1000 / rate, cpu=cpu, transactions=4, transaction_records=250.0)


def a_series(*rates: float) -> Series:
    """A round a rate."""
    return Series(tuple(map(a_round, rates)))


COMPARISON = Comparison(
    name="one", unit="records/s", bare=a_series(100, 200, 400), ours=a_series(90, 100, 360), aim=0.85
)
GROWTH = Growth(
    name="two",
    samples=(Sample(10_000, 50.0), Sample(20_000, 90.0), Sample(30_000, 90.5), Sample(40_000, 91.0)),
    peak_mib=95.0,
    warm_up=20_000,
    aim=3.0,
)
REPORT = Report(
    bench="made up",
    method="By hand.",
    comparisons=(COMPARISON,),
    growths=(GROWTH,),
    facts={"records": 1000},
    left_out={"three": "it is not here"},
)


def test_a_rate_counts_only_what_came_after_the_warm_up() -> None:
    """The clock starts with the first commit that completes the warm-up, and stops with the last."""
    marks = [Mark(50, 1.0, 0.1), Mark(120, 2.0, 0.2), Mark(220, 3.0, 0.5), Mark(320, 4.0, 0.6)]
    steady = window(marks, 100)
    assert (steady.records, steady.seconds) == (200, 2.0)
    assert steady.rate == 100
    assert steady.cpu_each == pytest.approx(2000.0)


@pytest.mark.parametrize("marks", [[], [Mark(50, 1.0, 0.1)], [Mark(100, 1.0, 0.1)]])
def test_a_run_that_ends_in_its_warm_up_gives_no_figure(marks: list[Mark]) -> None:
    """A rate from nothing would be a wrong one."""
    with pytest.raises(FiguresError, match="nothing after the warm-up of 100"):
        window(marks, 100)


def test_marks_add_up_and_give_the_size_of_transactions() -> None:
    """Each mark holds everything done so far."""
    marks = Marks()
    assert [marks.add(10), marks.add(20), marks.add(30)] == [10, 30, 60]
    result = marks.round(10, transactions=2)
    assert (result.records, result.transactions, result.transaction_records) == (50, 2, 30.0)


def test_a_series_is_told_by_median_best_and_spread() -> None:
    """One slow round moves neither median nor best, but the spread shows it."""
    series = a_series(100, 200, 10)
    assert series.rate == pytest.approx(100)
    assert series.best == pytest.approx(200)
    assert series.spread == pytest.approx(1.9)
    assert series.cpu_each == pytest.approx(500.0)
    assert series.transaction_records == 250.0


def test_a_series_has_rounds() -> None:
    """There is no median of nothing."""
    with pytest.raises(FiguresError):
        Series(())


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """Rounds are compared with their neighbours, not with the best of all."""
    assert COMPARISON.ratios == pytest.approx((0.9, 0.5, 0.9))
    assert COMPARISON.ratio == pytest.approx(0.9)
    assert COMPARISON.best == pytest.approx(0.9)
    assert COMPARISON.met
    assert not replace(COMPARISON, aim=0.95).met


def test_sides_with_different_rounds_are_not_compared() -> None:
    """A round without its neighbour has nothing to be compared with."""
    with pytest.raises(FiguresError, match="2 rounds beside 1"):
        Comparison(name="one", unit="", bare=a_series(1, 2), ours=a_series(1), aim=1)


def test_growth_looks_at_the_samples_after_the_warm_up_only() -> None:
    """Filling caches is not growth: half a MiB per 10,000 events is what is left."""
    assert GROWTH.slope == pytest.approx(5.0)
    assert not GROWTH.met
    assert replace(GROWTH, aim=5.5).met
    shrinking = (Sample(20_000, 90.0), Sample(30_000, 80.0))
    assert replace(GROWTH, samples=shrinking).met


def test_growth_needs_two_samples() -> None:
    """A slope through one point would be any slope."""
    with pytest.raises(FiguresError, match="1 samples after the warm-up"):
        _ = replace(GROWTH, warm_up=40_000).slope


def test_memory_is_sampled_once_every_so_many_events() -> None:
    """Batches may step over a sampling point, and several at once."""
    watch = Watch(10)
    for done in (4, 9, 12, 15, 20, 39, 40, 41):
        watch(done)
    assert [sample.events for sample in watch.samples] == [12, 20, 39, 40]
    assert all(sample.mib > 1 for sample in watch.samples)


def test_the_json_line_holds_figures_ratios_aims_and_machine() -> None:
    """Whoever keeps the line keeps all that is needed to compare it with another machine's."""
    text = line(REPORT, machine.describe())
    assert "\n" not in text
    document = json.loads(text)
    assert document["bench"] == "made up"
    assert document["hardware"]["cores"] >= 1
    assert document["hardware"]["cpu"]
    assert {"skureel", "python", "librdkafka", "fastavro"} <= set(document["versions"])
    assert document["ratios"] == {"one": 0.9}
    assert document["aims"] == {"one": 0.85, "two": 3.0}
    assert document["met"] == {"one": True, "two": False}
    assert document["figures"]["one"]["bare"]["rounds"] == [100.0, 200.0, 400.0]
    assert document["figures"]["one"]["ours"]["records_per_transaction"] == 250
    assert document["figures"]["two"]["samples"]["40000"] == 91.0
    assert document["facts"] == {"records": 1000}
    assert document["left_out"] == {"three": "it is not here"}


def test_the_table_shows_both_sides_the_ratio_and_what_was_left_out() -> None:
    """What people read says the same as the JSON line."""
    console = Console(width=140)
    with console.capture() as captured:
        show(REPORT, console)
    text = captured.get()
    for expected in ("made up", "one, records/s", "bare", "ours", "0.900", "≥ 0.85", "+5.00 MiB", "three: left out"):
        assert expected in text


def test_sides_take_turns_in_both_directions() -> None:
    """The order alternates, and the turns before the first round are not counted."""
    calls: list[str] = []

    def side(name: str) -> Round:
        calls.append(name)
        return a_round(len(calls))

    found = take_turns({"a": lambda: side("a"), "b": lambda: side("b")}, 2, settle=lambda: None)
    assert calls == ["b", "a", "a", "b", "b", "a"]
    assert [round(each.rate) for each in found["a"].rounds] == [3, 6]
    assert [round(each.rate) for each in found["b"].rounds] == [4, 5]


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_every_scale_leaves_something_to_measure(scale: Scale) -> None:
    """Warm-ups end before the run does, and there are samples enough for a slope."""
    assert scale.warm_up < min(scale.products, scale.records)
    assert scale.warm_up_clips < scale.clips
    assert scale.warm_up_events + 2 * scale.every <= scale.events


def test_the_full_scale_is_what_the_figures_claim() -> None:
    """50,000 records, 20,000 products, 60 clips and 200,000 events, besides the warm-up."""
    assert FULL.records - FULL.warm_up >= 50_000
    assert FULL.products - FULL.warm_up >= 20_000
    assert FULL.clips - FULL.warm_up_clips >= 60
    assert FULL.events >= 200_000


@pytest.mark.parametrize("number", [0, 1, 2, 3, 10, 20_001])
def test_products_and_requests_are_valid_events(number: int) -> None:
    """Both sides work on what the product's own types accept, after a trip through Avro."""
    codec = SingleObjectCodec(schemas.load())
    decoded = codec.decode("product-created", codec.encode("product-created", events.product(number))[0])
    assert Product.from_avro(decoded).product_id == f"sku-{number:07d}"
    request = codec.decode("clip-render", codec.encode("clip-render", request_of(decoded))[0])
    assert ClipRequest.from_avro(request).product_id == f"sku-{number:07d}"


def test_products_differ() -> None:
    """Caches of whole texts must not make the planner look fast."""
    made = [events.product(number) for number in range(1000)]
    for name in ("product_id", "event_id", "name"):
        assert len({product[name] for product in made}) == 1000


def test_encoded_products_are_keyed_by_their_id() -> None:
    """So that a product's events are in one partition."""
    records = list(events.encoded(3, "anything"))
    assert [key for key, _ in records] == [b"sku-0000000", b"sku-0000001", b"sku-0000002"]
    assert all(value.startswith(b"\xc3\x01") for _, value in records)


SAME = Written(3, 3, "ab")


@pytest.mark.parametrize("other", [Written(3, 3, "cd"), Written(2, 2, "ab"), Written(3, 2, "ab")])
def test_sides_that_wrote_something_else_are_not_compared(other: Written) -> None:
    """A loop that loses, repeats or changes records is not a fast one."""
    check_same([SAME, SAME], 3)
    with pytest.raises(DifferentError):
        check_same([SAME, other], 3)
    with pytest.raises(DifferentError):
        check_same([other, other], 3 + (other.digest == "cd"))


@pytest.mark.parametrize("found", [Written(2, 2, ""), Written(4, 3, ""), Written(3, 2, "")])
def test_a_planner_that_loses_or_repeats_requests_is_not_timed(found: Written) -> None:
    """One request a product."""
    check_whole(Written(3, 3, ""), 3)
    with pytest.raises(DifferentError):
        check_whole(found, 3)


def test_the_renderers_clock_stops_with_the_last_announcement() -> None:
    """What comes after the last render counts; a burst of announcements after a slow start does not."""
    rendered = [Mark(1, 10.0, 1.0), Mark(2, 10.2, 1.1), Mark(3, 10.4, 1.2), Mark(4, 10.6, 1.3)]
    steady = window_of(rendered, 11.2, 2)
    assert steady.records == 2
    assert steady.seconds == pytest.approx(1.0)
    assert steady.cpu == pytest.approx(0.2)


def test_a_task_gives_both_sides_the_same_clients_and_groups_of_their_own() -> None:
    """Transactions are of one batch, and no round goes on where another stopped."""
    task = Task(bootstrap="127.0.0.1:1", source="a", target="b", records=10, warm_up=1, batch=5)
    one, other = task.options(), task.options()
    assert one.group != other.group
    assert one.transaction_records == one.batch == 5
    assert one.exactly_once
    topics = topics_of("a")
    assert topics.product_created == "a"


def test_the_command_ends_in_one_json_line_a_bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--json-only`` prints the lines alone; otherwise a table comes first."""
    scales: list[Any] = []

    def fake(scale: Scale) -> Report:
        scales.append(scale)
        return REPORT

    monkeypatch.setattr(command, "BENCHES", {"loop": fake, "memory": fake})
    monkeypatch.setattr("consumer.observe.logs.configure", lambda **_: None)
    assert command.main(["--json-only", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(text)["bench"] for text in lines] == ["made up", "made up"]
    assert command.main(["memory", "--rounds", "7"]) == 0
    out = capsys.readouterr().out
    assert "By hand." in out
    assert json.loads(out.splitlines()[-1])["bench"] == "made up"
    assert scales == [QUICK, QUICK, replace(FULL, rounds=7)]


def test_the_command_refuses_benches_it_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those it has."""
    with pytest.raises(SystemExit):
        command.main(["nonsense"])
    assert "renderer" in capsys.readouterr().err
