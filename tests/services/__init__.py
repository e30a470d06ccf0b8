"""Real Kafka, S3 and PostgreSQL for tests and development, on free loopback ports: as a library, as pytest fixtures

and as a command (`python -m tests.services --help`). Knows nothing of skureel itself.
"""

from tests.services.addresses import KafkaAddress, PostgresAddress, S3Address, unique
from tests.services.errors import MissingProgram, ServiceError
from tests.services.kafka import Kafka
from tests.services.postgres import Postgres
from tests.services.s3 import Minio

__all__ = [
    "Kafka",
    "KafkaAddress",
    "Minio",
    "MissingProgram",
    "Postgres",
    "PostgresAddress",
    "S3Address",
    "ServiceError",
    "unique",
]
