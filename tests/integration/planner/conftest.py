"""Fixtures of the planner's tests: both databases, and the parts that planners share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.planner.catalog import Catalog
from consumer.stream.codec import SingleObjectCodec
from consumer.stream.schemas import load
from tests.integration.planner.world import World

BOTH = ["sqlite", "postgresql"]


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deeper/catalog.db"
    address: str = request.getfixturevalue("database_url")
    return address


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    """An open, empty catalog."""
    opened = Catalog.open(url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def codec() -> SingleObjectCodec:
    """The codec that needs no registry."""
    return SingleObjectCodec(load())


@pytest.fixture
def world(url: str, codec: SingleObjectCodec) -> Iterator[World]:
    """A log, a database and no planner yet."""
    made = World(url, codec)
    yield made
    made.close()


@pytest.fixture
def fresh_sqlite(tmp_path: Path) -> Callable[[], str]:
    """URLs of fresh SQLite databases, one a call."""
    count = iter(range(10_000))
    return lambda: f"sqlite:///{tmp_path}/{next(count)}.db"


@pytest.fixture
def postgres_catalog(database_url: str) -> Iterator[Catalog]:
    """An open, empty catalog in PostgreSQL."""
    opened = Catalog.open(database_url)
    yield opened
    opened.close()
