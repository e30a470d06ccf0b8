"""Runs the command line as a person does, in this process or in one of its own, away from this machine's settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumer.cli import app
from consumer.stream.embedded import EmbeddedBroker
from consumer.wiring import forget_embedded, remember_embedded

PROGRAM = Path(sys.executable).with_name("skureel")
DEAD = "127.0.0.1:1"
"""An address where nothing listens: port 1 is privileged, and nobody's."""


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its whole output as JSON."""
        return json.loads(self.out)

    def lines(self) -> list[dict[str, Any]]:
        """Its output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def skureel(*arguments: str | Path | float, stdin: str | bytes | None = None) -> Ran:
    """Run a command in this process, as far as ``main`` would go; an exception that escapes is raised here."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, catch_exceptions=False)
    return Ran(result.exit_code, result.stdout, result.stderr)


def program(*arguments: str | Path, timeout: float = 60, **environment: str) -> Ran:
    """Run the installed program."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environment},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def leave_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Go where no settings are: an empty folder, and no variable but those of the tests."""
    for name in list(os.environ):
        if name.upper().startswith("SKUREEL_") and not name.startswith("SKUREEL_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(folder)


@contextmanager
def embedded(*topics: str) -> Iterator[EmbeddedBroker]:
    """An embedded broker that commands find in the current folder, as those of a running service do."""
    with EmbeddedBroker(topics or ("product-created",)) as broker:
        remember_embedded(broker.bootstrap)
        try:
            yield broker
        finally:
            forget_embedded()


def product(product_id: str = "p-1", **fields: Any) -> dict[str, Any]:
    """A product-created event as JSON."""
    return {
        "event_id": f"e-{product_id}",
        "occurred_at": "2026-01-31T12:00:00.250Z",
        "product_id": product_id,
        "revision": 1,
        "name": "保温杯 Flask",
        "category": "home",
        **fields,
    }


def jsonl(folder: Path, *values: Any) -> Path:
    """A file of JSON lines; texts are lines as they stand."""
    file = folder / "events.jsonl"
    lines = [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file
