"""Laws of photo addresses: only allowed hosts, no private addresses, no redirects, bounded bytes and pixels."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from consumer.renderer import photos
from consumer.renderer.photos import PhotoError, Photos, PhotoUnavailableError, check_image
from consumer.storage.files import FilesStore
from consumer.storage.store import Attributes
from model.recipe import Photo

HOST = "images.example.com"


def png(width: int = 8, height: int = 8) -> bytes:
    """A picture."""
    target = io.BytesIO()
    Image.new("RGB", (width, height), (9, 90, 200)).save(target, "PNG")
    return target.getvalue()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for HOST that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret


class Site(BaseHTTPRequestHandler):
    """An image host with moods, by path."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012 - shared by the server's handlers on purpose

    def do_GET(self) -> None:
        Site.seen.append((self.path, self.headers.get("Host")))
        status = int(self.path.split("/")[1]) if self.path.split("/")[1].isdigit() else 200
        body = b"x" * (photos.MAX_BYTES + 10) if self.path.startswith("/huge") else png()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "https://elsewhere.example.com/a.png")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # the reader had enough

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Quiet."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A TLS server that HOST leads to, trusted by this test alone; gives its port."""
    chain, secret = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    monkeypatch.setattr(photos, "_global_address", lambda _host, _port: "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Site.seen.clear()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def fetcher(tmp_path: Path) -> Photos:
    """Photos over an empty store, HOST allowed."""
    return Photos(FilesStore(tmp_path / "store"), (HOST.upper(),))


def test_a_photo_of_an_allowed_host_is_fetched_by_its_name(site: int, fetcher: Photos) -> None:
    """The bytes and their digest come back; the host sees its own name, path and query."""
    data, digest = fetcher.fetch(Photo(url=f"https://{HOST}:{site}/a.png?v=1"))
    assert (data, digest) == (png(), hashlib.sha256(png()).hexdigest())
    assert Site.seen == [("/a.png?v=1", HOST)]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 410])
def test_redirects_and_refusals_are_final(site: int, fetcher: Photos, status: int) -> None:
    """A redirect could lead anywhere; a 404 will not be better next time."""
    with pytest.raises(PhotoError, match=str(status)):
        fetcher.fetch(Photo(url=f"https://{HOST}:{site}/{status}/a.png"))
    assert len(Site.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_stumbling_host_may_be_asked_again(site: int, fetcher: Photos, status: int) -> None:
    """These may pass."""
    with pytest.raises(PhotoUnavailableError, match=str(status)):
        fetcher.fetch(Photo(url=f"https://{HOST}:{site}/{status}/a.png"))


def test_a_body_without_end_is_cut_off(site: int, fetcher: Photos) -> None:
    """More than the limit is not read, whatever the host says."""
    with pytest.raises(PhotoError, match="more than"):
        fetcher.fetch(Photo(url=f"https://{HOST}:{site}/huge"))


def test_a_certificate_of_another_name_is_refused(site: int, tmp_path: Path) -> None:
    """Connected by number, verified by name."""
    other = Photos(FilesStore(tmp_path / "store"), ("other.example.com",))
    with pytest.raises(PhotoUnavailableError):
        other.fetch(Photo(url=f"https://other.example.com:{site}/a.png"))
    assert Site.seen == []


def test_a_host_that_does_not_answer_may_be_asked_again(fetcher: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port is an outage, not a verdict."""
    monkeypatch.setattr(photos, "_global_address", lambda _host, _port: "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(PhotoUnavailableError):
        fetcher.fetch(Photo(url=f"https://{HOST}:{port}/a.png"))


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["192.168.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["0.0.0.0"],
        ["93.184.216.34", "10.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_refused(
    fetcher: Photos, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    """An allowed name must not become a way to the cluster's own services, not even with one of its addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    with pytest.raises(PhotoError, match="not a public address"):
        fetcher.fetch(Photo(url=f"https://{HOST}/a.png"))


def test_a_name_that_cannot_be_resolved_may_be_asked_again(fetcher: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver may be out."""

    def fail(*_args: Any, **_more: Any) -> Any:
        raise socket.gaierror(-3, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(PhotoUnavailableError, match="try again"):
        fetcher.fetch(Photo(url=f"https://{HOST}/a.png"))


def test_a_public_address_is_connected_to_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a second look-up cannot give another answer."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    assert photos._global_address(HOST, 443) == "93.184.216.34"


def test_a_photo_that_is_not_what_the_event_says_is_refused(fetcher: Photos, tmp_path: Path) -> None:
    """The catalog's digest is a promise."""
    store = FilesStore(tmp_path / "store")
    store.put("uploads/a.png", png(), Attributes(content_type="image/png"))
    right = hashlib.sha256(png()).hexdigest()
    assert fetcher.fetch(Photo(url="store:uploads/a.png", sha256=right))[1] == right
    with pytest.raises(PhotoError, match="sha256"):
        fetcher.fetch(Photo(url="store:uploads/a.png", sha256="0" * 64))


def test_a_stored_photo_over_the_limit_is_not_read(
    fetcher: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head says how large it is before a byte is read."""
    FilesStore(tmp_path / "store").put("uploads/a.png", png(), Attributes(content_type="image/png"))
    monkeypatch.setattr(photos, "MAX_BYTES", 10)
    with pytest.raises(PhotoError, match="at most 10"):
        fetcher.fetch(Photo(url="store:uploads/a.png"))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", b"\x89PNG\r\n\x1a\n", png()[:30], b"\xff\xd8\xff\xe0junk"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """Formats with programs in them (SVG), animations and fragments do not reach the engine."""
    with pytest.raises(PhotoError, match="not a JPEG"):
        check_image(data)


def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unfolds to gigabytes is never unfolded."""
    monkeypatch.setattr(photos, "MAX_PIXELS", 63)
    with pytest.raises(PhotoError, match="8x8"):
        check_image(png(8, 8))
