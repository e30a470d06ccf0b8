"""Where the services of a test run come from: addresses in the environment, then Docker, then local programs."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.services import docker, environment
from tests.services.addresses import KafkaAddress, PostgresAddress, S3Address
from tests.services.chromium import Chromium
from tests.services.chromium import chromium as find_chromium
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.s3 import Minio


@contextmanager
def kafka() -> Iterator[KafkaAddress]:
    """A Kafka that answers.

    Raises:
        MissingProgram: no address, no Docker, and a local program is missing.
        ServiceError: the address given does not answer, or the local one does not start.
    """
    if given := environment.address(environment.KAFKA):
        address = KafkaAddress(given)
        address.check()
        yield address
    elif docker.answers():
        with docker.kafka() as address:
            yield address
    else:
        with Kafka() as own:
            yield own.address


@contextmanager
def s3() -> Iterator[S3Address]:
    """An S3 server that answers. Raises: as `kafka`."""
    if given := environment.address(environment.S3):
        address = S3Address.parse(given)
        address.check()
        yield address
    elif docker.answers():
        with docker.s3() as address:
            yield address
    else:
        with Minio() as own:
            yield own.address


@contextmanager
def postgres() -> Iterator[PostgresAddress]:
    """A PostgreSQL that answers. Raises: as `kafka`."""
    if given := environment.address(environment.POSTGRES):
        address = PostgresAddress.parse(given)
        address.check()
        yield address
    elif docker.answers():
        with docker.postgres() as address:
            yield address
    else:
        with Postgres() as own:
            yield own.address


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A Chromium to start. Raises: see `tests.services.chromium`."""
    yield find_chromium()
