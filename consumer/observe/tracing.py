"""W3C trace context: the one header that ties a clip to the event that caused it. Knows no tracer and no exporter."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

HEADER = "traceparent"
"""Name of the Kafka or HTTP header that carries the value."""

SAMPLED = 0x01

_LAYOUT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST = 512
"""Characters read at most: a later version may be longer than ours, a hostile header longer still."""

Draw = Callable[[int], str]
"""Gives that many random bytes as lower-case hex."""


def _identifier(draw: Draw, size: int) -> str:
    """Random hex, never all zeros, which the standard calls invalid."""
    while not (value := draw(size)).strip("0"):
        pass
    return value


@dataclass(frozen=True, slots=True)
class TraceParent:
    """One position in a trace (https://www.w3.org/TR/trace-context/): 32 and 16 lower-case hex digits, and flags."""

    trace_id: str
    span_id: str
    sampled: bool = True

    def __post_init__(self) -> None:
        for name, value, size in (("trace_id", self.trace_id, 32), ("span_id", self.span_id, 16)):
            if not re.fullmatch(rf"[0-9a-f]{{{size}}}", value) or not value.strip("0"):
                raise ValueError(f"{name}: {value[:64]!r} is not {size} lower-case hex digits, not all zero")

    @classmethod
    def parse(cls, text: str) -> TraceParent | None:
        """The header's value, or None where it is not a valid one: a broken header starts a new trace, no error.

        Versions after 00 are read by their first four fields, as the standard asks.
        """
        match = _LAYOUT.fullmatch(text.strip(" \t")) if len(text) <= _LONGEST else None
        if match is None:
            return None
        version, trace_id, span_id, flags, more = match.groups()
        if version == "ff" or (version == "00" and more is not None):
            return None
        if not trace_id.strip("0") or not span_id.strip("0"):
            return None
        return cls(trace_id, span_id, bool(int(flags, 16) & SAMPLED))

    @classmethod
    def new(cls, *, sampled: bool = True, draw: Draw = secrets.token_hex) -> TraceParent:
        """The start of a trace."""
        return cls(_identifier(draw, 16), _identifier(draw, 8), sampled)

    def child(self, *, draw: Draw = secrets.token_hex) -> TraceParent:
        """The next step of the same trace."""
        return replace(self, span_id=_identifier(draw, 8))

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.sampled else 0:02x}"
