"""Laws of the trace context value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.observe.tracing import TraceParent

EXAMPLE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEX = "0123456789abcdef"


def hexadecimal(size: int) -> st.SearchStrategy[str]:
    """Identifiers that the standard calls valid."""
    return st.text(HEX, min_size=size, max_size=size).filter(lambda text: bool(text.strip("0")))


@given(hexadecimal(32), hexadecimal(16), st.booleans())
def test_what_is_written_is_read_back(trace_id: str, span_id: str, sampled: bool) -> None:
    """Every value survives its header."""
    value = TraceParent(trace_id, span_id, sampled)
    assert TraceParent.parse(str(value)) == value


def test_the_standards_own_example_is_read() -> None:
    """The example of the specification parses into its parts."""
    value = TraceParent.parse(EXAMPLE)
    assert value == TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        EXAMPLE.upper(),
        EXAMPLE[:-1],
        EXAMPLE + "-more",
        "ff" + EXAMPLE[2:],
        "00-" + "0" * 32 + EXAMPLE[35:],
        EXAMPLE[:36] + "0" * 16 + "-01",
        EXAMPLE + "\n",
        "01" + EXAMPLE[2:] + "x",
        "01" + EXAMPLE[2:] + "-" + "x" * 1000,
        EXAMPLE.replace("4", "４"),
    ],
)
def test_a_broken_header_is_none(text: str) -> None:
    """A header that is not valid is passed over: nobody's work fails for its trace."""
    assert TraceParent.parse(text) is None


@pytest.mark.parametrize("text", ["cc" + EXAMPLE[2:], "01" + EXAMPLE[2:] + "-what-comes", f" {EXAMPLE}\t"])
def test_later_versions_are_read_by_their_first_fields(text: str) -> None:
    """A later version, and optional white space around the value, cost the trace nothing."""
    assert TraceParent.parse(text) == TraceParent.parse(EXAMPLE)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Whatever a header holds, parsing gives a value or None."""
    value = TraceParent.parse(text)
    assert value is None or TraceParent.parse(str(value)) == value


def test_only_the_sampled_flag_counts() -> None:
    """Flags that this version does not define are dropped."""
    value = TraceParent.parse(EXAMPLE[:-2] + "fe")
    assert value is not None
    assert str(value).endswith("-00")


def test_a_child_stays_in_the_trace() -> None:
    """A child has the trace and the flag of its parent and a place of its own."""
    parent = TraceParent.new(sampled=False)
    child = parent.child()
    assert (child.trace_id, child.sampled) == (parent.trace_id, False)
    assert child.span_id != parent.span_id


def test_zeros_are_drawn_again() -> None:
    """An identifier of zeros is invalid, so a draw of zeros is not taken."""
    draws = iter(["0" * 32, "0" * 31 + "1", "0" * 16, "0" * 15 + "2"])
    value = TraceParent.new(draw=lambda _: next(draws))
    assert str(value) == f"00-{'0' * 31}1-{'0' * 15}2-01"


@pytest.mark.parametrize(("trace_id", "span_id"), [("x" * 32, "1" * 16), ("1" * 32, "0" * 16), ("1" * 31, "1" * 16)])
def test_an_invalid_value_cannot_be_built(trace_id: str, span_id: str) -> None:
    """The constructor refuses what the header could not carry."""
    with pytest.raises(ValueError, match="lower-case hex digits"):
        TraceParent(trace_id, span_id)
