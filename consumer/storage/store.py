"""The object store protocol: keys to immutable bytes, with conditions. Knows no clip and no layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """Raised when the store answers no: wrong bucket, denied, bad key. Retrying does not help."""


class StoreUnavailableError(StoreError):
    """Raised when the store cannot be reached or is overloaded, after the client's own short retries."""


class ObjectNotFoundError(StoreError):
    """Raised when a key that must exist does not. ``key`` says which."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r} in the store")
        self.key = key


class ConditionFailedError(StoreError):
    """Raised when a conditional put lost: somebody wrote the key since it was read."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} changed since it was read")
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """One object's head. ``etag`` changes with the content; it is no hash."""

    key: str
    size: int
    etag: str
    content_type: str = "application/octet-stream"
    cache_control: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Write only if the key does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Write only if the object's etag is still this one."""

    etag: str


Condition = Absent | Matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What travels with an object. Metadata keys are lower-case ASCII; tags at most 10."""

    content_type: str = "application/octet-stream"
    cache_control: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store was found to do when it was probed."""

    conditional_put: bool
    tagging: bool


class Store(Protocol):
    """Objects by key. Thread-safe. Every method may raise StoreUnavailableError; keys are relative, '/'-separated,
    without '.' or '..' segments (ValueError otherwise).
    """

    def probe(self) -> Capabilities:
        """Check at start that the bucket or folder is there and writable, and what it can do. Raises StoreError."""
        ...

    def put(self, key: str, data: bytes | Path, attributes: Attributes, *, condition: Condition | None = None) -> Stat:
        """Write whole or not at all; durable when it returns. Raises ConditionFailedError where the condition fails.

        A store without conditional puts checks, then writes: a narrow race that the probe reports.
        """
        ...

    def get(self, key: str) -> tuple[bytes, Stat]:
        """Content and head of one moment. Raises ObjectNotFoundError."""
        ...

    def stat(self, key: str) -> Stat | None:
        """Head, or None where there is no such object."""
        ...

    def copy(self, source: str, target: str, attributes: Attributes) -> Stat:
        """Server-side copy with new attributes. Raises ObjectNotFoundError."""
        ...

    def delete(self, key: str) -> None:
        """Remove; nothing happens where there is none."""
        ...

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object below a prefix, by key order; heads may lack metadata."""
        ...

    def url(self, key: str) -> str:
        """The public address of an object."""
        ...

    def link(self, key: str, seconds: int) -> str:
        """An address by which whoever has it may read an object for so long, though it is not public; ``url`` where
        the store has nothing of the kind.
        """
        ...
