"""``skureel doctor``: every part the service needs, looked at side by side, with what was found and what to do.

Knows no part itself: what is looked at is in ``consumer.operate.checks``.
"""

from __future__ import annotations

import json as jsonlib
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from queue import Empty, SimpleQueue
from urllib.parse import unquote, urlsplit

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from consumer.operate.checks import database, kafka, machine, making, registry, store
from consumer.operate.checks.finding import Check, Finding
from consumer.settings import Settings

SECONDS = 10.0
"""How long a check may take. They run side by side, so this bounds (nearly) the whole."""
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
MASK = "***"


def checks(settings: Settings) -> list[Check]:
    """Every check, in the order of the table."""
    parts = (machine, kafka, registry, store, database, making)
    return [check for part in parts for check in part.checks(settings)]


class _Looking:
    """A check under way, and what it found so far."""

    def __init__(self, check: Check, news: SimpleQueue[_Looking]) -> None:
        self.check = check
        self.findings: list[Finding] = []
        self.further: list[Check] = []
        self.done = False
        self.until = 0.0
        self._news = news

    def start(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
        # A daemon: a part that hangs inside a library must not keep the command from ending.
        threading.Thread(target=self._look, name=f"skureel-doctor-{self.check.part}", daemon=True).start()

    def _look(self) -> None:
        try:
            for found in self.check.look():
                if isinstance(found, Check):
                    self.further.append(found)
                else:
                    self.findings.append(found)
        except Exception as error:  # noqa: BLE001 - a fault of the doctor's must not hide the other parts
            told = f"{type(error).__name__}: {error}"
            self.findings.append(Finding(self.check.part, "fail", told, "this check itself failed: please report it"))
        self.done = True
        self._news.put(self)


def examine(first: Iterable[Check], seconds: float = SECONDS) -> list[Finding]:
    """What all checks find, in their order; further checks come after the one that found them.

    Each may take ``seconds`` from its start. One that takes longer is left behind with a finding that says so.
    """
    news: SimpleQueue[_Looking] = SimpleQueue()
    order = [_Looking(check, news) for check in first]
    waiting = set(order)
    for looking in order:
        looking.start(seconds)
    while waiting:
        try:
            done = news.get(timeout=max(0.0, min(looking.until for looking in waiting) - time.monotonic()))
        except Empty:
            waiting = {looking for looking in waiting if looking.until > time.monotonic()}
            continue
        if done not in waiting:
            continue
        waiting.discard(done)
        further = [_Looking(check, news) for check in done.further]
        order[order.index(done) + 1 : order.index(done) + 1] = further
        waiting.update(further)
        for looking in further:
            looking.start(seconds)
    return [finding for looking in order for finding in _told(looking, seconds)]


def _told(looking: _Looking, seconds: float) -> list[Finding]:
    if looking.done:
        return looking.findings
    check = looking.check
    return [*looking.findings, Finding(check.part, check.late, f"no answer in {seconds:.0f} s", check.advice)]


def secrets_of(settings: Settings) -> set[str]:
    """Every text of the settings that must not be shown."""
    kept = [settings.kafka.password, settings.registry.password, settings.store.s3.secret_key]
    found = {secret.get_secret_value() for secret in kept if secret is not None}
    found |= {value for name, value in settings.kafka.options.items() if "password" in name or "secret" in name}
    for address in (settings.registry.url, settings.store.s3.endpoint):
        try:
            password = urlsplit(address or "").password or ""
        except ValueError:
            continue
        found |= {password, unquote(password)}
    try:
        found.add(make_url(settings.database.url.get_secret_value()).password or "")
    except (ArgumentError, ValueError):
        found.add(settings.database.url.get_secret_value())
    return found - {""}


def masked(findings: Iterable[Finding], secrets: Iterable[str]) -> list[Finding]:
    """The findings without the secrets: checks take care, but what a library puts into its errors is its own."""
    longest_first = sorted(secrets, key=len, reverse=True)

    def mask(text: str) -> str:
        for secret in longest_first:
            text = text.replace(secret, MASK)
        return text

    return [Finding(f.part, f.status, mask(f.found), mask(f.todo)) for f in findings]


def show(findings: Sequence[Finding], console: Console) -> None:
    """The table for people, and how it stands in one line."""
    table = Table("", "part", "found", "what to do", box=box.SIMPLE_HEAD, pad_edge=False)
    for finding in findings:
        # Text objects, not markup: what a server answered is not ours to interpret.
        status = Text(finding.status, style=STYLES[finding.status])
        table.add_row(status, Text(finding.part), Text(finding.found), Text(finding.todo))
    console.print(table)
    counts = {status: sum(finding.status == status for finding in findings) for status in STYLES}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), highlight=False)


def run(settings: Settings, *, json: bool) -> bool:
    """The command. False when anything fails."""
    errors = Console(stderr=True)
    with errors.status("looking at every part", spinner="dots") if errors.is_terminal else nullcontext():
        findings = masked(examine(checks(settings), SECONDS), secrets_of(settings))
    if json:
        print(jsonlib.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        show(findings, Console())
    return all(finding.status != "fail" for finding in findings)
