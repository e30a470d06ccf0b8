"""Laws of dead letters: the record as it was, the reason beside it, replaced and never piled up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import __version__
from consumer.stream.deadletter import (
    FAMILY,
    LONGEST_MESSAGE,
    MARK,
    REPLAYS,
    Handled,
    NotADeadLetterError,
    dead_letter,
    dead_letter_topic,
    mark,
    read_dead_letter,
    read_mark,
    replay,
)
from consumer.stream.types import Output, Record

headers = st.lists(st.tuples(st.text(), st.none() | st.binary()), max_size=5)
records = st.builds(
    Record,
    topic=st.text(min_size=1),
    partition=st.integers(0, 1000),
    offset=st.integers(0, 2**62),
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    headers=headers,
    timestamp=st.integers(0, 2**45),
)


def arrived(letter: Output) -> Record:
    """A dead letter as its reader gets it."""
    return Record(letter.topic, 0, 77, letter.key, letter.value, letter.headers, 5)


@given(record=records, stage=st.text(), reason=st.text(), attempts=st.integers(1, 9))
def test_what_is_written_is_read_back(record: Record, stage: str, reason: str, attempts: int) -> None:
    """Raw bytes, key, own headers and timestamp survive, with place and reason; tombstones and odd text too."""
    when = datetime(2031, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
    letter = dead_letter(record, group="g", stage=stage, error=ValueError(reason), attempts=attempts, now=when)
    assert letter.topic == dead_letter_topic(record.topic, "g") == f"{record.topic}.g.dlq"
    assert letter.cause is record
    back = read_dead_letter(arrived(letter))
    assert (back.key, back.value) == (record.key, record.value)
    assert list(back.headers) == [pair for pair in record.headers if not pair[0].startswith(FAMILY)]
    assert (back.partition, back.offset, back.timestamp) == (record.partition, record.offset, record.timestamp)
    assert (back.group, back.exception, back.attempts) == ("g", "ValueError", attempts)
    assert (back.failed_at, back.service_version) == (when, __version__)
    assert 0 < len(back.message) <= LONGEST_MESSAGE


def test_a_second_failure_replaces_the_first() -> None:
    """A replayed record that fails again carries one set of headers, of its last failure."""
    record = Record("t", 0, 1, None, b"v", [("traceparent", b"00-a-b-01")], 0)
    first = dead_letter(record, group="g", stage="decode", error="bad")
    replayed = Record("t", 0, 9, first.key, first.value, first.headers, 0)
    second = dead_letter(replayed, group="g", stage="render", error="worse", attempts=2)
    names = [name for name, _ in second.headers]
    assert len(names) == len(set(names))
    back = read_dead_letter(arrived(second))
    assert (back.stage, back.message, back.offset, back.attempts) == ("render", "worse", 9, 2)
    assert back.headers == [("traceparent", b"00-a-b-01")]


def test_headers_are_text() -> None:
    """Anyone can read them with a console consumer."""
    letter = dead_letter(Record("t", 3, 14, None, None, (), 15), group="g", stage="decode", error="bad\n  bytes")
    facts = dict(letter.headers)
    assert facts[FAMILY + "partition"] == b"3"
    assert facts[FAMILY + "offset"] == b"14"
    assert facts[FAMILY + "message"] == b"bad bytes"
    assert facts[FAMILY + "exception.class.name"] == b""


def test_a_long_reason_is_cut() -> None:
    """A dead letter must fit where its record did."""
    letter = dead_letter(Record("t", 0, 0, None, None, (), 0), group="g", stage="s", error="x" * 10_000)
    message = read_dead_letter(arrived(letter)).message
    assert len(message) == LONGEST_MESSAGE
    assert message.endswith("…")


def test_an_error_without_words_is_named() -> None:
    """A reason is never empty; classes outside the builtins carry their module."""
    letter = dead_letter(Record("t", 0, 0, None, None, (), 0), group="g", stage="s", error=NotADeadLetterError())
    back = read_dead_letter(arrived(letter))
    assert back.message == "NotADeadLetterError"
    assert back.exception == "consumer.stream.deadletter.NotADeadLetterError"


@pytest.mark.parametrize("missing", ["topic", "offset", "failed.at", "timestamp"])
def test_a_record_that_is_no_dead_letter_is_refused(missing: str) -> None:
    """The missing header is named."""
    letter = dead_letter(Record("t", 0, 0, None, None, (), 0), group="g", stage="s", error="x")
    kept = [pair for pair in letter.headers if pair[0] != FAMILY + missing]
    with pytest.raises(NotADeadLetterError, match=missing.replace(".", r"\.")):
        read_dead_letter(arrived(letter._replace(headers=kept)))


@pytest.mark.parametrize("name", ["partition", "attempts", "failed.at"])
def test_a_header_that_cannot_be_read_is_refused(name: str) -> None:
    """Damage is an error, not a guess."""
    letter = dead_letter(Record("t", 0, 0, None, None, (), 0), group="g", stage="s", error="x")
    damaged = [(key, b"\xff" if key == FAMILY + name else value) for key, value in letter.headers]
    with pytest.raises(NotADeadLetterError, match="cannot be read"):
        read_dead_letter(arrived(letter._replace(headers=damaged)))


@given(record=records)
def test_a_record_is_replayed_as_it_was_but_for_its_count(record: Record) -> None:
    """Topic, key, value and own headers are the record's; the count rises by one each time and never piles up."""
    assume = [pair for pair in record.headers if not pair[0].startswith(FAMILY) and pair[0] != REPLAYS]
    now = record._replace(headers=assume)
    for count in (1, 2, 3):
        letter = read_dead_letter(arrived(dead_letter(now, group="g", stage="s", error="x")))
        again = replay(letter)
        assert (again.topic, again.key, again.value) == (record.topic, record.key, record.value)
        assert list(again.headers) == [*assume, (REPLAYS, str(count).encode())]
        now = record._replace(headers=again.headers)
    assert dict(dead_letter(now, group="g", stage="s", error="x").headers)[FAMILY + "delivery.count"] == b"4"


@pytest.mark.parametrize(
    ("values", "count"),
    [([], 0), ([b"2"], 2), ([b"1", b"7"], 7), ([b"-3"], 0), ([b"\xff"], 0), ([None], 0), ([b"9" * 99], 0)],
)
def test_a_count_that_strangers_spoilt_costs_nothing(values: list[bytes | None], count: int) -> None:
    """What is no number of a sensible size does not count; of several the highest does."""
    headers = [(REPLAYS, value) for value in values]
    letter = dead_letter(Record("t", 0, 0, None, None, headers, 0), group="g", stage="s", error="x")
    back = read_dead_letter(arrived(letter))
    assert back.replays == count
    assert [pair for pair in replay(back).headers if pair[0] == REPLAYS] == [(REPLAYS, str(count + 1).encode())]


@given(record=records, handled=st.sampled_from(Handled), offset=st.integers(0, 2**62))
def test_a_mark_tells_which_letter_was_handled_and_how(record: Record, handled: Handled, offset: int) -> None:
    """It names the letter's offset in its own partition, has its key, and is no tombstone."""
    when = datetime(2031, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
    letter = arrived(dead_letter(record, group="g", stage="s", error="x"))._replace(offset=offset)
    written = mark(letter, handled, now=when)
    assert (written.topic, written.key, bool(written.value)) == (letter.topic, letter.key, True)
    found = read_mark(arrived(written))
    assert found is not None
    assert (found.offset, found.handled, found.at) == (offset, handled, when)
    with pytest.raises(NotADeadLetterError):
        read_dead_letter(arrived(written))


def test_a_letter_is_no_mark_whatever_its_record_brought_along() -> None:
    """Headers of an event that look like a mark's do not make its dead letter, or another one, disappear."""
    posing = mark(Record("t", 0, 3, None, None, (), 0), Handled.DROPPED)
    letter = dead_letter(Record("t", 0, 0, None, b"v", posing.headers, 0), group="g", stage="s", error="x")
    assert read_mark(arrived(letter)) is None
    assert read_dead_letter(arrived(letter)).value == b"v"


@pytest.mark.parametrize(("name", "value"), [("offset", b"x"), ("as", b"eaten"), ("at", b"noon"), ("at", None)])
def test_a_damaged_mark_marks_nothing(name: str, value: bytes | None) -> None:
    """Rather a letter is listed twice than never."""
    written = mark(Record("t", 0, 3, None, None, (), 0), Handled.DROPPED)
    damaged = [(key, value if key == MARK + name else old) for key, old in written.headers]
    assert read_mark(arrived(written._replace(headers=damaged))) is None
    assert read_mark(Record("t", 0, 0, None, None, [("offset", b"3"), ("as", b"dropped")], 0)) is None
