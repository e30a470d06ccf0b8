"""The stored layers by their digests: base clips, finished clips, photos. A record beside each says that it is whole.

The record is written last, so its presence means that the bytes it speaks of are complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from consumer.storage import layout
from consumer.storage.store import ObjectNotFoundError, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRecord:
    """What is known of a base clip. A rejected one has no published bytes, only reasons."""

    digest: str
    accepted: bool
    engine_seconds: float
    generative: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    policy: str | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    sha256: str = ""
    quarantine_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """What is known of a finished clip: all that an announcement says of the file."""

    digest: str
    sha256: str
    etag: str
    size: int
    width: int
    height: int
    frames: int
    fps: int
    duration: float
    codec: str
    has_text: bool
    labels: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    policy: str | None = None


def _dump(record: Any) -> bytes:
    return json.dumps(asdict(record), ensure_ascii=False, indent=1).encode()


class Library:
    """Reads and writes layers. Thread-safe as its store is; raises the store's errors."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            data, _ = self.store.get(key)
        except ObjectNotFoundError:
            return None
        try:
            record = json.loads(data)
        except ValueError:
            return None  # not ours or torn by hand: as good as absent, and written anew
        return record if isinstance(record, dict) else None

    def base_record(self, digest: str) -> BaseRecord | None:
        """What is known of a base clip, or None where there is none."""
        found = self._read(layout.base_record_key(digest))
        if found is None:
            return None
        found["reasons"] = tuple((check, message) for check, message in found["reasons"])
        return BaseRecord(**found)

    def base(self, record: BaseRecord) -> bytes | None:
        """The base clip's bytes, or None where they are missing or not what the record says."""
        try:
            data, _ = self.store.get(layout.base_key(record.digest))
        except ObjectNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == record.sha256 else None

    def put_base(self, record: BaseRecord, data: bytes) -> BaseRecord:
        """Store an accepted base clip, bytes first."""
        done = BaseRecord(**(asdict(record) | {"sha256": hashlib.sha256(data).hexdigest()}))
        self.store.put(layout.base_key(record.digest), data, layout.base_attributes(done.sha256))
        self.store.put(layout.base_record_key(record.digest), _dump(done), layout.base_record_attributes())
        return done

    def put_rejected(self, record: BaseRecord, data: bytes) -> BaseRecord:
        """Store a rejected base clip where no product page looks, and remember why: it is not rendered again."""
        key = layout.quarantine_key(record.digest)
        fields = {"quarantine_key": key, "sha256": hashlib.sha256(data).hexdigest()}
        done = BaseRecord(**(asdict(record) | fields))
        self.store.put(key, data, layout.quarantine_attributes(layout.VIDEO))
        self.store.put(layout.base_record_key(record.digest), _dump(done), layout.base_record_attributes())
        return done

    def clip_record(self, digest: str) -> ClipRecord | None:
        """What is known of a finished clip, or None where there is none whose bytes are there too."""
        found = self._read(layout.clip_record_key(digest))
        if found is None:
            return None
        stat = self.store.stat(layout.clip_key(digest))
        if stat is None or stat.size != found["size"]:
            return None
        found["labels"] = tuple(found["labels"])
        return ClipRecord(**found)

    def put_clip(self, record: ClipRecord, data: bytes, poster: bytes) -> ClipRecord:
        """Store a finished clip and its poster, the record last."""
        keys = (layout.surrogate_key("clip", record.digest),)
        stat = self.store.put(layout.clip_key(record.digest), data, layout.clip_attributes(record.sha256, keys))
        poster_sha256 = hashlib.sha256(poster).hexdigest()
        self.store.put(layout.poster_key(record.digest), poster, layout.poster_attributes(poster_sha256, keys))
        done = ClipRecord(**(asdict(record) | {"etag": stat.etag}))
        self.store.put(layout.clip_record_key(record.digest), _dump(done), layout.clip_record_attributes())
        return done
