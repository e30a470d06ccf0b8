"""Headers: CloudEvents and trace context, exact going out, tolerant coming in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.stream.headers import (
    MAX_STATE,
    Incoming,
    Trace,
    incoming,
    new_trace,
    outgoing,
    parse_trace,
    rfc3339,
)

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def written(**more: Any) -> list[tuple[str, bytes | None]]:
    """Headers of one event."""
    base: dict[str, Any] = {
        "ce_id": "e-1",
        "ce_type": "skureel.video-ready",
        "source": "skureel/renderer",
        "time": NOON,
    }
    return list(outgoing([("content-type", b"application/avro")], **(base | more)))


def test_the_binary_mode_of_cloudevents() -> None:
    """Names and values as the Kafka protocol binding has them, the codec's headers first."""
    headers = written()
    assert headers[:6] == [
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_type", b"skureel.video-ready"),
        ("ce_source", b"skureel/renderer"),
        ("ce_time", b"2026-01-31T12:00:00.250Z"),
    ]
    assert [name for name, _value in headers[6:]] == ["traceparent"]


def test_what_goes_out_comes_in() -> None:
    """The reader finds what the writer said."""
    parent = Trace(TRACE_ID, SPAN_ID, sampled=False, state="vendor=1")
    found = incoming(written(parent=parent))
    assert found[:4] == ("e-1", "skureel.video-ready", "skureel/renderer", NOON)
    assert found.trace is not None
    assert (found.trace.trace_id, found.trace.sampled, found.trace.state) == (TRACE_ID, False, "vendor=1")
    assert found.trace.span_id != SPAN_ID


def test_a_trace_goes_on_or_begins() -> None:
    """With a parent the trace id stays and the span is new; without one both are."""
    on = incoming(written(parent=parse_trace(PARENT))).trace
    new = incoming(written()).trace
    assert on is not None
    assert new is not None
    assert (on.trace_id, new.trace_id == TRACE_ID) == (TRACE_ID, False)
    assert len({on.span_id, new.span_id, SPAN_ID}) == 3


def test_children_keep_the_trace() -> None:
    """And its sampling and its state."""
    parent = new_trace(sampled=False)._replace(state="a=b")
    child = parent.child()
    assert child == parent._replace(span_id=child.span_id)
    assert child.span_id != parent.span_id
    assert parse_trace(child.header(), "a=b") == child


@pytest.mark.parametrize(
    ("text", "sampled"),
    [(PARENT, True), (PARENT[:-2] + "00", False), (PARENT[:-2] + "ff", True), ("cc" + PARENT[2:] + "-more", True)],
)
def test_valid_parents(text: str, sampled: bool) -> None:
    """Only the lowest flag counts; later versions may be longer."""
    trace = parse_trace(text)
    assert trace == Trace(TRACE_ID, SPAN_ID, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        PARENT[:-1],
        PARENT + "-more",
        PARENT + "\n",
        PARENT.upper(),
        "ff" + PARENT[2:],
        PARENT.replace(TRACE_ID, "0" * 32),
        PARENT.replace(SPAN_ID, "0" * 16),
        PARENT.replace("4b", "4g", 1),
        PARENT.replace("-", "_"),
        PARENT.replace("4bf9", "٤bf9"),
    ],
)
def test_invalid_parents_are_no_parents(text: str) -> None:
    """The specification: ignore it and begin a new trace."""
    assert parse_trace(text) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Incoming()),
        ([("ce_id", None), ("ce_id", b"second")], Incoming(id="second")),
        ([("ce_id", b"first"), ("ce_id", b"second")], Incoming(id="first")),
        ([("ce_id", b""), ("ce_type", b"\xff"), ("ce_source", b"a\nb"), ("ce_source", b"ok")], Incoming(source="ok")),
        ([("ce_time", b"yesterday"), ("ce_time", b"2026-01-31T12:00:00.250Z")], Incoming(time=NOON)),
        ([("ce_time", b"2026-01-31T12:00:00")], Incoming()),
        ([("traceparent", b"none"), ("traceparent", PARENT.encode())], Incoming(trace=Trace(TRACE_ID, SPAN_ID))),
        ([("tracestate", b"a=b")], Incoming()),
        ([("ce_id", b"x" * 5_000)], Incoming()),
        ([("CE_ID", b"other"), ("unknown", b"\0")], Incoming()),
        ([("ce_id", "text")], Incoming()),
    ],
)
def test_what_comes_in_may_be_anything(headers: Any, expected: Incoming) -> None:
    """Duplicates, nulls, wrong encodings and lengths: the first valid value counts, else there is none."""
    assert incoming(headers) == expected


def test_foreign_state_is_bounded() -> None:
    """What is passed on has a limit."""
    found = incoming([("tracestate", b"a" * 2_000), ("traceparent", PARENT.encode())])
    assert found.trace is not None
    assert len(found.trace.state) == MAX_STATE


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_time", "traceparent", "tracestate", "x"]), st.binary())))
def test_no_headers_raise(headers: list[tuple[str, bytes]]) -> None:
    """Whatever the bytes."""
    assert isinstance(incoming(headers), Incoming)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-5))])))
def test_times_read_back_to_the_millisecond(time: datetime) -> None:
    """In UTC, always of one length."""
    if not datetime(2, 1, 1, tzinfo=UTC) < time < datetime(9999, 12, 30, tzinfo=UTC):
        return
    text = rfc3339(time)
    assert len(text) == 24
    assert timedelta(0) <= time - datetime.fromisoformat(text) < timedelta(milliseconds=1)
