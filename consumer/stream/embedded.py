"""A broker inside this process, for laptops and tests: librdkafka's own mock cluster on a loopback port.

It keeps topics in memory, knows groups and idempotence, and no transactions to speak of: at least once only.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka
from confluent_kafka import KafkaException, Producer

from consumer.stream.errors import EmbeddedBrokerError
from consumer.stream.writer import CLIENT_LOG

PRODUCER = 0
"""librdkafka's RD_KAFKA_PRODUCER: the kind of client that carries the cluster; it produces nothing."""

CONF_OK = 0
"""librdkafka's RD_KAFKA_CONF_OK."""

START_TIMEOUT = 10.0
"""Seconds for the broker to name its topics."""


class EmbeddedBroker:
    """A context manager over one broker with these topics; ``bootstrap`` is its address while it runs.

    ``partitions`` is for all of them, or by topic. With a client library that hides its mock API the broker still
    comes up, with topics of four partitions.
    """

    def __init__(self, topics: Iterable[str] = (), partitions: int | Mapping[str, int] = 4) -> None:
        names = list(topics) if not isinstance(partitions, Mapping) else sorted({*topics, *partitions})
        self._topics = {name: partitions if isinstance(partitions, int) else partitions.get(name, 4) for name in names}
        self._cluster: _Direct | _Automatic | None = None
        self.bootstrap = ""

    def __enter__(self) -> Self:
        """Start. Raises EmbeddedBrokerError."""
        library = bundled_library()
        self._cluster = _Automatic() if library is None else _Direct(library)
        self.bootstrap = self._cluster.bootstrap
        try:
            for topic, count in self._topics.items():
                self._cluster.create(topic, count)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; everything is forgotten."""
        self.close()

    def create(self, topic: str, partitions: int = 4) -> None:
        """Add a topic. Raises EmbeddedBrokerError when it exists or the broker does not run."""
        if self._cluster is None:
            raise EmbeddedBrokerError(f"topic {topic}: the embedded broker is not running")
        self._cluster.create(topic, partitions)

    def close(self) -> None:
        """Stop. Idempotent."""
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None


class _Direct:
    """The mock cluster by its C interface: topics with as many partitions as wanted, groups that form at once."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        reason = ctypes.create_string_buffer(512)
        self._client = library.rd_kafka_new(PRODUCER, _quiet_configuration(library), reason, len(reason))
        if not self._client:
            raise EmbeddedBrokerError(f"embedded broker: {reason.value.decode(errors='replace')}")
        self._handle = library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._handle:
            library.rd_kafka_destroy(self._client)
            raise EmbeddedBrokerError("embedded broker: no port to listen on")
        # Real brokers wait for more members to come; there is nobody to wait for.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._handle, 0)
        self.bootstrap = str(library.rd_kafka_mock_cluster_bootstraps(self._handle).decode())

    def create(self, topic: str, partitions: int) -> None:
        if partitions < 1:
            raise EmbeddedBrokerError(f"embedded broker: topic {topic} with {partitions} partitions: at least one")
        code = self._library.rd_kafka_mock_topic_create(self._handle, topic.encode(), partitions, 1)
        if code:
            name = self._library.rd_kafka_err2name(code).decode()
            raise EmbeddedBrokerError(f"embedded broker: topic {topic} with {partitions} partitions: {name}")

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._handle)
        self._library.rd_kafka_destroy(self._client)


class _Automatic:
    """The mock cluster by configuration alone; topics appear when they are asked for."""

    def __init__(self) -> None:
        # The client must stay alive: the cluster is part of it.
        self._client = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "logger": CLIENT_LOG})
        try:
            (broker,) = self._client.list_topics(timeout=START_TIMEOUT).brokers.values()
        except (KafkaException, ValueError) as error:
            raise EmbeddedBrokerError(f"embedded broker: {error}") from error
        self.bootstrap = f"{broker.host}:{broker.port}"

    def create(self, topic: str, _partitions: int) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            with contextlib.suppress(KafkaException):
                found = self._client.list_topics(topic, timeout=START_TIMEOUT).topics[topic]
                if found.error is None and found.partitions:
                    return
        raise EmbeddedBrokerError(f"embedded broker: topic {topic} did not appear")

    def close(self) -> None:
        self._client.close()


def bundled_library() -> ctypes.CDLL | None:
    """The client library that confluent-kafka carries, already loaded, if it shows its mock API."""
    package = Path(confluent_kafka.__file__).parent
    candidates = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    for path in candidates:
        with contextlib.suppress(OSError, AttributeError):
            return _declared(ctypes.CDLL(str(path)))
    return None


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell ctypes the signatures we use (rdkafka.h, rdkafka_mock.h). Raises AttributeError when one is missing."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2name": (text, [number]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _quiet_configuration(library: ctypes.CDLL) -> int:
    """A configuration under which the carrying client does not complain about having no brokers of its own."""
    configuration: int = library.rd_kafka_conf_new()
    reason = ctypes.create_string_buffer(512)
    for name, value in ((b"log_level", b"0"), (b"client.id", b"embedded")):
        if library.rd_kafka_conf_set(configuration, name, value, reason, len(reason)) != CONF_OK:
            raise EmbeddedBrokerError(f"embedded broker: {reason.value.decode(errors='replace')}")
    return configuration
