"""What a test needs of a service, wherever it runs: its address, and something fresh in it; starts nothing."""

import os
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field

import psycopg
import urllib3
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from minio import Minio as S3Client
from minio.error import S3Error
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tests.services.errors import ServiceError
from tests.services.process import POLL_S

ANSWER_S = 10.0


def unique(prefix: str) -> str:
    """A name nobody used before, of letters, digits and hyphens: fit for topics and buckets."""
    return f"{prefix}-{os.getpid()}-{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class KafkaAddress:
    """A Kafka cluster that can be reached at `bootstrap`."""

    bootstrap: str

    def admin(self) -> AdminClient:
        """A new admin client, quiet about a broker that is not there yet."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topics(self, topics: dict[str, int]) -> None:
        """Create topics with so many partitions each, one replica; return when their leaders are known.

        Raises:
            ServiceError: one exists already, or the broker refuses.
        """
        admin = self.admin()
        wanted = [NewTopic(name, num_partitions=count, replication_factor=1) for name, count in topics.items()]
        for name, done in admin.create_topics(wanted, operation_timeout=ANSWER_S).items():
            try:
                done.result(timeout=2 * ANSWER_S)
            except KafkaException as error:
                raise ServiceError(f"Kafka at {self.bootstrap} did not create topic {name}: {error}") from error
        # The answer comes from the controller. A broker learns of a topic a moment later, and a busy one two.
        deadline = time.monotonic() + 2 * ANSWER_S
        while not self._led(admin, topics):
            if time.monotonic() > deadline:
                raise ServiceError(f"Kafka at {self.bootstrap} created topics and does not show them: {sorted(topics)}")
            time.sleep(POLL_S)

    def _led(self, admin: AdminClient, topics: dict[str, int]) -> bool:
        """Whether every partition of these topics has a leader, as the broker tells clients."""
        try:
            known = admin.list_topics(timeout=ANSWER_S).topics
        except KafkaException:
            return False
        return all(
            name in known and sum(part.leader >= 0 for part in known[name].partitions.values()) == count
            for name, count in topics.items()
        )

    def check(self, timeout_s: float = ANSWER_S) -> None:
        """Return if the cluster answers and every partition has a leader.

        Raises:
            ServiceError: it does not, within `timeout_s`.
        """
        try:
            cluster = self.admin().list_topics(timeout=timeout_s)
        except KafkaException as error:
            raise ServiceError(f"Kafka at {self.bootstrap} does not answer: {error}") from error
        for topic in cluster.topics.values():
            if topic.error or any(part.leader < 0 for part in topic.partitions.values()):
                raise ServiceError(f"Kafka at {self.bootstrap}: topic {topic.topic} has no leader yet")


@dataclass(frozen=True)
class S3Address:
    """An S3 server, path style.

    Attributes:
        endpoint: `host:port`, as the minio client wants it.
        access_key: who we are.
        secret_key: the proof; not in the repr.
        secure: whether it speaks TLS.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = False

    @classmethod
    def parse(cls, url: str) -> "S3Address":
        """From `http://key:secret@host:port`; key and secret percent-encoded where need be.

        Raises:
            ServiceError: a part is missing, or the scheme is another.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not (parts.hostname and parts.username and parts.password):
            raise ServiceError("the S3 address must read http://KEY:SECRET@HOST:PORT (or https)")
        where = parts.netloc.rpartition("@")[2]
        key, secret = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password)
        return cls(where, key, secret, parts.scheme == "https")

    @property
    def url(self) -> str:
        """The whole address with its secret, as `parse` reads it."""
        key, secret = (urllib.parse.quote(part, safe="") for part in (self.access_key, self.secret_key))
        return f"{'https' if self.secure else 'http'}://{key}:{secret}@{self.endpoint}"

    def client(self, timeout_s: float = ANSWER_S) -> S3Client:
        """A new client that tries once, so that what a test sees is what the server did."""
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(timeout_s), retries=urllib3.Retry(0, redirect=0))
        return S3Client(
            self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=self.secure,
            http_client=pool,
            region="us-east-1",
        )

    def bucket(self, prefix: str = "test") -> str:
        """Create a fresh bucket and return its name."""
        name = unique(prefix)
        self.client().make_bucket(name)
        return name

    def remove_bucket(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        client = self.client()
        for item in client.list_objects(name, recursive=True):
            client.remove_object(name, str(item.object_name))
        client.remove_bucket(name)

    def check(self, timeout_s: float = ANSWER_S) -> None:
        """Return if the server answers a signed request.

        Raises:
            ServiceError: it does not, or refuses the key.
        """
        try:
            self.client(timeout_s).list_buckets()
        except (S3Error, urllib3.exceptions.HTTPError, ValueError) as error:
            raise ServiceError(f"the S3 server at {self.endpoint} does not answer: {error}") from error


@dataclass(frozen=True)
class PostgresAddress:
    """A PostgreSQL server, reached as a user that may create databases.

    Attributes:
        url: SQLAlchemy's URL of a database that exists; its repr hides the password.
    """

    url: URL

    @classmethod
    def parse(cls, url: str) -> "PostgresAddress":
        """From `postgresql://…` or `postgresql+psycopg://…`.

        Raises:
            ServiceError: it is neither.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            parsed = URL.create("nothing")
        if parsed.get_backend_name() != "postgresql" or not parsed.host:
            # Not the URL itself: it may carry a password.
            raise ServiceError("the PostgreSQL address must read postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        return cls(parsed.set(drivername="postgresql+psycopg"))

    def dsn(self, database: str | None = None) -> str:
        """The SQLAlchemy URL of `database` (default: the one given), with the password."""
        url = self.url.set(database=database) if database else self.url
        return url.render_as_string(hide_password=False)

    def fresh_database(self, prefix: str = "test") -> str:
        """Create an empty database and return its SQLAlchemy URL, `postgresql+psycopg://…`."""
        name = unique(prefix).replace("-", "_")
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.dsn(name)

    def drop_database(self, url: str) -> None:
        """Drop the database of a URL that `fresh_database` gave, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def check(self, timeout_s: float = ANSWER_S) -> None:
        """Return if the server answers a query.

        Raises:
            ServiceError: it does not, or refuses the user.
        """
        try:
            self._execute("SELECT 1", timeout_s)
        except psycopg.Error as error:
            raise ServiceError(f"PostgreSQL at {self.url.host}:{self.url.port} does not answer: {error}") from error

    def _execute(self, statement: str, timeout_s: float = ANSWER_S) -> None:
        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        # libpq counts whole seconds, and takes 1 for 2.
        with psycopg.connect(plain, autocommit=True, connect_timeout=max(2, int(timeout_s))) as connection:
            connection.execute(statement.encode())
