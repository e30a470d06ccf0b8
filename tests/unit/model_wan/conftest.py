"""What tests of the wan engine share: the tiny checkpoint, made once, and libraries that ask nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from model.wan.checkpoint import Checkpoint
from model.wan.tiny import make_tiny


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices gain nothing from threads, and test workers share the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The tiny checkpoint. Read-only: every test gets the same folder."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "checkpoint")
