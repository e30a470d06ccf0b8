"""Where SQLite and PostgreSQL differ: connecting, locking, bulk reads and writes. Knows no table by name.

Bulk statements bypass the ORM-like machinery row by row: a planner writes thousands of rows a second, and the
cost of a row is the cost of a tuple.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    Update,
    any_,
    bindparam,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

MIGRATION_LOCK = 0x5C0_0EE1
"""Key of PostgreSQL's advisory lock around migrations: any number that no other program takes."""
_CHUNK = 500
"""Ids an SQLite statement takes; its limit on variables is 999 in old builds."""
_WAL_PAGES = 16_384
"""Pages (4 KiB) of SQLite's log between checkpoints. The default, 1,000, would copy every batch twice at once."""
_CACHE_KIB = 65_536

_TYPES: dict[type, str] = {BigInteger: "int8", Integer: "int4", Boolean: "bool", LargeBinary: "bytea", Text: "text"}
"""PostgreSQL's names of the types of our columns."""
_CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATE of serialization failure and deadlock."""


class Dialect(Protocol):
    """What the catalog asks of a database."""

    def connect(self, url: URL, timeout: float) -> Engine:
        """An engine whose connections and statements take ``timeout`` seconds at most."""
        ...

    def watch(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:
        """Break ``connection`` when the block takes longer than ``seconds``."""
        ...

    def migration(self, engine: Engine) -> AbstractContextManager[Connection]:
        """A transaction that keeps other migrations out, and sees what those before it did."""
        ...

    def select(
        self, connection: Connection, query: Select[Any], column: Column[Any], ids: Sequence[str]
    ) -> Iterable[Sequence[Any]]:
        """The rows of ``query`` whose ``column`` is one of ``ids``."""
        ...

    def upsert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows (tuples in the order of the columns) or replace those with the same primary key."""
        ...

    def change(self, connection: Connection, change: Update, column: Column[Any], ids: Sequence[str]) -> None:
        """Run ``change`` on the rows whose ``column`` is one of ``ids``."""
        ...

    def lock(self, connection: Connection, table: Table, *, alone: bool) -> None:
        """Hold ``table``'s lock until the transaction ends: shared with all that share it, or alone. Comes first in a
        transaction: what it then reads is what those before it left.
        """
        ...

    def conflict(self, error: DBAPIError) -> bool:
        """True when the transaction lost against another one and may be tried again."""
        ...

    def outage(self, error: Exception) -> bool:
        """True when nothing is wrong with what was asked: the database is out, full, locked or read-only."""
        ...


def _on_conflict(table: Table) -> str:
    """The tail of an upsert: every column that is not of the key takes the new value."""
    keys = ", ".join(column.name for column in table.primary_key)
    values = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
    if not values:
        return f"ON CONFLICT ({keys}) DO NOTHING"
    return f"ON CONFLICT ({keys}) DO UPDATE SET {values}"


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns)


class Sqlite:
    """SQLite: one file, one writer at a time."""

    def connect(self, url: URL, timeout: float) -> Engine:
        """See ``Dialect``. Makes the file's folder."""
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": timeout})

        @event.listens_for(engine, "connect")
        def _prepare(connection: Any, _: object) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves, below
            for pragma in (
                "journal_mode = WAL",
                # Not NORMAL: a plan that a power cut takes back after its request was published would give its
                # number away twice.
                "synchronous = FULL",
                "foreign_keys = ON",
                f"wal_autocheckpoint = {_WAL_PAGES}",
                f"cache_size = -{_CACHE_KIB}",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # IMMEDIATE: a transaction that reads first and then finds another writer before it could only fail.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def watch(self, connection: Connection, seconds: float) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing to do: a file has no server that could freeze."""
        return nullcontext()

    def migration(self, engine: Engine) -> AbstractContextManager[Connection]:
        """See ``Dialect``. Every transaction is the only writer."""
        return engine.begin()

    def select(
        self, connection: Connection, query: Select[Any], column: Column[Any], ids: Sequence[str]
    ) -> Iterable[Sequence[Any]]:
        """See ``Dialect``."""
        query = query.where(column.in_(bindparam("ids", expanding=True)))
        for chunk in _chunks(ids):
            yield from connection.execute(query, {"ids": chunk})

    def change(self, connection: Connection, change: Update, column: Column[Any], ids: Sequence[str]) -> None:
        """See ``Dialect``."""
        change = change.where(column.in_(bindparam("ids", expanding=True)))
        for chunk in _chunks(ids):
            connection.execute(change, {"ids": chunk})

    def upsert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """See ``Dialect``."""
        if rows:
            marks = ", ".join("?" * len(table.columns))
            insert = f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks}) {_on_conflict(table)}"  # noqa: S608
            connection.exec_driver_sql(insert, list(rows))

    def lock(self, connection: Connection, table: Table, *, alone: bool) -> None:
        """Nothing to do: every transaction is the only writer."""

    def conflict(self, error: DBAPIError) -> bool:  # noqa: ARG002 - see Dialect
        """Never: writers queue for the file."""
        return False

    def outage(self, error: Exception) -> bool:
        """See ``Dialect``: locked, full, read-only, no such folder, input or output failed."""
        return isinstance(error, OperationalError)


class Postgres:
    """PostgreSQL: several planners, each transaction on its own snapshot."""

    def connect(self, url: URL, timeout: float) -> Engine:
        """See ``Dialect``."""
        milliseconds = round(timeout * 1000)
        options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
        return create_engine(
            url,
            # A snapshot a transaction: what it decided on cannot change under it without an error.
            isolation_level="REPEATABLE READ",
            pool_timeout=timeout,
            connect_args={
                "connect_timeout": max(2, round(timeout)),  # libpq takes anything below 2 for 2
                "tcp_user_timeout": milliseconds,
                "options": f"{url.query.get('options', '')} {options}".strip(),
            },
        )

    @contextmanager
    def watch(self, connection: Connection, seconds: float) -> Iterator[None]:
        """See ``Dialect``. The timeouts above are kept by the server; one that is frozen keeps none."""
        driver: Any = connection.connection.driver_connection
        line = socket.socket(fileno=os.dup(driver.fileno()))

        def hang_up() -> None:
            with suppress(OSError):  # the server may have hung up meanwhile
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            line.close()

    @contextmanager
    def migration(self, engine: Engine) -> Iterator[Connection]:
        """See ``Dialect``."""
        with engine.connect() as fresh:
            # A repeatable read would wait for the lock with a snapshot from before it, and migrate twice.
            connection = fresh.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
                # Rewriting a large table takes its time.
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                yield connection

    def select(
        self, connection: Connection, query: Select[Any], column: Column[Any], ids: Sequence[str]
    ) -> Iterable[Sequence[Any]]:
        """See ``Dialect``."""
        given = bindparam("ids", list(ids), type_=ARRAY(Text))
        return connection.execute(query.where(column == any_(given)))

    def change(self, connection: Connection, change: Update, column: Column[Any], ids: Sequence[str]) -> None:
        """See ``Dialect``."""
        given = bindparam("ids", list(ids), type_=ARRAY(Text))
        connection.execute(change.where(column == any_(given)))

    def upsert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """See ``Dialect``. One statement and one array a column: a third of the cost of a statement a row."""
        if rows:
            arrays = ", ".join(f"%b::{_TYPES[type(c.type)]}[]" for c in table.columns)
            insert = f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM unnest({arrays}) "  # noqa: S608
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            connection.exec_driver_sql(insert + _on_conflict(table), columns)

    def lock(self, connection: Connection, table: Table, *, alone: bool) -> None:
        """See ``Dialect``. The table's lock and not a row's: it is fair, so that one who wants it alone is not kept out
        by ever new ones who share it, and LOCK takes no snapshot, so that who waited for it sees what was waited for.
        """
        mode = "EXCLUSIVE" if alone else "ROW SHARE"
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN {mode} MODE")

    def conflict(self, error: DBAPIError) -> bool:
        """See ``Dialect``."""
        return getattr(error.orig, "sqlstate", None) in _CONFLICTS

    def outage(self, error: Exception) -> bool:
        """See ``Dialect``. Read-only (25006) is what a client sees that is still bound to a demoted primary."""
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        return isinstance(error, (OperationalError, InterfaceError)) or state == "25006"


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": Postgres()}
"""By the name that begins a database's URL."""
