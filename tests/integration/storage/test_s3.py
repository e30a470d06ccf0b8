"""Laws of the S3 store beyond the common contract: wrong settings, outages, lost answers, poorer servers."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from consumer.settings import S3
from consumer.storage import s3
from consumer.storage.s3 import S3Store
from consumer.storage.store import (
    Absent,
    Attributes,
    Capabilities,
    ConditionFailedError,
    Matches,
    ObjectNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from tests.services.addresses import S3Address, unique
from tests.services.ports import free_port
from tests.services.s3 import Minio

PLAIN = Attributes()
TAGGED = Attributes(content_type="video/mp4", metadata={"n": "红 1"}, tags={"kind": "clip", "product": "sku 1/a+b"})


def settings_of(address: S3Address, bucket: str, **changes: object) -> S3:
    """Settings that lead to a bucket, quickly impatient."""
    settings = S3(
        endpoint=f"http://{address.endpoint}",
        bucket=bucket,
        access_key=address.access_key,
        secret_key=SecretStr(address.secret_key),
        timeout=10,
    )
    return settings.model_copy(update=changes)


@pytest.fixture
def store(minio: S3Address, bucket: str) -> S3Store:
    """A store in a fresh bucket."""
    return S3Store(settings_of(minio, bucket))


def operations(store: S3Store) -> dict[str, Callable[[], object]]:
    """Everything that speaks with the server."""
    return {
        "probe": store.probe,
        "put": lambda: store.put("a", b"x", PLAIN),
        "create": lambda: store.put("a", b"x", PLAIN, condition=Absent()),
        "get": lambda: store.get("a"),
        "stat": lambda: store.stat("a"),
        "copy": lambda: store.copy("a", "b", PLAIN),
        "delete": lambda: store.delete("a"),
        "list": lambda: list(store.list("")),
    }


# Wrong settings.


@pytest.mark.parametrize("changes", [{"secret_key": SecretStr("wrong-secret-key")}, {"access_key": "nobody"}])
def test_wrong_keys_are_no_outage_and_name_the_setting(
    minio: S3Address, bucket: str, changes: dict[str, object]
) -> None:
    """Every operation says what to set; neither key appears in it."""
    store = S3Store(settings_of(minio, bucket, **changes))
    for name, operation in operations(store).items():
        with pytest.raises(StoreError, match=r"store\.s3\.access_key and store\.s3\.secret_key") as caught:
            operation()
        assert not isinstance(caught.value, StoreUnavailableError), name
        for secret in (minio.secret_key, "wrong-secret-key"):
            assert secret not in str(caught.value) + repr(caught.value.__cause__) + repr(store)


def test_a_missing_bucket_is_named(minio: S3Address) -> None:
    """Every operation that finds out says what to set."""
    store = S3Store(settings_of(minio, unique("never-made")))
    calls = operations(store)
    for operation in calls.values():
        with pytest.raises(StoreError, match=r"store\.s3\.create_bucket") as caught:
            operation()
        assert not isinstance(caught.value, StoreUnavailableError | ObjectNotFoundError)


def test_a_bucket_is_created_where_asked_for(minio: S3Address) -> None:
    """The first probe makes it, the second finds it."""
    name = unique("made")
    settings = settings_of(minio, name, create_bucket=True)
    try:
        assert S3Store(settings).probe() == Capabilities(conditional_put=True, tagging=True)
        assert S3Store(settings).probe() == Capabilities(conditional_put=True, tagging=True)
    finally:
        minio.remove_bucket(name)


@pytest.mark.parametrize(("code", "works"), [("BucketAlreadyOwnedByYou", True), ("AccessDenied", False)])
def test_another_process_may_create_the_bucket_first(minio: S3Address, bucket: str, code: str, works: bool) -> None:
    """Two that start at once both go on; one that may not create says so."""
    unseen = [Answer(404)]

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        whole = request.path.partition("?")[0].rstrip("/") == f"/{bucket}"
        if whole and request.method == "HEAD" and unseen:
            return unseen.pop()
        return refusal(403 if code == "AccessDenied" else 409, code) if whole and request.method == "PUT" else forward()

    with between(minio, script) as (address, _):
        store = S3Store(settings_of(address, bucket, create_bucket=True))
        if works:
            assert store.probe().conditional_put
        else:
            with pytest.raises(StoreError, match="AccessDenied"):
                store.probe()


def test_a_bucket_that_cannot_be_asked_about_stops_the_probe(minio: S3Address) -> None:
    """A refusal that is not about rights is told as it is."""
    with between(minio, lambda _, __: Answer(400)) as (address, _), pytest.raises(StoreError, match="BadRequest"):
        S3Store(settings_of(address, "bucket")).probe()


# What travels with an object.


def test_tags_are_on_the_object_and_a_copy_has_its_own(store: S3Store, minio: S3Address, bucket: str) -> None:
    """Tags that need quoting arrive; a copy's replace its source's, none included."""
    client = minio.client()
    store.put("a", b"x", TAGGED)
    assert client.get_object_tags(bucket, "a") == dict(TAGGED.tags)
    store.copy("a", "b", Attributes(tags={"kind": "alias"}))
    assert client.get_object_tags(bucket, "b") == {"kind": "alias"}
    store.copy("a", "c", PLAIN)
    assert not client.get_object_tags(bucket, "c")


def test_the_prefix_is_where_keys_lie(minio: S3Address, bucket: str) -> None:
    """Two stores in one bucket do not see each other's objects."""
    one, other = (S3Store(settings_of(minio, bucket, prefix=prefix)) for prefix in ("team/one", "team/on"))
    one.put("a", b"one", PLAIN)
    other.put("a", b"other", PLAIN)
    assert [stat.key for stat in one.list("")] == [stat.key for stat in other.list("")] == ["a"]
    assert minio.client().stat_object(bucket, "team/one/a").size == 3
    assert one.url("a").endswith(f"/{bucket}/team/one/a")


def test_a_link_reads_what_is_not_public(minio: S3Address, bucket: str) -> None:
    """By its signature, for a while, below the prefix; the plain address alone is refused, and so is another key's."""
    store = S3Store(settings_of(minio, bucket, prefix="team/one"), public_url="https://cdn.example")
    store.put("quarantine/a b", b"clip", PLAIN)
    link = store.link("quarantine/a b", 60)
    with urlopen(link, timeout=10) as reply:  # noqa: S310 - our own server
        assert reply.read() == b"clip"
    for wrong in (link.partition("?")[0], link.replace("a%20b", "other")):
        with pytest.raises(HTTPError, match="403") as refused:
            urlopen(wrong, timeout=10)  # noqa: S310 - our own server
        refused.value.close()
    assert "X-Amz-Expires=604800" in store.link("a", 10**9)


def test_a_large_file_goes_in_parts(
    store: S3Store, minio: S3Address, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the bound an object is sent in parts, with the same attributes; a condition sends it whole."""
    monkeypatch.setattr(s3, "SINGLE_PUT", 1 << 20)
    monkeypatch.setattr(s3, "PART", 5 << 20)
    source = tmp_path / "large"
    source.write_bytes(bytes(range(256)) * 4 * 1024 * 12)
    stat = store.put("large.mp4", source, TAGGED)
    assert stat.etag.endswith("-3")
    content, found = store.get("large.mp4")
    assert content == source.read_bytes()
    assert found == stat == store.stat("large.mp4")
    assert found.metadata == TAGGED.metadata
    assert minio.client().get_object_tags(bucket, "large.mp4") == dict(TAGGED.tags)
    again = store.put("large.mp4", source, TAGGED, condition=Matches(etag=stat.etag))
    assert "-" not in again.etag


def test_the_mark_of_a_conditional_write_does_not_show(store: S3Store) -> None:
    """Metadata are the caller's own."""
    written = store.put("a", b"x", TAGGED, condition=Absent())
    assert store.stat("a") == written
    assert store.get("a")[1].metadata == TAGGED.metadata


# Outages.


def test_a_server_that_is_down_is_an_outage_soon(minio: S3Address) -> None:
    """A refused connection is tried again shortly, then told, and the address with it."""
    down = S3Address(f"127.0.0.1:{free_port()}", minio.access_key, minio.secret_key)
    for name, operation in operations(S3Store(settings_of(down, "bucket"))).items():
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=down.endpoint):
            operation()
        assert time.monotonic() - began < 5, name


def test_a_host_that_does_not_exist_is_an_outage() -> None:
    """Name servers have bad days too."""
    address = S3Address("no-such-host.invalid", "me", "secret-key")
    with pytest.raises(StoreUnavailableError, match=r"no-such-host\.invalid"):
        S3Store(settings_of(address, "bucket")).stat("a")


@pytest.fixture
def silent() -> Iterator[S3Address]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield S3Address(f"127.0.0.1:{listener.getsockname()[1]}", "me", "secret-key")


def test_a_server_that_never_answers_is_an_outage_within_its_time(silent: S3Address) -> None:
    """One timeout and no more: asking a silent server again would only double the wait."""
    for name, operation in operations(S3Store(settings_of(silent, "bucket", timeout=0.3))).items():
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="Timeout"):
            operation()
        assert time.monotonic() - began < 3, name


def test_a_server_that_was_killed_and_came_back_is_used_again(own_minio: Minio) -> None:
    """Writes fail as outages while it is gone; afterwards the same store goes on, and what it confirmed is there."""
    bucket = own_minio.bucket()
    store = S3Store(settings_of(own_minio.address, bucket, timeout=5))
    confirmed: list[str] = []
    some, failed, stop = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            key = f"objects/{number}"
            try:
                store.put(key, key.encode() * 1_000, PLAIN)
            except StoreUnavailableError:
                failed.set()
                continue
            confirmed.append(key)
            number += 1
            if number >= 20:
                some.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert some.wait(30)
        own_minio.kill()
        assert failed.wait(30)
        before = len(confirmed)
        with pytest.raises(StoreUnavailableError):
            store.get("objects/0")
        own_minio.start()
        deadline = time.monotonic() + 60
        while len(confirmed) < before + 20 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
    finally:
        stop.set()
        writer.join()
    assert len(confirmed) >= before + 20
    for key in confirmed:
        assert store.get(key)[0] == key.encode() * 1_000


def test_a_server_that_stands_still_is_an_outage_and_goes_on(own_minio: Minio) -> None:
    """A paused server times out; resumed, it answers again."""
    store = S3Store(settings_of(own_minio.address, own_minio.bucket(), timeout=0.5))
    store.put("a", b"x", PLAIN)
    own_minio.pause()
    try:
        with pytest.raises(StoreUnavailableError):
            store.get("a")
    finally:
        own_minio.resume()
    assert S3Store(settings_of(own_minio.address, store._wire.bucket)).get("a")[0] == b"x"


# A server in between, that loses, delays and refuses.


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What goes back. ``cut`` bytes of the body are withheld; a status of 0 closes without a word."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: int = 0


LOST = Answer(0)
Script = Callable[[Request, Callable[[], Answer]], Answer]


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        request = Request(self.command, self.path, dict(self.headers.items()), body)
        self.server.requests.append(request)
        answer = self.server.script(request, lambda: self._forward(request))
        self.close_connection = True
        if answer.status:
            self.send_response(answer.status)
            given = {name.lower() for name, _ in answer.headers}
            for name, value in answer.headers:
                self.send_header(name, value)
            if "content-length" not in given:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET  # noqa: N815 - the library's names

    def _forward(self, request: Request) -> Answer:
        """The real server's answer: the request goes on as it came, so its signature holds."""
        connection = http.client.HTTPConnection(self.server.behind, timeout=20)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        hop = {"connection", "transfer-encoding"}
        return Answer(response.status, body, tuple((k, v) for k, v in response.getheaders() if k.lower() not in hop))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Be quiet."""


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: str, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.behind = behind
        self.script = script
        self.requests: list[Request] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news."""


@contextmanager
def between(address: S3Address, script: Script) -> Iterator[tuple[S3Address, list[Request]]]:
    """The server as seen through a script, and the requests that came."""
    proxy = _Proxy(address.endpoint, script)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        endpoint = f"127.0.0.1:{proxy.server_address[1]}"
        yield S3Address(endpoint, address.access_key, address.secret_key), proxy.requests
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


def error_xml(code: str) -> bytes:
    """A refusal in S3's words."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told</Message></Error>".encode()


def refusal(status: int, code: str, *headers: tuple[str, str]) -> Answer:
    """A refusal as an answer."""
    return Answer(status, error_xml(code), (("Content-Type", "application/xml"), *headers))


def first(count: int, answer: Answer, *, forwarded: bool = False, method: str = "PUT") -> Script:
    """The first requests get this answer (the server having acted, or not), the later ones the real one."""
    left = [count]

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        if request.method == method and left[0] > 0:
            left[0] -= 1
            if forwarded:
                forward()
            return answer
        return forward()

    return script


@pytest.mark.parametrize("lost", [LOST, refusal(503, "SlowDown"), Answer(502, b"<html>bad gateway</html>")])
def test_a_conditional_write_whose_answer_was_lost_knows_itself(minio: S3Address, bucket: str, lost: Answer) -> None:
    """The server wrote and its answer got lost: the repeated request is refused, by our own object."""
    with between(minio, first(1, lost, forwarded=True)) as (address, requests):
        store = S3Store(settings_of(address, bucket))
        written = store.put("a", b"mine", TAGGED, condition=Absent())
        assert len([request for request in requests if request.method == "PUT"]) == 2
        assert store.get("a") == (b"mine", written)


def test_a_conditional_write_does_not_take_a_rivals_for_its_own(minio: S3Address, bucket: str) -> None:
    """Nothing was written, a rival writes the very same bytes: the repeated request has lost."""
    rival = S3Store(settings_of(minio, bucket))

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        if request.method == "PUT" and rival.stat("a") is None:
            rival.put("a", b"same", PLAIN, condition=Absent())
            return LOST
        return forward()

    with between(minio, script) as (address, _), pytest.raises(ConditionFailedError):
        S3Store(settings_of(address, bucket)).put("a", b"same", PLAIN, condition=Absent())


def test_a_refused_write_whose_rival_is_gone_has_lost_all_the_same(minio: S3Address, bucket: str) -> None:
    """The object that refused us was deleted before we looked: the condition failed when it was judged."""
    answers = iter([LOST, refusal(412, "PreconditionFailed")])

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        return next(answers) if request.method == "PUT" else forward()

    with between(minio, script) as (address, _), pytest.raises(ConditionFailedError):
        S3Store(settings_of(address, bucket)).put("a", b"x", PLAIN, condition=Absent())


def test_writers_that_meet_try_again(minio: S3Address, bucket: str) -> None:
    """409 is neither won nor lost; the next attempt is."""
    with between(minio, first(2, refusal(409, "ConditionalRequestConflict"))) as (address, requests):
        S3Store(settings_of(address, bucket)).put("a", b"x", PLAIN, condition=Absent())
        assert len(requests) == 3
    with between(minio, first(99, refusal(409, "ConditionalRequestConflict"))) as (address, requests):
        with pytest.raises(StoreUnavailableError, match="ConditionalRequestConflict"):
            S3Store(settings_of(address, bucket)).put("b", b"x", PLAIN, condition=Absent())
        assert len(requests) == 5


def test_an_overloaded_server_is_asked_again_shortly(minio: S3Address, bucket: str) -> None:
    """Its wish for a minute's pause is the caller's to grant; a call ends within seconds."""
    busy = refusal(503, "SlowDown", ("Retry-After", "60"))
    with between(minio, first(2, busy)) as (address, _):
        S3Store(settings_of(address, bucket)).put("a", b"x", PLAIN)
    with between(minio, lambda _, __: busy) as (address, _):
        for name, operation in operations(S3Store(settings_of(address, bucket))).items():
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                operation()
            assert time.monotonic() - began < 8, name


def test_a_body_that_broke_off_is_asked_for_again(minio: S3Address, bucket: str) -> None:
    """Half an object is never taken for the whole."""
    S3Store(settings_of(minio, bucket)).put("a", b"x" * 100_000, PLAIN)
    cuts = [50_000]

    def script(_: Request, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        return Answer(answer.status, answer.body, answer.headers, cut=cuts.pop() if cuts else 0)

    with between(minio, script) as (address, requests):
        store = S3Store(settings_of(address, bucket))
        assert store.get("a")[0] == b"x" * 100_000
        assert len(requests) == 2
        cuts.extend([1, 1])
        with pytest.raises(StoreUnavailableError):
            store.get("a")


def test_a_body_that_stops_is_an_outage(minio: S3Address, bucket: str) -> None:
    """A server that falls silent in the middle of a body is waited for once."""
    S3Store(settings_of(minio, bucket)).put("a", b"x" * 100_000, PLAIN)
    release = threading.Event()

    class Stopping(_Relay):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")
            self.wfile.flush()
            release.wait(20)
            self.close_connection = True

    proxy = _Proxy(minio.endpoint, lambda _, forward: forward())
    proxy.RequestHandlerClass = Stopping
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
    thread.start()
    try:
        address = S3Address(f"127.0.0.1:{proxy.server_address[1]}", "me", "secret-key")
        with pytest.raises(StoreUnavailableError):
            S3Store(settings_of(address, bucket, timeout=0.3)).get("a")
    finally:
        release.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>welcome</html>", (("Content-Type", "text/html"),)),
        Answer(404, b"<html>nothing</html>", (("Content-Type", "text/html"),)),
        Answer(301, b"", (("Location", "http://127.0.0.1:1/elsewhere"),)),
        refusal(301, "PermanentRedirect", ("x-amz-bucket-region", "eu-west-1")),
    ],
    ids=["a page", "no page", "a redirect", "another region"],
)
def test_what_is_no_s3_server_is_found_by_the_probe(minio: S3Address, answer: Answer) -> None:
    """A wrong port or region is told at start, and no redirect is followed with our signature."""
    with between(minio, lambda _, __: answer) as (address, _):
        with pytest.raises(StoreError, match=r"store\.s3\.") as caught:
            S3Store(settings_of(address, "bucket")).probe()
        assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.parametrize("body", [b"", b"<", b"<html/>", error_xml("InternalError")])
def test_a_yes_that_cannot_be_read_is_an_outage(minio: S3Address, bucket: str, body: bytes) -> None:
    """Servers may say 200 and mean no: a copy counts only if its answer says so."""
    S3Store(settings_of(minio, bucket)).put("a", b"x", PLAIN)

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        return Answer(200, body) if request.method == "PUT" else forward()

    with between(minio, script) as (address, _), pytest.raises(StoreUnavailableError):
        S3Store(settings_of(address, bucket)).copy("a", "b", PLAIN)


def test_a_copy_that_somebody_deletes_at_once_is_not_found(minio: S3Address, bucket: str) -> None:
    """The answer describes what is there, so there must be something there."""
    S3Store(settings_of(minio, bucket)).put("a", b"x", PLAIN)

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        return Answer(404) if request.method == "HEAD" and request.path.endswith("/b") else forward()

    with between(minio, script) as (address, _), pytest.raises(ObjectNotFoundError, match="'b'"):
        S3Store(settings_of(address, bucket)).copy("a", "b", PLAIN)


def test_keys_that_may_not_look_at_the_bucket_may_still_use_it(minio: S3Address, bucket: str) -> None:
    """Policies that grant objects only are common."""

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        return Answer(403) if request.path.rstrip("/") == f"/{bucket}" and request.method == "HEAD" else forward()

    with between(minio, script) as (address, _):
        assert S3Store(settings_of(address, bucket)).probe().conditional_put


# Poorer servers.


def conditional(request: Request) -> bool:
    """True for a request with a condition."""
    return any(name.lower().startswith("if-") for name in request.headers)


def test_a_server_that_refuses_conditions_is_used_without(minio: S3Address, bucket: str) -> None:
    """The probe says so, and conditional writes check first, then write."""

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        return refusal(501, "NotImplemented") if conditional(request) else forward()

    with between(minio, script) as (address, requests):
        store = S3Store(settings_of(address, bucket))
        assert store.probe() == Capabilities(conditional_put=False, tagging=True)
        requests.clear()
        check_then_write(store)
        assert not any(conditional(request) for request in requests)


def test_a_server_that_ignores_conditions_is_found_out(minio: S3Address, bucket: str) -> None:
    """Saying yes to everything is worse than no: it is tested by asking for what must fail."""
    client = minio.client()

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        if not conditional(request):
            return forward()
        _, _, key = request.path.removeprefix("/").partition("/")
        raw = S3Store(settings_of(minio, bucket)).put(key, request.body, PLAIN)
        assert client.stat_object(bucket, key).etag == raw.etag
        return Answer(200, b"", (("ETag", f'"{raw.etag}"'),))

    with between(minio, script) as (address, _):
        store = S3Store(settings_of(address, bucket))
        assert store.probe() == Capabilities(conditional_put=False, tagging=True)
        check_then_write(store)


def check_then_write(store: S3Store) -> None:
    """Without the server's help conditions still hold among the threads of one process."""
    made = store.put("x", b"one", PLAIN, condition=Absent())
    with pytest.raises(ConditionFailedError):
        store.put("x", b"two", PLAIN, condition=Absent())
    with pytest.raises(ConditionFailedError):
        store.put("x", b"two", PLAIN, condition=Matches(etag="0"))
    with pytest.raises(ConditionFailedError):
        store.put("y", b"two", PLAIN, condition=Matches(etag=made.etag))
    store.put("x", b"two", PLAIN, condition=Matches(etag=made.etag))
    won: list[int] = []

    def create(number: int) -> None:
        try:
            store.put("z", b"%d" % number, PLAIN, condition=Absent())
        except ConditionFailedError:
            return
        won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get("z")[0] == b"%d" % won[0]


NO_TAGS = b"<?xml version='1.0'?><Tagging><TagSet></TagSet></Tagging>"


@pytest.mark.parametrize("ignores", [False, True])
def test_a_server_without_tags_gets_none(
    minio: S3Address, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignores: bool
) -> None:
    """Refused or ignored, tags are left out from then on, in single writes, copies and parts."""
    monkeypatch.setattr(s3, "SINGLE_PUT", 1 << 20)

    def script(request: Request, forward: Callable[[], Answer]) -> Answer:
        asks = request.path.endswith("?tagging=") or request.path.endswith("?tagging")
        tagged = any(name.lower().startswith("x-amz-tagging") for name in request.headers)
        if asks and ignores:
            return Answer(200, NO_TAGS, (("Content-Type", "application/xml"),))
        return refusal(501, "NotImplemented") if asks or (tagged and not ignores) else forward()

    with between(minio, script) as (address, requests):
        store = S3Store(settings_of(address, bucket))
        assert store.probe() == Capabilities(conditional_put=True, tagging=False)
        requests.clear()
        store.put("a", b"x", TAGGED)
        store.put("b", b"x", TAGGED, condition=Absent())
        store.copy("a", "c", TAGGED)
        large = tmp_path / "large"
        large.write_bytes(b"x" * (2 << 20))
        store.put("d", large, TAGGED)
        assert not any(name.lower().startswith("x-amz-tagging") for r in requests for name in r.headers)
        assert store.get("c")[1].metadata == TAGGED.metadata


def test_a_probe_that_meets_an_outage_judges_nothing(minio: S3Address, bucket: str) -> None:
    """An overload while conditions or tags are tried is not taken for a server that lacks them."""
    for trouble in (conditional, lambda request: request.path.partition("?")[2].startswith("tagging")):

        def script(
            request: Request,
            forward: Callable[[], Answer],
            trouble: Callable[[Request], bool] = trouble,
        ) -> Answer:
            return refusal(503, "SlowDown") if trouble(request) else forward()

        with between(minio, script) as (address, _), pytest.raises(StoreUnavailableError):
            S3Store(settings_of(address, bucket)).probe()


# Encryption on the way.


@contextmanager
def self_signed(folder: Path) -> Iterator[int]:
    """The port of a server whose certificate nobody vouches for."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - see the line above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    plain = serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Relay)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """No clip and no signature goes to a server that cannot show who it is; the message says what to install."""
    with self_signed(tmp_path) as port:
        settings = settings_of(S3Address("x", "me", "secret-key"), "bucket", endpoint=f"https://localhost:{port}")
        with pytest.raises(StoreError, match="not trusted") as caught:
            S3Store(settings).probe()
        assert not isinstance(caught.value, StoreUnavailableError)
