"""Log lines: one shape for ours, the standard library's and librdkafka's, with secrets taken out. Knows no role."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

SERVICE = "skureel"
HIDDEN = "***"
LONGEST = 8_192
"""Characters of one value, a traceback included: a line must fit into what collects it."""
_DEPTH = 6
_FRAMES = 25

_ITEMS = 100

_SECRET = re.compile(
    r"passw|passphrase|secret|token|authorization|credential|api[_.-]?key|private[_.-]?key|cookie", re.IGNORECASE
)
# Every repetition is bounded: texts may be hostile, and a line must not cost more than its length.
_IN_TEXT = [
    (re.compile(pattern, re.IGNORECASE), rf"\g<1>{HIDDEN}{after}")
    for pattern, after in (
        (r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://)[^\s'\"]{1,400}@", "@"),
        (r"((?:password|passwd|secret|token)[\w.-]{0,40}['\"]?\s{0,5}[=:]\s{0,5}['\"]?)[^\s'\"&,;]+", ""),
        (r"(\b(?:bearer|basic)\s{1,5})[a-z0-9._~+/=-]{8,}", ""),
        (r"(\b(?:x-amz-)?(?:signature|credential|security-token)=)[^\s&'\"]+", ""),
    )
]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL_OR_BREAK = re.compile(r"[\t\n]|" + _CONTROL.pattern)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is when a line comes.

    While a progress bar is shown, rich puts a stand-in there that prints above the bar; a handler that had kept the
    real stream would tear it.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream of this moment."""
        return sys.stderr


def configure(
    *,
    log_format: Literal["auto", "console", "json"] = "auto",
    level: Literal["debug", "info", "warning", "error"] = "info",
    role: str,
    instance: str,
) -> None:
    """Send every log line of this process to stderr. Called once at start; calling again replaces the former set-up.

    'auto' is for people where stderr is a terminal, JSON otherwise. Every line carries service, version, role and
    instance. ``logging`` goes the same way, so pass ``logger=logging.getLogger("librdkafka")`` to Kafka clients.
    """
    people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    number = getattr(logging, level.upper())
    same = _Same(service=SERVICE, version=_version(), role=role, instance=instance)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        same,
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.ExceptionRenderer(bounded_traceback),
        redact,
    ]
    if people:
        plain = structlog.dev.plain_traceback
        colours = sys.stderr.isatty()
        last += [printable, structlog.dev.ConsoleRenderer(colors=colours, pad_level=False, exception_formatter=plain)]
    else:
        last.append(structlog.processors.JSONRenderer(ensure_ascii=False, default=_shown))
    handler = _StandardError()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    for former in [h for h in root.handlers if isinstance(h, _StandardError)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(number)
    # At debug it tells of every connection, several times per clip.
    logging.getLogger("urllib3").setLevel(max(number, logging.INFO))
    # At info it tells at every start which database it speaks to; what it changes, the catalog says.
    logging.getLogger("alembic").setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Same:
    """The fields of every line; a line's own field of the same name does not win, but for its role.

    One process may run several roles, and their lines say which they are of.
    """

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG002 - structlog's signature
        role = event.get("role", self._fields["role"])
        event.update(self._fields)
        event["role"] = role
        return event


def redact(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001 - structlog's signature
    """Take secrets out: values under telling names, passwords in URLs, tokens in texts. Bounds every value too."""
    return {name: HIDDEN if _SECRET.search(name) else _clean(value, _DEPTH) for name, value in event.items()}


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if _SECRET.search(str(name)) else _clean(inner, depth - 1)
            for name, inner in islice(value.items(), _ITEMS)
        }
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray | memoryview):
        return [_clean(inner, depth - 1) for inner in islice(value, _ITEMS)]
    return _text(_shown(value))


def _text(value: str) -> str:
    length = len(value)
    if length > 16 * LONGEST:
        # Only to bound the work; whatever this tears in two is left out below.
        value = value[: 8 * LONGEST] + value[-8 * LONGEST :]
    for pattern, instead in _IN_TEXT:
        value = pattern.sub(instead, value)
    return value if len(value) <= LONGEST else _cut(value, length)


def _cut(text: str, length: int) -> str:
    """Beginning and end: of a traceback the end says most, of a text the beginning."""
    return f"{text[: LONGEST // 4]}\n… {length - LONGEST} characters left out …\n{text[-LONGEST * 3 // 4 :]}"


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a value that cannot show itself must not cost us the line
        return f"<{type(value).__name__}, whose repr failed with {type(error).__name__}>"


def bounded_traceback(exc_info: ExcInfo) -> str:
    """An exception's traceback: the innermost frames of each in its chain. ``redact`` bounds its length."""
    kind, error, trace = exc_info
    told = traceback.TracebackException(kind, error, trace, limit=-_FRAMES, compact=True)
    return "".join(told.format()).rstrip("\n")


def printable(logger: Any, method: str, event: MutableMapping[str, Any]) -> EventDict:  # noqa: ARG001
    """For terminals: control and direction characters of hostile texts are shown, not obeyed."""
    for name, value in event.items():
        if isinstance(value, str):
            pattern = _CONTROL if name == "exception" else _CONTROL_OR_BREAK
            event[name] = pattern.sub(lambda found: ascii(found.group())[1:-1], value)
    return dict(event)


def _version() -> str:
    try:
        return version(SERVICE)
    except PackageNotFoundError:  # a source tree on the path, never installed
        return "unknown"
