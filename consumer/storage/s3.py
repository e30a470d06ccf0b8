"""The S3 store: objects in a bucket of any S3-compatible server. Knows no clip; what a server can do is probed."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

from minio.commonconfig import REPLACE, CopySource, Tags
from minio.error import S3Error
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from consumer.settings import S3
from consumer.storage import keys
from consumer.storage.s3errors import RefusedError, meaning, passing
from consumer.storage.s3wire import Wire
from consumer.storage.store import (
    Absent,
    Attributes,
    Capabilities,
    Condition,
    ConditionFailedError,
    Matches,
    ObjectNotFoundError,
    Stat,
    StoreError,
    StoreUnavailableError,
)

SINGLE_PUT = 64 << 20
"""Bytes up to which an object goes out in one request, held in memory; larger ones go in parts."""
PART = 16 << 20
_META = "x-amz-meta-"
WRITE_MARK = "skureel-write"
"""Metadata by which a conditional write knows itself again when its answer was lost; ``stat`` hides it."""
_TRIES = 5


class S3Store:
    """Objects in a bucket, below a prefix. Raises StoreError for settings that cannot work; touches no network yet."""

    def __init__(self, settings: S3, public_url: str | None = None) -> None:
        self._public_url = keys.check_public_url(public_url) if public_url else None
        self._prefix = _checked_prefix(settings.prefix.strip("/"))
        self._wire = Wire(settings)
        self._create = settings.create_bucket
        self._where = f"S3 at {settings.endpoint}, bucket {settings.bucket}"
        self._can = Capabilities(conditional_put=True, tagging=True)
        self._alone = Lock()

    def __repr__(self) -> str:
        return f"S3Store({self._where!r}, prefix={self._prefix!r})"

    def probe(self) -> Capabilities:
        """See Store.probe. Creates the bucket where the settings say so."""
        self._check_bucket()
        key = f"probe/{uuid.uuid4().hex}"
        try:
            self._can = Capabilities(conditional_put=True, tagging=False)
            first = self.put(key, b"probe", Attributes())
            if self.get(key)[0] != b"probe":
                raise StoreError(f"{self._where}: what was written is not what was read; check store.s3.endpoint")
            conditional = self._keeps_conditions(key, first)
            self._can = Capabilities(conditional_put=conditional, tagging=self._keeps_tags(key))
        finally:
            with suppress(StoreError):  # a probe left behind harms nobody, and a worse error may be on its way
                self.delete(key)
        return self._can

    def put(self, key: str, data: bytes | Path, attributes: Attributes, *, condition: Condition | None = None) -> Stat:
        """See Store.put. Raises the source's own OSError where ``data`` names a file that cannot be read."""
        keys.check_key(key)
        headers = self._headers(keys.check_attributes(attributes))
        if isinstance(data, Path) and condition is None and data.stat().st_size > SINGLE_PUT:
            return self._put_parts(key, data, headers, attributes)
        body = data if isinstance(data, bytes) else data.read_bytes()
        with meaning(self._where, key):
            if condition is None:
                etag = self._wire.put(self._prefix + key, body, headers)
            elif self._can.conditional_put:
                etag = self._put_if(key, body, headers, condition)
            else:
                etag = self._check_and_put(key, body, headers, condition)
        return _stat(key, len(body), etag, attributes)

    def get(self, key: str) -> tuple[bytes, Stat]:
        """See Store.get."""
        keys.check_key(key)
        with meaning(self._where, key):
            try:
                return self._get(key)
            except ReadTimeoutError:
                raise
            except ProtocolError:  # the connection broke in the middle of the body
                return self._get(key)

    def stat(self, key: str) -> Stat | None:
        """See Store.stat."""
        keys.check_key(key)
        try:
            with meaning(self._where, key):
                found = self._wire.client.stat_object(self._wire.bucket, self._prefix + key)
        except ObjectNotFoundError:
            return None
        return _received(key, found.metadata or {})

    def copy(self, source: str, target: str, attributes: Attributes) -> Stat:
        """See Store.copy."""
        keys.check_key(source)
        keys.check_key(target)
        headers = self._headers(keys.check_attributes(attributes))
        headers.pop("x-amz-tagging", None)
        tags = _tags(attributes) if self._can.tagging else None
        with meaning(self._where, source):
            self._wire.client.copy_object(
                self._wire.bucket,
                self._prefix + target,
                CopySource(self._wire.bucket, self._prefix + source),
                metadata=dict(headers),
                metadata_directive=REPLACE,
                tags=tags,
                tagging_directive=None if tags is None else REPLACE,
            )
        found = self.stat(target)
        if found is None:  # deleted since by somebody else
            raise ObjectNotFoundError(target)
        return found

    def delete(self, key: str) -> None:
        """See Store.delete."""
        keys.check_key(key)
        with meaning(self._where, key):
            self._wire.client.remove_object(self._wire.bucket, self._prefix + key)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Store.list. A prefix is a beginning of keys and need not end at a slash."""
        start = self._prefix + keys.check_prefix(prefix)
        with meaning(self._where, prefix):
            for found in self._wire.client.list_objects(self._wire.bucket, prefix=start, recursive=True):
                key = str(found.object_name).removeprefix(self._prefix)
                if keys.is_key(key):
                    yield Stat(key=key, size=found.size or 0, etag=(found.etag or "").strip('"'))

    def url(self, key: str) -> str:
        """See Store.url: below ``public_url``, which stands for the prefix, else at the server itself."""
        keys.check_key(key)
        return keys.address(self._public_url, key) if self._public_url else self._wire.address(self._prefix + key)

    def link(self, key: str, seconds: int) -> str:
        """See Store.link: a signed address at the server itself, good for at most seven days."""
        keys.check_key(key)
        lasts = timedelta(seconds=min(seconds, 7 * 86_400))
        with meaning(self._where, key):
            return self._wire.client.presigned_get_object(self._wire.bucket, self._prefix + key, lasts)

    def _check_bucket(self) -> None:
        client, bucket = self._wire.client, self._wire.bucket
        with meaning(self._where, ""):
            try:
                if client.bucket_exists(bucket):
                    return
            except S3Error as error:
                if error.code != "AccessDenied":
                    raise
                return  # keys that may not look at the bucket may still write to it; the next request tells
            if not self._create:
                raise RefusedError(404, "NoSuchBucket")
            try:
                client.make_bucket(bucket, location=self._wire.region)
            except S3Error as error:
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:  # another process was faster
                    raise

    def _keeps_conditions(self, key: str, first: Stat) -> bool:
        """Whether the server refuses what it must refuse, and only that."""
        for wrong in (Absent(), Matches(etag=f"{first.etag}0")):
            if self._accepts(key, wrong):
                return False
        return self._accepts(key, Matches(etag=first.etag))

    def _accepts(self, key: str, condition: Condition) -> bool:
        try:
            self.put(key, b"probe", Attributes(), condition=condition)
        except StoreUnavailableError:
            raise
        except StoreError:  # the condition failed, or the server does not know conditions
            return False
        return True

    def _keeps_tags(self, key: str) -> bool:
        name = self._prefix + key
        try:
            with meaning(self._where, key):
                self._wire.put(name, b"probe", {"x-amz-tagging": "kind=probe"})
                found = self._wire.client.get_object_tags(self._wire.bucket, name)
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        return bool(found) and dict(found or {}) == {"kind": "probe"}

    def _put_if(self, key: str, body: bytes, headers: Mapping[str, str], condition: Condition) -> str:
        """A conditional write that is tried again by ourselves: after a lost answer, a refusal may be our own doing."""
        mark = uuid.uuid4().hex
        asked = {**headers, **_condition(condition), _META + WRITE_MARK: mark}
        until = time.monotonic() + self._wire.timeout
        for attempt in range(1, _TRIES + 1):
            try:
                return self._wire.put(self._prefix + key, body, asked, retry=False)
            except ReadTimeoutError:
                raise
            except (RefusedError, HTTPError) as error:
                if isinstance(error, RefusedError) and not passing(error):
                    mine = self._written(key, mark) if attempt > 1 else None
                    if mine is not None:
                        return mine
                    if error.code == "NoSuchKey":  # servers say so where If-Match meets nothing
                        raise ConditionFailedError(key) from error
                    raise
                if attempt == _TRIES or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0.5, 1.0) * 0.05 * 2**attempt)  # noqa: S311 - spreads rivals, keeps no secret
        raise AssertionError("unreachable")  # pragma: no cover

    def _written(self, key: str, mark: str) -> str | None:
        """The etag of the object if it is the one that we wrote under this mark."""
        try:
            found = self._wire.client.stat_object(self._wire.bucket, self._prefix + key)
        except S3Error:
            return None
        carried = found.metadata or {}
        return (found.etag or "") if carried.get(_META + WRITE_MARK) == mark else None

    def _check_and_put(self, key: str, body: bytes, headers: Mapping[str, str], condition: Condition) -> str:
        """For servers without conditions: safe among our threads, a narrow race among processes (see probe)."""
        with self._alone:
            found = self.stat(key)
            if (
                (found is not None)
                if isinstance(condition, Absent)
                else (found is None or found.etag != condition.etag)
            ):
                raise ConditionFailedError(key)
            return self._wire.put(self._prefix + key, body, headers)

    def _put_parts(self, key: str, data: Path, headers: Mapping[str, str], attributes: Attributes) -> Stat:
        carried: dict[str, Any] = {name: value for name, value in headers.items() if name != "x-amz-tagging"}
        with data.open("rb") as source:
            size = data.stat().st_size
            with meaning(self._where, key):
                written = self._wire.client.put_object(
                    self._wire.bucket,
                    self._prefix + key,
                    source,
                    size,
                    content_type=attributes.content_type,
                    metadata=carried,
                    part_size=PART,
                    num_parallel_uploads=1,
                    tags=_tags(attributes) if self._can.tagging else None,
                )
        return _stat(key, size, (written.etag or "").strip('"'), attributes)

    def _get(self, key: str) -> tuple[bytes, Stat]:
        response = self._wire.client.get_object(self._wire.bucket, self._prefix + key)
        try:
            content = response.read(decode_content=False)
            return content, _received(key, response.headers)
        finally:
            response.close()
            response.release_conn()

    def _headers(self, attributes: Attributes) -> dict[str, str]:
        headers = {"Content-Type": attributes.content_type}
        if attributes.cache_control:
            headers["Cache-Control"] = attributes.cache_control
        headers |= {_META + name: keys.encode_value(value) for name, value in attributes.metadata.items()}
        if attributes.tags and self._can.tagging:
            pairs = (f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in attributes.tags.items())
            headers["x-amz-tagging"] = "&".join(pairs)
        return headers


def _checked_prefix(prefix: str) -> str:
    try:
        return f"{keys.check_key(prefix)}/" if prefix else ""
    except ValueError as error:
        raise StoreError(f"store.s3.prefix: {error}") from None


def _condition(condition: Condition) -> dict[str, str]:
    return {"If-None-Match": "*"} if isinstance(condition, Absent) else {"If-Match": f'"{condition.etag}"'}


def _tags(attributes: Attributes) -> Tags:
    tags = Tags.new_object_tags()
    tags.update(attributes.tags)
    return tags


def _stat(key: str, size: int, etag: str, attributes: Attributes) -> Stat:
    return Stat(
        key=key,
        size=size,
        etag=etag,
        content_type=attributes.content_type,
        cache_control=attributes.cache_control,
        metadata=dict(attributes.metadata),
    )


def _received(key: str, headers: Mapping[str, Any]) -> Stat:
    """What the headers of a GET or HEAD say."""
    plain = {name.lower(): str(value) for name, value in headers.items()}
    metadata = {
        name.removeprefix(_META): unquote(value)
        for name, value in plain.items()
        if name.startswith(_META) and name != _META + WRITE_MARK
    }
    return Stat(
        key=key,
        size=int(plain.get("content-length", "0")),
        etag=plain.get("etag", "").strip('"'),
        content_type=plain.get("content-type", "application/octet-stream"),
        cache_control=plain.get("cache-control", ""),
        metadata=metadata,
    )
