"""Looks at the database: reachable, of which version, and its tables at which migration. Migrates nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from consumer.operate.checks.finding import Check, Finding, fail, ok, warn
from consumer.planner import schema
from consumer.planner.dialects import DIALECTS
from consumer.settings import Settings

PART = "database"
TIMEOUT = 5.0
SKEW_WARN = 60.0
"""Seconds between our clock and the server's."""
_HINT = "give sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE in database.url"


def checks(settings: Settings) -> tuple[Check, ...]:
    """The checks of this module."""
    return (Check(PART, lambda: _look(settings)),)


def _look(settings: Settings) -> Iterator[Finding]:
    try:
        url = make_url(settings.database.url.get_secret_value())
        dialect = DIALECTS[url.get_backend_name()]
    except (ArgumentError, KeyError, ValueError):  # whose messages repeat the URL, and its password with it
        yield fail(PART, "database.url is not one that skureel can use", _HINT)
        return
    where = _where(url)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or ":memory:")
        if not file.exists():
            yield _to_be_made(file)
            return
    try:
        engine = dialect.connect(url, min(settings.database.timeout, TIMEOUT))
        try:
            with engine.connect() as connection:
                yield from _state(connection, where)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        yield fail(PART, f"{where}: {_reason(error)}", f"is it running, and may we use it? {_HINT}")


def _where(url: URL) -> str:
    return f"SQLite {url.database}" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _to_be_made(file: Path) -> Finding:
    if str(file) == ":memory:":
        return warn(PART, "SQLite in memory", f"everything planned is forgotten at the end; {_HINT}")
    folder = next(path for path in file.absolute().parents if path.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return fail(PART, f"SQLite {file}: cannot be made, {folder} is not writable", "set database.url, or its rights")
    return ok(PART, f"SQLite {file}: not there yet; the first `skureel run` makes it")


def _state(connection: Connection, where: str) -> Iterator[Finding]:
    sqlite = connection.dialect.name == "sqlite"
    version = connection.execute(text("SELECT sqlite_version()" if sqlite else "SHOW server_version")).scalar()
    found = f"{where}, {'SQLite' if sqlite else 'PostgreSQL'} {version}"
    scripts = ScriptDirectory(str(schema.FOLDER))
    current = set(MigrationContext.configure(connection).get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    head = scripts.get_current_head()
    if newer := current - known:
        todo = "it was written by a newer release: run that one, or give another database"
        yield fail(PART, f"{found}: tables at {', '.join(sorted(newer))}, unknown to this release ({head})", todo)
    elif not current and not sqlite and not _may_create(connection):
        todo = "GRANT CREATE ON SCHEMA public to this user, or make it the owner of the database"
        yield fail(PART, f"{found}: no tables yet, and this user may not make them", todo)
    elif not current:
        yield ok(PART, f"{found}: no tables yet; the first `skureel run` makes them")
    elif current != set(scripts.get_heads()):
        todo = "the next `skureel run` migrates them; planners of the older release must have stopped by then"
        yield warn(PART, f"{found}: tables at {', '.join(sorted(current))}, this release has {head}", todo)
    else:
        yield ok(PART, f"{found}: tables at {head}, the newest")
    if not sqlite:
        yield from _skew(connection)


def _may_create(connection: Connection) -> bool:
    query = "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
    return bool(connection.execute(text(query)).scalar())


def _skew(connection: Connection) -> Iterator[Finding]:
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    skew = (theirs - datetime.now(UTC)).total_seconds()
    if abs(skew) >= SKEW_WARN:
        yield warn(PART, f"its clock is {skew:+.0f} s from this machine's", "set the clocks (NTP)")


def _reason(error: Exception) -> str:
    """The first line of what the driver said: the rest is statements and values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)
