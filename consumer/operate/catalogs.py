"""The planner's catalog, opened for commands that only look: it is never made, and never migrated, by one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from consumer.planner.catalog import Catalog
from consumer.planner.errors import CatalogError
from consumer.settings import Settings
from consumer.stream.types import UnavailableError


class NoCatalogError(Exception):
    """Raised when the catalog cannot be read. ``usage`` tells a wrong setting from a part that is out."""

    def __init__(self, message: str, *, usage: bool) -> None:
        super().__init__(message)
        self.usage = usage


@contextmanager
def opened(settings: Settings) -> Iterator[Catalog]:
    """The catalog of the planner. Raises NoCatalogError, also for an outage in the block."""
    url = settings.database.url.get_secret_value()
    try:
        _must_be_there(url)
        catalog = Catalog.open(url, settings.database.timeout, migrate=False)
    except CatalogError as error:
        raise NoCatalogError(str(error), usage=True) from error
    except UnavailableError as error:
        raise NoCatalogError(str(error), usage=False) from error
    try:
        yield catalog
    except UnavailableError as error:
        raise NoCatalogError(str(error), usage=False) from error
    finally:
        catalog.close()


def _must_be_there(url: str) -> None:
    """Opening a SQLite database that is not there would make an empty one. Raises NoCatalogError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return  # the catalog says it better
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        told = f"no catalog at {parsed.database}: start `skureel run` first, or set database.url"
        raise NoCatalogError(told, usage=True)
