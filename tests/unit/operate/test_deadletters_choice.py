"""Laws of choosing among dead letters, and of judging which of them are superseded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consumer.operate.deadletters import Choice, LettersError, instant, meant, topics_of
from consumer.operate.letterbox import Letter
from consumer.operate.superseded import Version, by_the_catalog, catalog_of, newer
from consumer.planner.catalog import Catalog
from consumer.planner.tables import ProductRow
from consumer.settings import load
from consumer.stream.deadletter import Handled, Mark, dead_letter, read_dead_letter
from consumer.stream.types import Record
from consumer.wiring import open_codec
from tests.commands import leave_settings, skureel

NOW = datetime(2031, 5, 6, 12, tzinfo=UTC)


def letter(offset: int = 0, *, key: bytes | None = b"p-1", value: bytes | None = b"v", topic: str = "a") -> Letter:
    """A letter that failed at noon in stage decode with "Bad byte"."""
    record = Record(topic, 1, offset, key, value, (), 0)
    out = dead_letter(record, group="g", stage="decode", error=ValueError("Bad byte"), now=NOW)
    lies = Record(out.topic, 1, offset + 100, out.key, out.value, out.headers, 0)
    return Letter(record=lies, dead=read_dead_letter(lies))


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        (Choice(), True),
        (Choice(ids=("a.g.dlq/1/100",)), True),
        (Choice(ids=("a.g.dlq/1/101",)), False),
        (Choice(topics=("a", "b")), True),
        (Choice(topics=("b",)), False),
        (Choice(reason="bad BYTE"), True),
        (Choice(reason="valueerror"), True),
        (Choice(reason="good"), False),
        (Choice(stage="decode"), True),
        (Choice(stage="render"), False),
        (Choice(product="p-1"), True),
        (Choice(product="p-2"), False),
        (Choice(since=NOW), True),
        (Choice(since=NOW + timedelta(seconds=1)), False),
        (Choice(until=NOW), False),
        (Choice(until=NOW + timedelta(seconds=1)), True),
        (Choice(stage="decode", product="p-2"), False),
    ],
)
def test_a_letter_is_meant_when_it_fits_all_that_is_given(choice: Choice, fits: bool) -> None:
    """Texts in any case; times from since on, before until."""
    assert choice.fits(letter()) is fits


def test_a_letter_without_a_key_is_nobodys_product() -> None:
    """Not even of the product without a name."""
    assert not Choice(product="").fits(letter(key=None))


def test_only_what_nobody_handled_is_meant_unless_asked_for() -> None:
    """An id that was handled, or that is none, is told by its name and state."""
    done = replace(letter(1), mark=Mark(101, Handled.DROPPED, NOW))
    letters = [letter(), done]
    assert meant(letters, Choice()) == [letters[0]]
    assert meant(letters, Choice(), handled=True) == letters
    with pytest.raises(LettersError, match="was dropped at 2031-05-06T12"):
        meant(letters, Choice(ids=(done.id,)))
    with pytest.raises(LettersError, match="is no dead letter"):
        meant(letters, Choice(ids=("a.g.dlq/9/9",)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2031-05-06T07:08", datetime(2031, 5, 6, 7, 8, tzinfo=UTC)),
        ("2031-05-06T07:08+02:00", datetime(2031, 5, 6, 5, 8, tzinfo=UTC)),
    ],
)
def test_times_are_instants_or_spans(text: str, wanted: datetime) -> None:
    """A time without a zone is UTC."""
    assert instant(text, NOW) == wanted


@pytest.mark.parametrize("text", ["yesterday", "", "2w", "-1h"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """With examples of what is one."""
    with pytest.raises(LettersError, match="is no time"):
        instant(text)


@pytest.mark.parametrize(
    ("later", "tombstone", "mine", "supersedes"),
    [
        (Version(2), False, Version(1), True),
        (Version(1), False, Version(1), False),
        (Version(1), False, Version(2), False),
        (Version(None), False, Version(1), False),
        (Version(1), False, Version(None), True),
        (Version(None), False, Version(None), False),
        (Version(None), True, Version(9), True),
        (Version(2, "a"), False, Version(1, "b"), False),
        (Version(2, "a"), False, Version(1, "a"), True),
        (Version(2, "a"), False, Version(None), True),
    ],
)
def test_a_later_record_supersedes_by_its_revision(
    later: Version, tombstone: bool, mine: Version, supersedes: bool
) -> None:
    """A letter that cannot be read is superseded by any later record that can; one that cannot supersedes nothing."""
    assert newer(later, tombstone, mine) is supersedes


@pytest.mark.parametrize(
    ("revision", "retired", "place", "supersedes"),
    [
        (3, False, (0, 0), False),  # the letter cannot be read: only the row's source can tell
        (3, False, (1, 8), True),
        (3, False, (1, 6), False),
        (3, True, (1, 8), True),
    ],
)
def test_the_catalog_knows_what_came_later(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    revision: int,
    retired: bool,
    place: tuple[int, int],
    supersedes: bool,
) -> None:
    """Also after retention took it from the topic; offsets of other partitions say nothing."""
    leave_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("SKUREEL_DATABASE__URL", f"sqlite:///{tmp_path}/c.db")
    settings = load()
    assert catalog_of(settings) is None, "looking must not make a database"
    catalog = Catalog.open(settings.database.url.get_secret_value())
    try:
        row = ProductRow("p-1", revision, retired, "c", "HOT", "en", "[]", b"{}", *place, 0, 0)
        catalog.transaction(lambda ledger: ledger.save_products([row]))
        mine = letter(7, topic=settings.topics.product_created)
        found = by_the_catalog(settings, catalog, open_codec(settings), [mine, letter(8, key=None)])
        assert found == ({mine.id} if supersedes else set())
    finally:
        catalog.close()


def test_what_is_strange_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Topics and roles that there are not; and replaying or dropping without saying what."""
    leave_settings(monkeypatch, tmp_path)
    settings = load()
    with pytest.raises(LettersError, match="--topic nonsense: choose one of product-created"):
        topics_of(settings, Choice(topics=("nonsense",)))
    with pytest.raises(LettersError, match="--role cook: choose one of planner"):
        topics_of(settings, Choice(role="cook"))
    assert topics_of(settings, Choice(topics=("clip-dress",), role="dresser")) == {"clip-dress.skureel-dresser.dlq"}
    assert len(topics_of(settings, Choice())) == 21
    for command in ("replay", "drop"):
        ran = skureel("deadletters", command)
        assert (ran.code, "--all" in ran.err) == (2, True)
    assert skureel("deadletters", "list", "--since", "soon").code == 2
    assert skureel("deadletters", "list").code == 3, "no broker"
