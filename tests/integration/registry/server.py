"""A stand-in schema registry that speaks Confluent's HTTP contract, with switches for what can go wrong.

Written from the public API reference: paths, bodies, status and error codes, content type. It keeps schemas in memory,
checks that they parse, and enforces no compatibility. It shows how skureel behaves towards such a server, not that
any product behaves so: give a real one's address in SKUREEL_TEST_REGISTRY_URL to run the same laws against it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit
from uuid import UUID

from fastavro import parse_schema

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"

Fault = Literal["slow", "500", "503", "429", "401", "404", "not json", "wrong json", "no schema", "html"]
"""``slow`` answers after the client has gone; ``404`` is a web server that is no registry."""


class ApiError(Exception):
    """An answer that is an error in the contract's form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(slots=True)
class Memory:
    """What the registry holds; ids rise by one from 1, the same schema keeps its id under every subject."""

    schemas: list[dict[str, Any]] = field(default_factory=list)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def register(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """The schema's registration, made if new. Raises ApiError 42201 when it does not parse."""
        kept = {key: body[key] for key in ("schema", "schemaType", "references") if body.get(key)}
        try:
            named: dict[str, Any] = {}
            self._parse_references(kept, named)
            if kept.get("schemaType", "AVRO") == "AVRO":
                parse_schema(json.loads(kept["schema"]), named)
        except ApiError:
            raise
        except Exception as error:
            raise ApiError(422, 42201, f"Invalid schema: {error}") from error
        with self.lock:
            if kept not in self.schemas:
                self.schemas.append(kept)
            number = self.schemas.index(kept) + 1
            versions = self.subjects.setdefault(subject, [])
            if number not in versions:
                versions.append(number)
            return self.answer(number, subject)

    def _parse_references(self, kept: dict[str, Any], named: dict[str, Any]) -> None:
        for reference in kept.get("references", ()):
            if reference["name"] not in named:
                other = self.version(reference["subject"], str(reference["version"]))
                self._parse_references(other, named)
                parse_schema(json.loads(other["schema"]), named)

    def look_up(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """The registration of a schema under a subject."""
        if subject not in self.subjects:
            raise ApiError(404, 40401, f"Subject '{subject}' not found.")
        for number in self.subjects[subject]:
            if json.loads(self.schemas[number - 1]["schema"]) == json.loads(body["schema"]):
                return self.answer(number, subject)
        raise ApiError(404, 40403, "Schema not found")

    def version(self, subject: str, version: str) -> dict[str, Any]:
        """One version of a subject, or ``latest``."""
        if subject not in self.subjects:
            raise ApiError(404, 40401, f"Subject '{subject}' not found.")
        versions = self.subjects[subject]
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            raise ApiError(404, 40402, f"Version {version} not found.")
        return self.answer(versions[number - 1], subject)

    def by_id(self, number: int) -> dict[str, Any]:
        """A schema by its id."""
        if not 1 <= number <= len(self.schemas):
            raise ApiError(404, 40403, f"Schema {number} not found")
        return self.schemas[number - 1] | {"guid": self.guid(number)}

    def by_guid(self, guid: str) -> dict[str, Any]:
        """A schema by its GUID."""
        for number in range(1, len(self.schemas) + 1):
            if self.guid(number) == guid:
                return self.schemas[number - 1]
        raise ApiError(404, 40403, f"Schema {guid} not found")

    def guid(self, number: int) -> str:
        """Deterministic from the content, as in the product."""
        return str(UUID(bytes=hashlib.md5(json.dumps(self.schemas[number - 1]).encode()).digest()))  # noqa: S324

    def answer(self, number: int, subject: str) -> dict[str, Any]:
        """A registration in the contract's form."""
        version = self.subjects[subject].index(number) + 1
        return {"subject": subject, "version": version, "id": number, "guid": self.guid(number)} | self.schemas[
            number - 1
        ]


class RegistryServer:
    """The server on a loopback port. Use as a context manager."""

    def __init__(self, *, user: str | None = None, password: str = "", guids: bool = True) -> None:
        self.memory = Memory()
        self.fault: Fault | None = None
        self.guids = guids
        """False: like a registry from before GUIDs."""
        self.requests: list[str] = []
        """Method and path of every request, for tests that count."""
        self.authorization = None if user is None else _basic(user, password)
        self.release = threading.Event()
        """Set to let ``slow`` answers go."""
        self._port = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.stop()

    @property
    def url(self) -> str:
        """Stays the same over stop and start."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        server.daemon_threads = True
        self._port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and keep the memory: an outage."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def register(self, subject: str, schema: Any, **more: Any) -> int:
        """Register a schema (JSON) directly; its id."""
        number: int = self.memory.register(subject, {"schema": json.dumps(schema), **more})["id"]
        return number


def _handler(registry: RegistryServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            registry.requests.append(f"{self.command} {self.path}")
            if registry.fault == "slow":
                registry.release.wait(30)
                self.close_connection = True
                return
            allowed = registry.authorization in {None, self.headers.get("Authorization")}
            if registry.fault:
                status, content, content_type = _FAULTS[registry.fault]
            else:
                status, content, content_type = _answer(registry, self.command, self.path, body, allowed=allowed)
            self.send_response(HTTPStatus(status))
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Requests are kept in ``RegistryServer.requests``."""

    return Handler


def _failure(status: int) -> tuple[int, bytes, str]:
    content = {"error_code": status * 100 + 1, "message": "switched to fail"}
    return status, json.dumps(content).encode(), CONTENT_TYPE


_FAULTS: dict[str, tuple[int, bytes, str]] = {
    **{str(status): _failure(status) for status in (500, 503, 429, 401)},
    "404": (404, b"<html>nothing here</html>", "text/html"),
    "html": (200, b"<html>sign in first</html>", "text/html"),
    "not json": (200, b"{", CONTENT_TYPE),
    "wrong json": (200, b'["what"]', CONTENT_TYPE),
    "no schema": (200, b"{}", CONTENT_TYPE),
}


def _answer(registry: RegistryServer, method: str, path: str, body: bytes, *, allowed: bool) -> tuple[int, bytes, str]:
    status, value = 200, None
    try:
        if not allowed:
            status, value = 401, {"error_code": 40101, "message": "Unauthorized"}
        else:
            value = _route(registry, method, path, body)
    except ApiError as error:
        status, value = error.status, {"error_code": error.code, "message": str(error)}
    return status, json.dumps(value).encode(), CONTENT_TYPE


def _route(registry: RegistryServer, method: str, path: str, body: bytes) -> Any:
    parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
    memory = registry.memory
    match method, parts:
        case "GET", ["subjects"]:
            return sorted(memory.subjects)
        case "POST", ["subjects", subject]:
            answer = memory.look_up(subject, json.loads(body))
        case "POST", ["subjects", subject, "versions"]:
            answer = memory.register(subject, json.loads(body))
        case "GET", ["subjects", subject, "versions", version]:
            answer = memory.version(subject, version)
        case "GET", ["schemas", "ids", number]:
            answer = memory.by_id(int(number))
        case "GET", ["schemas", "guids", guid] if registry.guids:
            answer = memory.by_guid(guid)
        case _:
            raise ApiError(404, 404, "HTTP 404 Not Found")
    return answer if registry.guids else {key: value for key, value in answer.items() if key != "guid"}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
