"""The stored layers by their digests: base clips, bodies, finished clips. A record beside each says that it is whole.

The record is written last, so its presence means that the bytes it speaks of are complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from consumer.events import Review
from consumer.storage import layout
from consumer.storage.store import Absent, ConditionFailedError, ObjectNotFoundError, Store
from model.finish import Body
from model.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRecord:
    """What is known of a base clip. A rejected one has no published bytes, only reasons; one that a person approved
    after that has both."""

    digest: str
    accepted: bool
    engine_seconds: float
    generative: bool
    scores: Mapping[str, float] = field(default_factory=dict)
    policy: str | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Checks that did not run, and why."""
    reasons: tuple[tuple[str, str], ...] = ()
    sha256: str = ""
    quarantine_key: str | None = None
    action: Literal["reject", "review"] = "reject"
    """What the gravest fault of a rejected one leads to."""
    review: Review | None = None
    """Who approved it, where the inspection had not."""
    candidate: bool = False
    """True while others are to be compared with it before one is taken."""
    passed_over: bool = False
    """True where nothing was rendered at all: its template was out of use, and another way was taken."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> BaseRecord:
        """Raises KeyError, TypeError, ValueError. What a later release adds is passed over."""
        values = {each.name: found[each.name] for each in fields(cls) if each.name in found}
        values["reasons"] = tuple((check, message) for check, message in found["reasons"])
        if review := found.get("review"):
            values["review"] = Review(**{**review, "at": datetime.fromisoformat(review["at"])})
        return cls(**values)


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

    @property
    def signed(self) -> bool:
        """True when it carries a C2PA signature."""
        return "c2pa" in self.labels

    @property
    def key(self) -> str:
        """Where its bytes lie."""
        return layout.clip_key(self.digest, signed=self.signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyRecord:
    """What is known of a body: that it is whole, and that the first clip made of it was inspected by decoding."""

    digest: str
    sha256: str
    poster_sha256: str
    policy: str | None = None
    """The inspection policy that the first clip passed."""
    label: str | None = None
    """The visible label that was found in its pictures."""


Fit = Callable[[bytes], bool]
"""Whether bytes may stand for a clip that has just been made."""


def _dump(record: Any) -> bytes:
    return json.dumps(asdict(record), ensure_ascii=False, indent=1, default=datetime.isoformat).encode()


class Library:
    """Reads and writes layers. Thread-safe as its store is; raises the store's errors."""

    def __init__(self, store: Store, *, signed: bool = False) -> None:
        """``signed``: finished clips are those that carry a signature; others of the same recipe are not looked at."""
        self.store, self._signed = store, signed

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
        return None if found is None else BaseRecord.from_json(found)

    def base(self, record: BaseRecord) -> bytes | None:
        """The base clip's bytes, or None where they are missing or not what the record says."""
        return self._bytes(layout.base_key(record.digest), record.sha256)

    def _bytes(self, key: str, sha256: str) -> bytes | None:
        """An object's bytes where they are those with this digest."""
        try:
            data, _ = self.store.get(key)
        except ObjectNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def _poster(self, digest: str) -> bytes | None:
        """A clip's poster where it is whole: its digest travels with it."""
        try:
            data, stat = self.store.get(layout.poster_key(digest))
        except ObjectNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == stat.metadata.get("sha256") else None

    def put_base(self, record: BaseRecord, data: bytes) -> BaseRecord:
        """Store an accepted base clip, bytes first."""
        done = replace(record, sha256=hashlib.sha256(data).hexdigest())
        self.store.put(layout.base_key(record.digest), data, layout.base_attributes(done.sha256))
        self.store.put(layout.base_record_key(record.digest), _dump(done), layout.base_record_attributes())
        return done

    def put_rejected(self, record: BaseRecord, data: bytes) -> BaseRecord:
        """Store a rejected base clip where no product page looks, and remember why: it is not rendered again."""
        key = layout.quarantine_key(record.digest)
        done = replace(record, quarantine_key=key, sha256=hashlib.sha256(data).hexdigest())
        self.store.put(key, data, layout.quarantine_attributes(layout.VIDEO))
        self.store.put(layout.base_record_key(record.digest), _dump(done), layout.base_record_attributes())
        return done

    def take(self, record: BaseRecord) -> BaseRecord:
        """Remember that of several candidates this is the one."""
        done = replace(record, candidate=False)
        self.store.put(layout.base_record_key(record.digest), _dump(done), layout.base_record_attributes())
        return done

    def pass_over(self, record: BaseRecord) -> bool:
        """Remember that a scene is not to be rendered. False where something is known of it by now: that stands."""
        key, attributes = layout.base_record_key(record.digest), layout.base_record_attributes()
        try:
            self.store.put(key, _dump(record), attributes, condition=Absent())
        except ConditionFailedError:
            return False
        return True

    def quarantined(self, record: BaseRecord) -> bytes | None:
        """A rejected clip's bytes, or None where they are missing or not what the record says."""
        return self._bytes(record.quarantine_key, record.sha256) if record.quarantine_key else None

    def approve(self, record: BaseRecord, review: Review) -> BaseRecord | None:
        """Make a rejected base clip an accepted one, bytes first: what is there of it afterwards. Idempotent.

        None where its bytes are missing or not those that were rejected.
        """
        data = self.quarantined(record)
        return None if data is None else self.put_base(replace(record, accepted=True, review=review), data)

    def has_body(self, recipe: Recipe) -> bool:
        """Whether the recipe's body is to be had, as far as records tell."""
        if self._read(layout.body_record_key(recipe.body_digest)) is not None:
            return True
        plain = _plain(recipe)
        return plain is not None and self.clip_record(plain.digest) is not None

    def body(self, recipe: Recipe) -> Body | None:
        """The recipe's body, or None where it is missing or not what its record says.

        The clip without an end card is its own body and tags, which whoever joins it leaves behind: so only bodies of
        clips with an end card are stored as such.
        """
        found = self._read(layout.body_record_key(recipe.body_digest))
        if found is not None:
            record = BodyRecord(**found)
            data = self._bytes(layout.body_key(record.digest), record.sha256)
            poster = self._bytes(layout.body_poster_key(record.digest), record.poster_sha256)
            if data is not None and poster is not None:
                return Body(data=data, poster=poster, label=record.label)
        plain = _plain(recipe)
        clip = self.clip_record(plain.digest) if plain is not None else None
        if clip is None:
            return None
        label = recipe.dressing.overlays.label if "visible" in clip.labels else None
        data, poster = self._bytes(clip.key, clip.sha256), self._poster(clip.digest)
        return Body(data=data, poster=poster, label=label) if data is not None and poster is not None else None

    def put_body(self, recipe: Recipe, body: Body, policy: str | None) -> None:
        """Store the body of an inspected clip and its poster, the record last; nothing where the clip is its body."""
        if _plain(recipe) is None:
            return
        digest = recipe.body_digest
        record = BodyRecord(
            digest=digest,
            sha256=hashlib.sha256(body.data).hexdigest(),
            poster_sha256=hashlib.sha256(body.poster).hexdigest(),
            policy=policy,
            label=body.label,
        )
        put = self.store.put
        put(layout.body_key(digest), body.data, layout.body_attributes(layout.VIDEO, record.sha256))
        put(layout.body_poster_key(digest), body.poster, layout.body_attributes(layout.IMAGE, record.poster_sha256))
        put(layout.body_record_key(digest), _dump(record), layout.body_record_attributes())

    def clip_record(self, digest: str) -> ClipRecord | None:
        """What is known of a finished clip, or None where there is none whose bytes are there too."""
        found = self._read(layout.clip_record_key(digest, signed=self._signed))
        if found is None:
            return None
        record = ClipRecord(**found | {"labels": tuple(found["labels"])})
        stat = self.store.stat(record.key)
        return record if stat is not None and stat.size == record.size else None

    def put_clip(self, record: ClipRecord, data: bytes, poster: bytes, fit: Fit | None = None) -> ClipRecord:
        """Store a finished clip and its poster, the record last. The record tells of the bytes that are there then.

        A signed clip has other bytes each time, so whoever comes first decides: what lies there and is ``fit`` stays,
        and is what everybody announces.
        """
        keys = (layout.surrogate_key("clip", record.digest),)
        condition = Absent() if fit is not None else None
        attributes = layout.clip_attributes(record.sha256, keys)
        try:
            stat = self.store.put(record.key, data, attributes, condition=condition)
        except ConditionFailedError:
            there, stat = self.store.get(record.key)
            if fit is not None and fit(there):
                record = replace(record, sha256=hashlib.sha256(there).hexdigest(), size=len(there))
            else:
                stat = self.store.put(record.key, data, attributes)
        poster_sha256 = hashlib.sha256(poster).hexdigest()
        self.store.put(layout.poster_key(record.digest), poster, layout.poster_attributes(poster_sha256, keys))
        done = replace(record, etag=stat.etag)
        key = layout.clip_record_key(record.digest, signed=record.signed)
        self.store.put(key, _dump(done), layout.clip_record_attributes())
        return done


def _plain(recipe: Recipe) -> Recipe | None:
    """The same recipe without its end card; None where it has none."""
    if recipe.dressing.end_card is None:
        return None
    return replace(recipe, dressing=replace(recipe.dressing, end_card=None))
