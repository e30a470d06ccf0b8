"""Fixtures every test may use, and what a test run begins with."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

pytest_plugins = ["tests.pace", "tests.services.fixtures", "tests.spawned", "tests.worlds"]


def pytest_collection_finish() -> None:
    """Take what was imported from the collector: it stays, and tests that play crashes collect hundreds of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _logs_at_first() -> tuple[dict[str, Any], bool, int]:
    """How lines are logged before any test: what there is, whether somebody decided so, and the root's level."""
    return structlog.get_config(), structlog.is_configured(), logging.getLogger().level


@pytest.fixture(autouse=True)
def _logs_as_they_were(_logs_at_first: tuple[dict[str, Any], bool, int]) -> Iterator[None]:
    """What a command in this process set for its own log lines is not the next test's: levels would hide its lines.

    Back to the beginning of the run, not of the test: a fixture of the whole file may have run a command before it.
    """
    yield
    first, configured, level = _logs_at_first
    if structlog.get_config() != first:
        if configured:
            structlog.configure(**first)
        else:
            structlog.reset_defaults()
    logging.getLogger().setLevel(level)
