"""Laws of what the consumer reports: outages pass, refusals stop, answers belong to their questions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumer.stream import intake as module
from consumer.stream.errors import BrokerError
from consumer.stream.intake import Intake
from consumer.stream.options import StreamOptions
from consumer.stream.types import Partition


@pytest.fixture
def intake() -> Iterator[Intake]:
    """An intake without a broker."""
    options = StreamOptions(bootstrap="127.0.0.1:1", group="g", instance="i", client={"log_level": "0"})
    one = Intake(options, ["t"], assigned=lambda _: None, revoked=lambda _: None, lost=lambda _: None)
    yield one
    one.close()


def test_an_outage_passes(intake: Intake) -> None:
    """What passes by itself is noted; health sees the brokers missing."""
    before = intake.broker_down
    intake._client_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    intake._judge(KafkaException("x"), KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), "t")
    assert (before, intake.broker_down) == (False, True)
    assert intake.poll(1, 0.0) == {}


def test_complaints_are_not_repeated(intake: Intake) -> None:
    """The same complaint is news once in a while; another, or of another topic, is news."""
    down = KafkaError(KafkaError._ALL_BROKERS_DOWN)
    assert intake._news(down, None)
    assert not intake._news(down, None)
    assert intake._news(down, "t")
    assert intake._news(KafkaError(KafkaError._TRANSPORT), None)


def test_a_refusal_stops(intake: Intake) -> None:
    """What needs a person is raised, with the topic; from the client's own thread of errors, at the next poll."""
    refused = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed")
    with pytest.raises(BrokerError, match=r"cannot consume t: .*not allowed"):
        intake._judge(KafkaException(refused), refused, "t")
    with pytest.raises(BrokerError, match="cannot consume t"):
        intake._judge(ValueError("what is this"), None)
    intake._client_error(KafkaError(KafkaError._AUTHENTICATION, "bad password"))
    with pytest.raises(BrokerError, match="bad password"):
        intake.poll(1, 0.0)


def test_an_error_of_a_callback_is_raised_after_the_poll(intake: Intake) -> None:
    """It must not unwind through the client; the first counts."""
    for error in (ValueError("first"), ValueError("second")):
        with ExitStack() as callbacks:
            callbacks.enter_context(intake._guarded())
            raise error
    with pytest.raises(ValueError, match="first"):
        intake.poll(1, 0.0)
    assert intake.poll(1, 0.0) == {}


def test_a_read_that_fails_reads_nothing(intake: Intake) -> None:
    """An error that passes by itself costs this read only."""

    def fail() -> list[int]:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    assert intake._guard_read(fail, [7]) == [7]


def test_partitions_of_others_are_left_alone(intake: Intake) -> None:
    """A partition that left meanwhile is neither rewound nor restarted."""
    intake.rewind(Partition("t", 0), 5)
    intake._restart(Partition("t", 0), 5)


def test_an_answer_belongs_to_its_question(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a commit that was given up says nothing about the next; an error is raised to who asked."""
    monkeypatch.setattr(module, "CALL_TIMEOUT", 20.0)
    outcome: list[BaseException | None] = []
    asked = TopicPartition("t", 0, 7)

    def ask() -> None:
        try:
            intake.commit([asked])
        except KafkaException as error:
            outcome.append(error)
        else:
            outcome.append(None)

    for answer in (None, KafkaError(KafkaError.ILLEGAL_GENERATION)):
        asking = threading.Thread(target=ask)
        asking.start()
        while intake._commit is None:
            pass
        intake._answered(None, [TopicPartition("t", 0, 6)])
        assert intake._commit is not None
        intake._answered(answer, [asked])
        asking.join(20)
    assert outcome[0] is None
    assert isinstance(outcome[1], KafkaException)
    intake._answered(None, [asked])  # nobody asked


def test_no_answer_is_said_so(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked is told that the coordinator did not answer."""
    monkeypatch.setattr(module, "CALL_TIMEOUT", 0.01)
    with pytest.raises(TimeoutError, match="coordinator"):
        intake.commit([TopicPartition("t", 0, 7)])


def test_nothing_to_commit_commits_nothing(intake: Intake) -> None:
    """Inside a callback with nothing waiting."""
    intake.commit_now()
    intake.refresh()
    assert intake.metadata()
