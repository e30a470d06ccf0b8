"""Product photos by address: from the store, or by https from allowed hosts. Hostile until proven otherwise.

An address comes from an event, so it is never followed where it leads: no redirects, no hosts off the list, no
private addresses, bounded bytes, pixels and time.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from urllib.parse import urlsplit

import urllib3
from PIL import Image

from consumer.renderer.addresses import NotPublicError, resolved
from consumer.storage.keys import is_key
from consumer.storage.store import ObjectNotFoundError, Store
from model.recipe import Photo

STORE_SCHEME = "store:"
STORE_PREFIXES = ("samples/", "uploads/")
"""Below which a ``store:`` address may point: an event must not read our own layers or the quarantine."""
MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 50_000_000
TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0, total=20.0)
FORMATS = ("JPEG", "PNG", "WEBP")


class PhotoError(Exception):
    """Raised when a photo cannot be had and trying again will not help; the message says why."""


class PhotoUnavailableError(Exception):
    """Raised when a photo's host did not answer properly this time."""


def _global_address(host: str, port: int) -> str:
    """One address of the host that is on the public internet. Raises PhotoError where any is not.

    Checked here and connected to by number, so that a second look-up cannot give another answer.
    """
    try:
        return resolved(host, port)
    except NotPublicError as error:
        raise PhotoError(str(error)) from error
    except OSError as error:
        raise PhotoUnavailableError(f"{host}: {error}") from error


def check_image(data: bytes) -> None:
    """Raise PhotoError unless the bytes are a picture of a known format and a bearable size (header only)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
    except Exception as error:  # Pillow's plugins raise many kinds on hostile bytes
        raise PhotoError(f"not a JPEG, PNG or WebP picture ({type(error).__name__})") from error
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{width}x{height} pixels; at most {MAX_PIXELS} allowed")


class Photos:
    """Fetches and checks photos. Thread-safe."""

    def __init__(self, store: Store, hosts: tuple[str, ...]) -> None:
        self._store = store
        self._hosts = frozenset(host.lower() for host in hosts)

    def fetch(self, photo: Photo) -> tuple[bytes, str]:
        """The photo's bytes and their sha256 hex digest.

        Raises PhotoError (never to be had), PhotoUnavailableError (not this time) and the store's errors.
        """
        data = self._read(photo.url)
        check_image(data)
        found = hashlib.sha256(data).hexdigest()
        if photo.sha256 is not None and found != photo.sha256:
            raise PhotoError(f"its sha256 is {found[:12]}…, the event says {photo.sha256[:12]}…")
        return data, found

    def _read(self, url: str) -> bytes:
        if url.startswith(STORE_SCHEME):
            return self._from_store(url.removeprefix(STORE_SCHEME))
        return self._from_host(url)

    def _from_store(self, key: str) -> bytes:
        if not key.startswith(STORE_PREFIXES) or not is_key(key):
            raise PhotoError(f"store: addresses must lie below {' or '.join(STORE_PREFIXES)}")
        stat = self._store.stat(key)
        if stat is None:
            raise PhotoError(f"no object {key!r} in the store")
        if stat.size > MAX_BYTES:
            raise PhotoError(f"{stat.size} bytes; at most {MAX_BYTES} allowed")
        try:
            return self._store.get(key)[0]
        except ObjectNotFoundError as error:
            raise PhotoError(str(error)) from error

    def _from_host(self, url: str) -> bytes:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port or 443
        except ValueError as error:
            raise PhotoError(f"not an address: {error}") from error
        if parts.scheme != "https" or not host:
            raise PhotoError("only https and store: addresses are followed")
        if parts.username or parts.password:
            raise PhotoError("addresses with user names are not followed")
        if host not in self._hosts:
            raise PhotoError(f"host {host!r} is not in renderer.photo_hosts")
        return self._download(host, port, f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")

    def _download(self, host: str, port: int, target: str) -> bytes:
        address = _global_address(host, port)
        pool = urllib3.HTTPSConnectionPool(
            address, port, timeout=TIMEOUT, retries=False, assert_hostname=host, server_hostname=host, maxsize=1
        )
        with pool:
            try:
                headers = {"Host": host, "Accept": "image/jpeg,image/png,image/webp"}
                reply = pool.request("GET", target, headers=headers, redirect=False, preload_content=False)
                try:
                    return self._body(reply)
                finally:
                    reply.close()
            except urllib3.exceptions.HTTPError as error:
                raise PhotoUnavailableError(f"{host}: {type(error).__name__}") from error

    @staticmethod
    def _body(reply: urllib3.BaseHTTPResponse) -> bytes:
        if reply.status >= 500 or reply.status in {408, 425, 429}:
            raise PhotoUnavailableError(f"status {reply.status}")
        if reply.status != 200:
            raise PhotoError(f"status {reply.status} (redirects are not followed)")
        data = reply.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise PhotoError(f"more than {MAX_BYTES} bytes")
        return data
