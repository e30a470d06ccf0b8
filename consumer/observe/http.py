"""The small server of /metrics, /healthz and /readyz. Bounded in size, time and number; garbage cannot stop it."""

from __future__ import annotations

import io
import json
import socket
import socketserver
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from consumer.observe.health import Health, Verdict
from consumer.observe.metrics import Metrics

HEAD_BYTES = 16_384
"""The largest request: its line and headers. Bodies are never read."""
REQUEST_SECONDS = 5.0
"""How long a request may take to arrive, and how long its answer may take to leave."""
CONNECTIONS = 32
"""Answered at a time; a connection beyond them is closed at once."""
_PLAIN = "text/plain; charset=utf-8"

_log = structlog.get_logger(__name__)


class PortError(Exception):
    """Raised when the port cannot be had; the message names the setting."""


class _Handler(BaseHTTPRequestHandler):
    """One request a connection (HTTP/1.0 semantics): nothing is left over to be smuggled in."""

    server: _Server
    default_request_version = "HTTP/1.0"  # the library's HTTP/0.9 would answer garbage without a status line
    error_content_type = _PLAIN
    error_message_format = "%(code)d %(message)s\n"
    timeout = REQUEST_SECONDS

    def version_string(self) -> str:
        """Our name, and no version of Python."""
        return "skureel"

    def handle(self) -> None:
        """Read the head whole, within its bounds, then answer it."""
        head = self._head()
        if not head:
            return
        self.close_connection = True
        self.request_version = self.default_request_version
        self.requestline, self.command, self.path = "", "", ""
        if len(head) > HEAD_BYTES:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.raw_requestline = self.rfile.readline()
        if self.parse_request():
            self._answer()

    def _head(self) -> bytes:
        """Bytes up to the empty line, or until size or time are used up."""
        deadline = time.monotonic() + REQUEST_SECONDS
        head = b""
        while len(head) <= HEAD_BYTES and b"\r\n\r\n" not in head and b"\n\n" not in head:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.connection.settimeout(left)
            try:
                block = self.connection.recv(4096)
            except TimeoutError:
                break
            if not block:
                break
            head += block
        self.connection.settimeout(REQUEST_SECONDS)
        return head

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path not in {"/metrics", "/healthz", "/readyz"}:
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self.command not in {"GET", "HEAD"}:
            self._send(HTTPStatus.METHOD_NOT_ALLOWED, b"405 GET and HEAD only\n", _PLAIN, Allow="GET, HEAD")
        elif path == "/metrics":
            self._send(HTTPStatus.OK, self.server.metrics.page(), CONTENT_TYPE_LATEST)
        else:
            self._verdict(self.server.health.live() if path == "/healthz" else self.server.health.ready())

    def _verdict(self, verdict: Verdict) -> None:
        body = {"status": "ok" if verdict.well else "failed", "reasons": verdict.reasons}
        if verdict.notes:
            body["notes"] = verdict.notes
        status = HTTPStatus.OK if verdict.well else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, json.dumps(body, ensure_ascii=True).encode() + b"\n", "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Pages that are asked every few seconds do not belong in the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], health: Health, metrics: Metrics) -> None:
        self.health = health
        self.metrics = metrics
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the library's look-up of this machine's name, which may take many seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there is a place left."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and give the place back whatever happened."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """A client that left is no news; anything else is a fault of ours."""
        _log.debug("a request for health or metrics broke off", exc_info=True)


class HealthServer:
    """The server and its thread. As a context manager it closes at the end."""

    def __init__(self, health: Health, metrics: Metrics, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen at once; port 0 picks a free one. Raises PortError."""
        try:
            self._server = _Server((host, port), health, metrics)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortError(f"cannot listen on {host}:{port}: {reason}; see observe.host and observe.port") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Address of the root, without a slash at its end."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stop listening; requests being answered are cut off."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
