"""Looks at what this machine gives: settings, processors, disk, clock and the metrics port."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import urllib3
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.settings import Settings
from consumer.wiring import registry_options

LOW_DISK, FULL_DISK = 5 << 30, 500 << 20
"""Free bytes below which a disk deserves a warning (some ten thousand clips), and is as good as full."""
SKEW_WARN, SKEW_FAIL = 60.0, 600.0
"""Seconds between our clock and a server's. S3 refuses requests that are 900 s off."""
ASK_SECONDS = 3.0


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    return (
        Check("settings", lambda: _settings(settings)),
        Check("processors", lambda: _processors(settings)),
        Check("disk", lambda: _disk(settings)),
        Check("clock", lambda: _clock(settings)),
        Check("metrics port", lambda: _port(settings)),
    )


def _settings(settings: Settings) -> Iterator[Finding]:
    file = str(settings.file) if settings.file else "no file (./skureel.toml is read where it exists)"
    variables = f"; environment: {', '.join(settings.variables)}" if settings.variables else ""
    yield ok("settings", f"{file}{variables}")


def _processors(settings: Settings) -> Iterator[Finding]:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    finishers = settings.renderer.finishers
    found = f"{count} CPU cores, {finishers} finishers"
    if finishers > count:
        yield warn("processors", found, f"set renderer.finishers to {count} at most: more only wait for each other")
    else:
        yield ok("processors", found)


def _disk(settings: Settings) -> Iterator[Finding]:
    folders = {"temporary files": Path(tempfile.gettempdir())}
    if settings.store.kind == "files":
        folders["store"] = settings.store.path
    with suppress(ArgumentError):
        url = make_url(settings.database.url.get_secret_value())
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            folders["database"] = Path(url.database).parent
    free = {what: shutil.disk_usage(_existing(folder)).free for what, folder in folders.items()}
    found = "free for " + ", ".join(f"{what} {count / (1 << 30):.1f} GiB" for what, count in free.items())
    what, least = min(free.items(), key=lambda item: item[1])
    todo = f"make room in {_existing(folders[what])}, or move it (TMPDIR, store.path, database.url)"
    if least < FULL_DISK:
        yield fail("disk", found, todo)
    elif least < LOW_DISK:
        yield warn("disk", found, todo)
    else:
        yield ok("disk", found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that there is."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _clock(settings: Settings) -> Iterator[Finding]:
    now = datetime.now(UTC)
    found = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < installed:
        yield fail("clock", f"{found}, before skureel was installed", "set this machine's clock (NTP)")
        return
    servers = {}
    if settings.store.kind == "s3":
        servers["S3"] = settings.store.s3.endpoint
    if settings.registry.url:
        servers["the registry"] = registry_options(settings.registry).address
    skews = {name: skew for name, address in servers.items() if (skew := _skew(address)) is not None}
    found += "".join(f"; {name} is {skew:+.0f} s from it" for name, skew in skews.items())
    worst = max((abs(skew) for skew in skews.values()), default=0.0)
    if worst < SKEW_WARN:
        yield ok("clock", found)
    else:
        finding = fail if worst >= SKEW_FAIL else warn
        yield finding("clock", found, "set this machine's clock (NTP), or the server's; S3 refuses what is 15 min off")


def _skew(address: str) -> float | None:
    """Seconds by which a server's clock is ahead of ours; None where it does not say (other checks say why)."""
    try:
        answer = urllib3.request("HEAD", address, timeout=ASK_SECONDS, retries=False, redirect=False)
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (urllib3.exceptions.HTTPError, KeyError, ValueError, TypeError):
        return None
    if theirs.tzinfo is None:
        return None
    return (theirs - datetime.now(UTC)).total_seconds()


def _port(settings: Settings) -> Iterator[Finding]:
    host, port = settings.observe.host, settings.observe.port
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, number) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            todo = "fine if skureel runs here already; else set observe.port"
            yield warn("metrics port", f"{host}:{port} is taken", todo)
        else:
            yield fail("metrics port", f"{host}:{port}: {error.strerror or error}", "set observe.host and observe.port")
    else:
        yield ok("metrics port", f"{host}:{port or 'any'} is free")
