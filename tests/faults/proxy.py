"""A proxy in front of a Kafka broker that may lose or hold back the answers to one kind of request. Reads no record."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

END_TXN = 26
"""Kafka's key of the request that ends a transaction."""


class Proxy:
    """Listens on a loopback port; each connection is one to the broker. ``answers`` decides, at each answer to
    ``api``, whether it is passed on (``True``) or lost with its connection."""

    def __init__(self, broker: tuple[str, int], api: int = END_TXN) -> None:
        self.answers: Callable[[], bool] = lambda: True
        self.met = 0
        """Answers to ``api`` so far."""
        self._broker, self._api = broker, api
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        for each in (self._listener, *self._open):
            _shut(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self._broker, 5)
            except OSError:
                _shut(client)
                continue
            broker.settimeout(None)
            self._open += [client, broker]
            asked: set[int] = set()
            for source, sink, look in (
                (client, broker, lambda frame, a=asked: self._request(frame, a)),
                (broker, client, lambda frame, a=asked: self._answer(frame, a)),
            ):
                threading.Thread(target=_pump, args=(source, sink, look), daemon=True).start()

    def _request(self, frame: bytes, asked: set[int]) -> bool:
        api, _, correlation = struct.unpack_from(">hhi", frame)
        if api == self._api:
            asked.add(correlation)
        return True

    def _answer(self, frame: bytes, asked: set[int]) -> bool:
        (correlation,) = struct.unpack_from(">i", frame)
        if correlation not in asked:
            return True
        asked.discard(correlation)
        self.met += 1
        return self.answers()


def hold(seconds: float) -> bool:
    """An answer that is late, and then passed on."""
    time.sleep(seconds)
    return True


def _pump(source: socket.socket, sink: socket.socket, look: Callable[[bytes], bool]) -> None:
    """Frames from one side to the other, until one ends or ``look`` says that the connection breaks here."""
    try:
        while (head := _exactly(source, 4)) and (frame := _exactly(source, struct.unpack(">i", head)[0])):
            if not look(frame):
                break
            sink.sendall(head + frame)
    except OSError:
        pass
    _shut(source)
    _shut(sink)


def _exactly(source: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        more = source.recv(count - len(parts))
        if not more:
            return None
        parts += more
    return bytes(parts)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
