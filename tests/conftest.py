"""Fixtures every test may use, and what a test run begins with."""

from __future__ import annotations

import gc

pytest_plugins = ["tests.services.fixtures", "tests.spawned", "tests.worlds"]


def pytest_collection_finish() -> None:
    """Take what was imported from the collector: it stays, and tests that play crashes collect hundreds of times."""
    gc.collect()
    gc.freeze()
