"""Fixtures every test may use, and what a test run begins with."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.pace", "tests.services.fixtures", "tests.spawned", "tests.worlds"]


def pytest_collection_finish() -> None:
    """Take what was imported from the collector: it stays, and tests that play crashes collect hundreds of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """What a command in this process set for its own log lines is not the next test's: levels would hide its lines."""
    configured, before, level = structlog.is_configured(), structlog.get_config(), logging.getLogger().level
    yield
    if structlog.get_config() != before:
        if configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()
    logging.getLogger().setLevel(level)
