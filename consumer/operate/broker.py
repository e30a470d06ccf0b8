"""Kafka clients for commands: made from options, patient for a bounded time, able to say why they got no answer.

Knows no topic by name and nothing of what records hold.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException

from consumer.settings import SettingsError
from consumer.stream.failures import FORBIDDEN

ANSWER_SECONDS = 10.0
"""How long a command waits for a broker's first answer."""

SILENT = logging.getLogger("skureel.operate.librdkafka")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False
"""Where the client library's own lines go, which would stand between a command's: complaints say the same."""


class BrokerError(Exception):
    """Raised when the broker does not answer or refuses us; the message says where, why and what to do."""


class Client(Protocol):
    """What producers, consumers and admin clients have in common."""

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """The cluster's metadata; of one topic where one is named."""
        ...

    def poll(self, timeout: float) -> Any:
        """Serve callbacks."""
        ...


C = TypeVar("C", bound=Client)


class Complaints:
    """What a client last said was wrong: librdkafka tells a callback, and the call then fails with "timed out"."""

    def __init__(self) -> None:
        self.last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """The client's ``error_cb``."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - a summary; what came before says more
            self.last = error

    def listen(self, client: Client) -> None:
        """Let the client say what it has not said yet; one with a fatal error says that by raising."""
        with suppress(KafkaException):
            client.poll(0)

    def why(self, error: KafkaError | None = None) -> str:
        """The reason in words: the last complaint, else ``error``."""
        told = self.last or error
        if told is None:
            return "no answer"
        return f"{told.str()}{'; check kafka.options and kafka.password' if told.code() in FORBIDDEN else ''}"


def open_client(kind: Callable[[dict[str, Any]], C], options: Mapping[str, Any]) -> tuple[C, Complaints]:
    """A client, quiet on the terminal, and its complaints. Raises SettingsError for options librdkafka refuses."""
    complaints = Complaints()
    try:
        return kind({**options, "error_cb": complaints, "logger": SILENT}), complaints
    except (KafkaException, ValueError, TypeError) as error:
        inner = error.args[0] if error.args else error
        raise SettingsError(f"kafka.options: {inner.str() if isinstance(inner, KafkaError) else inner}") from None


def metadata(
    client: Client, complaints: Complaints, where: str, topic: str | None = None, seconds: float | None = None
) -> Any:
    """The cluster's metadata. Raises BrokerError when ``where`` gives none in time (default: ANSWER_SECONDS)."""
    try:
        return client.list_topics(topic, timeout=ANSWER_SECONDS if seconds is None else seconds)
    except KafkaException as error:
        complaints.listen(client)
        raise BrokerError(
            f"Kafka at {where} does not answer: {complaints.why(error.args[0])}; "
            "is it running, and is kafka.bootstrap right?"
        ) from None
