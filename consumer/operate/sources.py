"""Files and addresses that an operator names, read whole: bounded in bytes and time, and never led elsewhere."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import urllib3

from consumer.renderer.addresses import NotPublicError, resolved

SECONDS = 300.0
"""Longest that a download may take, whatever the host does."""
TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0)
_CHUNK = 256 * 1024
_PORTS = {"http": 80, "https": 443}

Told = Callable[[int, int | None], None]
"""Is told how many bytes have come, and of how many."""


class RefusedError(Exception):
    """Raised when a name is not followed at all; the message says why, and what to do."""


class UnreachableError(Exception):
    """Raised when nothing came, or not all of it."""


class TooLargeError(Exception):
    """Raised when there is more than is read."""


def is_address(name: str) -> bool:
    """True for what is to be fetched, false for a path."""
    return "://" in name


def read(name: str, most: int, *, private: bool = False, told: Told = lambda _done, _of: None) -> bytes:
    """All bytes of a file, or of an http or https address.

    Args:
        name: Path or address.
        most: Most bytes that are read.
        private: Whether addresses that are not public are followed.
        told: See ``Told``.

    Raises:
        RefusedError, UnreachableError, TooLargeError: See there.
    """
    return _fetched(name, most, private, told) if is_address(name) else _of_file(Path(name), most)


def _of_file(path: Path, most: int) -> bytes:
    try:
        found = path.stat()
        # Pipes and devices may never end, or wait for ever.
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError("is no regular file")
        if found.st_size > most:
            raise TooLargeError(f"{found.st_size} bytes; at most {most} are read")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise UnreachableError(getattr(error, "strerror", None) or str(error)) from error
    if len(data) > most:
        raise TooLargeError(f"more than {most} bytes")
    return data


class _Address(NamedTuple):
    scheme: str
    host: str
    port: int
    target: str

    @property
    def header(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def _parsed(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise RefusedError(f"is no address: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise RefusedError("only http and https addresses are followed")
    if parts.username is not None or parts.password is not None:
        raise RefusedError("addresses with user names are not followed")
    target = quote(f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", safe="/?%&=:;,+@!$'()*~#")
    return _Address(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _fetched(url: str, most: int, private: bool, told: Told) -> bytes:
    address = _parsed(url)
    outcome: list[bytes | Exception] = []

    def fetch() -> None:
        try:
            outcome.append(_downloaded(address, most, private, told))
        except Exception as error:  # noqa: BLE001 - raised again by who waits
            outcome.append(error)

    # A daemon: a resolver or a host that gives a byte a minute must not keep the command from ending.
    thread = threading.Thread(target=fetch, name="skureel-download", daemon=True)
    thread.start()
    thread.join(SECONDS)
    if not outcome:
        raise UnreachableError(f"not all of it came within {SECONDS:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _downloaded(address: _Address, most: int, private: bool, told: Told) -> bytes:
    try:
        number = resolved(address.host, address.port, private=private)
        with _pool(address, number) as pool:
            # As it is stored: a small body could unfold to any size.
            headers = {"Host": address.header, "Accept": "video/mp4,*/*", "Accept-Encoding": "identity"}
            reply = pool.request(
                "GET", address.target, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
            try:
                return _body(reply, most, told)
            finally:
                reply.close()
    except NotPublicError as error:
        raise RefusedError(f"{error}; --allow-private follows it all the same") from error
    except urllib3.exceptions.HTTPError as error:
        raise UnreachableError(f"{address.host}: {type(error).__name__}") from error
    except OSError as error:
        raise UnreachableError(f"{address.host}: {error}") from error


def _pool(address: _Address, number: str) -> urllib3.HTTPConnectionPool:
    """Connected to by number; the name is what a certificate must be for."""
    if address.scheme == "http":
        return urllib3.HTTPConnectionPool(number, address.port, timeout=TIMEOUT, retries=False, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        number,
        address.port,
        timeout=TIMEOUT,
        retries=False,
        maxsize=1,
        assert_hostname=address.host,
        server_hostname=address.host,
    )


def _body(reply: urllib3.BaseHTTPResponse, most: int, told: Told) -> bytes:
    if 300 <= reply.status < 400:
        raise UnreachableError(f"status {reply.status}: redirects are not followed; name where it leads to")
    if reply.status != 200:
        raise UnreachableError(f"status {reply.status}")
    length = reply.headers.get("Content-Length", "")
    of = int(length) if length.isascii() and length.isdigit() else None
    if of is not None and of > most:
        raise TooLargeError(f"{of} bytes; at most {most} are read")
    data = bytearray()
    while chunk := reply.read(_CHUNK):
        data += chunk
        if len(data) > most:
            raise TooLargeError(f"more than {most} bytes")
        told(len(data), of)
    return bytes(data)
