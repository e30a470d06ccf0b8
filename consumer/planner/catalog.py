"""The catalog: a projection of the log in SQL, opened and migrated here, and its transactions and outages.

What is done inside a transaction is in ``ledger``; what differs between databases in ``dialects``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from consumer.planner import schema
from consumer.planner.dialects import DIALECTS, Dialect
from consumer.planner.errors import CatalogError
from consumer.planner.ledger import Ledger
from consumer.stream.types import UnavailableError

T = TypeVar("T")

ATTEMPTS = 10
"""Times a transaction is tried that loses against another planner's. Overlaps last as long as a rebalance."""
PAUSE = 0.01
"""Seconds before the second attempt; doubled for each further one up to PAUSE_LIMIT, and drawn at random below that,
so that two that collided do not collide again.
"""
PAUSE_LIMIT = 0.5
LIMIT = 3.0
"""Timeouts a whole transaction may take before its connection is broken: more than any one statement, which the
server limits, and little enough for a frozen server to be noticed.
"""


class Catalog:
    """The catalog of one database. Thread-safe; get one from ``open``."""

    def __init__(self, engine: Engine, dialect: Dialect, timeout: float) -> None:
        self.engine = engine
        self._dialect = dialect
        self._limit = LIMIT * timeout

    @classmethod
    def open(cls, url: str, timeout: float = 10.0, *, migrate: bool = True) -> Self:
        """Connect and bring the tables up to date; ready afterwards. Safe when several planners start at once.

        Without ``migrate`` the tables must be those of this release already: for who only looks.

        ``url`` is SQLAlchemy's (``sqlite:///file``, ``postgresql+psycopg://…``); ``timeout`` is what a connection or
        a statement may take, in seconds. Raises CatalogError when the URL or the database's version is not one
        this release can work with, UnavailableError when the database does not answer.
        """
        parsed = _parsed(url)
        dialect = DIALECTS[parsed.get_backend_name()]
        try:
            engine = dialect.connect(parsed, timeout)
        except OSError as error:
            raise UnavailableError("database", f"{error.strerror}: {error.filename}") from None
        catalog = cls(engine, dialect, timeout)
        try:
            with dialect.migration(engine) as connection:
                (schema.upgrade if migrate else schema.check)(connection)
        except (DBAPIError, PoolTimeoutError) as error:
            catalog.close()
            raise catalog._translated(error) from None
        except CatalogError:
            catalog.close()
            raise
        return catalog

    def transaction(self, work: Callable[[Ledger], T]) -> T:
        """What ``work`` returns; what it did is committed, or none of it is.

        ``work`` runs again from the start when the transaction lost against another planner's. Raises
        UnavailableError when the database is out or stays contended; whether an outage during the commit left it
        committed is then unknown, and the same records given again find out.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self._begun() as connection:
                    return work(Ledger(connection, self._dialect))
            except (DBAPIError, PoolTimeoutError) as error:
                if not (isinstance(error, DBAPIError) and self._dialect.conflict(error)):
                    raise self._translated(error) from None
            time.sleep(random.uniform(0, min(PAUSE_LIMIT, PAUSE * 2**attempt)))  # noqa: S311 - no secret
        raise UnavailableError("database", f"{ATTEMPTS} attempts lost against other planners' transactions")

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with (
            self.engine.connect() as connection,
            self._dialect.watch(connection, self._limit),
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self.engine.dispose()

    def _translated(self, error: Exception) -> Exception:
        """An outage as UnavailableError; a fault of ours as it is. Without statement, values or password."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        password = self.engine.url.password
        reason = lines[0].replace(str(password), "***") if password else lines[0]
        if isinstance(error, PoolTimeoutError) or self._dialect.outage(error):
            return UnavailableError("database", reason)
        return CatalogError(f"{type(cause).__name__}: {reason}")


def _parsed(url: str) -> URL:
    """Raises CatalogError, which never repeats the URL: it may hold a password."""
    try:
        parsed = make_url(url)
        driver = parsed.get_dialect()
    except NoSuchModuleError:
        raise CatalogError(f"no driver for {parsed.drivername!r}; {_HINT}") from None
    except ArgumentError:
        raise CatalogError(f"database.url: not a URL; {_HINT}") from None
    if driver.name not in DIALECTS or driver.driver not in {"pysqlite", "psycopg"}:
        raise CatalogError(f"database.url: {parsed.drivername!r} is not supported; {_HINT}")
    return parsed


_HINT = "give sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
