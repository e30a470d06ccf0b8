"""Fixtures that make a world of its own for a test: topics, groups, bucket and database on shared real servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness import World
from tests.services import KafkaAddress, S3Address


@pytest.fixture
def world(
    kafka: KafkaAddress, minio: S3Address, bucket: str, database_url: str, tmp_path: Path
) -> Callable[..., World]:
    """Makes the test's world; keyword arguments set its engine, size, …"""

    def make(**more: Any) -> World:
        return World(kafka=kafka, s3=minio, bucket=bucket, database_url=database_url, folder=tmp_path, **more)

    return make
