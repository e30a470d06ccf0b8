"""Record headers: CloudEvents in Kafka's binary mode, and W3C trace context, in and out.

Tolerant of what comes in, exact about what goes out. It knows no event type and no codec.
"""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from typing import NamedTuple

from consumer.stream.types import Headers

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
MAX_STATE = 512
"""Characters of tracestate that are passed on (W3C Trace Context: at least 512 must be)."""

_SPEC_VERSION = ("ce_specversion", b"1.0")
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NAMES = frozenset({"ce_id", "ce_type", "ce_source", "ce_time", TRACEPARENT, TRACESTATE})

_bits = random.getrandbits
"""Trace ids need to be unique, not secret; of all ids only zero is not valid."""


class Trace(NamedTuple):
    """A position in a trace (W3C Trace Context)."""

    trace_id: str
    """32 hex digits, lower case."""
    span_id: str
    """16 hex digits, lower case."""
    sampled: bool = True
    state: str = ""
    """Other vendors' part (tracestate), passed on as it came."""

    def header(self) -> str:
        """The value of a traceparent header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> Trace:
        """A new span of the same trace."""
        return Trace(self.trace_id, _hex(64), self.sampled, self.state)


class Incoming(NamedTuple):
    """What a record's headers say, where they say it validly; else None."""

    id: str | None = None
    type: str | None = None
    source: str | None = None
    time: datetime | None = None
    trace: Trace | None = None


def new_trace(*, sampled: bool = True) -> Trace:
    """The start of a trace."""
    return Trace(_hex(128), _hex(64), sampled)


def parse_trace(parent: str, state: str = "") -> Trace | None:
    """A traceparent header's value; None where it is not valid (the specification: then start a new trace)."""
    match = _PARENT.fullmatch(parent)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & 1), state[:MAX_STATE])


def outgoing(
    record_headers: Headers,
    *,
    ce_id: str,
    ce_type: str,
    source: str,
    time: datetime,
    parent: Trace | None = None,
) -> Headers:
    """The headers of a record to be written: the codec's for this value first, then CloudEvents and trace context.

    ``record_headers`` are those ``Codec.encode`` gave with the value; ``()`` for a tombstone, which has no content.
    ``time`` is aware. The trace goes on from ``parent`` (``incoming(...).trace`` of the cause), or begins here.
    """
    trace = parent or new_trace()
    flags = "01" if trace.sampled else "00"
    headers = [
        *record_headers,
        _SPEC_VERSION,
        ("ce_id", ce_id.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", rfc3339(time).encode()),
        (TRACEPARENT, f"00-{trace.trace_id}-{_bits(64) or 1:016x}-{flags}".encode()),  # a child span
    ]
    if trace.state:
        headers.append((TRACESTATE, trace.state.encode()))
    return headers


def incoming(headers: Headers) -> Incoming:
    """What a foreign record's headers say. Never raises: of duplicates the first valid one counts, the rest is None."""
    texts: dict[str, str] = {}
    time: datetime | None = None
    trace: Trace | None = None
    for name, content in headers:
        if name not in _NAMES or name in texts or not isinstance(content, bytes):
            continue
        text = _text(content)
        if text is None:
            continue
        if name == "ce_time":
            time = time or _time(text)
        elif name == TRACEPARENT:
            trace = trace or parse_trace(text)
        else:
            texts[name] = text
    if trace is not None and TRACESTATE in texts:
        trace = trace._replace(state=texts[TRACESTATE][:MAX_STATE])
    return Incoming(texts.get("ce_id"), texts.get("ce_type"), texts.get("ce_source"), time, trace)


def rfc3339(time: datetime) -> str:
    """An aware time in UTC with milliseconds, as CloudEvents writes it: ``2026-01-31T12:00:00.250Z``."""
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00


def _text(content: bytes) -> str | None:
    """Header text that may be logged and passed on: UTF-8, not empty, bounded, no control characters."""
    if len(content) > 2_048:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if text and text.isprintable() else None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _hex(bits: int) -> str:
    return f"{_bits(bits) or 1:0{bits // 4}x}"
