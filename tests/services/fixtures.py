"""pytest's fixtures over the services; a missing one skips with the reason, and fails where CI is set.

Load with `pytest_plugins = ["tests.services.fixtures"]` in tests/conftest.py.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import pytest

from tests.services import environment, sources
from tests.services.addresses import KafkaAddress, PostgresAddress, S3Address, unique
from tests.services.chromium import Chromium
from tests.services.errors import MissingProgram, ServiceError
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.s3 import Minio

T = TypeVar("T")


class Topics(Protocol):
    """Creates topics."""

    def __call__(self, *names: str, partitions: int = 4) -> dict[str, str]:
        """Create a topic for each of `names`; returns their real, unique names."""
        ...


@contextmanager
def opened(source: AbstractContextManager[T]) -> Iterator[T]:
    """What `source` opens; a skip (a failure in CI) when a program is missing, a failure when it does not work."""
    try:
        value = source.__enter__()
    except MissingProgram as missing:
        if environment.in_ci():
            pytest.fail(f"{missing}", pytrace=False)
        pytest.skip(f"{missing}")
    except ServiceError as error:
        pytest.fail(f"{error}", pytrace=False)
    try:
        yield value
    finally:
        source.__exit__(None, None, None)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaAddress]:
    """One Kafka for the whole run; topics have unique names, so tests do not meet."""
    with opened(sources.kafka()) as address:
        yield address


@pytest.fixture(scope="session")
def minio() -> Iterator[S3Address]:
    """One S3 server for the whole run."""
    with opened(sources.s3()) as address:
        yield address


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresAddress]:
    """One PostgreSQL for the whole run."""
    with opened(sources.postgres()) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """A headless Chromium that plays H.264, not started yet."""
    with opened(sources.chromium()) as browser:
        return browser


@pytest.fixture
def topics(kafka: KafkaAddress) -> Topics:
    """A factory of topics of this test's own: `topics("in", "out", partitions=2)["in"]`."""

    def create(*names: str, partitions: int = 4) -> dict[str, str]:
        real = {name: unique(name) for name in names}
        kafka.create_topics(dict.fromkeys(real.values(), partitions))
        return real

    return create


@pytest.fixture
def bucket(minio: S3Address) -> Iterator[str]:
    """A fresh bucket's name; it goes when the test ends."""
    name = minio.bucket()
    yield name
    minio.remove_bucket(name)


@pytest.fixture
def database_url(postgres: PostgresAddress) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, empty database; it goes when the test ends."""
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def own_kafka() -> Iterator[Kafka]:
    """A broker of this test's own, that it may kill, pause and restart."""
    with opened(Kafka()) as broker:
        yield broker


@pytest.fixture
def own_minio() -> Iterator[Minio]:
    """An S3 server of this test's own, that it may kill, pause and restart."""
    with opened(Minio()) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this test's own, that it may kill, pause and restart."""
    with opened(Postgres()) as server:
        yield server
