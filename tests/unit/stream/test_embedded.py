"""Laws of the broker inside the process: any client can join, topics are as wanted, the loop runs on it."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from consumer.observe.metrics import Metrics
from consumer.stream import embedded
from consumer.stream.batch import BatchWorker
from consumer.stream.embedded import EmbeddedBroker, bundled_library
from consumer.stream.errors import EmbeddedBrokerError
from tests.integration.stream.parts import ROLE, Echo, committed, fill, numbers, options, read, running, wait_for


def partitions_of(broker: EmbeddedBroker) -> dict[str, int]:
    """Topics and their partitions, as a client sees them."""
    client = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    try:
        return {str(name): len(topic.partitions) for name, topic in client.list_topics(timeout=10).topics.items()}
    finally:
        client.close()


def test_topics_have_the_partitions_that_were_wanted() -> None:
    """One number for all, or one by topic; more can be added while it runs."""
    with EmbeddedBroker(["a", "b"], 3) as broker:
        assert broker.bootstrap.startswith("127.0.0.1:")
        broker.create("c", 1)
        assert partitions_of(broker) == {"a": 3, "b": 3, "c": 1}
    with EmbeddedBroker(["a"], {"b": 7}) as broker:
        assert partitions_of(broker) == {"a": 4, "b": 7}


def test_a_topic_is_made_once() -> None:
    """A second time is an error that names it."""
    with EmbeddedBroker(["a"]) as broker, pytest.raises(EmbeddedBrokerError, match="topic a with 2 partitions"):
        broker.create("a", 2)


def test_a_bad_topic_leaves_nothing_behind() -> None:
    """A broker that cannot start as wanted stops again."""
    broker = EmbeddedBroker(["bad"], 0)
    with pytest.raises(EmbeddedBrokerError, match="bad"):
        broker.__enter__()
    with pytest.raises(EmbeddedBrokerError, match="not running"):
        broker.create("a")
    broker.close()


def test_without_the_mock_interface_it_still_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client library of another build hides the interface: then topics have four partitions."""
    monkeypatch.setattr(embedded, "bundled_library", lambda: None)
    with EmbeddedBroker(["a"], 3) as broker:
        assert partitions_of(broker)["a"] == 4


def test_the_wheels_library_shows_its_mock_interface() -> None:
    """What the embedded broker rests on: seen missing, an upgrade of the client is the reason."""
    assert bundled_library() is not None


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_loop_runs_on_it(protocol: str) -> None:
    """At least once, under both group protocols, from the first record to the last."""
    metrics = Metrics()
    with EmbeddedBroker(["in", "out"], 3) as broker:
        fill(broker.bootstrap, "in", 500)
        chosen = options(broker.bootstrap, "g", delivery="at_least_once", protocol=protocol)
        worker = BatchWorker(Echo("out"), metrics, role=ROLE, group="g")
        with running(chosen, "in", worker, metrics) as loop:
            wait_for(loop, lambda: committed(metrics, "in") == 500)
        assert numbers(read(broker.bootstrap, "out", committed=False)) == list(range(500))
