"""Dead letters: a record nobody could work, as it was, with the reason in its headers. Written and read back here.

So are the marks by which a dead letter counts as handled: they follow it in its own partition, so that retention takes
the letter first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from consumer import __version__
from consumer.stream.types import Headers, Output, Record

FAMILY = "__dlq.errors."
"""What these headers' names begin with: the family that Kafka's own share groups use (KIP-1191)."""

REPLAYS = "__dlq.replays"
"""How often a record was published again from a dead letter. It stays with the record, and with its next dead letter:
so a loop shows, and ends.
"""

MARK = "__dlq.handled."
"""What the headers of a mark begin with."""

LONGEST_MESSAGE = 1_000
"""Characters of the reason that are kept: a dead letter must fit where its record did."""


class NotADeadLetterError(ValueError):
    """Raised when a record lacks the headers of a dead letter, or they cannot be read."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter read back; fields as in schemas/dead-letter.avsc."""

    topic: str
    partition: int
    offset: int
    group: str
    message: str
    exception: str
    stage: str
    attempts: int
    failed_at: datetime
    service_version: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    """Milliseconds since 1970: the record's own, not the dead letter's."""
    headers: Headers
    """The record's own headers."""
    replays: int = 0
    """How often it had been published again when it failed."""


class Handled(StrEnum):
    """What was done with a dead letter."""

    REPLAYED = "replayed"
    """Its record was published again."""
    SUPERSEDED = "superseded"
    """Something newer had taken its place: nothing was published."""
    DROPPED = "dropped"
    """Somebody decided that it is not needed."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Says that the dead letter at ``offset`` of the mark's own partition was handled."""

    offset: int
    handled: Handled
    at: datetime


def dead_letter_topic(topic: str, group: str) -> str:
    """Where a group's dead letters of a topic go: one topic per group, for groups fail independently."""
    return f"{topic}.{group}.dlq"


def is_dead_letter(output: Output, group: str) -> bool:
    """Whether a group's output is the dead letter of its cause."""
    return output.cause is not None and output.topic == dead_letter_topic(output.cause.topic, group)


def dead_letter(
    record: Record,
    *,
    group: str,
    stage: str,
    error: BaseException | str,
    attempts: int = 1,
    now: datetime | None = None,
) -> Output:
    """The dead letter of ``record``: key, value and headers untouched, the reason added.

    Headers of an earlier failure are replaced: a record that fails again after a replay tells of its last failure.
    """
    message = " ".join(str(error).split()) or type(error).__name__
    facts = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp),
        "group": group,
        "delivery.count": str(1 + replays_of(record.headers)),
        "message": message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…",
        "exception.class.name": "" if isinstance(error, str) else _name(error),
        "stage": stage,
        "attempts": str(attempts),
        "failed.at": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds"),
        "service.version": __version__,
    }
    # Text may hold half a surrogate pair when it quotes bytes that were no text.
    added = [(FAMILY + name, text.encode(errors="replace")) for name, text in facts.items()]
    return Output(
        dead_letter_topic(record.topic, group), record.key, record.value, [*own_headers(record.headers), *added], record
    )


def read_dead_letter(record: Record) -> DeadLetter:
    """Read a record of a dead-letter topic back. Raises NotADeadLetterError naming what is missing or unreadable."""
    facts = {
        name.removeprefix(FAMILY): (value or b"").decode(errors="replace")
        for name, value in record.headers
        if name.startswith(FAMILY)
    }
    try:
        return DeadLetter(
            topic=facts["topic"],
            partition=int(facts["partition"]),
            offset=int(facts["offset"]),
            group=facts["group"],
            message=facts["message"],
            exception=facts["exception.class.name"],
            stage=facts["stage"],
            attempts=int(facts["attempts"]),
            failed_at=datetime.fromisoformat(facts["failed.at"]),
            service_version=facts["service.version"],
            key=record.key,
            value=record.value,
            timestamp=int(facts["timestamp"]),
            headers=own_headers(record.headers),
            replays=replays_of(record.headers),
        )
    except KeyError as missing:
        raise NotADeadLetterError(f"{_where(record)}: header {FAMILY}{missing.args[0]} is missing") from None
    except ValueError as error:
        raise NotADeadLetterError(f"{_where(record)}: a header {FAMILY}… cannot be read: {error}") from None


def own_headers(headers: Headers) -> list[tuple[str, bytes | None]]:
    """The headers that do not tell of a failure: what a replay publishes again."""
    return [(name, value) for name, value in headers if not name.startswith(FAMILY)]


def replays_of(headers: Headers) -> int:
    """How often a record was published again; of several such headers the highest counts, what is no number does not.

    Only digits, and few: a count is not to be spoilt by what a stranger wrote into a header.
    """
    texts = [value for name, value in headers if name == REPLAYS and value]
    return max((int(text) for text in texts if text.isdigit() and len(text) <= 9), default=0)


def replay(letter: DeadLetter) -> Output:
    """The record of a dead letter as it is published again: key, value and headers untouched, its replays counted."""
    kept = [(name, value) for name, value in letter.headers if name != REPLAYS]
    return Output(letter.topic, letter.key, letter.value, [*kept, (REPLAYS, str(letter.replays + 1).encode())])


def mark(letter: Record, handled: Handled, *, now: datetime | None = None) -> Output:
    """The mark that a dead letter was handled; it is to be written to the letter's own partition.

    It has the letter's key, for those who look at the topic with other tools, and a value, so that it is no tombstone.
    """
    facts = {
        "offset": str(letter.offset),
        "as": handled.value,
        "at": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds"),
        "service.version": __version__,
    }
    return Output(
        letter.topic, letter.key, handled.value.encode(), [(MARK + name, text.encode()) for name, text in facts.items()]
    )


def read_mark(record: Record) -> Mark | None:
    """Read a mark; None for anything else. A dead letter is none, whatever headers its record brought along."""
    facts = {
        name.removeprefix(MARK): (value or b"").decode(errors="replace")
        for name, value in record.headers
        if name.startswith(MARK)
    }
    if any(name.startswith(FAMILY) for name, _ in record.headers):
        return None
    try:
        return Mark(int(facts["offset"]), Handled(facts["as"]), datetime.fromisoformat(facts["at"]))
    except (KeyError, ValueError):
        return None


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _where(record: Record) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset} is no dead letter"
