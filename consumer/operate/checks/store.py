"""Looks at the store: there, writable, and what it can do."""

from __future__ import annotations

from collections.abc import Iterator

from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.settings import Settings
from consumer.settings import Store as StoreSettings
from consumer.storage.open import open_store
from consumer.storage.store import StoreError

PART = "store"
TIMEOUT = 4.0


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    return (Check(PART, lambda: _look(settings.store), advice="is store.s3.endpoint right, and reachable from here?"),)


def _look(settings: StoreSettings) -> Iterator[Finding]:
    s3 = settings.s3
    files = settings.kind == "files"
    where = f"folder {settings.path}" if files else f"bucket {s3.bucket} at {s3.endpoint}"
    impatient = settings.model_copy(update={"s3": s3.model_copy(update={"timeout": min(s3.timeout, TIMEOUT)})})
    try:
        store = open_store(impatient)
        can = store.probe()
    except StoreError as error:
        yield fail(PART, str(error), "check store.path" if files else "check store.s3 (endpoint, bucket, keys)")
        return
    found = f"{where}: writable, conditional put {_yes(can.conditional_put)}, tagging {_yes(can.tagging)}; "
    found += f"clips are announced as {store.url('KEY')}"
    if not can.conditional_put:
        todo = "run one renderer a product range, or a server with If-Match: two could write one alias at once"
        yield warn(PART, found, todo)
    elif not can.tagging:
        yield warn(PART, found, "lifecycle rules by tag will find nothing on this server")
    else:
        yield ok(PART, found)


def _yes(can: bool) -> str:
    return "yes" if can else "no"
