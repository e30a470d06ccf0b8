"""The laws of links: what is healthy comes through, what is cut breaks, what is held waits, and all of it heals."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.services.ports import LOOPBACK
from tests.soak.network import Link, Network

PATIENCE = 10.0


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    listener = socket.create_server((LOOPBACK, 0))

    def answer(client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(65_536):
                    client.sendall(data)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    server.join(PATIENCE)


@pytest.fixture
def link(echo: int) -> Iterator[Link]:
    """A link to it."""
    network = Network()
    yield network.link(echo)
    network.close()


def connected(link: Link) -> socket.socket:
    """A connection by the link."""
    return socket.create_connection((LOOPBACK, link.port), PATIENCE)


def echoed(connection: socket.socket, data: bytes) -> bytes:
    """What comes back of some bytes, until the other side has no more."""
    sender = threading.Thread(target=connection.sendall, args=(data,))
    sender.start()
    found = bytearray()
    while len(found) < len(data) and (more := connection.recv(65_536)):
        found += more
    sender.join(PATIENCE)
    return bytes(found)


def broken(connection: socket.socket) -> bool:
    """Whether a connection ends instead of answering."""
    try:
        connection.sendall(b"?")
        return connection.recv(1) == b""
    except OSError:
        return True


def test_a_healthy_link_carries_everything(link: Link) -> None:
    """Many bytes come back as they went, and an end on one side is an end on the other."""
    data = bytes(range(256)) * 4_000
    with connected(link) as connection:
        assert echoed(connection, data) == data
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_a_cut_link_breaks_what_is_open_and_what_comes_until_it_heals(link: Link) -> None:
    """Connections of before and of meanwhile end; those after it do not."""
    with connected(link) as before:
        assert echoed(before, b"x") == b"x"
        link.cut()
        assert broken(before)
    with connected(link) as meanwhile:
        assert broken(meanwhile)
    link.heal()
    with connected(link) as after:
        assert echoed(after, b"x") == b"x"


def test_a_held_link_loses_nothing_and_passes_nothing_until_it_heals(link: Link) -> None:
    """The connection stays, silent; then all comes that was sent meanwhile."""
    with connected(link) as connection:
        assert echoed(connection, b"x") == b"x"
        link.hold()
        connection.settimeout(0.2)
        connection.sendall(b"held")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        link.heal()
        connection.settimeout(PATIENCE)
        assert connection.recv(4) == b"held"


def test_a_slow_link_takes_its_time_both_ways(link: Link) -> None:
    """There and back takes twice the delay."""
    link.slow(0.1)
    with connected(link) as connection:
        began = time.monotonic()
        assert echoed(connection, b"x") == b"x"
        assert time.monotonic() - began >= 0.2
