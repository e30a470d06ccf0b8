"""Creates the topics that are missing on a real broker. Never changes one that exists."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.stream.errors import TopicsError
from consumer.stream.failures import kafka_error
from consumer.stream.writer import CLIENT_LOG


def ensure_topics(
    bootstrap: str,
    topics: Sequence[str],
    *,
    partitions: int,
    replication: int,
    client: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> list[str]:
    """Create the missing ones among ``topics``, and wait until clients see them; returns those that were created.

    ``client`` are further librdkafka options (security), ``settings`` topic settings like ``cleanup.policy``;
    ``timeout`` in seconds.

    Raises:
        TopicsError: the broker does not answer, or refuses; the message names topic and reason.
    """
    config: dict[str, Any] = {**(client or {}), "bootstrap.servers": bootstrap, "logger": CLIENT_LOG}
    admin = AdminClient(config)
    missing = sorted(set(topics) - _known(admin, bootstrap, timeout))
    wanted = [
        NewTopic(name, num_partitions=partitions, replication_factor=replication, config=dict(settings or {}))
        for name in missing
    ]
    created, failed = [], {}
    for name, done in (admin.create_topics(wanted, operation_timeout=timeout) if wanted else {}).items():
        try:
            done.result(timeout=2 * timeout)
            created.append(name)
        except KafkaException as error:
            inner = kafka_error(error)
            # Another replica that starts at the same time was faster: as good.
            if inner is None or inner.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                failed[name] = str(error if inner is None else inner.str())
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise TopicsError(f"cannot create topics at {bootstrap}: {reasons}. Create them by hand, or allow it")
    _await(admin, bootstrap, set(missing), timeout)
    return created


def _known(admin: AdminClient, bootstrap: str, timeout: float) -> set[str]:
    """Topics that exist and have leaders."""
    try:
        topics = admin.list_topics(timeout=timeout).topics.values()
    except KafkaException as error:
        raise TopicsError(f"no broker answers at {bootstrap} within {timeout:.0f} s: {error}") from error
    return {
        str(topic.topic)
        for topic in topics
        if topic.error is None and all(partition.leader >= 0 for partition in topic.partitions.values())
    }


def _await(admin: AdminClient, bootstrap: str, topics: set[str], timeout: float) -> None:
    """A topic that was just created is not known everywhere at once."""
    end = time.monotonic() + timeout
    while missing := topics - (_known(admin, bootstrap, timeout) if topics else set()):
        if time.monotonic() > end:
            raise TopicsError(f"{', '.join(sorted(missing))}: created at {bootstrap}, but without leaders yet")
        time.sleep(0.05)
