"""Looks at Kafka: reachable, its topics, transactions, the group protocol. Writes no record, joins no group of ours."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from consumer.operate.broker import BrokerError, metadata, open_client
from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.settings import Kafka, Settings, SettingsError
from consumer.stream.embedded import EmbeddedBroker
from consumer.stream.errors import EmbeddedBrokerError
from consumer.stream.failures import stops_consumer
from consumer.wiring import ADDRESS_FILE, NoBrokerError, bootstrap_of, client_options, topic_names

PART = "kafka"
ANSWER_SECONDS = 5.0
WORK_SECONDS = 8.0
"""How long a first transaction or a first group may take: a fresh cluster makes its internal topics then."""


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    return (Check(PART, lambda: _look(settings)),)


def _look(settings: Settings) -> Iterator[Finding | Check]:
    if settings.kafka.embedded:
        yield from _embedded(settings)
        return
    where = settings.kafka.bootstrap
    options = client_options(settings.kafka, where)
    try:
        cluster = _cluster(options, where)
    except (BrokerError, SettingsError) as error:
        yield fail(PART, str(error), "start it, or set kafka.bootstrap and kafka.options")
        return
    brokers = len(cluster.brokers)
    yield ok(PART, f"{where}: cluster {cluster.cluster_id}, {brokers} broker{'s' * (brokers != 1)}")
    yield _topics(settings, cluster)
    yield Check("kafka transactions", lambda: _transactions(settings.kafka, options))
    if settings.kafka.protocol == "consumer":
        there = [topic for topic in topic_names(settings) if topic in cluster.topics]
        yield Check("kafka protocol", lambda: _protocol(settings.kafka, options, there))


def _embedded(settings: Settings) -> Iterator[Finding]:
    kafka = settings.kafka
    try:
        where = bootstrap_of(kafka)
    except NoBrokerError:
        names = topic_names(settings)
        try:
            with EmbeddedBroker(names, kafka.partitions) as broker:
                count = len(_cluster(client_options(kafka, broker.bootstrap), broker.bootstrap).topics)
        except (EmbeddedBrokerError, BrokerError, SettingsError) as error:
            yield fail(PART, str(error), "set kafka.bootstrap to a broker of your own, and look at kafka.options")
            return
        yield ok(PART, f"embedded: one was started for this check and served {count} topics")
    else:
        try:
            count = len(_cluster(client_options(kafka, where), where).topics)
        except (BrokerError, SettingsError) as error:
            todo = f"start `skureel run` here again; where it was killed it left {ADDRESS_FILE} behind"
            yield warn(PART, f"embedded: {error}", todo)
            return
        yield ok(PART, f"embedded: the service that runs in this folder serves {count} topics at {where}")
    yield ok("kafka transactions", "none on the embedded broker: at least once, and it forgets when it stops")


def _cluster(options: Mapping[str, Any], where: str) -> Any:
    client, complaints = open_client(AdminClient, options)
    return metadata(client, complaints, where, seconds=ANSWER_SECONDS)


def _topics(settings: Settings, cluster: Any) -> Finding:
    part, kafka = "kafka topics", settings.kafka
    names = topic_names(settings)
    there = {name: len(cluster.topics[name].partitions) for name in names if name in cluster.topics}
    missing = [name for name in names if name not in there]
    found = ", ".join(f"{name} {count}" for name, count in there.items())
    found = f"partitions: {found}" if found else "none of ours"
    if not missing:
        return ok(part, found)
    found += f"; missing: {', '.join(missing)}"
    if not kafka.create_topics:
        return fail(part, found, "create them, or set kafka.create_topics")
    if kafka.replication > len(cluster.brokers):
        return fail(part, found, f"kafka.replication is {kafka.replication}, brokers are {len(cluster.brokers)}")
    return ok(part, f"{found}; `skureel run` makes them, of {kafka.partitions} partitions")


def _transactions(kafka: Kafka, options: Mapping[str, Any]) -> Iterator[Finding]:
    part = "kafka transactions"
    if not kafka.exactly_once:
        yield ok(part, "not used: kafka.delivery is at_least_once, so readers skip what comes twice")
        return
    name = f"{kafka.group_prefix}-doctor"
    ours = {"transactional.id": name, "transaction.timeout.ms": int(kafka.transaction_timeout * 1000)}
    producer, complaints = open_client(Producer, {**options, **ours})
    start = time.monotonic()
    try:
        producer.init_transactions(WORK_SECONDS)
    except KafkaException as error:
        complaints.listen(producer)
        reason: KafkaError = error.args[0]
        yield fail(part, complaints.why(reason) if reason.retriable() else reason.str(), _mend(reason, name))
        return
    yield ok(part, f"possible; ready in {time.monotonic() - start:.1f} s")


def _mend(error: KafkaError, name: str) -> str:
    if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return f"allow this user WRITE and DESCRIBE on transactional ids like {name}"
    if error.code() == KafkaError.INVALID_TRANSACTION_TIMEOUT:
        return "lower kafka.transaction_timeout, or raise the broker's transaction.max.timeout.ms"
    return "look at the brokers' __transaction_state topic (replicas in sync); or set kafka.delivery to at_least_once"


def _final(error: KafkaError) -> bool:
    """Whether waiting is of no use. A consumer's fatal error comes wrapped in one that is not flagged so itself."""
    return stops_consumer(error) or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's public name


def _protocol(kafka: Kafka, options: Mapping[str, Any], topics: list[str]) -> Iterator[Finding]:
    part, todo = "kafka protocol", "set kafka.protocol to classic, or use brokers from 4.0"
    if not topics:
        yield warn(part, "consumer (KIP-848), not tried: there is no topic yet", "run `skureel doctor` again later")
        return
    group = f"{kafka.group_prefix}-doctor-{uuid.uuid4().hex[:8]}"
    consumer, complaints = open_client(Consumer, {**options, "group.id": group, "group.protocol": "consumer"})
    joined: list[int] = []
    refused: KafkaError | None = None
    until = time.monotonic() + WORK_SECONDS
    try:
        consumer.subscribe(topics[:1], on_assign=lambda _, partitions: joined.append(len(partitions)))
        while not joined and refused is None and time.monotonic() < until:
            message = consumer.poll(0.2)
            error = complaints.last if message is None else message.error()
            refused = error if error is not None and _final(error) else None
    finally:
        consumer.close()
    if joined:
        yield ok(part, "consumer (KIP-848): a group could be joined")
    else:
        yield fail(part, f"consumer (KIP-848): {complaints.why(refused)}", todo)
