"""Laws of log lines: one shape, no secrets, no torn terminals."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress

from consumer.observe import logs
from consumer.observe.logs import HIDDEN, LONGEST, configure, redact

SECRET = "hunter2-and-more"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level, urllib3 = list(root.handlers), root.level, logging.getLogger("urllib3").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("urllib3").setLevel(urllib3)
    structlog.reset_defaults()


class Written:
    """What has come out so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def getvalue(self) -> str:
        """All of stderr."""
        captured = self._capsys.readouterr()
        self.out += captured.out
        self.err += captured.err
        return self.err


@pytest.fixture
def stream(capsys: pytest.CaptureFixture[str]) -> Written:
    """The process's stderr."""
    return Written(capsys)


class Terminal(io.StringIO):
    """A stream that says that people are looking."""

    def isatty(self) -> bool:
        return True


def lines(stream: Written) -> list[dict[str, Any]]:
    """The JSON lines written so far."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def cleaned(**fields: Any) -> dict[str, Any]:
    """Fields as they would be logged."""
    return dict(redact(None, "info", fields))


def test_every_line_has_the_same_fields(stream: Written) -> None:
    """Ours, the standard library's and librdkafka's lines are one kind of JSON."""
    configure(role="planner", instance="planner-0")
    structlog.get_logger("consumer.planner").info("planned", products=3)
    logging.getLogger("sqlalchemy").warning("pool of %d is full", 5)
    logging.getLogger("librdkafka").error("FAIL [rdkafka#consumer-1] broker down")
    written = lines(stream)
    assert [line["event"] for line in written] == [
        "planned", "pool of 5 is full", "FAIL [rdkafka#consumer-1] broker down",
    ]  # fmt: skip
    assert [line["level"] for line in written] == ["info", "warning", "error"]
    assert [line["logger"] for line in written] == ["consumer.planner", "sqlalchemy", "librdkafka"]
    for line in written:
        assert (line["service"], line["role"], line["instance"]) == ("skureel", "planner", "planner-0")
        assert line["version"]
        assert line["timestamp"].endswith("Z")
    assert written[0]["products"] == 3


def test_a_line_cannot_pose_as_another_process(stream: Written) -> None:
    """The fields of every line are the process's own."""
    configure(role="planner", instance="a")
    structlog.get_logger().info("x", role="renderer", service="other")
    assert (lines(stream)[0]["role"], lines(stream)[0]["service"]) == ("renderer", "skureel")


def test_bound_context_is_on_every_line(stream: Written) -> None:
    """What is bound for a record is on all lines of its handling, the libraries' too."""
    configure(role="planner", instance="a")
    with structlog.contextvars.bound_contextvars(product_id="sku-1"):
        structlog.get_logger().info("ours")
        logging.getLogger("theirs").warning("theirs")
    structlog.get_logger().info("after")
    assert [line.get("product_id") for line in lines(stream)] == ["sku-1", "sku-1", None]


@pytest.mark.parametrize(("level", "expected"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_holds_for_everybody(stream: Written, level: Any, expected: int) -> None:
    """Lines below the level do not appear, whoever writes them."""
    configure(role="r", instance="i", level=level)
    ours, theirs = structlog.get_logger(), logging.getLogger("theirs")
    for name in ("debug", "info", "warning", "error"):
        getattr(ours, name)(name)
        getattr(theirs, name)(name)
    assert len(lines(stream)) == 2 * expected


def test_the_connection_pool_does_not_flood_debug(stream: Written) -> None:
    """A line for every connection would drown the rest."""
    configure(role="r", instance="i", level="debug")
    logging.getLogger("urllib3.connectionpool").debug("Starting new HTTP connection")
    assert lines(stream) == []


def test_configuring_twice_writes_once(stream: Written) -> None:
    """The later set-up replaces the earlier."""
    configure(role="a", instance="i")
    configure(role="b", instance="i")
    structlog.get_logger().info("x")
    logging.getLogger("y").warning("y")
    assert [line["role"] for line in lines(stream)] == ["b", "b"]


def test_auto_is_json_unless_people_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets lines to read, a pipe gets lines to parse."""
    for terminal, is_json in ((Terminal(), False), (io.StringIO(), True)):
        monkeypatch.setattr(sys, "stderr", terminal)
        configure(role="r", instance="i")
        structlog.get_logger().info("hello", n=1)
        assert terminal.getvalue().startswith("{") == is_json
        assert "hello" in terminal.getvalue()


def test_the_format_can_be_asked_for(stream: Written) -> None:
    """'console' and 'json' hold whatever stderr is."""
    configure(role="r", instance="i", log_format="console")
    structlog.get_logger().info("hello")
    assert not stream.getvalue().startswith("{")
    stream.err = ""
    configure(role="r", instance="i", log_format="json")
    structlog.get_logger().info("hello")
    assert lines(stream)[0]["event"] == "hello"


def test_lines_go_above_a_progress_bar_and_do_not_tear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a bar is shown, a line is printed whole on a row of its own."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure(role="r", instance="i", log_format="json")
    console = Console(file=terminal, force_terminal=True, width=5_000)
    with Progress(console=console, auto_refresh=False, redirect_stdout=False) as progress:
        progress.add_task("clips", total=3)
        progress.refresh()
        structlog.get_logger().info("rendered", n=1)
        progress.refresh()
    rows = terminal.getvalue().replace("\r", "\n").replace("\x1b[2K", "").split("\n")
    told = [row for row in rows if "rendered" in row]
    assert len(told) == 1
    assert "clips" not in told[0]


def test_stdout_stays_free(stream: Written) -> None:
    """Commands print their results to stdout; logs never mix with them."""
    configure(role="r", instance="i")
    structlog.get_logger().error("x")
    assert "x" in stream.getvalue()
    assert stream.out == ""


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "sasl.password", "db_passwd", "secret_key", "clientSecret", "token", "X-Auth-Token",
     "Authorization", "api_key", "api-key", "apikey", "private_key", "credentials", "Set-Cookie"],
)  # fmt: skip
def test_values_under_telling_names_are_hidden(name: str) -> None:
    """At the top and at any depth."""
    assert cleaned(**{name: SECRET}) == {name: HIDDEN}
    assert SECRET not in repr(cleaned(options={"a": [{name: SECRET}]}))


@pytest.mark.parametrize("name", ["key", "keys", "topic", "passes", "author", "sector", "access_key"])
def test_ordinary_names_are_shown(name: str) -> None:
    """A record's key is no secret."""
    assert cleaned(**{name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://planner:{SECRET}@db:5432/catalog",
        f"postgresql://planner:p@ss/{SECRET}@db/catalog",
        f"cannot connect to http://{SECRET}@proxy/ now",
        f"host=db user=planner password={SECRET} dbname=x",
        f"password: '{SECRET}'",
        f'{{"secret_key": "{SECRET}"}}',
        f"sasl.password = {SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"GET /x?X-Amz-Signature={SECRET}&y=1",
        f"https://h/x?token={SECRET}",
        "x" * 200_000 + f" password={SECRET} " + "x" * 200_000,
        "x" * (2 * LONGEST) + f" password={SECRET}",
    ],
)
def test_secrets_in_texts_are_hidden(text: str) -> None:
    """Wherever the text stands: as the event, as a value, inside other values, in bytes and in exceptions."""
    for value in (text, [text], {"a": {"b": text}}, text.encode(), ValueError(text), (text,), {text}):
        assert SECRET not in repr(cleaned(event=value))


def test_texts_without_secrets_stay() -> None:
    """Redaction does not maim ordinary texts."""
    for text in ("see https://example.com/a@b?c=d", "10 tokens read", "红色背包 🎒", "password", "a://b", "basic idea"):
        shown = cleaned(event=text)["event"]
        assert shown == text or "example.com" in text


def test_secret_values_never_show(stream: Written) -> None:
    """A settings object that is logged whole shows stars."""
    configure(role="r", instance="i")
    structlog.get_logger().info("settings", value=SecretStr(SECRET))
    assert SECRET not in stream.getvalue()


def test_exceptions_are_told_without_secrets_and_bounded(stream: Written) -> None:
    """A traceback shows where and why, whole for small ones, its ends for endless ones."""
    configure(role="r", instance="i")

    def deeper(depth: int) -> None:
        if depth == 0:
            raise ValueError(f"cannot reach http://user:{SECRET}@host/" + "é" * 100_000)
        deeper(depth - 1)

    def upload() -> None:
        try:
            deeper(200)
        except ValueError as error:
            raise RuntimeError("upload failed") from error

    try:
        upload()
    except RuntimeError:
        structlog.get_logger().exception("gave up")
        logging.getLogger("theirs").exception("they gave up")
    for line in lines(stream):
        told = line["exception"]
        assert SECRET not in told
        assert "RuntimeError: upload failed" in told
        assert told.count("deeper(depth - 1)") <= 30
        assert len(told) < LONGEST + 200


def test_endless_causes_are_told(stream: Written) -> None:
    """An exception that is its own cause does not hang the log."""
    configure(role="r", instance="i")
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    structlog.get_logger().error("loop", exc_info=one)
    assert "ValueError: one" in lines(stream)[0]["exception"]


def test_values_that_cannot_show_themselves_cost_no_line(stream: Written) -> None:
    """A broken repr, bytes, deep nesting and long lists are all told, in bounds."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    nested: list[Any] = []
    for _ in range(50):
        nested = [nested]
    logging.getLogger().handlers.clear()  # the test runner's own would show the values by themselves
    configure(role="r", instance="i")
    structlog.get_logger().info("x", a=Broken(), b=b"\x00\xff", c=nested, d=list(range(10_000)), e=None, f=1.5, g=True)
    line = lines(stream)[0]
    assert line["a"] == "<Broken, whose repr failed with RuntimeError>"
    assert line["b"] == r"b'\x00\xff'"
    assert len(line["d"]) == 100
    assert (line["e"], line["f"], line["g"]) == (None, 1.5, True)
    assert "…" in repr(line["c"])


@given(st.dictionaries(st.text(), st.recursive(st.text() | st.binary() | st.integers() | st.none(), st.lists)))
def test_no_value_breaks_a_line(fields: dict[str, Any]) -> None:
    """Whatever is logged, the line is made and its texts are bounded."""
    shown = cleaned(**fields)
    assert set(shown) == set(fields)
    json.dumps(shown)


@pytest.mark.parametrize(
    "text",
    ["a" * 300_000, "://" * 100_000, "a.b+c-" * 50_000, "password" * 40_000, "basic " * 50_000, "secret= " * 40_000,
     "http://" + "x" * 300_000, "=:" * 150_000, "\x1b" * 300_000],
)  # fmt: skip
def test_hostile_texts_do_not_cost_time(text: str) -> None:
    """A name of a megabyte may be logged; no pattern is quadratic in it."""
    began = time.process_time()
    assert len(cleaned(event=text)["event"]) < 2 * LONGEST
    assert time.process_time() - began < 2


def test_terminals_are_not_obeyed_to_texts(stream: Written) -> None:
    """Control and direction characters in a product's name are shown as what they are, on one row."""
    configure(role="r", instance="i", log_format="console")
    structlog.get_logger().info("bad\x1b[2Jname\nfake line\r\u202e", product="a\x07b\tc")
    text = stream.getvalue()
    assert text.count("\n") == 1
    for character in "\x1b\x07\r\t\u202e":
        assert character not in text
    assert r"\x1b[2Jname\nfake line" in text


def test_tracebacks_for_people_keep_their_rows(stream: Written) -> None:
    """An exception on a terminal has its lines, and no colours out of its message."""
    configure(role="r", instance="i", log_format="console")
    try:
        int("x\x1b[31m\x1b")
    except ValueError as error:
        structlog.get_logger().error("oops", exc_info=ValueError(f"{error.args[0]}\x1b[31m"))
    text = stream.getvalue()
    assert "ValueError" in text
    assert text.count("\n") > 1
    assert "\x1b" not in text


def test_a_tree_that_was_never_installed_has_a_version(stream: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """No version is no reason to have no log."""
    monkeypatch.setattr(logs, "SERVICE", "a-package-nobody-installed")
    configure(role="r", instance="i")
    structlog.get_logger().info("x")
    assert lines(stream)[0]["version"] == "unknown"


def test_a_stack_can_be_asked_for(stream: Written) -> None:
    """stack_info shows where a line was written."""
    configure(role="r", instance="i")
    structlog.get_logger().info("x", stack_info=True)
    assert "test_a_stack_can_be_asked_for" in lines(stream)[0]["stack"]
