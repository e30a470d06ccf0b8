"""``skureel verify``: exit codes, the table, JSON, and addresses that are hostile."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from consumer.operate import sources
from consumer.operate.sources import RefusedError, TooLargeError, UnreachableError, read
from model.probe import MAX_BYTES
from model.verify import CHECKS
from tests.commands import program, skureel
from tests.unit.model_verify.files import drawn, encoded, labelled, remuxed
from tests.unit.renderer.test_photos import HOST, certificate

MOST = 1_000_000


class Host(BaseHTTPRequestHandler):
    """A host with moods, by path."""

    def do_GET(self) -> None:
        body = labelled()
        if self.path == "/redirect":
            self._reply(302, b"", Location="http://169.254.169.254/latest/meta-data")
        elif self.path == "/gone":
            self._reply(404, b"no")
        elif self.path == "/liar":
            self._reply(200, body[:50], length=len(body))
        elif self.path == "/huge":
            self._reply(200, b"x", length=2 * MAX_BYTES)
        elif self.path == "/endless":
            self._reply(200, b"x" * (MOST + 1))
        elif self.path == "/echo%20me?a=%E4%B8%AD":
            self._reply(200, f"{self.headers['Host']} {self.path}".encode())
        elif self.path == "/silent":
            silence.wait(20)
        else:
            self._reply(200, body)

    def _reply(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return  # the reader had enough

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Quiet."""


silence = threading.Event()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The host's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    silence.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file that holds."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(labelled())
    return path


def test_a_clip_that_holds_ends_with_0_and_a_row_for_every_check(clip: Path) -> None:
    """The table names the file, and each check with what was found."""
    ran = skureel("verify", clip)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{clip}: holds")
    for check in CHECKS:
        assert check.replace("_", " ") in ran.out


def test_json_says_the_same_for_machines(clip: Path, tmp_path: Path) -> None:
    """One object a file, in the order of the command line, whatever became of it."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(remuxed(labelled()))
    ran = skureel("verify", "--json", clip, bad, tmp_path / "missing.mp4")
    assert ran.code == 1
    good, worse, missing = ran.json()
    assert [good["ending"], worse["ending"], missing["ending"]] == ["holds", "fails", "unreachable"]
    assert [each["check"] for each in good["findings"]] == list(CHECKS)
    assert {each["check"] for each in worse["findings"] if each["status"] == "fail"} == {"metadata_label"}
    assert good["facts"]["visible_label"]["text"] == "AI生成"
    assert missing["problem"] == "No such file or directory"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no MP4"), (b"<html>404</html>", "no MP4"), (labelled()[:-1], "claims"), (labelled()[:200], "claims")],
)
def test_what_is_no_whole_mp4_ends_with_1(tmp_path: Path, content: bytes, told: str) -> None:
    """Empty, an error page, cut: the reason stands in the table."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    ran = skureel("verify", path)
    assert ran.code == 1
    assert told in " ".join(ran.out.split())
    assert "12 more" in ran.out


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte is refused by its size."""
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:
        file.truncate(2**40)
    ran = skureel("verify", path)
    assert ran.code == 1
    assert "is no clip: 1099511627776 bytes" in ran.out


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Folders, pipes and devices: to read them would fail, wait, or never end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/zero")):
        ran = skureel("verify", path)
        assert (ran.code, "is no regular file" in ran.out) == (2, True)


def test_several_files_end_with_the_gravest(clip: Path, tmp_path: Path) -> None:
    """Refused before failing before unreachable; and one line says how they stand."""
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"x")
    gone = tmp_path / "gone.mp4"
    assert skureel("verify", clip, gone).code == 3
    assert skureel("verify", gone, bad, clip).code == 1
    ran = skureel("verify", clip, gone, bad, "ftp://example.com/a.mp4")
    assert ran.code == 2
    assert ran.out.endswith("1 holds, 1 FAILS, 1 refused, 1 cannot be read\n")


def test_an_origin_that_is_known_is_believed(tmp_path: Path) -> None:
    """A foreign clip holds when no model made it; a drawn one fails when one did."""
    foreign, ours = tmp_path / "foreign.mp4", tmp_path / "drawn.mp4"
    foreign.write_bytes(encoded())
    ours.write_bytes(drawn())
    assert skureel("verify", foreign).code == 1
    assert skureel("verify", "--origin", "drawn", foreign).code == 0
    assert skureel("verify", ours).code == 0
    assert skureel("verify", "--origin", "generated", ours).code == 1


@pytest.mark.parametrize("arguments", [(), ("--origin", "somewhere", "x.mp4"), ("--label",)])
def test_wrong_usage_of_verify(arguments: tuple[str, ...]) -> None:
    """Nothing is looked at."""
    ran = skureel("verify", *arguments)
    assert (ran.code, ran.out) == (2, "")


def test_names_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    """What a terminal would act on is written out, in files' names and in what files say."""
    path = tmp_path / "\x1b[31mred\n.mp4"
    path.write_bytes(b"\x1b[2J\x1b[2J\x1b[2J")
    ran = skureel("verify", path)
    assert "\x1b" not in ran.out
    assert r"\x1b[31mred\n.mp4: FAILS" in ran.out


def test_names_that_are_no_text_are_taken(tmp_path: Path) -> None:
    """A file's name is bytes; JSON for machines stays valid UTF-8."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    Path(path).write_bytes(labelled())
    ran = program("verify", "--json", path)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)[0]["ending"] == "holds"


def test_a_clip_of_a_cdn_is_verified(host: str) -> None:
    """An address is as good as a file; one that is not public is followed only when that is said."""
    ran = skureel("verify", f"{host}/clip.mp4")
    assert (ran.code, "127.0.0.1, which is not a public address; --allow-private" in ran.out) == (2, True)
    assert skureel("verify", "--allow-private", f"{host}/clip.mp4").code == 0


@pytest.mark.parametrize(
    ("path", "told"), [("/redirect", "status 302: redirects are not followed"), ("/gone", "status 404")]
)
def test_what_is_not_there_is_unreachable(host: str, path: str, told: str) -> None:
    """A redirect could lead anywhere, so where it leads is for the operator to name."""
    ran = skureel("verify", "--allow-private", f"{host}{path}")
    assert (ran.code, told in ran.out) == (3, True)


def test_a_body_that_ends_early_is_not_taken_for_the_file(host: str) -> None:
    """Less than was promised is a failure of the network, not of the clip."""
    with pytest.raises(UnreachableError, match="127"):
        read(f"{host}/liar", MOST, private=True)


def test_large_bodies_are_refused_by_word_and_by_count(host: str) -> None:
    """Before they are read where the host says how long they are, and at the limit whatever it says."""
    with pytest.raises(TooLargeError, match=f"{2 * MAX_BYTES} bytes"):
        read(f"{host}/huge", MAX_BYTES, private=True)
    with pytest.raises(TooLargeError, match="at most"):
        read(f"{host}/endless", MOST, private=True)
    ran = skureel("verify", "--allow-private", f"{host}/huge")
    assert (ran.code, "is no clip" in ran.out) == (1, True)


def test_an_address_is_asked_for_as_it_was_written(host: str) -> None:
    """With its query, what is no ASCII encoded, its port in the host's name, and without the fragment."""
    told = read(f"{host}/echo me?a=中#part", MOST, private=True)
    assert told == f"{host.removeprefix('http://')} /echo%20me?a=%E4%B8%AD".encode()


def test_progress_is_told(host: str) -> None:
    """Bytes so far, of how many."""
    seen: list[tuple[int, int | None]] = []
    data = read(f"{host}/clip.mp4", MOST, private=True, told=lambda done, of: seen.append((done, of)))
    assert data == labelled()
    assert seen[-1] == (len(data), len(data))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://example.com/a", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("http:///a.mp4", "only http and https"),
        ("http://user:secret@example.com/a", "user names"),
        ("http://example.com:port/a", "no address"),
        ("http://[::1/a", "no address"),
        ("http://localhost/a", "not a public address"),
        ("https://[::ffff:127.0.0.1]/a", "not a public address"),
        ("http://169.254.169.254/latest", "not a public address"),
        ("http://0x7f000001/a", "not a public address"),
    ],
)
def test_hostile_addresses_are_refused(url: str, told: str) -> None:
    """Nothing is connected to; a password is not repeated."""
    with pytest.raises(RefusedError, match=told) as refused:
        read(url, MOST)
    assert "secret" not in str(refused.value)


def test_a_host_that_says_nothing_is_given_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly it answers, the command ends."""
    monkeypatch.setattr(sources, "SECONDS", 0.2)
    with pytest.raises(UnreachableError, match=r"within 0\.2 s"):
        read(f"{host}/silent", MOST, private=True)


def test_a_closed_port_is_unreachable() -> None:
    """Exit code 3, and the host's name."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ran = skureel("verify", "--allow-private", f"http://127.0.0.1:{port}/a.mp4")
    assert (ran.code, "127.0.0.1: NewConnectionError" in ran.out) == (3, True)


def test_a_certificate_is_held_against_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected to by number, verified by name: another name's certificate is no answer."""
    chain, secret = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    monkeypatch.setattr(sources, "resolved", lambda *_args, **_more: "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        port = server.server_address[1]
        assert read(f"https://{HOST}:{port}/clip.mp4", MOST) == labelled()
        with pytest.raises(UnreachableError, match=r"other\.example\.com: SSLError"):
            read(f"https://other.example.com:{port}/clip.mp4", MOST)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
