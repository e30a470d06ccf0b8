"""The alias ``current.json``: which clip a product shows, and what a request means beside it. Pure values.

The alias is the renderer's memory between a crash and its redelivery: it carries the whole announcement, so that
what was decided before a crash is announced after it word for word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from consumer.events import ClipRequest, VideoReady
from consumer.stream.types import UnworkableError

_TIMES = ("occurred_at", "valid_from", "valid_until")


class AliasError(UnworkableError):
    """Raised when an alias object is not one we wrote; ``key`` says where it lies."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"alias {key}: {message}")
        self.key = key


class Standing(StrEnum):
    """What a request means beside the alias as it stands."""

    NEWS = "news"
    """Nothing as new was published: do the work."""
    STALE = "stale"
    """A newer revision is published: skip."""
    ANNOUNCE = "announce"
    """This very record published it and the commit was lost: announce again, do nothing else."""
    DUPLICATE = "duplicate"
    """Another record published this revision: it was requested twice upstream; skip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The request's own place in the log, and who read it there.

    The cluster is part of it, for another cluster has other offsets; so is the consumer group, for two groups read the
    same record and only one of them answers it.
    """

    cluster: str
    topic: str
    partition: int
    offset: int
    group: str = ""
    """Empty in aliases written before there were two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """What ``current.json`` holds."""

    revision: int
    recipe: str
    """Digest of the recipe as planned; empty when retired."""
    origin: Origin
    announcement: VideoReady

    def to_json(self) -> bytes:
        """UTF-8 JSON."""
        event: dict[str, Any] = self.announcement.to_avro()
        for name in _TIMES:
            event[name] = event[name].isoformat() if event[name] else None
        if event["lineage"] and event["lineage"]["review"]:
            event["lineage"]["review"]["at"] = event["lineage"]["review"]["at"].isoformat()
        origin = self.origin
        body = {
            "revision": self.revision,
            "recipe": self.recipe,
            "record": {
                "cluster": origin.cluster,
                "topic": origin.topic,
                "partition": origin.partition,
                "offset": origin.offset,
                "group": origin.group,
            },
            "announcement": event,
        }
        return json.dumps(body, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, key: str, data: bytes) -> Alias:
        """Raises AliasError when the object is not one we wrote."""
        try:
            body = json.loads(data)
            event = body["announcement"]
            for name in _TIMES:
                event[name] = datetime.fromisoformat(event[name]) if event[name] else None
            if event["lineage"] and event["lineage"].get("review"):
                event["lineage"]["review"]["at"] = datetime.fromisoformat(event["lineage"]["review"]["at"])
            return cls(
                revision=int(body["revision"]),
                recipe=str(body["recipe"]),
                origin=Origin(**body["record"]),
                announcement=VideoReady.from_avro(event),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise AliasError(
                key, f"not readable ({type(error).__name__}: {error}); move it away to start anew"
            ) from error


def standing(alias: Alias | None, request: ClipRequest, origin: Origin) -> Standing:
    """The table of the design: what a request means when its turn comes.

    A revision published from another *cluster* is announced again: that cluster's log, and the announcement in it,
    are not the ones our readers follow (an embedded broker forgets when it stops).
    """
    if alias is None or alias.revision < request.revision:
        return Standing.NEWS
    if alias.revision > request.revision:
        return Standing.STALE
    known = alias.origin if alias.origin.group else replace(alias.origin, group=origin.group)
    if known == origin or known.cluster != origin.cluster:
        return Standing.ANNOUNCE
    return Standing.DUPLICATE
