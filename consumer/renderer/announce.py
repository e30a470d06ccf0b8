"""Publishing: object, poster, alias, event, in this order, and never an older revision over a newer one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from consumer.events import Cause, Clip, ClipRequest, Lineage, Reason, VideoReady, VideoRejected
from consumer.renderer.alias import Alias, Origin, Standing, standing
from consumer.renderer.library import BaseRecord, ClipRecord
from consumer.storage import layout
from consumer.storage.store import Absent, ConditionFailedError, Matches, ObjectNotFoundError, Store
from model.recipe import Recipe, digest

CLIP_METADATA = "clip"
"""Metadata of the alias media that names the object they are a copy of: signed clips have the id of unsigned ones."""


@dataclass(frozen=True, slots=True)
class Published:
    """How a publication ended: the standing found when the alias was decided, and the alias in force."""

    standing: Standing
    alias: Alias


def event_id(kind: str, request: ClipRequest) -> str:
    """Deterministic id of what is said about (product, variant, revision): readers may dedupe by it."""
    return digest([kind, request.product_id, request.variant, request.revision])[:32]


class Announcer:
    """Writes aliases and builds announcements over one store. Thread-safe; raises the store's errors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, product_id: str, variant: str) -> tuple[Alias | None, str | None]:
        """The alias as it stands and its etag. Raises AliasError when the object is not ours."""
        key = layout.alias_key(product_id, variant)
        try:
            data, stat = self._store.get(key)
        except ObjectNotFoundError:
            return None, None
        return Alias.from_json(key, data), stat.etag

    def publish(self, request: ClipRequest, origin: Origin, event: VideoReady) -> Published:
        """Make ``event`` what the alias says, unless the alias says something as new. Idempotent.

        The event's ``superseded_urls`` are filled from the alias it replaces.
        """
        while True:
            before, etag = self.read(request.product_id, request.variant)
            found = standing(before, request, origin)
            if before is None or found is Standing.NEWS:
                news = _superseding(event, before)
                planned = request.recipe.digest if request.recipe else ""
                alias = Alias(revision=request.revision, recipe=planned, origin=origin, announcement=news)
            else:
                # Announced under another cluster, perhaps: from now on this record is the one that announced it.
                alias = replace(before, origin=origin) if found is Standing.ANNOUNCE else before
            if alias != before and not self._swap(request, alias, etag):
                continue
            # Whatever was published before stays; its media are made to agree, for a crash may have come between.
            self.settle_media(request.product_id, request.variant, alias)
            return Published(found, alias)

    def _swap(self, request: ClipRequest, alias: Alias, etag: str | None) -> bool:
        """Write the alias unless somebody wrote it since it was read; True when it was written."""
        key = layout.alias_key(request.product_id, request.variant)
        condition = Matches(etag=etag) if etag else Absent()
        try:
            self._store.put(
                key, alias.to_json(), layout.alias_attributes(layout.RECORD, alias.revision), condition=condition
            )
        except ConditionFailedError:
            return False
        return True

    def settle_media(self, product_id: str, variant: str, alias: Alias) -> None:
        """Make ``current.mp4`` and its poster agree with ``current.json``, whoever else is writing them.

        A slow writer may copy an older clip after a newer one was aliased; so the record is read again after the
        copy, until it did not change meanwhile: the last copier always leaves what the record names.
        """
        current: Alias | None = alias
        while current is not None:
            self._copy_media(product_id, variant, current)
            after, _ = self.read(product_id, variant)
            if after is None or after.revision == current.revision:
                return
            current = after

    def _copy_media(self, product_id: str, variant: str, alias: Alias) -> None:
        video = layout.alias_clip_key(product_id, variant)
        poster = layout.alias_poster_key(product_id, variant)
        clip = alias.announcement.clip
        if clip is None:
            self._store.delete(video)
            self._store.delete(poster)
            return
        keys = alias.announcement.surrogate_keys
        for source, target, content_type in (
            (clip.key, video, layout.VIDEO),
            (layout.poster_key(clip.clip_id), poster, layout.IMAGE),
        ):
            there = self._store.stat(target)
            if there is None or there.metadata.get(CLIP_METADATA) != source:
                plain = layout.alias_attributes(content_type, alias.revision, keys)
                marked = replace(plain, metadata={**plain.metadata, CLIP_METADATA: source})
                self._store.copy(source, target, marked)

    def ready(
        self, request: ClipRequest, record: ClipRecord, recipe: Recipe, lineage: Lineage, now: datetime
    ) -> VideoReady:
        """The announcement of a finished clip, made by ``recipe``."""
        marked = "aigc" in record.labels  # and was found to say what the recipe says
        product, variant = request.product_id, request.variant
        clip = Clip(
            clip_id=record.digest,
            url=self._store.url(record.key),
            key=record.key,
            poster_url=self._store.url(layout.poster_key(record.digest)),
            sha256=record.sha256,
            etag=record.etag,
            size=record.size,
            width=record.width,
            height=record.height,
            frames=record.frames,
            fps=record.fps,
            duration=record.duration,
            content_type=f'video/mp4; codecs="{record.codec}"',
            codec=record.codec,
            has_text=record.has_text,
            produce_id=recipe.produce_id if marked else None,
            producer=recipe.dressing.producer if marked else None,
        )
        return VideoReady(
            event_id=event_id("ready", request),
            occurred_at=now,
            product_id=product,
            variant=variant,
            revision=request.revision,
            status="READY",
            cause=request.cause,
            clip=clip,
            labels=record.labels,
            lineage=lineage,
            surrogate_keys=_keys(request.cause, product, record.digest),
            **self._alias_urls(product, variant),
        )

    def retired(self, request: ClipRequest, now: datetime) -> VideoReady:
        """The announcement that a product's clip is down."""
        return VideoReady(
            event_id=event_id("ready", request),
            occurred_at=now,
            product_id=request.product_id,
            variant=request.variant,
            revision=request.revision,
            status="RETIRED",
            cause=request.cause,
            clip=None,
            purge_mode="HARD",
            surrogate_keys=_keys(request.cause, request.product_id, None),
            **self._alias_urls(request.product_id, request.variant),
        )

    def _alias_urls(self, product: str, variant: str) -> dict[str, Any]:
        video = self._store.url(layout.alias_clip_key(product, variant))
        poster = self._store.url(layout.alias_poster_key(product, variant))
        record = self._store.url(layout.alias_key(product, variant))
        return {"alias_url": video, "alias_poster_url": poster, "purge_urls": (video, poster, record)}


def rejected(request: ClipRequest, records: list[BaseRecord], now: datetime) -> VideoRejected:
    """What is said of a clip whose every attempt failed inspection; ``records`` in the order of the attempts."""
    last, tried = records[-1], tuple(each.digest for each in records if not each.passed_over)
    return VideoRejected(
        event_id=event_id("rejected", request),
        occurred_at=now,
        product_id=request.product_id,
        variant=request.variant,
        revision=request.revision,
        cause=request.cause,
        reasons=tuple(Reason(check=check, message=message) for check, message in last.reasons),
        scores=dict(last.scores),
        attempts=len(tried),
        engine_seconds=sum(each.engine_seconds for each in records),
        recipe_digest=request.recipe.digest if request.recipe else None,
        base_digest=tried[-1] if tried else None,
        tried=tried,
        quarantine_key=last.quarantine_key,
        inspection_policy=last.policy,
        not_inspected=dict(last.skipped),
        action=last.action.upper(),
    )


def _keys(cause: Cause, product: str, clip: str | None) -> tuple[str, ...]:
    if clip is None:
        return (layout.surrogate_key("product", product),)
    return layout.surrogate_keys(product, clip, cause.promo_id)


def _superseding(event: VideoReady, before: Alias | None) -> VideoReady:
    """The event with the immutable addresses it replaces."""
    clip = before.announcement.clip if before else None
    if clip is None or (event.clip and event.clip.url == clip.url):
        return event
    return replace(event, superseded_urls=(clip.url, clip.poster_url))
