"""What to do about an error of the client library, decided by its flags in this one place; and where one was raised."""

from __future__ import annotations

import traceback
from enum import Enum

from confluent_kafka import KafkaError, KafkaException


class Verdict(Enum):
    """What a failed call of the producer leads to."""

    RETRY = "retry"
    """The same call again."""
    ABORT = "abort"
    """Abort the transaction, then the same work in a new one."""
    REBUILD = "rebuild"
    """The producer is of no use any more, and the transaction's outcome unknown: destroy it and ask the group."""


PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - librdkafka's public names
"""What delivery reports say of messages that an abort threw away: not failures."""

UNPRODUCIBLE = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
"""The broker will never take this message, whoever sends it and when: there are no flags for that."""

FORBIDDEN = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError._AUTHENTICATION,  # noqa: SLF001
    }
)
"""A person has to change something; trying again would only hide it. The library flags them no differently."""


def kafka_error(error: BaseException | KafkaError) -> KafkaError | None:
    """The library's error inside an exception, if there is one."""
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0]
    return error if isinstance(error, KafkaError) else None


def verdict(error: KafkaError) -> Verdict:
    """What a producer's error leads to. One without any flag is as bad as a fatal one."""
    if error.fatal():
        return Verdict.REBUILD
    if error.txn_requires_abort():
        return Verdict.ABORT
    return Verdict.RETRY if error.retriable() else Verdict.REBUILD


def stops_consumer(error: KafkaError) -> bool:
    """Whether an error that the consumer reports cannot pass by itself.

    A fatal one comes as an event whose code says so, without the flag (a broker without the group protocol asked for).
    """
    return bool(error.fatal()) or error.code() in FORBIDDEN or error.code() == KafkaError._FATAL  # noqa: SLF001


def place(error: BaseException) -> str:
    """File and line that raised. Not the whole trace: its frames hold the batch, and there may be many of these."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
