"""What the tests that need a GPU share. Without one they are skipped, by name; ``make gpu-test`` runs them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from model.wan.checkpoint import Checkpoint
from model.wan.tiny import make_tiny


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine without a GPU has nothing to say here."""
    if not torch.cuda.is_available():
        for item in items:
            if "tests/gpu" in item.path.as_posix():
                item.add_marker(pytest.mark.skip(reason="no GPU is visible to PyTorch"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The tiny checkpoint. Read-only: every test gets the same folder."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "checkpoint")


@pytest.fixture
def device() -> torch.device:
    """The first GPU."""
    return torch.device("cuda:0")


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    """float32 means float32: parity is not measured through ten bits of TF32. Nothing is left behind on the device."""
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
    gc.collect()
    torch.cuda.empty_cache()
