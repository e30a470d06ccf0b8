"""A hub on loopback: the part of its HTTP interface that a fetch uses, with the faults that networks have.

Files that end in .safetensors are large ones: listed with a SHA-256, and answered by a redirect to another host, as
content networks are.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"
REPO = "owner/name"


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """One repository. Change it while it serves; look at ``asked`` for what came."""

    files: Mapping[str, bytes]
    port: int = 0
    token: str | None = None
    """None: public."""
    licence: str = "apache-2.0"
    branches: tuple[str, ...] = ("main",)
    ranges: bool = True
    sizes: dict[str, int] = field(default_factory=dict)
    """Untrue sizes, by path."""
    tampered: dict[str, bytes] = field(default_factory=dict)
    """What is answered in place of a file's true bytes."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """After how many bytes of the next answers for a path the connection breaks."""
    answers: dict[str, list[int]] = field(default_factory=dict)
    """Statuses of the next answers for a path (or for the listing: ``api``); the last one stays."""
    asked: list[Asked] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    """Set when a file of ``holds`` has sent all it may; it then waits for ``release``."""
    release: threading.Event = field(default_factory=threading.Event)
    holds: dict[str, int] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def ranges_of(self, path: str) -> list[str | None]:
        """The ranges asked for of a large file."""
        return [asked.range for asked in self.asked if asked.path == f"/content/{path}"]

    def listing(self) -> dict[str, Any]:
        """What the hub tells of the repository."""
        siblings = []
        for path, content in self.files.items():
            size = self.sizes.get(path, len(content))
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            sibling: dict[str, Any] = {"rfilename": path, "size": size, "blobId": blob}
            if path.endswith(".safetensors"):
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": digest, "size": size, "pointerSize": 130}
            siblings.append(sibling)
        return {"id": REPO, "sha": COMMIT, "cardData": {"license": self.licence}, "siblings": siblings}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Tests are quiet."""

    def _answer(self, *, body: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        authorization = self.headers["Authorization"]
        hub.asked.append(Asked(self.command, path, self.headers["Range"], authorization))
        if path.startswith("/content/"):
            self._content(path.removeprefix("/content/"), body=body)
            return
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        match = api or file
        if match is None or match[1] != REPO:
            self._error(404, "RepoNotFound")
        elif hub.token is not None and authorization != f"Bearer {hub.token}":
            self._error(403 if authorization else 401, "GatedRepo")
        elif match[2] not in {COMMIT, *hub.branches}:
            self._error(404, "RevisionNotFound")
        elif api:
            self._listing()
        elif match[3] not in hub.files:
            self._error(404, "EntryNotFound")
        elif match[3].endswith(".safetensors"):
            self._send(302, {"Location": f"http://localhost:{hub.port}/content/{match[3]}"})
        else:
            self._content(match[3], body=body)

    def _listing(self) -> None:
        if status := self._scripted("api"):
            self._error(status)
            return
        content = json.dumps(self.hub.listing()).encode()
        self._send(200, {"Content-Type": "application/json"}, content)

    def _scripted(self, path: str) -> int | None:
        statuses = self.hub.answers.get(path, [])
        status = (statuses.pop(0) if len(statuses) > 1 else statuses[0]) if statuses else 200
        return None if status == 200 else status

    def _content(self, path: str, *, body: bool) -> None:
        if status := self._scripted(path):
            self._error(status)
            return
        content = self.hub.tampered.get(path, self.hub.files[path])
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        asked, status, first = self.headers["Range"], 200, 0
        if asked and self.hub.ranges:
            status, first = 206, int(asked.removeprefix("bytes=").partition("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(status, headers, content[first:], path=path, body=body)

    def _error(self, status: int, code: str = "") -> None:
        self._send(status, {"X-Error-Code": code} if code else {}, b'{"error":"told by the hub"}')

    def _send(
        self, status: int, headers: Mapping[str, str], content: bytes = b"", *, path: str = "", body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        hub = self.hub
        if cuts := hub.cuts.get(path):
            self.wfile.write(content[: cuts.pop(0)])
            self.close_connection = True
        elif path in hub.holds:
            sent = hub.holds.pop(path)
            self.wfile.write(content[:sent])
            self.wfile.flush()
            hub.held.set()
            hub.release.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(content)


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Hub]:
    """A hub that answers until the end of the block."""
    hub = Hub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    # Reached by its name too, which to a client is another host.
    server.daemon_threads = True
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="hub")
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
