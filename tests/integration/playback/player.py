"""A page in a browser that plays clips and tells what it saw: a loopback server with ranges, and tasks by long polling.

The browser needs no driver that way. Knows no clip and judges nothing.
"""

from __future__ import annotations

import io
import json
import queue
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from model.colour import Picture, Planar
from tests.services.chromium import Chromium

PAGE = Path(__file__).with_name("player.html")
ANSWER_S = 60.0
POLL_S = 5.0


class PlayerError(AssertionError):
    """Raised when the page reports an error, or nothing at all."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the element said when the clip had ended. Seconds, pixels, pictures."""

    duration: float
    width: int
    height: int
    position: float
    ended: bool
    error: str | None
    total: int
    dropped: int
    corrupted: int
    presented: int
    shown: list[float]


class Seen(NamedTuple):
    """What was shown after a seek: the picture's own time in seconds, its planes, and what a canvas made of them."""

    time: float
    planes: Planar
    painted: Picture | None


@dataclass
class _State:
    """What server and test share."""

    files: dict[str, bytes] = field(default_factory=dict)
    tasks: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    answers: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    pictures: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str] = field(default_factory=list)


class Player:
    """One page of one browser."""

    def __init__(self, state: _State) -> None:
        self._state = state

    @property
    def ranges(self) -> list[str]:
        """The ranges of files that the browser has asked for."""
        return self._state.ranges

    def offer(self, name: str, data: bytes) -> None:
        """Serve a clip under a name."""
        self._state.files[f"/clips/{name}.mp4"] = data

    def play(self, name: str, *, rate: float) -> Played:
        """Play a clip from start to end. Raises PlayerError where it has an error or does not end."""
        return Played(**self._ask("play", url=f"/clips/{name}.mp4", rate=rate))

    def look(self, name: str, frames: Sequence[int], fps: int, *, painted: Sequence[int] = ()) -> list[Seen]:
        """Seek to the middle of each frame in turn, and see; those at the given places are painted on a canvas too."""
        self._state.pictures.clear()
        arguments = {"frames": list(frames), "fps": fps, "painted": list(painted), "pictures": "/pictures"}
        found = self._ask("look", url=f"/clips/{name}.mp4", **arguments)
        return [self._seen(place, facts) for place, facts in enumerate(found)]

    def _seen(self, place: int, facts: dict[str, Any]) -> Seen:
        assert facts["format"] == "I420", facts
        data = self._state.pictures[f"/pictures/{place}.i420"]
        png = self._state.pictures.get(f"/pictures/{place}.png")
        painted = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) if png else None
        width = facts["layout"][0]["stride"]
        planes = np.frombuffer(data, np.uint8).reshape(-1, width)
        return Seen(facts["timestamp"] / 1e6, planes, painted)

    def _ask(self, name: str, **arguments: Any) -> Any:
        self._state.tasks.put({"name": name, "arguments": arguments})
        try:
            answer = self._state.answers.get(timeout=ANSWER_S)
        except queue.Empty:
            raise PlayerError(f"{name} {arguments}: no answer within {ANSWER_S:.0f} s") from None
        if "error" in answer:
            raise PlayerError(f"{name} {arguments}: {answer['error']}")
        return answer["value"]


@contextmanager
def player(browser: Chromium) -> Iterator[Player]:
    """The browser on our page."""
    state = _State()
    server = _Server(state)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with browser.at(f"http://127.0.0.1:{server.server_port}/"):
            yield Player(state)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    """The server, which knows what it serves."""

    def __init__(self, state: _State) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def state(self) -> _State:
        assert isinstance(self.server, _Server)
        return self.server.state

    def do_GET(self) -> None:
        if self.path == "/":
            self._reply(200, PAGE.read_bytes(), {"Content-Type": "text/html"})
        elif self.path == "/task":
            self._task()
        elif self.path in self.state.files:
            self._file(self.state.files[self.path])
        else:
            self._reply(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/answer":
            self.state.answers.put(json.loads(body))
        else:
            self.state.pictures[self.path] = body
        self._reply(204)

    def _task(self) -> None:
        try:
            task = self.state.tasks.get(timeout=POLL_S)
        except queue.Empty:
            self._reply(204)
        else:
            self._reply(200, json.dumps(task).encode(), {"Content-Type": "application/json"})

    def _file(self, data: bytes) -> None:
        """As object stores answer: whole, or the range asked for (RFC 9110, 14.2)."""
        headers = {"Content-Type": "video/mp4", "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._reply(200, data, headers)
            return
        self.state.ranges.append(asked[0])
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first > last:
            self._reply(416, headers={"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._reply(206, data[first : last + 1], headers)

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the browser has what it wants, or is gone

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Quiet."""
