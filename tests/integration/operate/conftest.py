"""Commands run in an empty folder, without this machine's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import leave_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """See the module."""
    leave_settings(monkeypatch, tmp_path)
