"""Laws of the health and metrics server, spoken to over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.observe import http
from consumer.observe.health import Health
from consumer.observe.http import HealthServer, PortError
from consumer.observe.metrics import RECORDS, Metrics


@pytest.fixture
def health() -> Health:
    """A process's health."""
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[HealthServer]:
    """A server on a free port."""
    metrics = Metrics()
    metrics.inc(RECORDS, role="planner", topic="product-created")
    with HealthServer(health, metrics) as running:
        yield running


@pytest.fixture
def client() -> Iterator[urllib3.PoolManager]:
    """An HTTP client that tries once."""
    with urllib3.PoolManager(retries=False, timeout=10) as pool:
        yield pool


def raw(server: HealthServer, request: bytes) -> bytes:
    """The whole answer to some bytes."""
    with socket.create_connection(server.address, timeout=10) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while block := connection.recv(65_536):
                answer += block
        except (ConnectionResetError, BrokenPipeError):
            return b""  # closed while we were still sending
    return answer


def test_metrics_are_served(server: HealthServer, client: urllib3.PoolManager) -> None:
    """The page holds the catalogue's series, in the type that Prometheus expects."""
    answer = client.request("GET", f"{server.url}/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b'skureel_records_total{role="planner",topic="product-created"} 1.0' in answer.data


def test_health_is_200_or_503_with_reasons(server: HealthServer, health: Health, client: urllib3.PoolManager) -> None:
    """The status is for machines, the reasons are for people."""
    for page in ("healthz", "readyz"):
        answer = client.request("GET", f"{server.url}/{page}")
        assert (answer.status, answer.json()) == (200, {"status": "ok", "reasons": {}})
    health.watch_readiness("planner", lambda: "database: die Tür ist zu 红")
    assert client.request("GET", f"{server.url}/healthz").status == 200
    answer = client.request("GET", f"{server.url}/readyz?verbose")
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/json"
    assert "die Tür ist zu 红" in answer.json()["reasons"]["planner"]
    health.watch_life("loop", lambda: "stuck")
    answer = client.request("GET", f"{server.url}/healthz")
    assert (answer.status, answer.json()["reasons"]) == (503, {"loop": "stuck"})


def test_notes_stand_beside_a_well_answer(server: HealthServer, health: Health, client: urllib3.PoolManager) -> None:
    """What is worth knowing takes nobody out of service; it goes with its role."""
    health.watch_notes("renderer", lambda: {"apparel@1.0.0": "9 of 20 first attempts rejected"})
    answer = client.request("GET", f"{server.url}/readyz")
    notes = {"apparel@1.0.0": "9 of 20 first attempts rejected"}
    assert (answer.status, answer.json()) == (200, {"status": "ok", "reasons": {}, "notes": notes})
    health.forget("renderer")
    assert "notes" not in client.request("GET", f"{server.url}/readyz").json()


def test_head_is_get_without_body(server: HealthServer, client: urllib3.PoolManager) -> None:
    """Load balancers ask with HEAD."""
    answer = client.request("HEAD", f"{server.url}/healthz")
    assert (answer.status, answer.data) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["", "/", "/metrics/", "/healthz/..", "//healthz", "/%68ealthz", "/../../etc/passwd"])
def test_other_paths_are_404(server: HealthServer, path: str) -> None:
    """Only three pages are here."""
    answer = raw(server, f"GET {path or '/x'} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    # The library folds leading slashes into one, so //healthz is /healthz to it.
    assert answer.split(b" ")[1] == (b"200" if path == "//healthz" else b"404")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_405(server: HealthServer, client: urllib3.PoolManager, method: str) -> None:
    """Nothing here can be changed."""
    answer = client.request(method, f"{server.url}/healthz")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 x y z\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /healthz SPDY\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\n\n", b"200"),
        (b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"405"),
    ],
)
def test_broken_requests_get_an_answer(server: HealthServer, request_bytes: bytes, status: bytes) -> None:
    """Each kind of garbage has its status, and none of them is a traceback."""
    answer = raw(server, request_bytes)
    assert answer.split(b" ")[1] == status
    assert b"Traceback" not in answer


def test_a_request_has_a_largest_size(server: HealthServer) -> None:
    """Beyond it the answer is 431, however much is still to come."""
    answer = raw(server, b"GET /" + b"a" * http.HEAD_BYTES)
    assert answer.startswith(b"HTTP/1.0 431")


def test_nothing_is_answered_to_nothing(server: HealthServer) -> None:
    """A port scan costs nothing."""
    assert raw(server, b"") == b""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=100).map(lambda b: b"GET /healthz HTTP/1.1\r\n" + b)))
def test_garbage_never_stops_the_server(server: HealthServer, garbage: bytes) -> None:
    """Whatever arrives, the next request is answered."""
    raw(server, garbage)
    assert raw(server, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_a_client_that_says_nothing_is_dropped(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has to arrive within its time; what has come by then is judged."""
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.1)
    with (
        HealthServer(health, Metrics()) as server,
        socket.create_connection(server.address, timeout=10) as silent,
        socket.create_connection(server.address, timeout=10) as slow,
    ):
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        assert silent.recv(100) == b""
        assert slow.recv(100).startswith(b"HTTP/1.0 200")


def test_silent_clients_leave_room_or_are_shut_out(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections beyond the limit are closed at once; when places are free again, all is as before."""
    monkeypatch.setattr(http, "CONNECTIONS", 2)
    with HealthServer(health, Metrics()) as server:
        held = [socket.create_connection(server.address, timeout=10) for _ in range(2)]
        try:
            with socket.create_connection(server.address, timeout=10) as third:
                assert third.recv(100) == b""
        finally:
            for connection in held:
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(100) == b""
                connection.close()
        while not raw(server, b"GET /healthz HTTP/1.0\r\n\r\n"):
            pass  # the places are given back a moment after the connections close


def test_many_ask_at_once(server: HealthServer) -> None:
    """Parallel requests are all answered, whole."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: raw(server, b"GET /readyz HTTP/1.0\r\n\r\n"), range(40)))
    for answer in answers:
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"status": "ok", "reasons": {}}


def test_a_client_that_leaves_early_is_no_error(server: HealthServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A reset in the middle of a request prints nothing and harms nobody."""
    connection = socket.create_connection(server.address, timeout=10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.sendall(b"GET /metrics HTTP/1.0\r\n")
    connection.close()
    assert raw(server, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")
    assert "Traceback" not in capsys.readouterr().err


def test_a_taken_port_is_named(server: HealthServer, health: Health) -> None:
    """The error says which setting to change."""
    with pytest.raises(PortError, match=r"observe\.port"):
        HealthServer(health, Metrics(), *server.address)
    with pytest.raises(PortError, match=r"observe\.host"):
        HealthServer(health, Metrics(), "203.0.113.7", 1)


def test_it_listens_on_loopback_unless_told(server: HealthServer) -> None:
    """The default is not for the world, and port 0 becomes a real one."""
    host, port = server.address
    assert host == "127.0.0.1"
    assert port > 0
    assert server.url == f"http://127.0.0.1:{port}"


def test_ipv6_works(health: Health) -> None:
    """An IPv6 address is listened on, and its URL can be used."""
    try:
        server = HealthServer(health, Metrics(), "::1")
    except PortError:
        pytest.skip("this machine has no IPv6 loopback")
    with server:
        assert server.url.startswith("http://[::1]:")
        assert raw(server, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200")


def test_a_closed_server_is_gone(health: Health) -> None:
    """Nobody listens after close, and closing again is harmless."""
    server = HealthServer(health, Metrics())
    address = server.address
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=10)
