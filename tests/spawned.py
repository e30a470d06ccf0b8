"""What processes that a test spawns leave behind in the standard library, and how it goes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from multiprocessing import resource_tracker

import pytest


@pytest.fixture
def no_tracker_left() -> Iterator[None]:
    """The first process that `multiprocessing` spawns brings a tracker of resources along, which would stay with us."""
    yield
    gc.collect()  # locks that are freed later would bring it back
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined] # typeshed does not know it
