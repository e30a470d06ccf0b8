"""What the stream loop raises to its owner: a small tree, each error saying what to do. Knows no client library."""

from __future__ import annotations


class StreamError(Exception):
    """Raised when the loop cannot go on; nothing was lost: what was not committed is read again after a restart."""


class OptionsError(StreamError):
    """Raised when stream options contradict each other or would break a promise; the message names the option."""


class BrokerError(StreamError):
    """Raised when the broker was out of reach, or refused us, for longer than the budget allows."""


class FencedError(StreamError):
    """Raised when another process keeps taking over our transactional.id: two replicas share one name."""


class OffsetGoneError(StreamError):
    """Raised when records we had not read were deleted by retention and the policy is to stop rather than skip them."""


class UndeliverableError(StreamError):
    """Raised when even the dead letter of a record is refused by the broker."""


class PoisonError(StreamError):
    """Raised when so many records in a row failed that the fault must be ours: consumption stops."""


class SettlementError(StreamError):
    """Raised when a worker settles a lease twice: a programming error."""


class TopicsError(StreamError):
    """Raised when topics are missing and could not be created; the message names them and the broker's reason."""


class EmbeddedBrokerError(StreamError):
    """Raised when the broker inside this process could not be started."""
