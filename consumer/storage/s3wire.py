"""How we speak to an S3 server: the client, its patience, and the one request that the client cannot send itself.

minio's ``put_object`` sends no If-Match and no If-None-Match, so single PUTs are signed and sent here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials
from minio.helpers import check_bucket_name
from minio.signer import sign_v4_s3
from minio.time import to_amz_date
from urllib3.exceptions import ReadTimeoutError

from consumer.settings import S3
from consumer.storage.s3errors import RefusedError
from consumer.storage.store import StoreError

CONNECT_SECONDS = 5.0
"""A host that is there accepts in milliseconds; waiting as long as for an answer would only hide one that is not."""
_RETRIES = 3
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_OVERLOAD = (429, 500, 502, 503, 504)


class Patience(urllib3.Retry):
    """Short retries for what passes in a moment; a server that does not answer at all is asked once.

    So a call ends after at most ``timeout`` plus 3 connects and under 2 s of pauses.
    """

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        """See urllib3.Retry."""
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def patience() -> Patience:
    """The retries of every call but the conditional ones, which count their own."""
    return Patience(
        total=_RETRIES,
        connect=2,
        redirect=0,
        raise_on_redirect=False,
        raise_on_status=False,
        status_forcelist=_OVERLOAD,
        allowed_methods=None,  # every request we send may be sent twice
        backoff_factor=0.1,
        backoff_jitter=0.1,
        backoff_max=1.0,
        # Servers under load ask for minutes; the pause belongs to the caller, who can show it.
        respect_retry_after_header=False,
    )


def parse_endpoint(endpoint: str) -> SplitResult:
    """Scheme and host of an endpoint. Raises StoreError, which never repeats what may hold a password."""
    try:
        parts = urlsplit(endpoint)
        plain = bool(_HOST.fullmatch(parts.netloc.rpartition("@")[2]))
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and plain
    except ValueError:
        known = False
    if not known:
        raise StoreError("store.s3.endpoint must read http://HOST:PORT or https://HOST")
    if parts.username is not None or parts.password is not None:
        raise StoreError("store.s3.endpoint must hold no keys; use store.s3.access_key and store.s3.secret_key")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise StoreError("store.s3.endpoint must have no path; bucket and prefix are store.s3.bucket, store.s3.prefix")
    return parts


class Wire:
    """One client, one pool of connections. Thread-safe."""

    def __init__(self, settings: S3) -> None:
        where = parse_endpoint(settings.endpoint)
        secret = settings.secret_key.get_secret_value()
        if not settings.access_key or not secret:
            raise StoreError("set store.s3.access_key and store.s3.secret_key")
        try:
            check_bucket_name(settings.bucket, strict=True)
        except ValueError as error:
            raise StoreError(f"store.s3.bucket: {error}") from None
        self.bucket = settings.bucket
        self.region = settings.region or "us-east-1"
        self.timeout = settings.timeout
        self._credentials = Credentials(settings.access_key, secret)
        self._pool = urllib3.PoolManager(
            maxsize=32,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, self.timeout), read=self.timeout),
            retries=patience(),
        )
        try:
            self.client = Minio(
                where.netloc,
                access_key=settings.access_key,
                secret_key=secret,
                secure=where.scheme == "https",
                region=self.region,
                http_client=self._pool,
            )
        except ValueError as error:
            raise StoreError(f"store.s3.endpoint, store.s3.region: {error}") from None

    def address(self, name: str) -> str:
        """Where the server has an object: in the path, or for hosts that want it, in the host's name."""
        signed = self.client.get_presigned_url("GET", self.bucket, name)
        return urlsplit(signed)._replace(query="").geturl()

    def put(self, name: str, body: bytes, headers: Mapping[str, str], *, retry: bool = True) -> str:
        """One signed PUT with any headers; the new etag. Raises RefusedError, or urllib3's HTTPError.

        The body's SHA-256 is part of the signature, so a body that changed on the way is refused.
        """
        url = urlsplit(self.address(name))
        now = datetime.now(UTC)
        digest = hashlib.sha256(body).hexdigest()
        signed = sign_v4_s3(
            method="PUT",
            url=url,
            region=self.region,
            headers={
                **headers,
                "Host": url.netloc,
                "Content-Length": str(len(body)),
                "x-amz-content-sha256": digest,
                "x-amz-date": to_amz_date(now),
            },
            credentials=self._credentials,
            content_sha256=digest,
            date=now,
        )
        response = self._pool.urlopen(
            "PUT", url.geturl(), body=body, headers=signed, retries=None if retry else False, redirect=False
        )
        if response.status != 200:
            raise RefusedError.of(response)
        return response.headers.get("etag", "").strip('"')
