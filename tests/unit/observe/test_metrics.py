"""Laws of the metrics catalogue, and of the object that counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from consumer.observe import metrics as module
from consumer.observe.metrics import (
    ASSIGNED,
    BUILD_INFO,
    CATALOGUE,
    FAST,
    FRESHNESS,
    FRESHNESS_SECONDS,
    GENERATION,
    PAUSED,
    RECORDS,
    STAGE_SECONDS,
    STAGE_WAITING,
    STORE_SECONDS,
    Metrics,
    Spec,
)

ALL = pytest.mark.parametrize("spec", CATALOGUE, ids=[spec.name for spec in CATALOGUE])
UNITS = (
    "_seconds", "_seconds_total", "_total", "_bytes_total", "_bytes", "_ratio", "_records", "_partitions", "_products",
    "_info",
)  # fmt: skip
UNITLESS = {"skureel_paused", "skureel_stage_waiting", "skureel_fan_outs_pending", "skureel_clip_attempts",
            "skureel_template_breaker_open"}  # fmt: skip
"""Two flags, and counts of clips, of fan-outs and of renders."""
UNBOUNDED = {"id", "product", "product_id", "variant", "promo", "promo_id", "offset", "partition", "key", "digest",
             "clip", "url", "error", "message", "instance", "record", "request_id"}  # fmt: skip


def recorded(metrics: Metrics, spec: Spec) -> dict[str, str]:
    """Count something in every series and say under which labels."""
    labels = dict.fromkeys(spec.labels, "x")
    if spec.kind == "counter":
        metrics.inc(spec, 2, **labels)
    elif spec.kind == "gauge":
        metrics.set(spec, 2, **labels)
    else:
        metrics.observe(spec, 2, **labels)
        metrics.observe(spec, 2, **labels)
    return labels


def test_names_are_unique() -> None:
    """One name, one meaning."""
    names = [spec.name for spec in CATALOGUE]
    assert len(set(names)) == len(names)


@ALL
def test_a_name_says_whose_it_is_and_its_unit(spec: Spec) -> None:
    """Prometheus' rules of naming: our prefix, base units, _total for counters and for nothing else."""
    assert re.fullmatch(r"skureel_[a-z][a-z0-9_]*", spec.name)
    assert spec.name.endswith(UNITS) or spec.name in UNITLESS
    assert spec.name.endswith("_total") == (spec.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", spec.name)


@ALL
def test_every_metric_helps_whoever_is_on_duty(spec: Spec) -> None:
    """Meaning and remedy are sentences."""
    for text in (spec.meaning, spec.remedy):
        assert text[0].isupper() or text[0] in "'01"
        assert text.endswith((".", "…"))


@ALL
def test_labels_are_bounded(spec: Spec) -> None:
    """No label holds an id: a million products must not make a million series."""
    assert not UNBOUNDED & set(spec.labels)
    assert all(re.fullmatch(r"[a-z_]+", label) for label in spec.labels)
    assert len(spec.labels) <= 3


@ALL
def test_only_histograms_have_buckets_and_they_rise(spec: Spec) -> None:
    """Buckets are ours, not the library's, which stop at 10 s."""
    assert bool(spec.buckets) == (spec.kind == "histogram")
    assert list(spec.buckets) == sorted(set(spec.buckets))


def test_buckets_reach_as_far_as_the_work() -> None:
    """Stages up to 10 minutes, freshness up to an hour, store calls up to their timeout."""
    assert max(GENERATION) >= 600
    assert max(FRESHNESS) >= 3600
    assert max(FAST) >= 30
    assert (STAGE_SECONDS.buckets, FRESHNESS_SECONDS.buckets, STORE_SECONDS.buckets) == (GENERATION, FRESHNESS, FAST)


@ALL
def test_what_is_recorded_can_be_read_back(spec: Spec) -> None:
    """value() gives counters and gauges as they are, histograms by their count, and 0 before anything happened."""
    metrics = Metrics()
    assert metrics.value(spec, **dict.fromkeys(spec.labels, "x")) == 0
    labels = recorded(metrics, spec)
    assert metrics.value(spec, **labels) == 2


@pytest.fixture(scope="module")
def names_in_use() -> set[str]:
    """Every name in capitals that the consumer's code mentions outside the catalogue."""
    files = (file for file in Path(module.__file__).parents[1].rglob("*.py") if file != Path(module.__file__))
    return {name for file in files for name in re.findall(r"[A-Z][A-Z_]+", file.read_text(encoding="utf-8"))}


@ALL
def test_every_metric_is_recorded_somewhere(spec: Spec, names_in_use: set[str]) -> None:
    """A metric that nothing sets is a promise that a dashboard would believe."""
    (name,) = (name for name, value in vars(module).items() if value is spec)
    assert name in names_in_use


def test_a_watched_gauge_is_read_when_asked() -> None:
    """What it watches is asked each time, not once; a counter cannot be watched."""
    metrics = Metrics()
    queue = [1, 2]
    metrics.watch(STAGE_WAITING, lambda: len(queue), role="renderer", stage="finish")
    assert metrics.value(STAGE_WAITING, role="renderer", stage="finish") == 2
    queue.pop()
    assert metrics.value(STAGE_WAITING, role="renderer", stage="finish") == 1
    with pytest.raises(AssertionError):
        metrics.watch(RECORDS, lambda: 0, role="renderer", topic="a")


def test_the_page_is_what_prometheus_reads() -> None:
    """Every series is on the page under its own name, kind and meaning."""
    metrics = Metrics()
    for spec in CATALOGUE:
        recorded(metrics, spec)
    families = {family.name: family for family in text_string_to_metric_families(metrics.page().decode())}
    for spec in CATALOGUE:
        family = families[spec.name.removesuffix("_total") if spec.kind == "counter" else spec.name]
        assert family.type == spec.kind
        assert family.documentation == spec.meaning
        assert any(sample.value == 2 for sample in family.samples)


def test_labels_tell_series_apart() -> None:
    """What one role counts, another does not."""
    metrics = Metrics()
    metrics.inc(RECORDS, role="planner", topic="a")
    metrics.inc(RECORDS, 4, role="planner", topic="b")
    metrics.set(PAUSED, 1, role="planner", reason="unavailable")
    assert metrics.value(RECORDS, role="planner", topic="a") == 1
    assert metrics.value(RECORDS, role="planner", topic="b") == 4
    assert metrics.value(RECORDS, role="renderer", topic="a") == 0
    assert metrics.value(PAUSED, role="planner", reason="unavailable") == 1


def test_two_objects_share_nothing() -> None:
    """Every test and every process has a registry of its own, or the one it is given."""
    registry = CollectorRegistry()
    one, other = Metrics(registry), Metrics()
    one.set(ASSIGNED, 4, role="planner")
    assert one.registry is registry
    assert other.value(ASSIGNED, role="planner") == 0


def test_misuse_is_an_error_at_once() -> None:
    """A wrong kind or a wrong label fails where it is written, not on the dashboard."""
    metrics = Metrics()
    with pytest.raises(AssertionError):
        metrics.inc(BUILD_INFO, version="1", engine="x")
    with pytest.raises(AssertionError):
        metrics.set(RECORDS, 1, role="a", topic="b")
    with pytest.raises(AssertionError):
        metrics.observe(RECORDS, 1, role="a", topic="b")
    with pytest.raises(ValueError, match="label"):
        metrics.inc(RECORDS, role="a")
    with pytest.raises(ValueError, match="Incorrect label names"):
        metrics.inc(RECORDS, role="a", product_id="b")
